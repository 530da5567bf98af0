"""What happens on signals that ask a process to stop, on SIGUSR1, and when the time a job was given is over.

As long as there is nothing to lose (reading a text, measuring), a signal leaves at once. From `patience` on a handler
only takes a note, and `check`, called wherever a run can stop without losing anything, turns the note into an error: so
the step in progress is finished, everything is saved, and the process leaves with 128 + the signal's number. A second
SIGINT leaves at once: whatever has its final name is whole. SIGUSR1 asks for a save, and nothing else. Once the work is
left, a signal changes nothing any more: why it was left is still to be said.
"""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from charrnn.errors import OutOfTimeError, StoppedError

# What terminals, schedulers and systems send before they end a process: SIGUSR2 is Grid Engine's warning, SIGXCPU
# that of a limit on processor time, SIGPWR that of a failing supply; where a system lacks one, it is left out.
_NAMES = (
    *("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2", "SIGXCPU", "SIGPWR", "SIGBREAK"),
    *("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGSTKFLT"),  # as from `timeout -s ALRM`
)
STOPPING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_HANGUP = getattr(signal, "SIGHUP", None)
SAVING = tuple(getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name))


class Interruption:
    """Catches signals inside a `with` block; the handlers from before are put back when `afterwards` calls for it."""

    def __init__(
        self,
        deadline: float | None = None,
        exit_incomplete: int = 0,
        afterwards: Callable[[Callable[[], None]], object] = lambda put_back: put_back(),
    ) -> None:
        self.deadline, self.exit_incomplete = deadline, exit_incomplete  # on the monotonic clock
        self._afterwards = afterwards
        self.stop: int | None = None
        self._patient = self._save = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is not threading.main_thread():
            return self  # signals are the main thread's business
        for number in (*STOPPING, *SAVING):
            if number == _HANGUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the user asked to go on when the terminal closes
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patient = True
        self._afterwards(self._put_back)

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in SAVING:
            self._save = True
        elif number == signal.SIGINT and self.stop is not None:
            raise KeyboardInterrupt
        else:
            self.stop = number
            if not self._patient:
                raise StoppedError(number, "before training began")

    def patience(self) -> None:
        """From now on there is something to lose: signals wait for the next `check`."""
        self._patient = True

    def check(self, agree: Callable[..., list[float]] = lambda *numbers: list(numbers)) -> None:
        """Raise if a signal asked to stop, or if the time is over; `agree` makes it so for all processes of a run.

        Raises:
            StoppedError, OutOfTimeError: save, then leave.
        """
        stop, over = agree(self.stop or 0, self.deadline is not None and time.monotonic() >= self.deadline)
        if stop:
            raise StoppedError(int(stop))
        if over:
            raise OutOfTimeError(self.exit_incomplete)

    def save_wanted(self) -> bool:
        """Whether SIGUSR1 came since the last call."""
        wanted, self._save = self._save, False
        return wanted

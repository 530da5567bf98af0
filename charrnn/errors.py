"""What a user can get wrong: one class per exit code, one line per message.

Rooms raise these; only the command line turns them into a line on stderr and an exit code (sysexits.h where it has
one). A message says what happened, why, and what to do about it.
"""

import signal
from collections.abc import Sequence
from typing import NoReturn


class CharrnnError(Exception):
    """A failure with its remedies. `what; why; remedies` is the line the user reads, `exit_code` what a script sees.

    Arguments are named as a Python caller knows them, in backticks: `batch_size`, `unknown="skip"`.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", *remedies: str) -> None:
        self.what, self.why, self.remedies = what, why, [remedy for remedy in remedies if remedy]
        super().__init__(self.line(self.remedies))

    def line(self, remedies: Sequence[str]) -> str:
        """The one line, with these of its remedies."""
        return "; ".join(part for part in (self.what, self.why, ", or ".join(remedies)) if part)


class SettingsError(CharrnnError):
    """An argument or a configuration value that cannot be used (2)."""

    exit_code = 2


class DataError(CharrnnError):
    """Content that cannot be used: undecodable text, an empty corpus, a corrupt checkpoint (65)."""

    exit_code = 65


class MissingInputError(CharrnnError):
    """An input that is missing or unreadable (66)."""

    exit_code = 66


def unreadable(error: OSError) -> NoReturn:
    """Refuse an input that the operating system refused."""
    why = (error.strerror or str(error)).lower()
    raise MissingInputError(f"cannot read {error.filename}", why, "check the path and its permissions") from error


class DivergedError(CharrnnError):
    """The loss or a gradient stopped being a number (70)."""

    exit_code = 70


class OutputError(CharrnnError):
    """An output that cannot be created (73)."""

    exit_code = 73


class StorageError(CharrnnError):
    """Reading or writing failed half-way: disk full, quota, hardware (74)."""

    exit_code = 74


class BusyError(CharrnnError):
    """Another process trains this run (75)."""

    exit_code = 75


class LostProcessError(CharrnnError):
    """Another process of a run on several has ended; what is on disk is whole (75)."""

    exit_code = 75

    def __init__(self, rank: int) -> None:
        what, remedy = (
            f"a process other than rank {rank} has ended",
            "the same command with `resume=True` continues the run",
        )
        super().__init__(what, "the run cannot go on without it", remedy)


class ReaderGoneError(CharrnnError):
    """Whoever read our stdout went away: nothing is wrong, and nothing more is to be said (0)."""

    exit_code = 0


class EndedEarlyError(CharrnnError):
    """A run was asked to stop before its end; everything learnt is saved, and the same line continues."""


class StoppedError(EndedEarlyError):
    """A signal asked the process to stop (128 + signal number)."""

    def __init__(self, signal_number: int, what: str = "") -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}", what)
        self.exit_code = 128 + signal_number


class OutOfTimeError(EndedEarlyError):
    """The time the job was given is over (0, or what `exit_incomplete` says)."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(
            "the time given by `max_time` is over", "", "the same command with `resume=True` continues the run"
        )
        self.exit_code = exit_code

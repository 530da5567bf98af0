"""The events of a run -> TensorBoard's curves, in `tensorboard/` in its folder; needs the package tensorboard.

They are written in the package's own messages and record format, but as `metrics.jsonl` is: each event appended whole
when it happens. (`torch.utils.tensorboard` would bring torch here, and a thread that keeps minutes of them in memory.)

Each session writes a file of its own. It begins with a mark from which step on everything before it is void, and with
what the run's record has from there on: so the curves are those of a run that never stopped, also where some sessions,
or their last events, were not written.
"""

import io
import time
from collections.abc import Callable
from typing import Any

from charrnn.errors import OutputError, SettingsError, StorageError
from charrnn.files import append_line, writing_failed
from charrnn.runs.events import Event, RolledBack
from charrnn.runs.record import Reached, RunRecord
from charrnn.text.visible import visible

FOLDER, FILES = "tensorboard", "events.out.tfevents."
SCALARS = {
    "trained": {
        "loss": "training/loss",
        "gradient_norm": "training/gradient_norm",
        "learning_rate": "training/learning_rate",
        "symbols_per_second": "training/symbols_per_second",
    },
    "evaluated": {"nats_per_char": "validation/nats_per_char", "bits_per_char": "validation/bits_per_char"},
}
SAMPLE = "sample"


def check() -> None:
    """Load what is needed.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        import tensorboard.plugins.text.summary_v2
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        what, remedy = "`tensorboard=True` needs the package tensorboard", "pip install 'charrnn[tensorboard]'"
        raise SettingsError(what, str(error).lower(), remedy, "leave it out") from error


class TensorBoard:
    """A listener that writes what TensorBoard shows.

    It hears of an event after `record` has. What a full disk refuses is kept in memory and written later; `warn` is
    told once.
    """

    def __init__(self, record: RunRecord, reached: Reached, warn: Callable[[str], None]) -> None:
        self.record, self.warn = record, warn
        self.folder = record.metrics.parent / FOLDER
        self.unwritten, self.failed = b"", False
        number = len(list(self.folder.glob(f"{FILES}*")))
        self.path = self.folder / f"{FILES}{number:010}"
        self._go_on(reached)

    def __call__(self, event: Event) -> None:
        """Append `event`, or go back with the run."""
        if isinstance(event, RolledBack):
            self._go_on(Reached.after(event))
        else:
            self._append(_messages(event.as_json()))

    def _go_on(self, reached: Reached) -> None:
        """Void what a lost part of the run has written, and write what was not."""
        step = max(0, min(reached.step, self._last_step()))
        events = [event for event in reached.keeps(self.record.read()) if event["step"] >= step]
        self._append([_begin(step), *(message for event in events for message in _messages(event))])

    def _last_step(self) -> int:
        """The step of the last whole event that is written; -1 if there is none."""
        from tensorboard.compat.proto.event_pb2 import Event as Message
        from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
        from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

        for file in sorted(self.folder.glob(f"{FILES}*"), reverse=True):
            reader, last = PyRecordReader_New(str(file)), b""
            try:
                while True:
                    reader.GetNext()
                    last = reader.record()
            except (OutOfRangeError, DataLossError):  # its end, or what a killed process left of it
                if last:
                    return int(Message.FromString(last).step)
        return -1

    def _append(self, messages: list[Any]) -> None:
        self.unwritten += b"".join(map(_record, messages))
        try:
            try:
                self.folder.mkdir(exist_ok=True)
            except OSError as error:
                raise writing_failed(self.folder, error) from error
            if not self.path.exists():
                append_line(self.path, _record(_first()))
            append_line(self.path, self.unwritten)
            self.unwritten, self.failed = b"", False
        except (OutputError, StorageError) as error:
            if not self.failed:
                self.warn(f"warning: {error}; training goes on, and TensorBoard's file is written later")
            self.failed = True


def _first() -> Any:
    """What every file begins with."""
    from tensorboard.compat.proto.event_pb2 import Event as Message

    return Message(wall_time=time.time(), file_version="brain.Event:2")


def _begin(step: int) -> Any:
    """The mark that a session begins, and that everything from `step` on which stands before it is void."""
    from tensorboard.compat.proto.event_pb2 import Event as Message
    from tensorboard.compat.proto.event_pb2 import SessionLog

    return Message(wall_time=time.time(), step=step, session_log=SessionLog(status=SessionLog.START))


def _messages(event: dict[str, Any]) -> list[Any]:
    """What TensorBoard is told of an event, as it stands in the run's record; of many nothing."""
    from tensorboard.compat.proto.event_pb2 import Event as Message
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb

    found = [(tag, event.get(key)) for key, tag in SCALARS.get(event["event"], {}).items()]
    values = [Summary.Value(tag=tag, simple_value=number) for tag, number in found if isinstance(number, float)]
    summary = Summary(value=values)
    if event["event"] == "sampled":  # read as Markdown: an indented block is shown as it is
        lines = visible(str(event.get("text"))).split("\n")
        summary = text_pb(SAMPLE, "\n".join(f"    {line}" for line in lines))
    return [Message(wall_time=time.time(), step=event["step"], summary=summary)] if summary.value else []


def _record(message: Any) -> bytes:
    """A message with its length and checksums."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    record = io.BytesIO()
    RecordWriter(record).write(message.SerializeToString())
    return record.getvalue()

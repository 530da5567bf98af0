"""Everything that reaches a screen: messages, tables, the live view of a run, and text that streams.

stdout belongs to results, stderr to everything else. Nothing from a text, a model or a file name reaches a terminal
raw: control characters (all but newline and tab), bidirectional controls and invisible ones are written out visibly.
A pipe gets the exact bytes. A stream that went away never stops a run.
"""

import codecs
import contextlib
import json
import locale
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from charrnn.cli.flags import spoken
from charrnn.errors import ReaderGoneError, StorageError
from charrnn.runs.events import Evaluated, Event, Notice, Planned, RolledBack, Sampled, Started, Trained
from charrnn.text.visible import VisibleStream, visible

if TYPE_CHECKING:
    from charrnn.evaluation.score import Scored

PLAIN_SECONDS = 10.0  # between two progress lines where nobody watches a bar


def say(text: str) -> None:
    """One message on stderr; a closed stderr is nobody's problem."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(visible(text) + "\n")
        sys.stderr.flush()


def on_terminal() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return False


def with_bar(parts: Iterable["Scored"], symbols: int) -> Iterator["Scored"]:
    """The same parts; on a terminal a bar shows, until the last, how many of `symbols` have passed."""
    from tqdm import tqdm

    with tqdm(total=symbols, unit=" symbols", leave=False, dynamic_ncols=True, disable=not on_terminal()) as bar:
        for part in parts:
            bar.update(len(part.ids))
            yield part


def table(rows: Sequence[tuple[str, ...]], title: str | None = None, width: int = 100) -> str:
    """Columns without borders, readable in a terminal and in a mail."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    for *first, last in rows:
        grid.add_row(*map(Text, first), Text(visible(last), overflow="fold"))
    console = Console(width=width, color_system=None, file=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def takes_colours() -> bool:
    """Whether a drawing on stdout may be coloured: on a terminal, unless NO_COLOR; anywhere with FORCE_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return False


def takes_braille() -> bool:
    """Whether stdout is read in UTF-8, and not by a console whose font is too small for Braille."""
    return locale.getencoding().lower() == "utf-8" and os.environ.get("TERM") not in ("dumb", "linux")


def print_result(text: str, *, drawn: bool = False) -> None:
    """A result on stdout, whatever the locale; what was `drawn` for a terminal reaches it as it is."""
    with ResultStream(raw=drawn) as stream:
        stream.write((text + "\n").encode("utf-8", "surrogateescape"))


class TextOnly:
    """A stdout that takes characters and no bytes, as a notebook's; what is no UTF-8 is written visibly."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.flush = out, out.flush
        self.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(self, piece: bytes) -> None:
        """Write what is whole of it."""
        self.out.write(self.decoder.decode(piece))


class ResultStream:
    """stdout as bytes: flushed piece by piece, raw into a pipe, made visible on a terminal.

    A reader that went away raises ReaderGoneError, which the command line turns into a silent exit 0.
    """

    def __init__(self, *, raw: bool = False) -> None:
        out = sys.stdout
        self.buffer: BinaryIO | None = getattr(out, "buffer", None)
        if out is not None and self.buffer is None:
            self.buffer = cast(BinaryIO, TextOnly(out))
        self.terminal = out is not None and out.isatty() and not raw
        self.decoder, self.shown = codecs.getincrementaldecoder("utf-8")("backslashreplace"), VisibleStream().shown

    def __enter__(self) -> "ResultStream":
        return self

    def __exit__(self, *details: object) -> None:
        if details[0] is None and self.terminal:
            self._write(self.shown(self.decoder.decode(b"", final=True), final=True).encode())

    def write(self, piece: bytes) -> None:
        """Write UTF-8 (or, from a byte model, any bytes) and flush."""
        self._write(self.shown(self.decoder.decode(piece)).encode() if self.terminal else piece)

    def _write(self, piece: bytes) -> None:
        if self.buffer is None or not piece:
            return
        try:
            self.buffer.write(piece)
            self.buffer.flush()
        except BrokenPipeError as error:
            raise ReaderGoneError("the reader of standard output went away") from error
        except OSError as error:
            raise StorageError("cannot write to standard output", (error.strerror or str(error)).lower()) from error


def json_view(event: Event) -> None:
    """Every event as one JSON line on stdout."""
    print_result(json.dumps(event.as_json(), ensure_ascii=False))


def quiet_view(event: Event) -> None:
    """Nothing but what went wrong, which is said elsewhere."""


class PlainView:
    """`key=value` lines about every ten seconds, for logs."""

    def __init__(self) -> None:
        self.last, self.steps = 0.0, 0

    def __call__(self, event: Event) -> None:
        """Say what `event` is about."""
        if isinstance(event, (Started, Planned)):
            self.steps = event.steps
        if isinstance(event, Trained):
            if time.monotonic() - self.last < PLAIN_SECONDS:
                return
            self.last = time.monotonic()
            left = event.seconds / event.step * (self.steps - event.step)
            say(
                f"step={event.step}/{self.steps} epoch={event.epoch:.2f} loss={event.loss:.4f} "
                f"chars_per_s={event.symbols_per_second:.0f} eta={left:.0f}s"
            )
        else:
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Everything but progress."""
        for line in lines_about(event):
            say(line)


class BarView(PlainView):
    """One tqdm bar, with evaluations and samples scrolling above it."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: Any = None
        self.validation, self.speed = "", 0.0

    def __call__(self, event: Event) -> None:
        """Move the bar, or write above it."""
        from tqdm import tqdm

        if isinstance(event, Started):
            self.tell(event)
            form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}{postfix}]"
            self.bar = tqdm(
                total=event.steps,
                initial=event.step,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format=form,
                smoothing=0.1,
            )
        elif isinstance(event, Trained) and self.bar is not None:
            self.speed += (event.symbols_per_second - self.speed) * (0.1 if self.speed else 1)
            shown = f"loss {event.loss:.3f}{self.validation}, {self.speed:,.0f} chars/s"
            self.bar.set_postfix_str(shown, refresh=False)
            self.bar.update(event.step - self.bar.n)
        elif isinstance(event, Planned) and self.bar is not None:
            self.bar.total = event.steps
        else:
            if isinstance(event, Evaluated):
                self.validation = f", val {event.bits_per_char:.3f} bits/char"
            if lines_about(event):
                with tqdm.external_write_mode(file=sys.stderr) if self.bar is not None else contextlib.nullcontext():
                    self.tell(event)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()


def lines_about(event: Event) -> list[str]:
    """What a person reads about an event; progress, saves and plans go without saying."""
    if isinstance(event, Started):
        verb = f"resuming at step {event.step:,}" if event.resumed else "training"
        return [f"{event.run}: {verb}, {event.parameters:,} parameters, {event.steps:,} steps"]
    if isinstance(event, Notice):
        return [spoken(event.text)]
    if isinstance(event, RolledBack):
        rate = f"{event.learning_rate:.3g}"
        return [f"warning: {spoken(event.why)}; back at step {event.step} with half the learning rate, {rate}"]
    if isinstance(event, Evaluated):
        best = " best" if event.best else ""
        nats, bits = event.nats_per_char, event.bits_per_char
        return [
            f"step={event.step} epoch={event.epoch:.2f} validation_nats={nats:.4f} validation_bits={bits:.4f}{best}"
        ]
    if isinstance(event, Sampled):
        lines = visible(event.text).split("\n")
        return [f"sample at step {event.step}:", "", *(f"    {line}".rstrip() for line in lines), ""]
    return []

"""Everything that reaches a screen: messages, tables, and text that streams.

stdout belongs to results, stderr to everything else. Nothing from a text, a model or a file name reaches a terminal
raw: control characters (all but newline and tab), bidirectional controls and invisible ones are written out visibly.
A pipe gets the exact bytes. A stream that went away never stops a run.
"""

import codecs
import contextlib
import locale
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from charrnn.errors import ReaderGoneError, StorageError
from charrnn.text.visible import VisibleStream, visible

if TYPE_CHECKING:
    from charrnn.evaluation.score import Scored

# What is called when the last word of a command line has been said; filled by the command, emptied by its door.
AT_END: ContextVar[contextlib.ExitStack] = ContextVar("what is called at the end of the command at hand")


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


def typed() -> bool:
    """Whether what standard input gives is typed by a person."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return sys.stdin.isatty()
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


def drop_stdout() -> None:
    """Nothing more goes to stdout, also when Python flushes it at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream of a notebook's is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

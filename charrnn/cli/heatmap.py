"""A scored text -> the same text with every symbol marked by its surprise: by colours, or by marks below the lines.

Nothing of the text leaves raw, not even into a pipe, as what is written has escape sequences of our own: control
characters are written out. Bytes are joined to characters, which cost what their bytes cost together; what takes no
column (accents) joins the character before it, and the more surprising of them shows. What does not count has no mark.
"""

import bisect
import math
import re
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from charrnn.cli.console import ResultStream, say, takes_colours
from charrnn.evaluation.costs import Cell, known
from charrnn.text.visible import JOINERS, visible

if TYPE_CHECKING:
    from charrnn.cli.subjects import Subject
    from charrnn.evaluation.score import Scored
    from charrnn.text.vocabulary import Ids

SHOWN = 2000  # symbols of a part of the corpus
LIMIT = 4.0  # bits above which a symbol is underlined, and half so above the half
STEPS = (1, 2, 3, 4, 6, 8, 11)  # bits from which on a symbol has the next colour
# (background, foreground) of the 256 colours, from grey to red. The backgrounds are neither light nor dark, so that
# they stand out on black and on white alike.
COLOURS = ((102, 16), (109, 16), (143, 16), (178, 16), (172, 16), (166, 16), (160, 231))
RESET = "\x1b[0m"
NEWLINE, NOTHING, TAB_STOP = "\u23ce", "\u25cc", 8
LONGEST = 2000  # cells of a row; more are not kept in memory


class Row(NamedTuple):
    """What is written side by side, with the columns that each cell takes; whether the text's line ends there."""

    cells: list[Cell]
    columns: list[int]
    ends: bool


def print_heatmap(subject: "Subject", parts: "Iterable[Scored]", threshold: float | None) -> None:
    """Show a scored text: what has more than `threshold` bits has a colour (default: any), or a mark (LIMIT).

    Raises:
        DataError: no symbol of it is known to the model.
    """
    from charrnn.errors import DataError

    unknown = [0]
    cells = joined(known(subject.model.vocabulary, parts, unknown))
    if takes_colours():
        head, rows = colour_legend(), coloured(cells, threshold or 0.0)
    else:
        above, columns = LIMIT if threshold is None else threshold, max(20, shutil.get_terminal_size().columns - 1)
        head, rows = f"^ more than {above:g} bits, ~ more than {above / 2:g}\n", underlined(cells, above, columns)
    first = next(rows, None)
    if first is None:
        raise DataError(
            f"nothing to score in {subject.name}", "no symbol of it is known to the model", "check the text"
        )
    with ResultStream(raw=True) as stream:
        stream.write(f"{head}\n{first}".encode())
        for row in rows:
            stream.write(row.encode())
    if unknown[0]:
        say(f"{unknown[0]:,} characters that the model does not know are skipped or replaced")


def beginning(subject: "Subject") -> "Iterator[Ids]":
    """What is shown of a part of the corpus: its first symbols, of records whole ones; says how much that is."""
    ids = subject.corpus.part(subject.split)
    if len(ids) > SHOWN:
        shown = subject.model.vocabulary.layout.head(ids, SHOWN)
        say(f"the first {len(shown):,} of {len(ids):,} symbols; a TEXT is shown in full")
        ids = shown
    yield ids


def joined(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The same, safe to show; newlines and tabs are cells of their own, and all others at least a column wide."""
    from rich.cells import cell_len

    kept = Cell("", math.nan)
    for text, bits in made_visible(cells):
        for shown in re.findall(r"[\n\t]|[^\n\t]+", text):
            if shown not in "\n\t" and (not cell_len(shown) or kept.text.endswith(JOINERS)):
                if kept.text not in ("", "\n", "\t"):
                    kept = Cell(kept.text + shown, max(kept.bits, bits))
                    continue
                shown = NOTHING + shown  # an accent on nothing
            if kept.text:
                yield kept
            kept = Cell(shown, bits)
    if kept.text:
        yield kept


def made_visible(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The same, safe to show."""
    before, none = "", Cell("", math.nan)
    for (text, bits), (after, _) in pairwise(chain(cells, [none])):
        yield Cell(visible(text, before, after[:1]), bits)
        before = text[-1:]


def rows_of(cells: Iterable[Cell], most: float = math.inf) -> Iterator[Row]:
    """The lines of a text, in rows of at most `most` columns; only a symbol that is longer has a longer row."""
    from rich.cells import cell_len

    row, column = Row([], [], False), 0
    for text, bits in cells:
        shown = " " * (TAB_STOP - column % TAB_STOP) if text == "\t" else NEWLINE if text == "\n" else text
        size, ends = cell_len(shown), text == "\n"
        if row.cells and not ends and (column + size > most or len(row.cells) >= LONGEST):
            yield row
            row, column = Row([], [], False), 0
        row.cells.append(Cell(shown, bits))
        row.columns.append(size)
        column += size
        if ends:
            yield row._replace(ends=True)
            row, column = Row([], [], False), 0
    if row.cells:
        yield row


def coloured(cells: Iterable[Cell], above: float) -> Iterator[str]:
    """Rows as text with colours, none of which goes on after its row; the last one ends its line."""
    ended = True
    for row in rows_of(cells):
        written, now = "", RESET
        for text, bits in row.cells:
            colour = escape(bits) if bits > above else RESET
            written, now = written + colour * (colour != now) + text, colour
        ended = row.ends
        yield written + RESET * (now != RESET) + "\n" * ended
    if not ended:
        yield "\n"


def underlined(cells: Iterable[Cell], above: float, columns: int) -> Iterator[str]:
    """Rows as text, below each a row of marks."""
    for row in rows_of(cells, columns):
        marks = ["^" if bits > above else "~" if bits > above / 2 else " " for _, bits in row.cells]
        below = "".join(mark * size for mark, size in zip(marks, row.columns, strict=True)).rstrip()
        yield "".join(cell.text for cell in row.cells) + f"\n{below}\n"


def escape(bits: float) -> str:
    """What switches the colour of so many bits on."""
    step = bisect.bisect_right(STEPS, bits)
    return "\x1b[48;5;{};38;5;{}m".format(*COLOURS[step - 1]) if step else RESET


def colour_legend() -> str:
    """A line with all colours, each with the bits from which on it stands."""
    return f"bits, from: 0 {''.join(f'{escape(bits)} {bits} ' for bits in STEPS)}{RESET}\n"

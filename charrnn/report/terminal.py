"""Numbers -> the same charts for a terminal: curves of Braille dots, two by four in each character.

Where a terminal knows no Braille the curves are made of `*`, `o`, `+`. Without colours, marks of that kind stand along
each curve and tell it from the others. Axes, ticks and limits are those of the SVG; nothing drawn can steer a terminal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from rich.cells import cell_len

from charrnn.report.charts import MARKED, NOTHING, Chart
from charrnn.report.legend import legend, shortened
from charrnn.report.scales import Axis, strokes

DOTS = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))  # of a Braille character, from its lowest row up
MARKS = "*o+x#@%&"
MARK_COLUMNS = 12  # between the marks of a curve of many points
DASH, DASH_AND_GAP = 5, 8  # dots
# Of the 256 colours of terminals: at least 3.5 : 1 on white as on black, in the order of the charts' palette.
COLOURS = (33, 166, 29, 133, 244, 31, 168, 100)
LINES = {False: "│┤└─┬", True: "||+-+"}
LEAST = 24, 8  # columns and rows


@dataclass(frozen=True, eq=False)
class Look:
    """How a series is drawn: the mark on its points ("" for none), and dashed above all others, or not."""

    colour: int
    dashed: bool
    mark: str


@dataclass
class _Canvas:
    """Characters by (column, row), counted from the lower left, of so many dots each, with the series they show."""

    columns: int
    rows: int
    fine: tuple[int, int]
    dots: dict[tuple[int, int], int] = field(default_factory=dict)
    marks: dict[tuple[int, int], str] = field(default_factory=dict)
    owners: dict[tuple[int, int], Look] = field(default_factory=dict)

    def dot(self, x: float, y: float) -> tuple[int, int]:
        """The dot at a place from 0 to 1."""
        return round(x * (self.columns * self.fine[0] - 1)), round(y * (self.rows * self.fine[1] - 1))

    def put(self, x: int, y: int, look: Look, mark: str = "") -> None:
        """A dot, or a mark in the dot's character; a dashed line clears its way through what lies below it."""
        cell = x // self.fine[0], y // self.fine[1]
        if look.dashed and self.owners.get(cell) is not look:
            self.dots.pop(cell, None), self.marks.pop(cell, None)
        self.owners[cell] = look
        if mark:
            self.marks[cell] = mark
        else:
            self.dots[cell] = self.dots.get(cell, 0) | DOTS[y % self.fine[1]][x % self.fine[0]]

    def line(self, row: int, coloured: bool) -> str:
        """A row of characters."""
        return "".join(self._character((column, row), coloured) for column in range(self.columns)).rstrip()

    def _character(self, cell: tuple[int, int], coloured: bool) -> str:
        shown = self.marks.get(cell) or (chr(0x2800 + self.dots[cell]) if cell in self.dots else " ")
        return painted(shown, self.owners[cell].colour) if coloured and cell in self.owners else shown


def drawing(chart: Chart, *, width: int = 80, height: int = 20, ascii_only: bool = False, colours: bool = False) -> str:
    """A chart as `height` lines of at most `width` columns; with `colours`, with escape sequences of 256 colours."""
    width, height = max(width, LEAST[0]), max(height, LEAST[1])
    names = legend([_safe(name, ascii_only) for name in chart.names()], width, 7, max(1, height // 4))
    rows = height - 4 - len(names)
    x, y = chart.axes(across=max(2, width // 14), up=max(3, rows // 2))
    margin = max((len(name) for _, name in y.ticks), default=0)
    fine = (1, 1) if ascii_only else (2, 4)
    canvas = _Canvas(width - margin - 2, rows, fine)
    for number in sorted(range(len(chart.series)), key=lambda n: chart.series[n].dashed):
        _draw(canvas, chart, number, (x, y), look(chart, number, ascii_only, colours))
    title = chart.title if chart.title.lower() == chart.y_label.lower() else f"{chart.title}: {chart.y_label}"
    title = shortened(_safe(title, ascii_only), width)
    lines = [title, *(_legend_line(chart, row, ascii_only, colours) for row in names)]
    lines += _rows(canvas, y, margin, LINES[ascii_only], colours)
    lines += _below(canvas, x, margin, LINES[ascii_only])
    lines.append(" " * margin + shortened(_safe(chart.x_label, ascii_only), canvas.columns).center(canvas.columns))
    return "\n".join(line.rstrip().replace("…", "~" if ascii_only else "…") for line in lines)


def painted(text: str, colour: int) -> str:
    """Text in a colour of the palette."""
    return f"\x1b[38;5;{COLOURS[colour % len(COLOURS)]}m{text}\x1b[0m"


def _safe(text: str, ascii_only: bool) -> str:
    """One line that no terminal obeys."""
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return text.encode("ascii", "backslashreplace").decode() if ascii_only else text


def look(chart: Chart, number: int, ascii_only: bool, colours: bool) -> Look:
    """What tells a series from the others."""
    series, mark = chart.series[number], ""
    if colours and not ascii_only:
        mark = "o" if series.dashed else ""
    elif ascii_only or len(chart.series) > 1:
        mark = MARKS[number % len(MARKS)]
    return Look(chart.colour(number), series.dashed, mark)


def _draw(canvas: _Canvas, chart: Chart, number: int, axes: tuple[Axis, Axis], look: Look) -> None:
    """One curve: its line, then its marks."""
    places = strokes(chart.placed(number, axes, canvas.columns * canvas.fine[0]))
    found = [[canvas.dot(x, y) for x, y in stroke] for stroke in places]
    braille, few = canvas.fine != (1, 1), sum(map(len, found)) <= MARKED
    for stroke in found:
        way = [stroke[0], *(dot for a, b in pairwise(stroke) for dot in between(a, b))]
        for place, (x, y) in enumerate(way):
            if not look.dashed or place % DASH_AND_GAP < DASH:
                canvas.put(x, y, look, "" if braille else "." if look.dashed else look.mark)
        marked = stroke if few else [(x, y) for x, y in way if x // canvas.fine[0] % MARK_COLUMNS == number * 5 % 12]
        for x, y in marked if look.mark else stroke if len(stroke) == 1 else []:
            canvas.put(x, y, look, look.mark or "o")


def between(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The dots of a line, each beside the one before; without the first (Bresenham 1965, on the longer side)."""
    across, up = end[0] - start[0], end[1] - start[1]
    steps = max(abs(across), abs(up))
    for step in range(1, steps + 1):
        yield round(start[0] + across * step / steps), round(start[1] + up * step / steps)


def _legend_line(chart: Chart, row: list[tuple[int, int, str]], ascii_only: bool, colours: bool) -> str:
    line, used = "", 0
    for number, column, name in row:
        sample = ""
        if number >= 0:
            shown = look(chart, number, ascii_only, colours)
            side = "⠤" if not ascii_only else "." if shown.dashed else shown.mark
            sample = f"{side}{shown.mark or side}{side}"
            sample = f"{painted(sample, shown.colour) if colours else sample} "
        line += " " * (column - used) + sample + name
        used = column + 4 * (number >= 0) + cell_len(name)
    return line


def _rows(canvas: _Canvas, y: Axis, margin: int, line: str, colours: bool) -> Iterator[str]:
    """The rows of a chart with their ticks, from the highest down."""
    ticks = {canvas.dot(0, y.place(value))[1] // canvas.fine[1]: name for value, name in y.ticks}
    empty = not (canvas.dots or canvas.marks)
    for row in reversed(range(canvas.rows)):
        shown = NOTHING.center(canvas.columns) if empty and row == canvas.rows // 2 else canvas.line(row, colours)
        yield f"{ticks.get(row, ''):>{margin}} {line[1] if row in ticks else line[0]}{shown}"


def _below(canvas: _Canvas, x: Axis, margin: int, line: str) -> list[str]:
    """The horizontal axis and its labels, as many as have room."""
    columns = canvas.columns
    axis, labels, free = [line[3]] * columns, "", 0
    for value, name in x.ticks:
        column = canvas.dot(x.place(value), 0)[0] // canvas.fine[0]
        start = min(max(0, column - len(name) // 2), columns - len(name))
        if start >= free:
            axis[column] = line[4]
            labels += " " * (start - len(labels)) + name
            free = start + len(name) + 1
    before = " " * (margin + 1)
    return [before + line[2] + "".join(axis), f"{before} {labels}"]

"""Numbers -> charts as SVG, for a page and as a file of their own.

A chart in a page is made of elements, presentation attributes and classes only: no style, script, id or link, so that a
page may forbid all of those and hold as many charts as it likes. `STYLE` gives the classes their colours, by day and by
night; without it (in an image viewer that knows no style sheets) the attributes hold those for a light ground.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from charrnn.report.legend import legend, shortened
from charrnn.report.markup import inert
from charrnn.report.scales import Axis, Point, axis, clipped, finite, strokes, thinned, usable, worth_seeing
from charrnn.text.visible import visible

# Eight colours each, told apart also without red, green or blue cones; contrast at least 3.1 on white, 4.2 on #111.
LIGHT = ("#324a9d", "#fb2e0d", "#00897e", "#48184c", "#4c4a47", "#3997e5", "#e75ab0", "#74853d")
DARK = ("#4377cb", "#e8640e", "#70e97d", "#ab9dfe", "#d2d0cd", "#30a8bf", "#da8085", "#c3b706")
DASHES = ("", "7 4", "2 3", "12 3 2 3", "1 5", "12 5")  # solid and dashed, for the first, second, third eight series
NOTHING = "nothing recorded"
MARKED = 40  # points: a series of so few shows each as a dot
COLUMNS = 1600  # in all series of a chart: what keeps it below 60 kB
FONT = 12
CELL = 0.64 * FONT  # what a letter of most typefaces needs at the most


@dataclass(frozen=True)
class Series:
    """One line: points in the order of x; what is not finite is a gap. `colour` counts from 0, by default its place."""

    name: str
    points: tuple[Point, ...]
    dashed: bool = False
    colour: int | None = None


@dataclass(frozen=True)
class Chart:
    """Some series over one pair of axes."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_y: bool = False

    def axes(self, across: int, up: int) -> tuple[Axis, Axis]:
        """Both axes, with about so many ticks."""
        curves = [series.points for series in self.series]
        steps = [x for curve in curves for x, _ in finite(curve, self.log_y)]
        heights = worth_seeing(curves, self.log_y)
        return axis(steps, across), axis(heights, up, log=self.log_y, margin=0.04)

    def colour(self, number: int) -> int:
        """The colour of the series with this number; from 8 on they come again with another dash pattern."""
        chosen = self.series[number].colour
        return number if chosen is None else chosen

    def placed(self, number: int, axes: tuple[Axis, Axis], columns: int) -> list[Point | None]:
        """A series' points as places from 0 to 1, as far as `columns` columns show them."""
        x, y = axes
        places = [
            (x.place(a), y.place(b)) if usable(a) and usable(b, self.log_y) else None
            for a, b in self.series[number].points
        ]
        return thinned(clipped(places), columns)

    def names(self) -> list[str]:
        """What a legend says: nothing of a single series."""
        if len(self.series) < 2:
            return []
        return [s.name if finite(s.points, self.log_y) else f"{s.name} ({NOTHING})" for s in self.series]


def style() -> str:
    """The style sheet for charts: colours as custom properties, by day and by night."""

    def properties(paper: str, ink: str, soft: str, grid: str, palette: Sequence[str]) -> str:
        named = {"paper": paper, "ink": ink, "soft": soft, "grid": grid} | {str(n): c for n, c in enumerate(palette)}
        return "".join(f"--chart-{name}:{colour};" for name, colour in named.items())

    lines = "".join(f".chart .chart-{n}{{stroke:var(--chart-{n})}}\n" for n in range(len(LIGHT)))
    return f""".chart{{display:block;width:100%;height:auto;
{properties("#fff", "#1f2328", "#57606a", "#d8dee4", LIGHT)}}}
@media screen and (prefers-color-scheme:dark){{
.chart{{{properties("#14171a", "#e6edf3", "#a2acb6", "#343b43", DARK)}}}
}}
.chart text{{fill:var(--chart-ink)}}
.chart .chart-soft{{fill:var(--chart-soft)}}
.chart .chart-grid{{stroke:var(--chart-grid)}}
.chart .chart-axis{{stroke:var(--chart-soft)}}
.chart .chart-paper{{fill:var(--chart-paper)}}
.chart .chart-halo{{stroke:var(--chart-paper)}}
{lines}"""


STYLE = style()


def svg(chart: Chart, *, width: int = 720, height: int = 320) -> str:
    """A chart for an HTML page, as wide as its place there; `width` and `height` are its proportions."""
    return (
        f'<svg class="chart" role="img" aria-label="{described(chart)}" viewBox="0 0 {width} {height}" {_TYPE}>'
        f"<title>{inert(chart.title)}</title>{''.join(_drawn(chart, width, height))}</svg>"
    )


def standalone(charts: Sequence[Chart], *, width: int = 720, height: int = 320) -> str:
    """One SVG file with charts below each other."""
    whole = height * max(1, len(charts))
    title = inert(", ".join(chart.title for chart in charts))
    drawn = "".join(
        f'<g role="img" aria-label="{described(chart)}" transform="translate(0 {number * height})">'
        f"{''.join(_drawn(chart, width, height))}</g>\n"
        for number, chart in enumerate(charts)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {width} {whole}" {_TYPE}>\n'
        f"<title>{title}</title>\n<style>\n{STYLE}</style>\n"
        f'<rect class="chart-paper" width="{width}" height="{whole}" fill="#fff"/>\n{drawn}</svg>\n'
    )


_TYPE = f'font-family="system-ui, sans-serif" font-size="{FONT}" fill="#1f2328"'


def described(chart: Chart) -> str:
    """What is heard where nothing is seen."""
    return inert(f"{chart.title}: {chart.y_label} against {chart.x_label}")


def _drawn(chart: Chart, width: int, height: int) -> Iterator[str]:
    """Everything inside a chart's picture, from the back to the front."""
    axes = chart.axes(across=max(2, width // 100), up=max(2, height // 45))
    longest = max((len(name) for _, name in axes[1].ticks), default=0)
    left = 34 + round(CELL * max(5, longest))  # so that charts below each other begin alike
    right = width - 10 - round(CELL / 2 * max((len(name) for _, name in axes[0].ticks), default=2))
    rows = legend(list(map(visible, chart.names())), int((right - left) / CELL), 6, max(1, height // 80))
    top, bottom = 34 + 18 * len(rows), height - 42
    box = (left, top, right, bottom)
    yield _text(
        left,
        20,
        shortened(visible(chart.title), int((right - left) / CELL / 1.2)),
        ' font-size="14" font-weight="600"',
    )
    for line, row in enumerate(rows):
        for number, column, name in row:
            x, y = left + column * CELL, 40 + 18 * line
            if number >= 0:
                yield _line(chart, number, f"M{x:g} {y - 4}h26")
            yield _text(x + (32 if number >= 0 else 0), y, name)
    yield from _axes(chart, axes, box)
    empty = True
    for number in sorted(range(len(chart.series)), key=lambda n: chart.series[n].dashed):
        columns = min(right - left, max(1, COLUMNS // sum(1 + series.dashed for series in chart.series)))
        for path in _curve(chart, number, chart.placed(number, axes, columns), box):
            empty = False
            yield path
    if empty:
        yield _text((left + right) / 2, (top + bottom) / 2, NOTHING, ' text-anchor="middle" class="chart-soft"')


def _axes(chart: Chart, axes: tuple[Axis, Axis], box: tuple[int, int, int, int]) -> Iterator[str]:
    left, top, right, bottom = box
    soft = ' class="chart-soft" fill="#57606a"'
    for value, name in axes[1].ticks:
        y = bottom - axes[1].place(value) * (bottom - top)
        yield f'<path class="chart-grid" stroke="#d8dee4" d="M{left} {y:.1f}H{right}"/>'
        yield _text(left - 7, y + 4, name, soft + ' text-anchor="end"')
    for value, name in axes[0].ticks:
        x = left + axes[0].place(value) * (right - left)
        yield f'<path class="chart-axis" stroke="#57606a" d="M{x:.1f} {bottom}v5"/>'
        yield _text(x, bottom + 18, name, soft + ' text-anchor="middle"')
    yield f'<path class="chart-axis" stroke="#57606a" fill="none" d="M{left} {top}V{bottom}H{right}"/>'
    label = shortened(visible(chart.x_label), int((right - left) / CELL))
    yield _text((left + right) / 2, bottom + 36, label, ' text-anchor="middle"')
    label, middle = shortened(visible(chart.y_label), int((bottom - top) / CELL)), (top + bottom) / 2
    yield _text(14, middle, label, f' text-anchor="middle" transform="rotate(-90 14 {middle:g})"')


def _curve(chart: Chart, number: int, points: Sequence[Point | None], box: tuple[int, int, int, int]) -> Iterator[str]:
    """One series: its lines, and dots where it has few points or a point stands alone."""
    left, top, right, bottom = box
    pixels = [
        [(f"{left + x * (right - left):.1f}", f"{bottom - y * (bottom - top):.1f}") for x, y in stroke]
        for stroke in strokes(points)
    ]
    name = f"<title>{inert(chart.series[number].name)}</title>"
    lines = "".join("M" + " ".join(f"{x} {y}" for x, y in stroke) for stroke in pixels if len(stroke) > 1)
    if lines and chart.series[number].dashed:
        yield f'<path class="chart-halo" stroke="#fff" fill="none" stroke-width="4" stroke-opacity="0.7" d="{lines}"/>'
    if lines:
        yield _line(chart, number, lines, name)
    few = sum(map(len, pixels)) <= MARKED
    dots = "".join(f"M{x} {y}h.01" for stroke in pixels for x, y in stroke if few or len(stroke) == 1)
    if dots:
        yield _line(chart, number, dots, name, dots=True)


def _line(chart: Chart, number: int, path: str, inside: str = "", *, dots: bool = False) -> str:
    colour, dashed = chart.colour(number), chart.series[number].dashed
    pattern = DASHES[(2 * (colour // len(LIGHT)) + dashed) % len(DASHES)]
    dashes = f' stroke-dasharray="{pattern}"' if pattern and not dots else ""
    chosen = colour % len(LIGHT)
    wide = (7.0 if dashed else 5.0) if dots else 2.2 if dashed else 1.6
    return (
        f'<path class="chart-{chosen}" stroke="{LIGHT[chosen]}" fill="none" stroke-width="{wide}" '
        f'stroke-linejoin="round" stroke-linecap="{"round" if dots else "butt"}"{dashes} d="{path}">{inside}</path>'
    )


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{inert(text)}</text>'

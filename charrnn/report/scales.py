"""Numbers -> axes: limits, round ticks and their labels, places from 0 to 1, curves without what no pixel can show.

Plain functions on plain numbers, so that a drawing as SVG and one in a terminal have the same axes. Nothing raises:
what is not finite, too large to be told apart, or cannot stand on a logarithmic axis is a gap.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
LARGEST = 1e150  # so that no difference, ratio or square overflows
FINEST = 1e-9  # of the largest value: numbers closer together than this are drawn as one
BEGINNING = 0.05  # of a series' points, which need not be seen whole
SHORT = 60  # points: a series of fewer is seen whole
SQUASHED = 0.6  # of the height, or less, left to the rest: the beginning leaves through the top
SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with the values that are marked and how they are written."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands: 0 at `low`, 1 at `high`."""
        if self.log:
            low = math.log(self.low)
            return (math.log(value) - low) / (math.log(self.high) - low)
        return max(-9.0, min(9.0, (value - self.low) / (self.high - self.low)))


def round_step(span: float, wanted: int) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... (or 0.1, 0.2, 0.5) of which at most `wanted` fit into `span`."""
    power = 10.0 ** math.floor(math.log10(span / wanted))
    return next((power * step for step in (1, 2, 5) if power * step * wanted >= span * (1 - FINEST)), power * 10)


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round values from `low` to `high`, at most `wanted` + 1 of them; more if only so there are two."""
    step = round_step(high - low, wanted)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [number * step for number in range(first, last + 1)] if first < last else ticks(low, high, 2 * wanted)


def log_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Powers of ten from `low` to `high`, at most about `wanted`; 1-2-5 between them if there are fewer than three.

    Nothing where that gives fewer than three too: the ticks of a straight axis are better then.
    """
    first, last = math.ceil(math.log10(low) - FINEST), math.floor(math.log10(high) + FINEST)
    if last - first > 1:
        return [10.0**power for power in range(first, last + 1, math.ceil((last - first) / wanted))]
    near = [step * 10.0**power for power in range(first - 1, last + 1) for step in (1, 2, 5)]
    near = [value for value in near if low * (1 - FINEST) <= value <= high * (1 + FINEST)]
    return near if len(near) > 2 else []


def marked(low: float, high: float, wanted: int, log: bool) -> tuple[tuple[float, str], ...]:
    """The ticks of an axis with their labels; those of powers of ten need no more digits than each by itself."""
    powers = log_ticks(low, high, wanted) if log else []
    values = powers or ticks(low, high, wanted)
    names = [labels([value])[0] for value in powers] or labels(values)
    return tuple(zip(values, names, strict=True))


def labels(values: Sequence[float]) -> list[str]:
    """How ticks are written: 0.5, 2k, 1.5M; as many digits as tell neighbours apart."""
    step = min((abs(b - a) for a, b in pairwise(values)), default=max(map(abs, values), default=1))
    largest = max(map(abs, values), default=1)
    return [_label(value, step or 1.0, largest) for value in values]


def _label(value: float, step: float, largest: float) -> str:
    if abs(value) < step * 1e-6:
        return "0"
    if largest < 1e-3 or largest >= 1e15:
        digits = max(0, math.floor(math.log10(abs(value))) - math.floor(math.log10(step) + 1e-6))
        mantissa, exponent = f"{value:.{digits}e}".split("e")
        return f"{_bare(mantissa)}e{int(exponent)}"
    for size, suffix in SUFFIXES:
        if abs(value) >= size * (1 - FINEST):
            return _bare(f"{value / size:.{_decimals(step / size)}f}") + suffix
    return f"{value:.{_decimals(step)}f}"


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-6))


def _bare(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def usable(value: float, log: bool = False) -> bool:
    """Whether a number has a place on an axis."""
    return math.isfinite(value) and abs(value) <= LARGEST and (not log or value > 1 / LARGEST)


def finite(points: Iterable[Point], log_y: bool = False) -> list[Point]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if usable(x) and usable(y, log_y)]


def axis(values: Sequence[float], wanted: int, *, log: bool = False, margin: float = 0.0) -> Axis:
    """An axis that holds all `values`; it begins at zero where that is near. Without values it has no ticks."""
    if not values:
        return Axis(1.0, 10.0, (), log)
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if log:
        low, high = (low, high) if high > low * (1 + FINEST) else (low / 2, high * 2)
        share = (high / low) ** margin
        low, high = low / share, high * share
    elif high - low <= max(FINEST * size, 1 / LARGEST):  # one value stands in the middle, above or below zero
        low, high = (min(0.0, 2 * low), max(0.0, 2 * high)) if size > 1 / LARGEST else (0.0, 1.0)
    elif 0 <= low <= (high - low) / 3:
        low, high = 0.0, high + margin * high
    else:
        low, high = low - margin * (high - low), high + margin * (high - low)
    return Axis(low, high, marked(low, high, wanted, log), log)


def worth_seeing(curves: Iterable[Sequence[Point]], log_y: bool) -> list[float]:
    """The heights that an axis must hold: all, but where the beginnings of long curves would squash everything.

    The first twentieth of a curve of SHORT points or more does not count if without it the rest would have less than
    SQUASHED of the height: the line then leaves through the top. A logarithmic axis squashes nothing.
    """
    every, rest = list[float](), list[float]()
    for curve in curves:
        heights = [y for _, y in finite(curve, log_y)]
        every += heights
        rest += heights[int(len(heights) * BEGINNING) :] if len(heights) >= SHORT else heights
    if log_y or not rest:
        return every
    low, high = min(every), max(rest)
    return [low, high] if high - low < SQUASHED * (max(every) - low) else every


def thinned(points: Sequence[Point | None], columns: int) -> list[Point | None]:
    """Points with places from 0 to 1, in the order of x, as far as `columns` pixels show them; None is a gap.

    Of each column the lowest and the highest point stay, in their order, and gaps at its borders.
    """
    if len(points) <= 2 * columns:
        return list(points)
    kept, column, here = list[Point | None](), None, list[Point | None]()
    for point in points:
        new = column if point is None else int(point[0] * columns)
        if new != column and here:
            kept += _extremes(here)
            here = []
        column = new
        here.append(point)
    return kept + _extremes(here)


def _extremes(points: list[Point | None]) -> list[Point | None]:
    there = [(point[1], number) for number, point in enumerate(points) if point is not None]
    if not there:
        return [None]
    ends = sorted({min(there)[1], max(there)[1]})
    return [None] * (points[0] is None) + [points[end] for end in ends] + [None] * (points[-1] is None)


def clipped(points: Iterable[Point | None]) -> list[Point | None]:
    """Points with places from 0 to 1: a line that leaves through the top ends there and begins where it comes back."""
    kept, before = list[Point | None](), None
    for point in points:
        if point is not None and before is not None and (point[1] > 1) != (before[1] > 1):
            share = (1 - before[1]) / (point[1] - before[1])
            kept.append((before[0] + share * (point[0] - before[0]), 1.0))
        kept.append(None if point is None or point[1] > 1 else point)
        before = point
    return kept


def strokes(points: Iterable[Point | None]) -> list[list[Point]]:
    """Points between gaps: each stroke is one line without lifting the pen."""
    found: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            found.append([])
        else:
            found[-1].append(point)
    return [stroke for stroke in found if stroke]

"""A run's record -> curves of training loss, validation score and learning rate, and the charts of some runs.

Losses are in bits per symbol, validation scores in bits per character or what else is counted; each can stand against
the step, the symbols read or the seconds of training. A record may be cut short, damaged or somebody else's: what is
missing or is no finite number is left out, and of what was recorded twice for a step the later counts.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from charrnn.config import RunConfig
from charrnn.report.charts import Chart, Series
from charrnn.report.scales import Point, usable

Against = Literal["step", "symbols", "time"]
Which = Literal["training", "validation", "learning_rate"]
CLOCKS = ((3 * 3600.0, 3600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))  # from so many seconds on
SYMBOLS = {"char": "character", "byte": "byte", "word": "word"}


@dataclass(frozen=True)
class Reading:
    """A value with its place in a run; epoch and seconds are None where the record does not tell them."""

    step: float
    epoch: float | None
    seconds: float | None
    value: float


@dataclass(frozen=True)
class Curves:
    """What a run recorded, in the order of steps: bits of losses, bits of scores, learning rates."""

    training: tuple[Reading, ...]
    validation: tuple[Reading, ...]
    learning_rate: tuple[Reading, ...]
    train_symbols: float | None = None  # of one epoch; None where it is not known
    symbol: str = "symbol"  # what a loss is counted by
    per: str = "character"  # what a score is counted by

    def points(self, which: Which, against: Against = "step") -> tuple[Point, ...]:
        """A curve as (place, value); places are steps, symbols read or seconds. What has no such place is left out."""
        readings: tuple[Reading, ...] = getattr(self, which)
        placed = [(self._place(reading, against), reading.value) for reading in readings]
        return tuple(sorted(((x, y) for x, y in placed if x is not None), key=lambda point: point[0]))

    def _place(self, reading: Reading, against: Against) -> float | None:
        if against == "symbols":
            return None if reading.epoch is None or self.train_symbols is None else reading.epoch * self.train_symbols
        return reading.seconds if against == "time" else reading.step


def curves(
    events: Iterable[Mapping[str, Any]], *, train_symbols: int | None = None, config: RunConfig | None = None
) -> Curves:
    """The curves of a record, as `RunRecord.read()` gives it; what they count is known of a run of `config`.

    An evaluation's time, and any epoch that is missing, is interpolated between the reports around it.
    """
    training, validation, rates = dict[float, float](), dict[float, float](), dict[float, float]()
    epochs, seconds = {0.0: 0.0}, {0.0: 0.0}
    for event in events:
        step = number(event.get("step"))
        if step is None or step < 0:
            continue
        if event.get("event") == "trained":
            _note(training, step, number(event.get("loss")), 1 / math.log(2))
            _note(rates, step, number(event.get("learning_rate")))
        elif event.get("event") == "evaluated":
            _note(validation, step, number(event.get("nats_per_char")), 1 / math.log(2))
            _note(validation, step, number(event.get("bits_per_char")))
        if event.get("event") in ("trained", "evaluated", "finished"):
            _note(epochs, step, number(event.get("epoch")))
            _note(seconds, step, number(event.get("seconds")))
    epoch, clock = sorted(epochs.items()), sorted(seconds.items())

    def readings(curve: dict[float, float]) -> tuple[Reading, ...]:
        places = sorted(curve.items())
        return tuple(Reading(step, between(epoch, step), between(clock, step), value) for step, value in places)

    found = Curves(readings(training), readings(validation), readings(rates), number(train_symbols))
    if config is None:
        return found
    return replace(found, symbol="label" if config.synced else SYMBOLS[config.unit], per=config.per)


def number(value: object) -> float | None:
    """A number of a record that can be drawn; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if usable(found) else None


def _note(curve: dict[float, float], step: float, value: float | None, factor: float = 1.0) -> None:
    if value is not None:
        curve[step] = value * factor


def between(known: Sequence[Point], x: float) -> float | None:
    """The height over `x` of a line through `known`, which begins at zero; None beyond a line that has only begun."""
    after = bisect_right(known, x, key=lambda point: point[0])
    if after == len(known):
        return known[-1][1] if len(known) > 1 or x == known[-1][0] else None
    (x0, y0), (x1, y1) = known[after - 1], known[after]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def charts(curves_by_run: Mapping[str, Curves], against: Against = "step") -> list[Chart]:
    """Loss with validation score, and the learning rate: the runs over each other, each in a colour of its own."""
    several, (x_label, size) = len(curves_by_run) > 1, horizontal(curves_by_run.values(), against)
    loss, rates = list[Series](), list[Series]()

    def drawn(run: Curves, which: Which) -> tuple[Point, ...]:
        return tuple((x / size, y) for x, y in run.points(which, against))

    for colour, (name, run) in enumerate(curves_by_run.items()):
        before = f"{name} " if several else ""
        loss.append(Series(f"{before}training", drawn(run, "training"), colour=colour))
        loss.append(Series(f"{before}validation", drawn(run, "validation"), dashed=True, colour=colour))
        rates.append(Series(name, drawn(run, "learning_rate"), colour=colour))
    return [
        Chart("Loss", x_label, bits_label(curves_by_run.values()), tuple(loss)),
        Chart("Learning rate", x_label, "learning rate", tuple(rates)),
    ]


def horizontal(runs: Iterable[Curves], against: Against) -> tuple[str, float]:
    """What stands below a chart, and how much one of it is."""
    if against != "time":
        return {"step": "step", "symbols": "symbols read"}[against], 1.0
    longest = max((x for run in runs for x, _ in run.points("training", "time")), default=0.0)
    size, name = next((size, name) for least, size, name in CLOCKS if longest >= least)
    return f"{name} of training", size


def bits_label(runs: Iterable[Curves]) -> str:
    """What losses and scores are counted by; of several runs, all that they are."""
    symbols, scored = {run.symbol for run in runs}, {run.per for run in runs}
    symbol = symbols.pop() if len(symbols) == 1 else "symbol"
    per = " or ".join(sorted(scored))
    return f"bits per {symbol}" if symbol == per else f"bits: training per {symbol}, validation per {per}"

"""Seconds -> steps: the only place where a clock decides how long a run is, and it decides before the first step.

A throw-away learner makes steps for half a second and scores some of the validation part; what a step and an
evaluation cost gives the number of steps that fit. The number is recorded, so resuming never looks at a clock. While a
run whose steps nobody counted is under way, `replan` corrects the number now and then, as machines change their speed.
"""

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config import LARGEST, LENGTHS, RunConfig, Wish, parse_duration, shown
from charrnn.errors import SettingsError
from charrnn.evaluation.baselines import COUNTED_SYMBOLS, comparable
from charrnn.evaluation.held_out import SHORTEST, reading, watched
from charrnn.learning.distributed import ALONE, Group
from charrnn.learning.learner import Learner
from charrnn.learning.teachers import Expected
from charrnn.learning.watch import validate
from charrnn.planning import dropping
from charrnn.planning.settings import DEFAULT_SECONDS, Choices
from charrnn.runs.progress import Progress
from charrnn.text.batches import windows_of
from charrnn.text.corpus import Corpus

EVALUATIONS = 8
EVALUATION_SHARE = 0.06  # of the time; a large validation part is scored less often
LEAVING_SECONDS = 0.5  # the last save, and the end of the process
COUNTING_SECONDS = 3.0  # n-grams and compressors of a million symbols
MARGIN = 0.98  # of the time left, for steps slower than those measured
_WARM, _SECONDS, _MOST = 4, 0.5, 200


@dataclass(frozen=True)
class Cost:
    """Seconds of one step and of one evaluation, as measured, and of what comes after the last."""

    step: float
    evaluation: float
    closing: float = LEAVING_SECONDS

    @property
    def ending(self) -> float:
        """Seconds after the last step, which is always evaluated."""
        return self.evaluation + self.closing


@dataclass(frozen=True)
class Leg:
    """What a complete run is to go on for."""

    wish: Wish
    asked: Mapping[str, Any]  # before
    deadline: float | None  # on the monotonic clock, where a time is wished
    cost: Cost | None  # measured for it


def measure(
    config: RunConfig,
    corpus: Corpus,
    group: Group = ALONE,
    expected: Expected | None = None,
    *,
    baselines: bool = False,
) -> Cost:
    """Make a few throw-away steps and a short evaluation; what rank 0 saw counts.

    With `baselines`, n-grams are counted at the end of the run.
    """
    learner = Learner.of(config, corpus, group, expected)
    windows = windows_of(corpus.train, corpus.vocabulary, config.batch_size, config.seq_length, config.seed)
    times: list[float] = []
    began = time.monotonic()
    while len(times) < _WARM + 2 or group.first(lambda: len(times) < _MOST and time.monotonic() - began < _SECONDS):
        before = time.monotonic()
        learner.step(windows.window(len(times)), len(times))[0].item()
        times.append(time.monotonic() - before)
    step = statistics.fmean(sorted(times[_WARM:])[: max(1, len(times) * 9 // 10)])
    before = time.monotonic()
    if len(corpus.validation) > 1:
        validate(learner.average, corpus, group, most=SHORTEST)
    longer = reading(corpus) / max(1, reading(corpus, SHORTEST))
    evaluation, read = longer * (time.monotonic() - before), len(corpus.train) + len(watched(corpus))
    counting = baselines and comparable(corpus.vocabulary, both_ways=config.bidirectional)
    closing = LEAVING_SECONDS + counting * min(1.0, read / COUNTED_SYMBOLS) * COUNTING_SECONDS
    return group.first(lambda: Cost(step, evaluation, closing))


def counted(wish: Wish) -> bool:
    """Whether the number of steps is wished, and not a time or nothing."""
    return wish.get("steps") is not None or wish.get("epochs") is not None


def needs_measuring(wish: Wish) -> bool:
    """Whether any wish is in seconds: a time, no length at all, or a duration between evaluations."""
    return not counted(wish) or any(isinstance(wish.get(key), str) for key in ("eval_every", "sample_every"))


def deadline(wish: Wish, began: float) -> float:
    """When a run ends whose steps are not counted, on the monotonic clock; its time counts from when it `began`."""
    return began + wish.get("time") if wish.get("time") is not None else time.monotonic() + DEFAULT_SECONDS


def most_steps(choices: Choices, wish: Wish, corpus: Corpus, windows: int) -> float:
    """How many steps a run may make whose steps are not counted: as many as the text is worth.

    In a time that is given that is more than without one, and no matter to a network with few weights for each symbol;
    with teachers a reading counts as it does for what is dropped.
    """
    if wish.get("time") is None:
        return choices.epochs * windows
    if dropping.weights_for(choices.values, corpus) <= dropping.WEIGHTS:
        return math.inf
    return max(choices.epochs, dropping.worth(choices.values)) * windows


def complete(choices: Choices, wish: Wish, corpus: Corpus, cost: Cost | None, seconds_left: float) -> RunConfig:
    """Fill in everything that is counted in steps. `cost` may be None if nothing was asked for in seconds."""
    values = dict(choices.values)
    windows = windows_of(corpus.train, corpus.vocabulary, values["batch_size"], values["seq_length"]).windows
    most = most_steps(choices, wish, corpus, windows)
    values["steps"] = _length(choices, wish, windows, cost, seconds_left, most)
    rates, why = dropping.chosen(wish, values, corpus, values["steps"] / windows)
    for key, rate in rates.items():
        values[key] = choices.choose(wish, key, rate, why)
    values["raise_dropout"] = dropping.may_rise(wish, corpus)
    number = evaluations(cost, values["steps"])
    if wish.get("warmup") is None:
        values["warmup"], choices.reasons["warmup"] = (
            min(100, values["steps"] // 10),
            "a tenth of all steps, at most 100",
        )
    each = math.ceil(values["steps"] / number)
    values["eval_every"] = _in_steps(wish.get("eval_every"), cost, each)
    values["sample_every"] = _in_steps(wish.get("sample_every"), cost, values["eval_every"])
    values.setdefault("save_every", "5m")
    for key in ("eval_every", "sample_every", "save_every"):
        if wish.get(key) is None:
            choices.reasons[key] = f"{number} evaluations" if key == "eval_every" else "and at every evaluation"
    choices.values |= {key: values[key] for key in choices.reasons}
    return RunConfig.model_validate(values)


def lengthened(config: RunConfig, progress: Progress, leg: Leg, corpus: Corpus) -> RunConfig:
    """The configuration of a complete run with another leg, of as many steps as are wished now.

    Evaluations are spread over it, unless their interval was asked for.

    Raises:
        SettingsError: the run is as long already.
    """
    windows = windows_of(corpus.train, corpus.vocabulary, config.batch_size, config.seq_length).windows
    left = 0.0 if leg.deadline is None else leg.deadline - time.monotonic()
    total = _length(Choices(), leg.wish, windows, leg.cost, left) + (leg.deadline is not None) * progress.step
    if total <= progress.step or (leg.deadline is not None and left <= 0):
        key = next(key for key in LENGTHS if leg.wish.get(key) is not None)
        what = f"`{key}={shown(key, leg.wish.get(key))}` is not longer than the run"
        had = f"it has made {progress.step:,} steps"
        raise SettingsError(what, had, "ask for more", "leave it out")
    changes: dict[str, Any] = {"steps": total, "legs": [*config.legs, progress.step]}
    if leg.asked.get("eval_every") is None:
        changes["eval_every"] = math.ceil((total - progress.step) / evaluations(leg.cost, total - progress.step))
        if config.sample_every == config.eval_every:
            changes["sample_every"] = changes["eval_every"]
    return config.model_copy(update=changes)


def evaluations(cost: Cost | None, steps: int) -> int:
    """How many times to evaluate in a run of `steps` steps."""
    if cost is None or cost.evaluation == 0:
        return min(EVALUATIONS, steps)
    affordable = EVALUATION_SHARE * steps * cost.step / cost.evaluation
    return min(steps, max(1, min(EVALUATIONS, math.floor(affordable))))


def replan(
    config: RunConfig, step: int, cost: Cost, seconds_left: float, *, fixed: bool = False, most: float = math.inf
) -> RunConfig:
    """`config` with the number of steps that ends in time, seen from `step`; unchanged where that differs by under 1 %.

    They are at `most` so many.

    A rest of twice or half the planned length also gets its evaluations spread anew, unless their interval is `fixed`.
    A run at its end goes on only if most of its time is left: the machine was busy when it was measured.
    """
    left = config.steps - step
    fit = int(min(fitting(cost, seconds_left, config.eval_every), most - step))
    if abs(fit - left) < 0.01 * config.steps or (left == 0 and fit <= step):
        return config
    if fixed or left / 2 < fit < 2 * left:
        return config.model_copy(update={"steps": step + fit})
    fit = int(min(fitting(cost, seconds_left, None), most - step))
    each = math.ceil(fit / evaluations(cost, fit))
    sampling = each if config.sample_every == config.eval_every else config.sample_every
    return config.model_copy(update={"steps": step + fit, "eval_every": each, "sample_every": sampling})


def fitting(cost: Cost, seconds: float, eval_every: int | None) -> int:
    """How many steps fit into `seconds`, evaluating every so many (None: as `evaluations` spreads them)."""
    room = MARGIN * (seconds - cost.ending)
    if eval_every is not None:
        return max(1, int(room / (cost.step + cost.evaluation / eval_every)))
    return max(1, int((room - min(EVALUATIONS * cost.evaluation, EVALUATION_SHARE * room)) / cost.step))


def _length(
    choices: Choices, wish: Wish, windows: int, cost: Cost | None, seconds_left: float, most: float = math.inf
) -> int:
    if wish.get("steps") is not None:
        return int(wish.get("steps"))
    if wish.get("epochs") is not None:
        return _bounded(float(wish.get("epochs")) * windows)
    assert cost is not None
    every = None if wish.get("eval_every") is None else _in_steps(wish.get("eval_every"), cost, 1)
    fit = fitting(cost, seconds_left, every)
    if wish.get("time") is None:
        cap = f"at most {choices.epochs:g} epochs and {DEFAULT_SECONDS:g} s; `time=10m` trains longer"
        choices.reasons["steps"] = cap
    elif fit > most:
        cap = f"the text is worth {most / windows:g} epochs to this network, which take less than the time given"
        choices.reasons["steps"] = f"{cap}; `epochs={2 * most / windows:g}` reads it more often"
    else:
        choices.reasons["steps"] = f"what fits into the time given, at {1000 * cost.step:.1f} ms per step"
    return _bounded(min(fit, most))


def _bounded(steps: float) -> int:
    if steps > LARGEST:
        raise SettingsError(f"that would be {steps:.3g} steps", "", f"ask for at most {LARGEST:,}")
    return max(1, round(steps))


def _in_steps(asked: Any, cost: Cost | None, default: int) -> int:
    if isinstance(asked, str):
        assert cost is not None
        return _bounded(parse_duration(asked) / cost.step)
    return _bounded(asked or default)

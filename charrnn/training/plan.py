"""Seconds -> steps: the only place where a clock decides how long a run is, and it decides before the first step.

A throw-away learner makes steps for about a second and scores the validation part once; what a step and an evaluation
cost gives the number of steps that fit. The number is recorded, so resuming never looks at a clock. While a run with a
time limit is under way, `replan` corrects the number now and then, as machines change their speed.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from charrnn.config import RunConfig, Wish, parse_duration
from charrnn.text.corpus import Corpus
from charrnn.text.lanes import Lanes
from charrnn.training.learner import Learner
from charrnn.training.settings import DEFAULT_SECONDS, Choices, longest
from charrnn.training.watch import validation_nats

EVALUATIONS = 8
EVALUATION_SHARE = 0.06  # of the time; a large validation part is scored less often
CLOSING_SECONDS = 0.7  # the last save and the table
MARGIN = 0.98  # of the time left, for steps slower than those measured
_WARM, _SECONDS, _MOST = 4, 1.0, 200


@dataclass(frozen=True)
class Cost:
    """What was measured: seconds of one step, and of one evaluation."""

    step: float
    evaluation: float


def measure(config: RunConfig, corpus: Corpus, poll: Callable[[], None]) -> Cost:
    """Make a few throw-away steps and one evaluation."""
    learner = Learner(config, len(corpus.vocabulary))
    lanes = Lanes(corpus.train, config.batch_size, config.seq_length, config.seed)
    times: list[float] = []
    began = time.monotonic()
    while len(times) < _WARM + 2 or (len(times) < _MOST and time.monotonic() - began < _SECONDS):
        poll()
        before = time.monotonic()
        learner.step(lanes.window(len(times)), len(times))[0].item()
        times.append(time.monotonic() - before)
    before = time.monotonic()
    if len(corpus.validation) > 1:
        validation_nats(learner.average, corpus, poll)
    return Cost(statistics.fmean(sorted(times[_WARM:])[: max(1, len(times) * 9 // 10)]), time.monotonic() - before)


def needs_measuring(wish: Wish) -> bool:
    """Whether any wish is in seconds: a time, no length at all, or a duration between evaluations."""
    durations = any(isinstance(wish.get(key), str) for key in ("eval_every", "sample_every"))
    return durations or (wish.get("steps") is None and wish.get("epochs") is None)


def complete(choices: Choices, wish: Wish, corpus: Corpus, cost: Cost | None, seconds_left: float) -> RunConfig:
    """Fill in everything that is counted in steps. `cost` may be None if nothing was asked for in seconds."""
    values = dict(choices.values)
    windows = (len(corpus.train) - 1) // (values["batch_size"] * values["seq_length"])
    values["steps"] = _length(choices, wish, corpus, windows, cost, seconds_left)
    number = evaluations(cost, values["steps"])
    if wish.get("warmup") is None:
        values["warmup"], choices.reasons["warmup"] = min(100, values["steps"] // 10), "a tenth, at most 100 steps"
    each = math.ceil(values["steps"] / number)
    values["eval_every"] = _in_steps(wish.get("eval_every"), cost, each)
    values["sample_every"] = _in_steps(wish.get("sample_every"), cost, values["eval_every"])
    values.setdefault("save_every", "5m")
    for key in ("eval_every", "sample_every", "save_every"):
        if wish.get(key) is None:
            choices.reasons[key] = f"{number} evaluations" if key == "eval_every" else "and at every evaluation"
    choices.values |= {key: values[key] for key in choices.reasons}
    return RunConfig.model_validate(values)


def evaluations(cost: Cost | None, steps: int) -> int:
    """How many times to evaluate in a run of `steps` steps."""
    if cost is None or cost.evaluation == 0:
        return min(EVALUATIONS, steps)
    affordable = EVALUATION_SHARE * steps * cost.step / cost.evaluation
    return min(steps, max(1, min(EVALUATIONS, math.floor(affordable))))


def replan(config: RunConfig, step: int, cost: Cost, seconds_left: float, *, fixed: bool = False) -> RunConfig:
    """`config` with the number of steps that ends in time, seen from `step`; unchanged where that differs by under 1 %.

    Evaluations are spread over the new rest, unless their interval is `fixed`.
    """
    left = config.steps - step
    watching = math.ceil(left / config.eval_every) * cost.evaluation + CLOSING_SECONDS
    fitting = max(1, int(MARGIN * (seconds_left - watching) / cost.step))
    if abs(fitting - left) < 0.01 * config.steps:
        return config
    changes = {"steps": step + fitting}
    if not fixed and fitting > 2 * left:
        changes["eval_every"] = math.ceil(fitting / evaluations(cost, fitting))
        if config.sample_every == config.eval_every:
            changes["sample_every"] = changes["eval_every"]
    return config.model_copy(update=changes)


def _length(choices: Choices, wish: Wish, corpus: Corpus, windows: int, cost: Cost | None, seconds_left: float) -> int:
    if wish.get("steps") is not None:
        return int(wish.get("steps"))
    if wish.get("epochs") is not None:
        return max(1, round(float(wish.get("epochs")) * windows))
    assert cost is not None
    epochs, why = longest(wish, corpus)
    seconds = seconds_left if wish.get("time") is not None else DEFAULT_SECONDS
    room = MARGIN * (seconds - CLOSING_SECONDS - cost.evaluation)
    room -= min((EVALUATIONS - 1) * cost.evaluation, EVALUATION_SHARE * room)
    fitting = max(1, int(room / cost.step))
    if epochs is None:
        choices.reasons["steps"] = f"what fits into --time at {1000 * cost.step:.1f} ms a step"
        return fitting
    choices.reasons["steps"] = why
    return min(fitting, max(1, round(epochs * windows)))


def _in_steps(asked: Any, cost: Cost | None, default: int) -> int:
    if isinstance(asked, str):
        assert cost is not None
        return max(1, round(parse_duration(asked) / cost.step))
    return int(asked or default)

"""The time that a run has: when to look at its speed, and how many steps then fit into what is left.

A machine changes its speed, most of all where other work comes and goes. So the rest is planned anew after each
eighth of the steps, and no later than after each eighth of the time. Measured: beside other work that took its cores
by turns, a run of 95 s whose speed was looked at by steps alone took 651. What is dropped follows from the length of
the run, and is chosen anew where that makes a difference.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from charrnn.config import RunConfig
from charrnn.learning.distributed import ALONE, Group
from charrnn.planning import dropping, plan
from charrnn.planning.plan import Cost, replan
from charrnn.planning.preparation import Preparation, Request
from charrnn.text.batches import windows_of

TURNS = 8
SLIGHTLY = 0.02  # more dropout, in the mean over a run: worth about 0.001 nats


@dataclass
class Pace:
    """Nothing where the steps are counted, or on resuming."""

    deadline: float | None = None  # on the monotonic clock
    cost: Cost | None = None  # as last measured
    fixed: bool = False  # whether the interval of evaluations was asked for
    most: float = math.inf  # steps
    rates: Callable[[int], Mapping[str, float]] = lambda steps: {}  # what so many steps are to drop
    step: int = 0  # where the speed was last looked at
    seconds: float = 0.0  # spent training by then
    began: float = field(default_factory=time.monotonic)
    looked: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, p: Preparation, request: Request) -> Self:
        """That of a new run."""
        wish, c = request.wish, p.config
        if plan.counted(wish):
            return cls()
        windows = windows_of(p.corpus.train, p.corpus.vocabulary, c.batch_size, c.seq_length).windows
        return cls(
            deadline=plan.deadline(wish, request.began),
            cost=p.cost,
            fixed=wish.get("eval_every") is not None,
            most=plan.most_steps(p.choices, wish, p.corpus, windows),
            rates=lambda steps: dropping.unasked(wish, c, p.corpus, steps / windows),
        )

    def back_to(self, step: int, seconds: float) -> None:
        """Measure from here on."""
        self.step, self.seconds, self.looked = step, seconds, time.monotonic()

    def due(self, step: int, steps: int, group: Group = ALONE) -> bool:
        """Whether the rest is to be planned anew after `step` of so many steps; all processes find the same."""
        if self.deadline is None or self.cost is None or step <= self.step:
            return False
        now = time.monotonic()
        late = TURNS * (now - self.looked) > self.deadline - self.began or now > self.deadline - self.cost.ending
        regular = step == steps or (step % max(1, steps // TURNS) == 0 and steps - step >= steps // TURNS // 2)
        return bool(group.agree(late or regular)[0])

    def planned(self, config: RunConfig, step: int, seconds: float, group: Group = ALONE) -> RunConfig:
        """`config` with as many steps as fit into the time that is left, at the speed of the last stretch.

        And with the dropout of a run of that length, where it differs by more than `SLIGHTLY`.
        """
        assert self.cost is not None
        assert self.deadline is not None
        known, each = self.cost, (seconds - self.seconds) / (step - self.step)
        self.cost = group.first(lambda: replace(known, step=each))
        left = group.agree(self.deadline - time.monotonic())[0]
        self.back_to(step, seconds)
        if left < known.ending:  # one more, to end with an evaluation
            return config.model_copy(update={"steps": min(config.steps, step + 1)})
        planned = replan(config, step, self.cost, left, fixed=self.fixed, most=self.most)
        again = planned.model_copy(update=self.rates(planned.steps))
        return again if abs(mean_dropout(again) - mean_dropout(config)) > SLIGHTLY else planned


def mean_dropout(config: RunConfig) -> float:
    """That of all steps."""
    return config.dropout * (1 + config.dropout_start) / 2


def told(before: RunConfig, after: RunConfig) -> str:
    """What is said of a run that is planned anew, besides its length; nothing where that is all."""
    rates = {key: getattr(after, key) for key in ("dropout", "weight_drop", "dropout_start")}
    changed = [f"{key.replace('_', '-')} {rate}" for key, rate in rates.items() if rate != getattr(before, key)]
    return f"chose {', '.join(changed)}: the run is to have {after.steps:,} steps now" if changed else ""

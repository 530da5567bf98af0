"""The time that a run was given: when to look at its speed, and how many steps then fit into what is left.

A machine changes its speed, most of all where other work comes and goes. So the rest is planned anew after each
eighth of the steps, and no later than after each eighth of the time. Measured: beside other work that took its cores
by turns, a run of 95 s whose speed was looked at by steps alone took 651.
"""

import time
from dataclasses import dataclass, field, replace

from charrnn.config import RunConfig
from charrnn.learning.distributed import ALONE, Group
from charrnn.planning.plan import CLOSING_SECONDS, Cost, replan

TURNS = 8


@dataclass
class Pace:
    """Nothing where no time was given, or on resuming."""

    deadline: float | None = None  # on the monotonic clock
    cost: Cost | None = None  # as last measured
    fixed: bool = False  # whether the interval of evaluations was asked for
    step: int = 0  # where the speed was last looked at
    seconds: float = 0.0  # spent training by then
    began: float = field(default_factory=time.monotonic)
    looked: float = field(default_factory=time.monotonic)

    def back_to(self, step: int, seconds: float) -> None:
        """Measure from here on."""
        self.step, self.seconds, self.looked = step, seconds, time.monotonic()

    def due(self, step: int, steps: int, group: Group = ALONE) -> bool:
        """Whether the rest is to be planned anew after `step` of so many steps; all processes find the same."""
        if self.deadline is None or self.cost is None or step <= self.step:
            return False
        now = time.monotonic()
        late = TURNS * (now - self.looked) > self.deadline - self.began or now > self.deadline - CLOSING_SECONDS
        regular = step == steps or (step % max(1, steps // TURNS) == 0 and steps - step >= steps // TURNS // 2)
        return bool(group.agree(late or regular)[0])

    def planned(self, config: RunConfig, step: int, seconds: float, group: Group = ALONE) -> RunConfig:
        """`config` with as many steps as fit into the time that is left, at the speed of the last stretch."""
        assert self.cost is not None
        assert self.deadline is not None
        known, each = self.cost, (seconds - self.seconds) / (step - self.step)
        self.cost = group.first(lambda: replace(known, step=each))
        left = group.agree(self.deadline - time.monotonic())[0]
        self.back_to(step, seconds)
        if left < CLOSING_SECONDS:  # one more, to end with an evaluation
            return config.model_copy(update={"steps": min(config.steps, step + 1)})
        return replan(config, step, self.cost, left, fixed=self.fixed)

"""How far a run is and what text it learns, in plain numbers: what a checkpoint and its readers pass around."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=0)]


class Progress(BaseModel):
    """How far a run is: plain numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    step: Count = 0
    epoch: float = 0.0
    seconds: float = 0.0  # spent training, over all sessions
    validation_nats: float | None = None  # per character, at `evaluated_step`, of logits divided by the temperature
    temperature: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    evaluated_step: Count | None = None
    sampled_step: Count | None = None
    best_nats: float | None = None
    best_step: Count | None = None
    stale: Count = 0  # evaluations since the best score
    loss_sum: float = 0.0  # of the steps since the last reported one
    loss_count: Count = 0
    last_loss: float | None = None  # as last reported
    rollbacks: Count = 0

    @model_validator(mode="after")
    def _scores_have_steps(self) -> Self:
        if (self.best_nats is None) != (self.best_step is None):
            raise ValueError("the best score has no step")
        return self


class CorpusFacts(BaseModel):
    """What identifies the text a model learnt, without holding it."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str
    train_symbols: Count
    validation_symbols: Count
    test_symbols: Count = 0

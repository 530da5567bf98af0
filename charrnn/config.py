"""What a run is asked to be: typed, bounded, read from flags, environment and YAML by one precedence rule.

Two forms. A *wish* is a flat dictionary of what somebody asked for, each value with its source. A `RunConfig` is the
resolved wish: every value present. It is stored whole in each checkpoint, and a run's `config.yaml` asks for it again.

Precedence: flag > environment > --config file > chosen or default. Keys are flag names; unknown ones are refused.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from charrnn.arguments import check_effects
from charrnn.errors import SettingsError

LARGEST = 2**31 - 1
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Width = Annotated[int, Field(ge=1, le=2**16)]
Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


def parse_duration(value: object) -> float:
    """Seconds of `90s`, `10m`, `3h50m`, `1d` or a plain number of seconds."""
    text = str(value).strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+(\.\d+)?[dhms])+", text):
        scale = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        seconds = sum(float(number) * scale[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([dhms])", text))
    else:
        raise ValueError("write a duration such as 90s, 10m or 3h50m")
    if not 0 < seconds < 1e9:
        raise ValueError("the duration must be longer than nothing and shorter than 30 years")
    return seconds


def shown(key: str, value: object) -> str:
    """The `value` of a setting as somebody would write it."""
    return "none" if value is None else f"{value:.10g}s" if key == "time" else str(value)


def parse_interval(value: object) -> int | str:
    """A number of steps (an integer), or a duration, kept as written."""
    if isinstance(value, int) or str(value).strip().isdecimal():
        steps = int(str(value))
        if steps < 1:
            raise ValueError("write a number of steps of at least 1, or a duration such as 5m")
        return steps
    parse_duration(value)
    return str(value)


def parse_separator(value: object) -> str:
    r"""A text that separates: TAB, \t and \n are what they are called."""
    text = "\t" if value == "TAB" else str(value).replace("\\t", "\t").replace("\\n", "\n")
    if not text:
        raise ValueError("give a separator that is not empty")
    return text


Separator = Annotated[str, BeforeValidator(parse_separator)]
Duration = Annotated[float, BeforeValidator(parse_duration)]
Interval = Annotated[int | str, BeforeValidator(parse_interval)]


class ModelConfig(BaseModel):
    """The network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: Literal["lstm", "gru", "rnn"] = "lstm"
    layers: Annotated[int, Field(ge=1, le=1000)]
    hidden: Width
    embedding: Annotated[int, Field(ge=0, le=2**16)]  # 0: one-hot input
    dropout: Share
    layer_norm: bool = True
    residual: bool = True
    vector_size: Annotated[int, Field(ge=0, le=2**20)] = 0  # numbers in a vector, where records begin with vectors
    bidirectional: bool = False  # whether a symbol is predicted from what stands behind it, too


class DataConfig(BaseModel):
    """The text, its split, and how it is cut into windows."""

    corpus: Annotated[list[str], Field(min_length=1)]
    glob: str | None = None
    exclude: list[str] = []
    encoding: str = "utf-8"
    errors: Literal["strict", "replace", "ignore"] = "strict"  # what becomes of undecodable bytes
    newlines: Literal["keep", "lf"] = "keep"
    unit: Literal["char", "byte", "word"] = "char"
    min_count: Positive = 1  # rarer characters are one unknown symbol, rarer words are spelled
    records: Literal["lines", "blank-line", "files"] | None = None
    record_separator: Separator | None = None
    target_after: Separator | None = None  # in each record; only what follows counts
    synced: bool = False  # whether the answer is a label for each word of the question
    field: str | None = None  # of a table, whose rows are records
    target: str | None = None  # the field of their answers
    shuffle_records: bool = False
    vectors: str | None = None  # a file with what each record begins with
    vectors_key: str | None = None  # of a table, the column that names each row's record
    validation: str | None = None
    validation_fraction: Share
    test: str | None = None
    test_fraction: Share = 0.0
    batch_size: Width
    seq_length: Width


class OptimisationConfig(BaseModel):
    """How weights follow gradients."""

    steps: Positive
    learning_rate: Finite
    distill_from: list[str] = []  # models whose distributions are learnt, too
    distill_weight: Share = 0.5  # of them, beside the text itself
    teachers: str | None = None  # SHA-256 over these models
    legs: list[Positive] = []  # steps at which the run was complete, and was made longer
    warmup: Annotated[int, Field(ge=0)]
    weight_drop: Share  # of the recurrent weights
    dropout_start: Annotated[float, Field(ge=0, le=1)]  # share of both that is in force at the first step
    raise_dropout: bool = False  # both, where the held-out score rises
    raised: list[Positive] = []  # steps at which they were
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05
    clip: Finite = 1.0
    ema: Share = 0.998
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class RunConfig(ModelConfig, DataConfig, OptimisationConfig):
    """Everything a run is: the parts above, and how it is watched and where it computes."""

    eval_every: Positive
    save_every: Interval
    keep: Positive = 2  # resumable checkpoints
    sample_every: Positive
    patience: Positive | None = None  # evaluations in a row without a better score that end a run
    device: str
    precision: Literal["float32", "bfloat16", "float16"]
    threads: Annotated[int, Field(ge=1, le=1024)]

    @property
    def per(self) -> str:
        """What the bits of its scores are counted by. They are no one measure: a label is not a character."""
        return ("label" if self.synced else "character") + " given both sides" * self.bidirectional


# Asked for, but not part of what a run is: they say how many steps there are, and when to look.
WISHES: dict[str, Any] = {
    "epochs": Finite | None,
    "time": Duration | None,
    "eval_every": Interval | None,
    "sample_every": Interval | None,
    "precision": Literal["auto", "float32", "bfloat16", "float16"] | None,
    "device": str | None,
}
LENGTHS = ("steps", "epochs", "time")
# Settings that say something of others only, and those that take the place of others.
ABOUT = {
    "distill_weight": ("distill_from",),
    "shuffle_records": ("records", "record_separator", "target_after", "field"),
    "vectors_key": ("vectors",),
}
APART = (("validation_fraction", "validation"), ("test_fraction", "test"))
CALL = "the call"  # where a setting came from: an argument in Python, in place of a flag


@dataclass
class Wish:
    """What was asked for: `values` by key, and where each came from (`flag`, `environment`, `file`)."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def add(self, values: Mapping[str, Any], source: str) -> None:
        """Add lower-ranking values: what is already asked for stays."""
        rivals = {key for key in LENGTHS if key in self.values}
        for key, value in values.items():
            check_key(key, source)
            if value is None or key in self.values or (rivals and key in LENGTHS):
                continue
            self.values[key] = check(key, value, source)
            self.sources[key] = source

    def get(self, key: str) -> Any:
        """The value asked for, or None."""
        return self.values.get(key)

    def check_effects(self) -> None:
        """Refuse flags without effect; a file of settings, or the environment, may be for many runs."""
        asked = {key: value for key, value in self.values.items() if self.sources[key] in ("flag", CALL)}
        check_effects(asked, self.values, ABOUT, APART)


def keys() -> list[str]:
    """Every key that a wish may hold."""
    return [*RunConfig.model_fields, *(key for key in WISHES if key not in RunConfig.model_fields)]


def check_key(key: str, source: str) -> None:
    """Refuse a key that no setting has, naming the nearest one."""
    if key not in keys():
        near = difflib.get_close_matches(key, keys(), n=1)
        remedy = f"did you mean {near[0]}?" if near else "see charrnn train --help"
        raise SettingsError(f"unknown setting {key} in {source}", remedy)


def check(key: str, value: Any, source: str) -> Any:
    """`value` as the type of `key`.

    Raises:
        SettingsError: no such key, or a value out of bounds.
    """
    check_key(key, source)
    shown = f"`{key}`" if source == "flag" else key
    try:
        return _validator(key)(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ").lower()
        where = "" if source == "flag" else f"from {source}"
        raise SettingsError(f"{shown} cannot be {value!r}", where, problem) from error


def check_one_length(values: Mapping[str, Any], source: str) -> None:
    """A run has one length: refuse two of `steps`, `epochs` and `time` from the same source."""
    given = [f"`{key}`" for key in LENGTHS if values.get(key) is not None]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)} cannot be used together", f"both from {source}", "give one of them")


def _validator(key: str) -> Any:
    if key in WISHES:
        return TypeAdapter(WISHES[key]).validate_python
    info: FieldInfo = RunConfig.model_fields[key]
    kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return TypeAdapter(kind).validate_python

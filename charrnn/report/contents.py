"""What a report shows, as plain data: an account of each run. `study.py` finds it out, `page.py` draws it.

Everything but a name may be missing: a model whose text is gone has no passage, one whose record is gone no curves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charrnn.report.curves import Curves


@dataclass(frozen=True)
class Rung:
    """What a run wrote at a step, with the score that it had."""

    step: int
    bits_per_char: float | None
    text: str


@dataclass(frozen=True)
class Symbol:
    """A symbol of a text, its bits if it counts, and what was likeliest in its place, with the probability."""

    text: str
    bits: float | None
    likeliest: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Unit:
    """A hidden unit that means something, by its correlation with a property of the text."""

    number: int
    meaning: str
    correlation: float


@dataclass(frozen=True)
class Cells:
    """What every unit does in a passage: for each a string with a digit for each symbol, `0` is -1, `7` 0 and `e` 1."""

    what: str
    hidden: int  # units of a layer
    levels: tuple[str, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Copying:
    """How much of a sample stands in the training text, and of as much held-out text."""

    how: str
    sample: tuple[str, str, str]  # before, in and after its longest copied span
    longest: tuple[int, int]  # symbols, of the sample and of the held-out text; 0 where there is none
    shares: Mapping[int, tuple[float | None, float | None]]  # n -> n-grams that stand there, of both


@dataclass(frozen=True)
class Baseline:
    """What counting or compressing gets on the same held-out text, and what it knows of the training text."""

    name: str
    knows: str
    bits_per_char: float


@dataclass(frozen=True)
class Answer:
    """What was asked, by a text and vectors, what the model wrote, and what stands there."""

    question: str
    vectors: tuple[tuple[float, ...], ...]
    written: str
    expected: str


@dataclass(frozen=True)
class Labels:
    """What was said of the words of a held-out text: for each label, what stands there, how often what was said."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # a row for each label that stands there
    accuracy: float
    sentences: float  # the share that is right in every word
    f1: float | None


@dataclass(frozen=True)
class Account:
    """One run, or one model."""

    name: str
    card: tuple[tuple[str, str], ...] = ()
    parameters: int = 0
    bits_per_char: float | None = None  # of the held-out part
    per: str = "character"  # or what they are counted by
    baselines: tuple[Baseline, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    curves: Curves | None = None
    rungs: tuple[Rung, ...] = ()
    left_out: int = 0  # rungs, for want of room
    passage: tuple[Symbol, ...] = ()
    from_left: tuple[Symbol, ...] = ()  # the same passage, where the network reads both ways: from the left alone
    where: str = ""  # the passage comes from
    cells: Cells | None = None
    reach: tuple[float, ...] = ()  # of the gradient, k steps back, as shares of what reaches one step back
    copying: Copying | None = None
    answers: tuple[Answer, ...] = ()
    labels: Labels | None = None
    shape: tuple[int, int] | None = None  # of a vector that is a picture: rows and columns
    notices: tuple[str, ...] = ()
    desk: str = ""  # where its writing desk lies (see export/), as seen from the page

"""A wish, a text and a device -> a RunConfig: what nobody asked for is chosen here, and every choice says why.

One table, from the symbols of a text, and how many of them a run can learn from, to the network and how often the text
may be read; one rule each for the device, the precision and the lanes. Where the table depends on how fast the machine
is, that is measured: no network is chosen that there is no time for. What is counted in steps, or depends on them,
follows in `plan.py`.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from charrnn.config import ModelConfig, RunConfig, Wish
from charrnn.model.cores import usable_cores
from charrnn.model.machine import Machine, Speeds, check_precision, precisions, training_speeds, usable_device
from charrnn.planning.dropping import worth
from charrnn.shapes import parameter_shapes
from charrnn.text.batches import fitting
from charrnn.text.corpus import Corpus

DEFAULT_SECONDS = 120.0
PATIENCE = 0.02, 10.0  # of the time, and seconds at most, until the machine is alone with what measures it
HEAVY = 50  # weights for each training symbol that are worth a warning


@dataclass(frozen=True)
class Size:
    """Settings for texts of at least `symbols` training symbols, in runs that learn from at least `learnt`.

    A run of ten epochs learns from ten times its symbols.
    """

    symbols: int
    learnt: int
    hidden: int
    embedding: int
    lanes: int  # on a CPU
    window: int  # on a CPU
    learning_rate: float
    epochs: float  # more epochs than this only memorise the text

    def shape(self, on_gpu: bool) -> tuple[int, int]:
        """Lanes and steps of a window."""
        return (64, 128) if on_gpu else (self.lanes, self.window)

    def network(self, *, bidirectional: bool = False) -> ModelConfig:
        """One layer of LSTM."""
        known = {"layers": 1, "hidden": self.hidden, "embedding": self.embedding, "dropout": 0.0}
        return ModelConfig.model_validate(known | {"bidirectional": bidirectional})


# Measured on two cores of two kinds of machine; see benchmarks/README.md.
SIZES = (
    Size(500_000, 70_000_000, 1024, 128, 64, 64, 4e-3, 75),
    Size(500_000, 33_000_000, 768, 64, 64, 64, 5e-3, 50),
    Size(500_000, 9_500_000, 768, 64, 32, 64, 5e-3, 40),
    Size(500_000, 5_000_000, 512, 64, 32, 64, 7e-3, 20),
    Size(500_000, 3_000_000, 384, 64, 16, 64, 7e-3, 20),
    Size(500_000, 1_200_000, 256, 64, 16, 64, 7e-3, 20),
    Size(500_000, 0, 128, 64, 16, 64, 1e-2, 20),
    Size(200_000, 2_500_000, 512, 64, 16, 64, 5e-3, 15),
    Size(200_000, 1_200_000, 384, 64, 16, 64, 7e-3, 15),
    Size(200_000, 500_000, 256, 64, 16, 64, 7e-3, 15),
    Size(200_000, 0, 128, 64, 16, 64, 1e-2, 15),
    Size(30_000, 10_000_000, 512, 64, 16, 64, 5e-3, 100),
    Size(30_000, 3_000_000, 384, 64, 16, 64, 7e-3, 60),
    Size(30_000, 0, 256, 64, 16, 64, 7e-3, 60),
    Size(10_000, 0, 256, 64, 8, 64, 7e-3, 60),
    Size(2_000, 0, 256, 64, 4, 64, 5e-3, 60),
    Size(0, 0, 64, 16, 16, 64, 1e-2, 400),
)


def operations(network: ModelConfig, vocabulary: int) -> int:
    """Floating-point operations for a symbol that is learnt: two for each weight of a product, four on the way back."""
    shapes = parameter_shapes(network, vocabulary).items()
    return 6 * sum(math.prod(shape) for name, shape in shapes if len(shape) == 2 and name != "embedding.weight")


def learnt_from(wish: Wish, symbols: int, shape: tuple[int, int], each: int, work: Callable[[], float]) -> float:
    """How many symbols a run learns from, of a text of `symbols`, in windows of this shape, at `each` operations.

    There is time for so much `work`, in operations; what is read more often than a text is worth does not count.
    """
    if wish.get("epochs") is not None:
        return float(wish.get("epochs") * symbols)
    if wish.get("steps") is not None:
        return float(wish.get("steps") * math.prod(shape))
    return min(work() / each, worth(wish.values) * symbols)


def size_for(
    wish: Wish, symbols: int, vocabulary: int, work: Callable[[], float], *, on_gpu: bool = False
) -> tuple[Size, str]:
    """The first row for a text of `symbols` training symbols that the run is long enough for, and why.

    How much `work` there is time for, in operations, is measured only where the table depends on it.
    """
    most = max(size.symbols for size in SIZES if symbols >= size.symbols)
    rows, why = [size for size in SIZES if size.symbols == most], f"for a training set of {symbols:,} symbols"
    if len(rows) == 1:
        return rows[0], why
    asked, both = (wish.get("batch_size"), wish.get("seq_length")), bool(wish.get("bidirectional"))
    learnt = [
        learnt_from(
            wish,
            symbols,
            (asked[0] or size.shape(on_gpu)[0], asked[1] or size.shape(on_gpu)[1]),
            operations(size.network(bidirectional=both), vocabulary),
            work,
        )
        for size in rows
    ]
    found, size = next((found, size) for found, size in zip(learnt, rows, strict=True) if found >= size.learnt)
    return size, f"{why} and time for {found / symbols:.3g} epochs"


@dataclass
class Choices:
    """Values by key, and for those chosen here the reason."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    epochs: float = math.inf  # the most that a run without a length may make

    def sentences(self) -> list[str]:
        """What was chosen, one sentence for every reason."""
        by_reason: dict[str, list[str]] = {}
        for key, reason in self.reasons.items():
            by_reason.setdefault(reason, []).append(f"{key.replace('_', '-')} {self.values[key]}")
        return [f"chose {', '.join(values)}: {reason}" for reason, values in by_reason.items()]

    def choose(self, wish: Wish, key: str, value: Any, reason: str) -> Any:
        """Take what was asked for, else `value` for `reason`."""
        asked = wish.get(key)
        if asked is None or asked == "auto":
            self.values[key], self.reasons[key] = value, reason
        else:
            self.values[key] = asked
        return self.values[key]


def why_held_out(wish: Wish, share: float) -> str:
    """Why `share` of the text is held out."""
    if wish.get("validation"):
        return "there is a validation text of its own"
    return "a tenth" if share else "the text is too small to hold anything out"


def choose_settings(
    wish: Wish,
    corpus: Corpus,
    share: float,
    processes: int = 1,
    speeds: Speeds = training_speeds,
    seconds: float = DEFAULT_SECONDS,
) -> Choices:
    """Everything but what is counted in steps, for a run on so many processes; `plan.complete` adds the rest.

    `speeds` measures a single process; `seconds` are left, where it is a time that ends the run.
    """
    train, chosen = len(corpus.train), Choices()
    device = usable_device(chosen.choose(wish, "device", usable_device("auto"), "the fastest available"))
    threads = chosen.choose(wish, "threads", *usable_cores(torch.get_num_threads()))
    asked, cell = wish.get("precision"), wish.get("cell") or RunConfig.model_fields["cell"].default
    if asked not in (None, "auto"):
        check_precision(device, asked, cell)
    wanted = precisions(device, cell) if asked in (None, "auto") else [asked]
    machine = Machine(device, threads, cell, wanted, speeds, min(PATIENCE[1], PATIENCE[0] * seconds))
    on_gpu, vocabulary = torch.device(device).type == "cuda", len(corpus.vocabulary)
    size, why = size_for(wish, train, vocabulary, lambda: seconds * processes * machine.speed(), on_gpu=on_gpu)
    chosen.epochs = size.epochs
    chosen.choose(wish, "validation_fraction", share, why_held_out(wish, share))
    if corpus.vocabulary.unit == "word":
        words = f"{sum(len(symbol) > 1 for symbol in corpus.vocabulary.symbols):,} words; all others are spelled out"
        chosen.choose(wish, "min_count", corpus.min_count, words)
    if corpus.vectors is not None:
        chosen.choose(wish, "vector_size", corpus.vectors.size, f"what {corpus.vectors.name} holds")
    chosen.choose(wish, "layers", 1, "one wide layer beats two narrower ones in the same time")
    for key in ("hidden", "embedding", "learning_rate"):
        chosen.choose(wish, key, getattr(size, key), why)
    lanes, window = size.shape(on_gpu)
    even = math.ceil(lanes / processes) * processes
    lanes = chosen.choose(wish, "batch_size", even, "more steps beat larger batches" if even < 64 else why)
    window = chosen.choose(wish, "seq_length", window, "long enough for truncated BPTT")
    fits = fitting(corpus.train, corpus.vocabulary, lanes, window, processes)
    chosen.values["batch_size"], chosen.values["seq_length"] = fits
    layer = chosen.values["hidden"], chosen.values["embedding"] or vocabulary, fits[0] // processes
    if asked in (None, "auto"):
        chosen.choose(wish, "precision", *machine.best_precision(*layer))
    else:
        chosen.values["precision"] = asked
    if (lanes, window) != fits:
        shrunk = "{} x {}".format(*fits)
        chosen.reasons["batch_size"] = f"shrunk to {shrunk}: the training set has only {train:,} symbols"
    chosen.values |= {
        key: value for key, value in wish.values.items() if key in RunConfig.model_fields and key not in chosen.values
    }
    chosen.values |= absolute_texts(wish.values)
    return chosen


def absolute_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The texts among settings, by places where they can be found again from another folder."""
    texts = {key: absolute(values[key]) for key in ("validation", "test", "vectors") if values.get(key)}
    return {"corpus": [absolute(place) for place in values["corpus"]], **texts}


def absolute(place: str) -> str:
    """A place as it can be found again from another folder; standard input stays what it is."""
    return place if place == "-" else os.path.abspath(place)  # noqa: PTH100 - links stay links

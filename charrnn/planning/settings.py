"""A wish, a text and a device -> a RunConfig: what nobody asked for is chosen here, and every choice says why.

One table, from the symbols of a text, and how many of them a run can learn from, to the network and how often the text
may be read; one rule each for the device, the precision and the lanes. Where the table depends on how fast the machine
is, that is measured: no network is chosen that there is no time for. Seconds become steps in `plan.py`.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from charrnn.config import RunConfig, Wish
from charrnn.model.cores import usable_cores
from charrnn.model.machine import Machine, Speeds, check_precision, precisions, training_speeds, usable_device
from charrnn.text.batches import fitting
from charrnn.text.corpus import Corpus

DEFAULT_SECONDS = 120.0
BOTH_WAYS = 2.2  # times as long as a step one way, at most: benchmarks/both_ways.py
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
    dropout: float
    weight_drop: float
    dropout_start: float
    learning_rate: float
    epochs: float  # more epochs than this only memorise the text

    def shape(self, on_gpu: bool) -> tuple[int, int]:
        """Lanes and steps of a window."""
        return (64, 128) if on_gpu else (self.lanes, self.window)

    def work(self, vocabulary: int) -> int:
        """Floating-point operations for a symbol: two for each weight of LSTM and head forward, four backward."""
        return 6 * self.hidden * (4 * (self.embedding + self.hidden) + vocabulary)


# Measured on two cores of two kinds of machine; see benchmarks/README.md.
SIZES = (
    Size(3_000_000, 600_000, 512, 64, 32, 64, 0.1, 0.0, 0.0, 7e-3, 20),
    Size(3_000_000, 0, 256, 64, 16, 64, 0.1, 0.0, 0.0, 7e-3, 20),
    Size(500_000, 70_000_000, 1024, 128, 64, 64, 0.7, 0.6, 0.2, 4e-3, 75),
    Size(500_000, 33_000_000, 768, 64, 64, 64, 0.65, 0.5, 0.0, 5e-3, 50),
    Size(500_000, 9_500_000, 768, 64, 32, 64, 0.6, 0.3, 0.3, 5e-3, 40),
    Size(500_000, 8_000_000, 512, 64, 32, 64, 0.5, 0.2, 0.3, 7e-3, 20),
    Size(500_000, 6_500_000, 512, 64, 32, 64, 0.5, 0.0, 0.0, 7e-3, 20),
    Size(500_000, 5_000_000, 512, 64, 32, 64, 0.3, 0.0, 0.0, 7e-3, 20),
    Size(500_000, 4_000_000, 384, 64, 16, 64, 0.2, 0.0, 0.0, 7e-3, 20),
    Size(500_000, 0, 256, 64, 16, 64, 0.1, 0.0, 0.0, 7e-3, 20),
    Size(200_000, 2_500_000, 512, 64, 16, 64, 0.5, 0.0, 0.5, 5e-3, 15),
    Size(200_000, 1_200_000, 384, 64, 16, 64, 0.3, 0.0, 0.0, 7e-3, 15),
    Size(200_000, 0, 256, 64, 16, 64, 0.1, 0.0, 0.0, 7e-3, 15),
    Size(30_000, 800_000, 512, 64, 16, 64, 0.6, 0.0, 1.0, 4e-3, 12),
    Size(30_000, 0, 256, 64, 16, 64, 0.3, 0.0, 1.0, 7e-3, 20),
    Size(10_000, 0, 384, 64, 4, 64, 0.7, 0.0, 1.0, 5e-3, 15),
    Size(2_000, 0, 256, 32, 4, 32, 0.7, 0.0, 1.0, 4e-3, 15),
    Size(0, 0, 64, 16, 16, 64, 0.0, 0.0, 1.0, 1e-2, 400),
)


def size_for(
    wish: Wish, symbols: int, vocabulary: int, speed: Callable[[], float], *, on_gpu: bool = False
) -> tuple[Size, str]:
    """The first row for a text of `symbols` training symbols that the run is long enough for, and why.

    `speed` is measured only where the table depends on it.
    """
    most = max(size.symbols for size in SIZES if symbols >= size.symbols)
    rows, why = [size for size in SIZES if size.symbols == most], f"for a training set of {symbols:,} symbols"
    if len(rows) == 1:
        return rows[0], why
    if wish.get("epochs") is not None:
        learnt = [wish.get("epochs") * symbols for _ in rows]
    elif wish.get("steps") is not None:
        asked = wish.get("batch_size"), wish.get("seq_length")
        shapes = [[one or own for one, own in zip(asked, size.shape(on_gpu), strict=True)] for size in rows]
        learnt = [wish.get("steps") * lanes * window for lanes, window in shapes]
    else:
        work = speed() * (wish.get("time") or DEFAULT_SECONDS) / (BOTH_WAYS if wish.get("bidirectional") else 1)
        learnt = [work / size.work(vocabulary) for size in rows]
    found, size = next((found, size) for found, size in zip(learnt, rows, strict=True) if found >= size.learnt)
    return size, f"{why} and time for {found / symbols:.2g} epochs"


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
    wish: Wish, corpus: Corpus, share: float, processes: int = 1, speeds: Speeds = training_speeds
) -> Choices:
    """Everything but what is counted in steps, for a run on so many processes; `plan.complete` adds the rest.

    `speeds` measures a single process.
    """
    train, chosen = len(corpus.train), Choices()
    device = usable_device(chosen.choose(wish, "device", usable_device("auto"), "the fastest available"))
    threads = chosen.choose(wish, "threads", *usable_cores(torch.get_num_threads()))
    asked, cell = wish.get("precision"), wish.get("cell") or RunConfig.model_fields["cell"].default
    if asked not in (None, "auto"):
        check_precision(device, asked, cell)
    machine = Machine(device, threads, cell, precisions(device, cell) if asked in (None, "auto") else [asked], speeds)
    on_gpu, vocabulary = torch.device(device).type == "cuda", len(corpus.vocabulary)
    size, why = size_for(wish, train, vocabulary, lambda: processes * machine.speed(), on_gpu=on_gpu)
    chosen.epochs = size.epochs
    chosen.choose(wish, "validation_fraction", share, why_held_out(wish, share))
    if corpus.vocabulary.unit == "word":
        words = f"{sum(len(symbol) > 1 for symbol in corpus.vocabulary.symbols):,} words; all others are spelled out"
        chosen.choose(wish, "min_count", corpus.min_count, words)
    if corpus.vectors is not None:
        chosen.choose(wish, "vector_size", corpus.vectors.size, f"what {corpus.vectors.name} holds")
    chosen.choose(wish, "layers", 1, "one wide layer beats two narrower ones in the same time")
    for key in ("hidden", "embedding", "dropout", "learning_rate"):
        chosen.choose(wish, key, getattr(size, key), why)
    drop, start, because = size.weight_drop, size.dropout_start, why
    if wish.get("dropout") is not None:
        drop, start, because = 0.0, 1.0, "only `dropout` was asked for"
    chosen.choose(wish, "weight_drop", drop, because)
    chosen.choose(wish, "dropout_start", start, because)
    free = wish.get("dropout") is None and wish.get("weight_drop") is None
    chosen.values["raise_dropout"] = free if wish.get("raise_dropout") is None else wish.get("raise_dropout")
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

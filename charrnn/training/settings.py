"""A wish, a text and a device -> a RunConfig: what nobody asked for is chosen here, and every choice says why.

One table, from the number of training symbols to the network and how often the text may be read; one rule each for the
device, the precision and the lanes. Nothing is measured here: seconds become steps in `plan.py`.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import torch

from charrnn.config import RunConfig, Wish
from charrnn.errors import SettingsError
from charrnn.text.corpus import Corpus
from charrnn.text.lanes import fit

DEFAULT_SECONDS = 120.0


@dataclass(frozen=True)
class Size:
    """Settings for texts of at least `symbols` training symbols."""

    symbols: int
    hidden: int
    embedding: int
    dropout: float
    learning_rate: float
    epochs: float  # more readings than this only learn the text by heart


# Measured on two cores; see benchmarks/README.md.
SIZES = (
    Size(symbols=3_000_000, hidden=512, embedding=64, dropout=0.1, learning_rate=5e-3, epochs=20),
    Size(symbols=500_000, hidden=384, embedding=64, dropout=0.2, learning_rate=6e-3, epochs=20),
    Size(symbols=200_000, hidden=384, embedding=64, dropout=0.4, learning_rate=5e-3, epochs=15),
    Size(symbols=30_000, hidden=512, embedding=64, dropout=0.6, learning_rate=4e-3, epochs=10),
    Size(symbols=2_000, hidden=256, embedding=32, dropout=0.5, learning_rate=4e-3, epochs=30),
    Size(symbols=0, hidden=64, embedding=16, dropout=0.0, learning_rate=1e-2, epochs=400),
)


@dataclass
class Choices:
    """Values by key, and for those chosen here the reason."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

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
        return "there is a text of its own to validate on"
    return "a tenth" if share else "the text is too small to hold any out"


def choose_settings(wish: Wish, corpus: Corpus, share: float) -> Choices:
    """Everything but what is counted in steps; `plan.complete` adds that."""
    train = len(corpus.train)
    size = next(size for size in SIZES if train >= size.symbols)
    why = f"for {train:,} training symbols"
    chosen = Choices()
    chosen.choose(wish, "validation_fraction", share, why_held_out(wish, share))
    chosen.choose(wish, "layers", 1, "one wide layer beats two narrower ones at equal time")
    for key in ("hidden", "embedding", "dropout", "learning_rate"):
        chosen.choose(wish, key, getattr(size, key), why)
    device = usable_device(chosen.choose(wish, "device", usable_device("auto"), "the fastest one present"))
    chosen.choose(wish, "precision", *_precision(device))
    chosen.choose(wish, "threads", torch.get_num_threads(), "the cores of this machine")
    on_gpu = torch.device(device).type == "cuda"
    lanes = chosen.choose(wish, "batch_size", 64 if on_gpu else 16, "more steps beat larger batches")
    window = chosen.choose(wish, "seq_length", 128 if on_gpu else 64, "long enough for truncated BPTT")
    chosen.values["batch_size"], chosen.values["seq_length"] = fit(train, lanes, window)
    if (lanes, window) != fit(train, lanes, window):
        shrunk = "{} x {}".format(*fit(train, lanes, window))
        chosen.reasons["batch_size"] = f"shrunk to {shrunk}: the text has only {train:,} training symbols"
    chosen.values |= {
        key: value for key, value in wish.values.items() if key in RunConfig.model_fields and key not in chosen.values
    }
    chosen.values["corpus"] = [absolute(place) for place in wish.values["corpus"]]
    if wish.get("validation"):
        chosen.values["validation"] = absolute(wish.get("validation"))
    return chosen


def absolute(place: str) -> str:
    """A place as it can be found again from another folder; standard input stays what it is."""
    return place if place == "-" else os.path.abspath(place)  # noqa: PTH100 - links stay links


def longest(wish: Wish, corpus: Corpus) -> tuple[float | None, str]:
    """(epochs or None, why) when neither steps nor epochs were asked for: the cap on readings of a small text."""
    if wish.get("time") is not None:
        return None, ""
    size = next(size for size in SIZES if len(corpus.train) >= size.symbols)
    return size.epochs, f"at most {size.epochs:g} epochs and {DEFAULT_SECONDS:g} s; --time 10m learns longer"


def usable_device(device: str) -> str:
    """`device`, or the fastest one for `auto`.

    Raises:
        SettingsError: unknown, or absent on this machine.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        present = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise SettingsError(
            f"--device {device} cannot be used here", "", f"choose from {', '.join(present)}"
        ) from error
    return device


def _precision(device: str) -> tuple[str, str]:
    if torch.device(device).type == "cuda":
        return ("bfloat16", "this GPU has it") if torch.cuda.is_bf16_supported() else ("float32", "no bfloat16 here")
    if torch.device(device).type == "cpu" and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    ):
        return "bfloat16", "this CPU has instructions for it"
    return "float32", "this device is no faster in bfloat16"

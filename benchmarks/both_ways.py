"""Both directions: what reading the text behind a symbol is worth, and what it costs.

    python benchmarks/both_ways.py [fill changed beyond step speed] [--text FILE] [--seeds N]
        [--train FLAGS] [--folder DIR]

    fill      held-out text with a tenth of its characters erased, and with 300 spans of 5: what share is restored by a
              bidirectional network, a one-directional one with search, a 6-gram with search, the likeliest character
    changed   one held-out character in a hundred replaced by another: what share of the 100 most surprising is such
    beyond    the score given both sides, by how many symbols behind its targets the backward stack is shown
    step      a step of training, beside one direction: times in turns, and their ratio
    speed     seconds to fill a page of 2,000 characters with 50 gaps, with the start of the program

Every network is trained here by `charrnn train`, with the same flags; the text's last tenth is held out.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from charrnn.config import RunConfig
from charrnn.evaluation import score
from charrnn.generation.fill import How
from charrnn.generation.restore import restore
from charrnn.language_model import LanguageModel, load
from charrnn.learning.learner import Learner
from charrnn.text.lanes import Lanes
from charrnn.text.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parent.parent
ORDER = 6
SPANS, SPAN, ERASED, CHANGED, SHOWN = 300, 5, 0.1, 0.01, 100


class NGram:
    """Interpolated Kneser-Ney n-grams behind the interface of a network: its state is the symbols read last."""

    bidirectional, backward = False, None

    def __init__(self, ids: npt.NDArray[np.int64], symbols: int, order: int = ORDER) -> None:
        self.config, self.order, self.symbols = SimpleNamespace(hidden=order - 1), order, symbols
        text = ids.tolist()
        counts: list[dict[tuple[int, ...], Counter[int]]] = [defaultdict(Counter) for _ in range(order)]
        for k in range(order):
            seen = {(*text[at - k - 1 : at], text[at]) for at in range(k + 1, len(text))} if k + 1 < order else None
            if seen is None:
                for at in range(k, len(text)):
                    counts[k][tuple(text[at - k : at])][text[at]] += 1
            else:  # below the highest order: how many different symbols were seen before
                for _, *context, symbol in seen:
                    counts[k][tuple(context)][symbol] += 1
        self.counts, self.discounts = counts, []
        for table in counts:
            once, twice = (sum(n == times for c in table.values() for n in c.values()) for times in (1, 2))
            self.discounts.append(once / (once + 2 * twice) if once else 0.5)
        self.known: dict[tuple[int, ...], npt.NDArray[np.float64]] = {}

    def probabilities(self, context: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """p(symbol | context), for every symbol."""
        if context in self.known:
            return self.known[context]
        lower = self.probabilities(context[1:]) if context else np.full(self.symbols, 1 / self.symbols)
        found, discount = self.counts[len(context)].get(context), self.discounts[len(context)]
        if found:
            total = found.total()
            lower = discount * len(found) / total * lower
            for symbol, count in found.items():
                lower[symbol] += max(count - discount, 0) / total
        self.known[context] = lower
        return lower

    def initial_state(self, lanes: int) -> Any:
        """Nothing was read."""
        return np.zeros((lanes, self.order - 1), dtype=np.int64)

    def select(self, state: Any, rows: Any) -> Any:
        """Some of the lanes."""
        return state[rows]

    def advance(self, ids: Any, state: Any) -> Any:
        """The symbols read last."""
        return self.features(ids[None], state)[1]

    def features(self, ids: Any, state: Any) -> Any:
        """What was read last."""
        state = np.concatenate((state[:, 1:], ids[0][:, None]), axis=1)
        return state[None].astype(np.float32), state

    def logits(self, features: Any) -> Any:
        """Every symbol's ln p."""
        contexts = [tuple(row) for row in features.astype(np.int64).tolist()]
        return np.log(np.array([self.probabilities(context) for context in contexts]))


class Trained:
    """Networks that learn the same text, in a folder of their own."""

    def __init__(self, folder: Path, text: Path, flags: list[str]) -> None:
        self.folder, self.text, self.flags = folder, text, flags

    def model(self, name: str, *more: str) -> LanguageModel:
        """Train one, if it has not been trained."""
        if not (self.folder / name).exists():
            command = [sys.executable, "-m", "charrnn", "train", str(self.text), "--name", name, "--quiet"]
            subprocess.run([*command, "--checkpoints", str(self.folder), *self.flags, *more], check=True)
        return load(self.folder / name)


def erased(text: str, generator: np.random.Generator, *, spans: bool) -> tuple[str, list[int]]:
    """The text with gaps, and which characters they were."""
    if spans:
        places = np.sort(generator.choice(len(text) // (2 * SPAN) - 1, SPANS, replace=False)) * 2 * SPAN + SPAN
        gone = [int(place) + k for place in places for k in range(SPAN)]
    else:
        gone = np.flatnonzero(generator.random(len(text)) < ERASED).tolist()
    written = list(text)
    for place in gone:
        written[place] = "\ufdef"
    return "".join(written), gone


def restored(fill: Callable[[str], str], text: str, *, seed: int, spans: bool) -> float:
    """The share of erased characters, or of whole spans, that are what they were."""
    given, gone = erased(text, np.random.default_rng(seed), spans=spans)
    found = fill(given)
    right = np.array([found[place] == text[place] for place in gone])
    return float(right.reshape(-1, SPAN).all(axis=1).mean() if spans else right.mean())


def filled(model: LanguageModel, given: str) -> str:
    """A text whose gaps the model has filled."""
    return str(model.fill(given, gap="\ufdef").text)


def with_common(common: str, given: str) -> str:
    """A text whose gaps are filled with the commonest character."""
    return given.replace("\ufdef", common)


def fill(trained: Trained, seeds: int) -> dict[str, Any]:
    """How much of what was erased is restored."""
    rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in range(seeds):
        one = trained.model(f"one-{seed}", "--seed", str(seed))
        both = trained.model(f"both-{seed}", "--seed", str(seed), "--bidirectional")
        corpus = one.own_text()
        text, v = one.vocabulary.decode(corpus.validation.tolist()), one.vocabulary
        grams = NGram(corpus.train.astype(np.int64), len(v))
        common = v.decode([int(np.bincount(corpus.train).argmax())])

        def searched(given: str, grams: NGram = grams, v: Vocabulary = v) -> str:
            network: Any = grams
            return restore(network, v, given, lambda each: [each], How(), gap="\ufdef").text

        ways: dict[str, Callable[[str], str]] = {
            "bidirectional": partial(filled, both),
            "one direction, with search": partial(filled, one),
            f"{ORDER}-gram, with search": searched,
            "likeliest character": partial(with_common, common),
        }
        for name, way in ways.items():
            rows[name].append((restored(way, text, seed=seed, spans=False), restored(way, text, seed=seed, spans=True)))
    return {name: np.array(values).T.tolist() for name, values in rows.items()}


def changed(trained: Trained, seeds: int) -> dict[str, Any]:
    """Of the most surprising characters, how many were changed."""
    rows: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        one = trained.model(f"one-{seed}", "--seed", str(seed))
        both = trained.model(f"both-{seed}", "--seed", str(seed), "--bidirectional")
        ids = one.own_text().validation.copy()
        generator = np.random.default_rng(seed)
        places = np.flatnonzero(generator.random(len(ids)) < CHANGED)
        ids[places] = (ids[places] + generator.integers(1, len(one.vocabulary), len(places))) % len(one.vocabulary)
        text = one.vocabulary.decode(ids.tolist())
        for name, model in (("both sides", both), ("left side", one)):
            nats = np.concatenate([part.nats for part in model.scored([text])])
            shown = np.argsort(-nats)[:SHOWN]
            rows[name].append(float(np.isin(shown, places).mean()))
        rows["changed"].append(float(len(places)))
    return dict(rows)


def beyond(trained: Trained, seeds: int) -> dict[str, Any]:
    """Bits per character given both sides, by how much is shown behind."""
    both, found = trained.model("both-0", "--seed", "0", "--bidirectional"), {}
    ids = both.own_text().validation
    for most in (0, 1, 2, 4, 8, 16, 32, 64, 128, 512):
        score.BEYOND = most  # type: ignore[attr-defined]
        found[str(most)] = both.score([ids]).bits_per_char
    return found


def step(trained: Trained, seeds: int) -> dict[str, Any]:
    """Milliseconds of a step one way and both ways, in turns, and how many times as long the second takes."""
    found, ids = {}, np.random.default_rng(0).integers(60, size=200_000).astype(np.uint8)
    for hidden, lanes, precision in ((256, 16, "bfloat16"), (512, 16, "bfloat16"), (512, 32, "float32")):
        ways = [_learner(hidden, lanes, precision, both) for both in (False, True)]
        windows, times = Lanes(ids, lanes, 64), ([], [])  # type: ignore[var-annotated]
        for turn in range(40):
            for learner, kept in zip(ways, times, strict=True):
                began = time.perf_counter()
                learner.step(windows.window(turn), turn)[0].item()
                kept.append(1000 * (time.perf_counter() - began))
        one, both = (statistics.median(kept[8:]) for kept in times)
        found[f"{hidden} units, {lanes} sequences, {precision}"] = [one, both, both / one]
    return found


def _learner(hidden: int, lanes: int, precision: str, both: bool) -> Learner:
    values = {"corpus": ["-"], "layers": 1, "hidden": hidden, "embedding": 64, "dropout": 0.3, "bidirectional": both}
    values |= {"validation_fraction": 0.1, "batch_size": lanes, "seq_length": 64, "steps": 1000, "learning_rate": 1e-3}
    values |= {"warmup": 10, "weight_drop": 0.0, "dropout_start": 1.0, "eval_every": 1, "save_every": 1}
    values |= {"sample_every": 1, "device": "cpu", "precision": precision, "threads": torch.get_num_threads()}
    return Learner(RunConfig.model_validate(values), 61, gap=60)


WAYS: dict[str, list[str]] = {"both": ["--bidirectional"], "one": []}


def speed(trained: Trained, seeds: int) -> dict[str, Any]:
    """Seconds of whole commands, the least and the median of nine."""
    found = {}
    asked = [(f"{way}-{units}", units, flags) for way, flags in WAYS.items() for units in (256, 512)]
    for name, units, flags in asked:
        model = trained.model(name, "--hidden", str(units), "--steps", "100", *flags)
        text = model.vocabulary.decode(model.own_text().validation[:2000].tolist())
        written = list(text)
        for place in np.random.default_rng(0).choice(len(text), 50, replace=False):
            written[place] = "#"
        line, times = [sys.executable, "-m", "charrnn", "fill", str(model.path), "-", "--gap", "#"], []
        for _ in range(9):
            began = time.perf_counter()
            subprocess.run(line, input="".join(written).encode(), capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        found[name] = [min(times), statistics.median(times)]
    return found


PARTS: dict[str, Callable[[Trained, int], dict[str, Any]]] = {
    "fill": fill,
    "changed": changed,
    "beyond": beyond,
    "step": step,
    "speed": speed,
}


def main() -> None:
    """Measure part by part, print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[*PARTS])
    parser.add_argument("--text", type=Path, default=ROOT / "corpora" / "sonnets.txt")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--train", default="", help="flags of every training, as in '--time 60s'")
    parser.add_argument("--folder", type=Path, help="where the networks are kept; a temporary folder without it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trained = Trained(asked.folder or Path(folder), asked.text, asked.train.split())
        for name in asked.parts:
            began = time.monotonic()
            print(
                json.dumps({name: PARTS[name](trained, asked.seeds), "seconds": time.monotonic() - began}), flush=True
            )


if __name__ == "__main__":
    main()

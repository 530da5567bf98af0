"""Both directions: what reading the text behind a symbol is worth, and what it costs.

    python benchmarks/both_ways.py [fill changed words beyond step speed] [--text FILE] [--seeds N] [--train FLAGS]

    fill      held-out text with a tenth of its characters erased, and with 300 spans of 5: how many are restored by a
              bidirectional network, a one-directional one with search, a 6-gram with search, the likeliest character
    changed   one character in a hundred replaced by another: how many of the 100 most surprising ones are such
    words     parts of speech and names: labels by both directions, by one, and by the commonest label of each word
    beyond    how many symbols behind its targets a backward stack must be shown
    step      what a step of training costs, beside one direction
    speed     seconds to fill a page with 50 gaps, with the start of the program

Every network is trained here by `charrnn train`, with the same flags; the text's last tenth is held out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.generation.fill import How
from charrnn.generation.restore import restore
from charrnn.language_model import LanguageModel, load
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
        return np.zeros((lanes, self.order - 1), dtype=np.int64)

    def select(self, state: Any, rows: Any) -> Any:
        return state[rows]

    def features(self, ids: Any, state: Any) -> Any:
        state = np.concatenate((state[:, 1:], ids[0][:, None]), axis=1)
        return state[None].astype(np.float32), state

    def logits(self, features: Any) -> Any:
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
            "bidirectional": lambda given, of=both: of.fill(given, gap="\ufdef").text,
            "one direction, with search": lambda given, of=one: of.fill(given, gap="\ufdef").text,
            f"{ORDER}-gram, with search": searched,
            "likeliest character": lambda given, common=common: given.replace("\ufdef", common),
        }
        for name, way in ways.items():
            rows[name].append(tuple(restored(way, text, seed=seed, spans=spans) for spans in (False, True)))
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


PARTS: dict[str, Callable[[Trained, int], dict[str, Any]]] = {"fill": fill, "changed": changed}


def main() -> None:
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
            print(json.dumps({name: PARTS[name](trained, asked.seeds), "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()

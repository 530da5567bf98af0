"""What a GPU makes of us, in one run of under six minutes: a table, and the same as JSON.

    python benchmarks/gpu.py tinyshakespeare.txt [--output gpu.json] [--device cuda] [--small]

Parts, each by itself, so that one that fails loses nothing else: torch.lstm forward and backward over precisions and
shapes; the device's rate of matrix products; our whole step, captured and kernel by kernel, with and without
weight-drop, beside the plain nn.LSTM loop of the tutorials in float32; a run of three minutes, with the time at which
it passed nanoGPT's 1.4697 nats; scoring, dynamic evaluation and samples written side by side. `--small` proves every
part on any machine, in seconds, and measures nothing.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from charrnn.config import RunConfig
from charrnn.generation.sample import Sampling
from charrnn.language_model import LanguageModel, load
from charrnn.learning.learner import Learner
from charrnn.model.machine import computes
from charrnn.text.lanes import Lanes

NANOGPT = 1.4697  # nats per character on the same split, 10.7M parameters, 3 minutes of an A100
SYMBOLS = 65
PRECISIONS = ("float32", "bfloat16", "float16")
Rows = Iterator[dict[str, Any]]


class Sizes:
    """What is measured: for real, or small."""

    def __init__(self, device: str, small: bool) -> None:
        self.device, self.small = device, small
        self.hidden = (8,) if small else (512, 768, 1024)
        self.lanes = (2,) if small else (16, 64, 128, 136)
        self.embedding = (4,) if small else (64, 128)
        self.window = 4 if small else 128
        self.square = 16 if small else 8192
        self.least = 0.0 if small else 0.15
        self.length = ["--steps", "2", "--hidden", "8", "--embedding", "4"] if small else ["--time", "3m"]
        self.texts, self.characters = (3, 5) if small else (4096, 200)
        self.scored = 300 if small else 111_540  # a tenth of tiny Shakespeare


def seconds(work: Callable[[], object], sizes: Sizes) -> float:
    """Mean seconds of `work` after three warm-up calls; the device is waited for at both ends."""
    wait: Callable[[], None] = torch.cuda.synchronize if sizes.device.startswith("cuda") else lambda: None
    for _ in range(3):
        work()
    wait()
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < sizes.least:
        for _ in range(1 if sizes.small else 5):
            work()
            count += 1
        wait()
    return (time.perf_counter() - began) / count


def there_and_back(layer: nn.LSTM, x: torch.Tensor) -> None:
    """Forward and backward."""
    layer(x)[0].float().sum().backward()


def recurrences(sizes: Sizes) -> Rows:
    """torch.lstm, one layer, forward and backward."""
    dtypes = {"float16": torch.float16, "bfloat16": torch.bfloat16, "TF32": torch.float32}
    for name, dtype in dtypes.items():
        if name == "float16" and sizes.device == "cpu":
            continue
        for hidden in sizes.hidden:
            for embedding in sizes.embedding:
                layer = nn.LSTM(embedding, hidden).to(sizes.device, dtype)
                for lanes in sizes.lanes:
                    x = torch.randn(sizes.window, lanes, embedding, device=sizes.device, dtype=dtype)
                    found = seconds(partial(there_and_back, layer, x), sizes)
                    rate = sizes.window * lanes / found
                    shape = {"hidden": hidden, "embedding": embedding, "lanes": lanes, "precision": name}
                    yield shape | {"ms": found * 1e3, "characters_per_second": rate}


def peaks(sizes: Sizes) -> Rows:
    """Products of square matrices."""
    for name, dtype in {"float16": torch.float16, "bfloat16": torch.bfloat16, "TF32": torch.float32}.items():
        a, b = (torch.randn(sizes.square, sizes.square, device=sizes.device, dtype=dtype) for _ in range(2))
        found = seconds(partial(torch.matmul, a, b), sizes)
        yield {"precision": name, "tflops": 2 * sizes.square**3 / found / 1e12}


def config(sizes: Sizes, hidden: int, lanes: int, precision: str, weight_drop: float) -> RunConfig:
    """A network of the table with dropout on its outputs."""
    return RunConfig.model_validate(
        {
            **{"cell": "lstm", "layers": 1, "hidden": hidden, "embedding": sizes.embedding[-1], "corpus": ["-"]},
            **{"dropout": 0.5, "dropout_start": 1.0, "weight_drop": weight_drop, "validation_fraction": 0.1},
            **{"batch_size": lanes, "seq_length": sizes.window, "steps": 10**6, "learning_rate": 5e-3, "warmup": 100},
            **{"eval_every": 1, "save_every": 1, "sample_every": 1},
            **{"device": sizes.device, "precision": precision, "threads": torch.get_num_threads()},
        }
    )


def ids_of(lanes: int, sizes: Sizes) -> Lanes:
    """A text long enough for any batch."""
    return Lanes(
        np.random.default_rng(0).integers(SYMBOLS, size=2 * lanes * sizes.window * 20, dtype=np.uint16),
        lanes,
        sizes.window,
    )


def steps(sizes: Sizes) -> Rows:
    """Our whole step: window, forward, backward, clip, AdamW, average; nothing is looked at."""
    kinds = [(precision, drop, True) for precision in PRECISIONS for drop in (0.0, 0.5)] + [("bfloat16", 0.5, False)]
    for hidden in sizes.hidden:
        for lanes in sizes.lanes[1:3] or sizes.lanes:
            for precision, weight_drop, captured in kinds:
                if computes(sizes.device, precision, "lstm"):
                    yield step(sizes, hidden, lanes, precision, weight_drop, captured)
    yield plain(sizes)


def step(sizes: Sizes, hidden: int, lanes: int, precision: str, weight_drop: float, captured: bool) -> dict[str, Any]:
    """One of them; `host_ms` is what the CPU takes to ask for it."""
    windows, made = ids_of(lanes, sizes), iter(range(10**9))
    learner = Learner(config(sizes, hidden, lanes, precision, weight_drop), SYMBOLS)
    if not captured:
        learner.learn = learner._learn

    def work() -> None:
        learner.step(windows.window(n := next(made)), n)

    found = seconds(work, sizes)
    began, asked = time.perf_counter(), 5
    for _ in range(asked):
        work()
    host = (time.perf_counter() - began) / asked
    flops = 6 * lanes * sizes.window * (4 * hidden * (hidden + sizes.embedding[-1]) + hidden * SYMBOLS)
    shape = {"hidden": hidden, "lanes": lanes, "precision": precision, "weight_drop": weight_drop, "captured": captured}
    rate = {"ms": found * 1e3, "host_ms": host * 1e3, "characters_per_second": lanes * sizes.window / found}
    return shape | rate | {"tflops": flops / found / 1e12}


def plain(sizes: Sizes) -> dict[str, Any]:
    """The loop of the tutorials: nn.LSTM, float32, Adam, the loss looked at after every step."""
    hidden, lanes = sizes.hidden[0], sizes.lanes[-2] if len(sizes.lanes) > 1 else sizes.lanes[0]
    parts = nn.Embedding(SYMBOLS, 64), nn.LSTM(64, hidden, batch_first=True), nn.Linear(hidden, SYMBOLS)
    network = nn.ModuleList(parts).to(sizes.device)
    optimizer, windows = torch.optim.Adam(network.parameters(), lr=1e-3), ids_of(lanes, sizes)
    made, states = iter(range(10**9)), list[Any]([None])

    def step() -> None:
        window = windows.window(next(made))
        inputs, targets = (torch.from_numpy(ids.T.copy()).to(sizes.device) for ids in (window.inputs, window.targets))
        outputs, state = parts[1](parts[0](inputs), states[0])
        states[0] = tuple(part.detach() for part in state)
        loss = F.cross_entropy(parts[2](outputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()

    found = seconds(step, sizes)
    shape = {"hidden": hidden, "lanes": lanes, "precision": "float32", "weight_drop": "plain nn.LSTM loop"}
    return shape | {"ms": found * 1e3, "characters_per_second": lanes * sizes.window / found}


def runs(sizes: Sizes, text: Path) -> Rows:
    """`charrnn train --time 3m`: the score over training time, and samples of the model side by side."""
    with tempfile.TemporaryDirectory() as folder:
        line = [
            sys.executable,
            "-m",
            "charrnn",
            "train",
            str(text),
            "--device",
            sizes.device,
            "--name",
            "gpu",
            "--json",
        ]
        began = time.perf_counter()
        done = subprocess.run([*line, *sizes.length], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        events = [json.loads(row) for row in done.stdout.splitlines()]
        chosen = "; ".join(event["text"] for event in events if event["event"] == "notice")
        spent, curve = 0.0, list[tuple[float, float]]()
        for event in events:
            spent = event.get("seconds", spent)
            if event["event"] == "evaluated":
                curve.append((spent, event["nats_per_char"]))
        below = [at for at, nats in curve if nats <= NANOGPT]
        yield {"what": "run", "wall_s": time.perf_counter() - began, "best_nats": min(nats for _, nats in curve)}
        yield {"what": "curve", "seconds_and_nats": curve, "seconds_to_1.4697": below[0] if below else None}
        yield {"what": "chosen", "notices": chosen}
        model = load("gpu", checkpoints=Path(folder) / "checkpoints", device=sizes.device)
        yield from scores(model, text.read_text()[-sizes.scored :])
        yield samples(sizes, model)


def scores(model: LanguageModel, text: str) -> Rows:
    """The end of the text scored, and scored by a network that goes on learning from it."""
    for adapting in (False, True):
        began = time.perf_counter()
        score = model.score(text, adapting=adapting)
        spent = time.perf_counter() - began
        what = {"what": "dynamic evaluation" if adapting else "scoring", "nats": score.nats_per_char, "seconds": spent}
        yield what | {"characters_per_second": len(text) / spent}


def samples(sizes: Sizes, model: LanguageModel) -> dict[str, Any]:
    """Many texts at once on the device."""
    began = time.perf_counter()
    texts = list(model.samples([""] * sizes.texts, Sampling(length=sizes.characters), seed=0))
    spent = time.perf_counter() - began
    rate = sum(len(text.text) for text in texts) / spent
    return {"what": "samples", "texts": len(texts), "seconds": spent, "characters_per_second": rate}


def shown(value: Any) -> str:
    """A number with four digits, anything else as it is."""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure part by part; print as it goes, write at the end of each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--parts", nargs="+", default=["recurrences", "peaks", "steps", "runs"])
    known = parser.parse_args()
    sizes = Sizes(known.device, known.small)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    name = (
        torch.cuda.get_device_name() if known.device.startswith("cuda") else platform.processor() or platform.machine()
    )
    found: dict[str, Any] = {"device": name, "torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
    parts: dict[str, Callable[[Sizes], Rows]] = {
        "recurrences": recurrences,
        "peaks": peaks,
        "steps": steps,
        "runs": lambda s: runs(s, known.text.resolve()),
    }
    print(found)
    for part, measure in ((part, parts[part]) for part in known.parts):
        print(f"\n{part}")
        found[part] = []
        try:
            for row in measure(sizes):
                found[part].append(row)
                print("  ".join(f"{key} {shown(value)}" for key, value in row.items()), flush=True)
        except Exception:  # another part may still be measured
            found[part].append({"failed": traceback.format_exc()})
            print(traceback.format_exc(), flush=True)
        known.output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

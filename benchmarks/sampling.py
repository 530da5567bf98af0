"""How fast text is written: whole processes, one stream, many streams, and memory, side by side in one run.

    python benchmarks/sampling.py [--layers 2] [--hidden 512] [--cell lstm] [--long 10000000]

The network is random, over 100 symbols. One stream is held against torch's cells, against torch's fused layer stepped
symbol by symbol, and against the machine's bound: the weights that a character needs, over the bandwidth at which one
thread reads an array of that size. Everything runs on one thread. `--long N` writes N characters with a small network
(texts of 4,000) and prints how the memory of the process grows after the first tenth.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import numpy as np

import charrnn
from charrnn.config import RunConfig
from charrnn.generation.sample import Request, Sampling

WITH_TORCH = """
import sys, numpy as np, torch
from pathlib import Path
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.model.network import CharRNN
checkpoint = read_checkpoint(Path(sys.argv[1]))
network = CharRNN(checkpoint.config, len(checkpoint.vocabulary))
network.load_weights(checkpoint.weights)
state, symbol = network.initial_state(1), torch.zeros(1, 1, dtype=torch.long)
with torch.no_grad():
    for _ in range(200):
        logits, state = network(symbol, state)
        symbol = torch.multinomial(logits[0].softmax(-1), 1)
        sys.stdout.write(checkpoint.vocabulary.decode(symbol[0].tolist()))
"""


def seconds(call: Callable[[], object], runs: int = 5) -> float:
    """Median wall-clock seconds of a call."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def first_byte(command: list[str], folder: str) -> None:
    """Start a command and wait for the first byte that it writes."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.kill()


def processes(folder: str) -> None:
    """Whole commands."""
    sample = [sys.executable, "-m", "charrnn", "sample", "random", "-n", "200", "--seed", "1"]
    torch = [sys.executable, "-c", WITH_TORCH, "checkpoints/random/best.safetensors"]
    score = [sys.executable, "-m", "charrnn", "evaluate", "random", "-"]
    line = b"".join(bytes([33 + k % 94]) for k in range(80))
    ours = seconds(lambda: subprocess.run(sample, cwd=folder, check=True, capture_output=True), 9)
    theirs = seconds(lambda: subprocess.run(torch, cwd=folder, check=True, capture_output=True), 5)
    print(f"sample -n 200, whole process     {ours:.3f} s; with torch {theirs:.3f} s, {theirs / ours:.1f} x as long")
    print(f"sample, until the first byte     {seconds(lambda: first_byte(sample, folder), 9):.3f} s")
    scored = seconds(lambda: subprocess.run(score, cwd=folder, check=True, capture_output=True, input=line), 9)
    print(f"evaluate one line from stdin     {scored:.3f} s")


def write(model: charrnn.LanguageModel, length: int, streams: int, **limits: Any) -> None:
    """So many texts of so many symbols; the time that it takes to index the training text counts."""
    requests = [Request(model.encode("A"), seed) for seed in range(streams)]
    for _ in model.write(requests, Sampling(length=length, **limits)):
        pass


def bandwidth(size: int) -> float:
    """Bytes a second at which one thread reads `size` bytes again and again."""
    numbers = np.ones(size // 4, dtype=np.float32)
    half = len(numbers) // 2
    return size / min(seconds(lambda: numbers[:half] @ numbers[half : 2 * half], 50) for _ in range(3))


def streams(model: charrnn.LanguageModel) -> None:
    """Characters per second: ours and torch's."""
    import torch

    torch.set_num_threads(1)
    config, symbols = model.checkpoint.config, len(model.vocabulary)
    read = [
        array
        for name, array in model.checkpoint.weights.items()
        if "weight_ih_l0" not in name or "layers.0" not in name
    ]
    size = (
        sum(array.nbytes for array in read if array.ndim == 2 and len(array) != symbols) + symbols * config.hidden * 4
    )
    bound = bandwidth(size) / size
    one = 2000 / seconds(lambda: write(model, 2000, 1), 5)
    many = 256 * 100 / seconds(lambda: write(model, 100, 256), 3)
    stepped, cells = (
        300 / seconds(lambda: step_torch(model, 300)),
        1000 / seconds(lambda: step_cells(config, symbols, 1000)),
    )
    print(f"bound of one stream              {bound:,.0f} characters/s: {size:,} bytes, {bound * size / 1e9:.1f} GB/s")
    print(f"one stream                       {one:,.0f} characters/s, {one / bound:.0%} of the bound")
    print(f"torch, fused layer stepped       {stepped:,.0f}: ours is {one / stepped:.1f} x as fast")
    print(f"torch, cells                     {cells:,.0f}: ours is {one / cells:.1f} x as fast")
    print(f"256 streams                      {many:,.0f}: {many / one:.1f} x one stream")
    for limits in ({"no_repeat": 8}, {"novel": 8}, {"no_repeat": 8, "novel": 8}):
        shares = []
        for length, count in ((2000, 1), (100, 256)):  # held and free side by side
            held = seconds(partial(write, model, length, count, **limits), 3)
            shares.append(seconds(partial(write, model, length, count), 3) / held)
        print(f"{limits}: {shares[0]:.0%} of one stream, {shares[1]:.0%} of 256")


def step_torch(model: charrnn.LanguageModel, length: int) -> None:
    """Sample with the network as it is trained, one symbol at a time."""
    import torch

    from charrnn.model.network import CharRNN

    network = CharRNN(model.checkpoint.config, len(model.vocabulary))
    state, symbol = network.initial_state(1), torch.zeros(1, 1, dtype=torch.long)
    with torch.no_grad():
        for _ in range(length):
            logits, state = network(symbol, state)
            symbol = torch.multinomial(logits[0].softmax(-1), 1)


def step_cells(config: RunConfig, symbols: int, length: int) -> None:
    """The same with torch's cell modules: the fastest plain torch."""
    import torch
    from torch import nn

    kind = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}[config.cell]
    embedding, head = nn.Embedding(symbols, config.embedding or symbols), nn.Linear(config.hidden, symbols)
    cells = [kind(config.hidden if k else config.embedding or symbols, config.hidden) for k in range(config.layers)]
    norms = [nn.LayerNorm(config.hidden) for _ in cells]
    zeros = torch.zeros(1, config.hidden)
    states = [(zeros, zeros) if config.cell == "lstm" else zeros for _ in cells]
    symbol = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        for _ in range(length):
            x = embedding(symbol)
            for k, cell in enumerate(cells):
                states[k] = cell(x, states[k])
                h = norms[k](states[k][0] if config.cell == "lstm" else states[k])
                x = h + x if k else h
            symbol = torch.multinomial(head(x).softmax(-1), 1)[0]


def memory(folder: str, length: int) -> None:
    """Resident memory while a long text is written."""
    command = [sys.executable, "-m", "charrnn", "sample", "random", "-n", "4000", "--seed", "1"]
    command += ["--count", str(length // 4000)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        written, marks = 0, list[float]()
        while piece := process.stdout.read(100_000):
            written += len(piece)
            if written >= length // 10 * (len(marks) + 1):
                status = Path(f"/proc/{process.pid}/status").read_text()
                marks.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
    grown = max(marks[:-1]) - marks[0]
    print(f"{written:,} characters             {marks[0]:.1f} MiB after a tenth, then {grown:+.1f} MiB at most")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--long", type=int)
    known = parser.parse_args()
    if known.long:
        known.layers, known.hidden = 1, 32
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "random.txt").write_text("".join(map(chr, range(33, 133))) * 20)
        shape = [
            "--layers",
            str(known.layers),
            "--hidden",
            str(known.hidden),
            "--cell",
            known.cell,
            "--embedding",
            "64",
        ]
        train = [sys.executable, "-m", "charrnn", "train", "random.txt", *shape, "--steps", "1", "-q"]
        subprocess.run(train, cwd=folder, check=True)
        if known.long:
            memory(folder, known.long)
            return
        processes(folder)
        streams(charrnn.load(Path(folder) / "checkpoints" / "random"))


if __name__ == "__main__":
    main()

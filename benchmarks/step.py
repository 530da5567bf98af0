"""How fast a training step is: against the machine's own peak, against plain torch, and what it spends outside the net.

    python benchmarks/step.py [--hidden 512] [--batch-size 32] [--symbols 65] [--rounds 5]

Everything is measured in turns in one process, and medians are printed. Model FLOP/s counts 2 for each multiply-add of
the matrix products, forward and twice that backward; the peak is the best of several square and flat products in the
same precision. "Plain" is what tutorials write: nn.LSTM, float32, batch first, Adam, gradients clipped.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from charrnn.config import RunConfig
from charrnn.learning.learner import Learner
from charrnn.model.machine import Machine, precisions, set_up_process, training_speeds
from charrnn.shapes import CELL_GATES
from charrnn.text.lanes import Lanes


def settings(cell: str, hidden: int, batch_size: int) -> RunConfig:
    """The default network at this size, in the precision that a run would choose."""
    threads = torch.get_num_threads()
    machine = Machine("cpu", threads, cell, precisions("cpu", cell), training_speeds)
    return RunConfig.model_validate(
        {
            **{
                "cell": cell,
                "layers": 1,
                "hidden": hidden,
                "embedding": 64,
                "dropout": 0.3,
                "dropout_start": 1.0,
                "weight_drop": 0.0,
                "corpus": ["-"],
            },
            **{"validation_fraction": 0.1, "batch_size": batch_size, "seq_length": 64, "steps": 10**6},
            **{"learning_rate": 5e-3, "warmup": 100, "eval_every": 1, "save_every": 1, "sample_every": 1},
            **{"device": "cpu", "precision": machine.best_precision(hidden, 64, batch_size)[0], "threads": threads},
        }
    )


def flops(config: RunConfig, symbols: int) -> float:
    """Model FLOPs of one training step."""
    cell = CELL_GATES[config.cell] * config.hidden * (config.hidden + config.embedding)
    return 3 * 2 * config.batch_size * config.seq_length * (cell + config.hidden * symbols)


class Plain(nn.Module):
    """The network of the tutorials."""

    def __init__(self, cell: str, hidden: int, symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, 64)
        self.rnn: nn.LSTM | nn.GRU = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](64, hidden, batch_first=True)
        self.head = nn.Linear(hidden, symbols)

    def forward(self, ids: torch.Tensor, state: object) -> tuple[torch.Tensor, object]:
        """(B, T) -> (B, T, V)."""
        outputs, state = self.rnn(self.embedding(ids), state)
        return self.head(outputs), state


def plain_step(config: RunConfig, lanes: Lanes, symbols: int, precision: str = "float32") -> Callable[[], None]:
    """One step of the plain loop."""
    network = Plain(config.cell, config.hidden, symbols)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    steps, states = iter(range(10**9)), list[Any]([None])

    def step() -> None:
        window = lanes.window(next(steps))
        inputs, targets = (torch.from_numpy(ids.T.copy()) for ids in (window.inputs, window.targets))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits, state = network(inputs, states[0])
        parts = state if isinstance(state, tuple) else (state,)
        kept = tuple(part.detach() for part in parts)
        states[0] = kept if isinstance(state, tuple) else kept[0]
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return step


def head_step(config: RunConfig, lanes: Lanes, symbols: int) -> Callable[[], None]:
    """What a step does above the recurrent layers: logits, loss, and their gradients."""
    head = nn.Linear(config.hidden, symbols)
    features = torch.randn(config.seq_length, config.batch_size, config.hidden, requires_grad=True)
    targets = torch.from_numpy(lanes.window(0).targets).flatten()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            logits = head(features)
        F.cross_entropy(logits.float().flatten(0, 1), targets).backward()

    return step


class OurStep:
    """One step as `charrnn train` makes it; `outside` adds up the seconds that are not spent in the network."""

    def __init__(self, config: RunConfig, lanes: Lanes, symbols: int) -> None:
        self.learner, self.lanes, self.index, self.outside, self.calls = Learner(config, symbols), lanes, 0, 0.0, 0
        self.learner._masks = self.timed(self.learner._masks)  # type: ignore[method-assign]
        self.learner._descend = self.timed(self.learner._descend)  # type: ignore[method-assign]

    def timed(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """`work`, whose seconds count as outside the network."""

        def done(*arguments: Any) -> Any:
            began = time.perf_counter()
            result = work(*arguments)
            self.outside += time.perf_counter() - began
            return result

        return done

    def __call__(self) -> None:
        """Window, step, and a look at whether loss and norm are numbers."""
        window = self.timed(self.lanes.window)(self.index)
        loss, norm = self.learner.step(window, self.index)
        self.timed(lambda: (loss.item(), norm.item()))()
        self.index += 1
        self.calls += 1


def peak(precision: str) -> float:
    """FLOP/s of the fastest of several matrix products."""
    best, dtype = 0.0, getattr(torch, precision)
    for rows, inner, columns in ((1024, 1024, 1024), (2048, 2048, 2048), (2048, 512, 2048), (1024, 448, 1536)):
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)
        best = max(best, 2 * rows * inner * columns / seconds(partial(torch.matmul, left, right)))
    return best


def seconds(work: Callable[[], object], least: float = 0.4) -> float:
    """Mean seconds of `work`, over at least `least` seconds after two warm-up calls."""
    work(), work()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < least:
        work()
        count += 1
    return (time.perf_counter() - began) / count


def main() -> None:
    """Measure in turns, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--symbols", type=int, default=65)
    parser.add_argument("--rounds", type=int, default=5)
    known = parser.parse_args()
    lanes = Lanes(np.random.default_rng(0).integers(known.symbols, size=10**6, dtype=np.uint16), known.batch_size, 64)
    shape = lanes, known.symbols
    lstm, gru = (settings(cell, known.hidden, known.batch_size) for cell in ("lstm", "gru"))
    work = {"plain LSTM, float32": plain_step(lstm, *shape), "plain GRU, float32": plain_step(gru, *shape)}
    work["plain GRU, autocast"] = plain_step(gru, *shape, lstm.precision)
    before: dict[str, list[float]] = {name: [] for name in work}  # as others run: before the process is set up
    for _ in range(known.rounds):
        for name, call in work.items():
            before[name].append(seconds(call))
    set_up_process(torch.get_num_threads())
    ours = OurStep(lstm, *shape)
    work |= {
        "our LSTM step": ours,
        "our GRU step": OurStep(gru, *shape),
        "head and loss of it": head_step(lstm, *shape),
    }
    after: dict[str, list[float]] = {name: [] for name in work}
    peaks = []
    for _ in range(known.rounds):
        peaks.append(peak(lstm.precision))
        for name, call in work.items():
            after[name].append(seconds(call))
    median = {name: statistics.median(times) for name, times in after.items()}
    plain = {name: statistics.median(times) for name, times in before.items()}
    symbols = known.batch_size * 64
    top = statistics.median(peaks)
    print(
        f"1 x {known.hidden}, {known.batch_size} lanes of 64, {known.symbols} symbols, {lstm.precision}, "
        f"{torch.get_num_threads()} threads"
    )
    for name, value in (median | plain).items():
        print(f"{name:26} {value * 1e3:8.2f} ms {symbols / value:10,.0f} characters/s")
    step, outside = median["our LSTM step"], ours.outside / ours.calls
    print(f"peak of a matrix product   {top / 1e9:8.0f} GFLOP/s")
    speed = flops(lstm, known.symbols) / step
    print(f"model FLOP/s of our step   {speed / 1e9:8.0f} GFLOP/s = {speed / top:.1%} of it")
    print(f"head and loss              {median['head and loss of it'] / step:8.1%}")
    print(f"outside the network        {outside / step:8.1%}")
    print(f"LSTM against plain         {plain['plain LSTM, float32'] / step:8.2f} x")
    for name in ("plain GRU, float32", "plain GRU, autocast"):
        print(f"GRU against {name:20} {plain[name] / median['our GRU step']:6.2f} x")


if __name__ == "__main__":
    main()

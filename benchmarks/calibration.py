"""What choosing a temperature and a step on a validation part does to its score, and how much of that is flattery.

    python benchmarks/calibration.py RUN...

For each run or model: nats per symbol as it was trained, at the temperature that is best for the part (what a run
prints), with each half of the part at the temperature that is best for the other half, and with each half by that of
the run's checkpoints that is best for the other half, too: so nothing is fitted to what it scores. A run that was
trained with `--keep 100` has the checkpoints of all its evaluations.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import charrnn
from charrnn.evaluation.held_out import EVALUATION_LANES, segments_of, watched
from charrnn.evaluation.score import surprisals
from charrnn.learning.calibration import INVERSE_TEMPERATURES, CalibrationReader
from charrnn.model.network import CharRNN
from charrnn.runs.folder import Run

Halves = npt.NDArray[np.float64]  # (2, K + 1): nats at each temperature, and symbols


def halves(path: Path | str | None) -> tuple[Path, Halves]:
    """The file of a model, and what its validation part costs."""
    model = charrnn.load(path)
    c, corpus = model.checkpoint, model.own_text()
    network, ids = CharRNN(c.config, len(c.vocabulary)), watched(corpus)
    network.load_weights(c.weights)
    tried = np.full((len(ids), len(INVERSE_TEMPERATURES)), np.nan, dtype=np.float32)
    reader, segments = CalibrationReader(network), segments_of(ids, c.vocabulary)
    surprisals(reader, ids, segments, side_by_side=EVALUATION_LANES, nats=tried)
    nats = tried[~np.isnan(tried[:, 0])].astype(np.float64)
    return model.path, np.stack([[*half.sum(axis=0), len(half)] for half in np.array_split(nats, 2)])


def unfitted(looks: Iterable[Halves]) -> float:
    """Nats per symbol with the look and the temperature of each half chosen on the other half."""
    found = np.stack(list(looks))  # (looks, 2, K + 1)
    nats, symbols = found[..., :-1], found[0, :, -1]
    chosen = [np.unravel_index(nats[:, half].argmin(), nats[:, half].shape) for half in (0, 1)]
    return float(sum(nats[chosen[1 - half][0], half, chosen[1 - half][1]] for half in (0, 1)) / symbols.sum())


def with_nothing_fitted(run: Path) -> float:
    """The score of the validation part of a run with nothing fitted to it."""
    return unfitted(halves(file)[1] for _, file in Run(run).steps())


def main() -> None:
    """Score, print."""
    print(
        "run, nats per symbol as trained, calibrated (temperature), each half at the temperature of the other (theirs),"
        " and by the checkpoint of the other"
    )
    for name in sys.argv[1:] or list[str | None]([None]):
        path, found = halves(name)
        nats, symbols = found[:, :-1].sum(axis=0), found[:, -1].sum()
        first, second, whole = (int(part.argmin()) for part in (*found[:, :-1], nats))
        plain = nats[INVERSE_TEMPERATURES.index(1.0)] / symbols
        of = [f"{1 / INVERSE_TEMPERATURES[place]:.2f}" for place in (whole, first, second)]
        free = f", {with_nothing_fitted(path.parent):.4f}" if Run(path.parent).steps() else ""
        shown = f"{plain:.4f}, {nats[whole] / symbols:.4f} ({of[0]}), {unfitted([found]):.4f} ({of[1]}, {of[2]})"
        print(f"{path}: {shown}{free}", flush=True)


if __name__ == "__main__":
    main()

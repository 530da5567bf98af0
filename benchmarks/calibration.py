"""What calibration does to the score of a validation part, and how much of that is flattery.

    python benchmarks/calibration.py RUN...

For each run or model: nats per symbol as it was trained, at the temperature that is best for the part (what a run
prints), and with each half of the part at the temperature that is best for the other half.
"""

import sys

import numpy as np

import charrnn
from charrnn.evaluation.held_out import EVALUATION_LANES, segments_of, watched
from charrnn.evaluation.score import surprisals
from charrnn.learning.calibration import INVERSE_TEMPERATURES, CalibrationReader
from charrnn.model.network import CharRNN
from charrnn.text.corpus import recorded_corpus


def main() -> None:
    """Score, print."""
    print(
        "run, nats per symbol as trained, calibrated (temperature), each half at the temperature of the other (theirs)"
    )
    for name in sys.argv[1:] or [None]:
        model = charrnn.load(name)
        c = model.checkpoint
        corpus = recorded_corpus(c.config.model_dump(), c.vocabulary, c.corpus.fingerprint, None)
        network, ids = CharRNN(c.config, len(c.vocabulary)), watched(corpus)
        network.load_weights(c.weights)
        tried = np.full((len(ids), len(INVERSE_TEMPERATURES)), np.nan, dtype=np.float32)
        segments = segments_of(ids, c.vocabulary)
        surprisals(CalibrationReader(network), ids, segments, side_by_side=EVALUATION_LANES, nats=tried)
        nats = tried[~np.isnan(tried[:, 0])].astype(np.float64)
        halves = np.array_split(nats, 2)
        first, second, whole = (int(part.sum(axis=0).argmin()) for part in (*halves, nats))
        crossed = np.concatenate([halves[0][:, second], halves[1][:, first]]).mean()
        own, plain = nats[:, whole].mean(), nats[:, INVERSE_TEMPERATURES.index(1.0)].mean()
        of = [f"{1 / INVERSE_TEMPERATURES[place]:.2f}" for place in (whole, first, second)]
        print(f"{model.path}: {plain:.4f}, {own:.4f} ({of[0]}), {crossed:.4f} ({of[1]}, {of[2]})", flush=True)


if __name__ == "__main__":
    main()

"""Hidden units that mean something: which of them follows the quotation marks, the line, the word.

After Karpathy, Johnson and Li 2015, "Visualizing and Understanding Recurrent Networks". A unit is shown by tanh(c) in
an LSTM, else by h. To each property of the text belongs the unit whose Pearson correlation with it is the largest on
the first half of the text; what is stated is its correlation on the second half, as the best of many would flatter.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.properties import properties
from charrnn.text.vocabulary import Ids

LANES = 32
RUN_UP = 100  # symbols
WEAK = 0.1  # smaller correlations mean nothing to anybody
_FLAT = 1e-9  # of a unit's mean square: what varies less is rounding

Units = npt.NDArray[np.float32]


class Recurrent(Protocol):
    """A network without torch, which reads one symbol in each lane at a time and whose state can be looked at."""

    def initial_state(self, lanes: int) -> Any:
        """The state before anything was read."""

    def select(self, state: Any, rows: npt.NDArray[np.int64]) -> Any:
        """The state of these lanes, in this order; a fresh one for each -1."""

    def advance(self, ids: npt.NDArray[np.int64], state: Any) -> Any:
        """Ids (B,) -> the state afterwards: of each layer (h,) or (h, c), each (B, H)."""


class Meaning(NamedTuple):
    """A unit (of layer unit // H, its number unit % H), a property of the text, and how far one follows the other."""

    unit: int
    property: str
    correlation: float  # on text that the unit was not chosen by


def activations(network: Recurrent, ids: Ids, end_id: int | None = None) -> Units:
    """(n, L x H): what every unit is after each of `ids`, from a fresh state, and again after the end of a record."""
    return np.concatenate([units for _, units in _read(network, ids, np.array([0]), len(ids), 0, end_id)])


def states(network: Recurrent, ids: Ids, end_id: int | None = None) -> dict[str, Units]:
    """(n, L, H) by name: h, and c of an LSTM, after each of `ids`, from a fresh state, and again after each record."""
    state, found = network.initial_state(1), list[Any]()
    for symbol in ids.astype(np.int64):
        if symbol == end_id:
            state = network.initial_state(1)
        state = network.advance(np.array([symbol]), state)
        found.append(state)
    shape = len(ids), len(state), state[0][0].shape[1]
    parts = [np.array([[layer[part][0] for layer in each] for each in found]) for part in range(len(state[0]))]
    return {name: part.reshape(shape).astype(np.float32) for name, part in zip("hc", parts, strict=False)}


def meanings(
    network: Recurrent,
    ids: Ids,
    texts: Sequence[str],
    end_id: int | None = None,
    *,
    lanes: int = LANES,
    run_up: int = RUN_UP,
    backwards: bool = False,
) -> list[Meaning]:
    """The unit of each property, the closest first; `texts` is what each of `ids` adds to the text (`texts_of`).

    The text is read in an even number of `lanes`, each after a run-up, and only sums are kept. Left out are properties
    that do not vary in both halves, and units whose correlation on the second half is weak or of another sign. A
    network may read the text `backwards`.
    """
    lanes = max(2, min(lanes, len(ids) // max(1, run_up)) // 2 * 2)
    length = len(ids) // lanes
    found = properties(texts)
    if backwards:
        ids, found = ids[::-1], {name: values[::-1] for name, values in found.items()}
    names = [name for name, values in found.items() if _varies(values[: lanes * length])]
    if not names:
        return []
    values = np.stack([found[name][: lanes * length] for name in names], axis=1)
    first, second = _correlations(_read(network, ids, np.arange(lanes) * length, length, run_up, end_id), values)
    best = np.abs(first).argmax(axis=0)
    stated = [
        Meaning(unit, name, float(second[unit, column]))
        for column, (name, unit) in enumerate(zip(names, best.tolist(), strict=True))
        if second[unit, column] * np.sign(first[unit, column]) >= WEAK
    ]
    return sorted(stated, key=lambda meaning: -abs(meaning.correlation))


def _varies(values: npt.NDArray[np.float64]) -> bool:
    return all(len(half) > 0 and np.ptp(half) > 0 for half in np.split(values, 2))


def _read(
    network: Recurrent, ids: Ids, starts: npt.NDArray[np.int64], length: int, run_up: int, end_id: int | None
) -> Iterator[tuple[npt.NDArray[np.int64], Units]]:
    """Lanes of `length` symbols from `starts` on, side by side: the places (B,) of each step, the units (B, L x H)."""
    state, lanes = network.initial_state(len(starts)), np.arange(len(starts))
    for t in range(-run_up, length):
        places = starts + t
        symbols = ids[np.maximum(places, 0)].astype(np.int64)
        fresh = (places <= 0) | (symbols == end_id)
        if fresh.any():
            state = network.select(state, np.where(fresh, -1, lanes))
        state = network.advance(symbols, state)
        if t >= 0:
            shown = [np.tanh(layer[1]) if len(layer) > 1 else layer[0] for layer in state]
            yield places, np.concatenate(shown, axis=1)


def _correlations(
    parts: Iterator[tuple[npt.NDArray[np.int64], Units]], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(2, units, properties): Pearson's r over each half of the lanes, with `values` (n, properties), which vary."""
    halves = values.reshape(2, len(values) // 2, -1)
    centred = halves - halves.mean(axis=1, keepdims=True)
    sums, squares, products = (np.zeros(1) for _ in range(3))
    for places, units in parts:
        u = units.astype(np.float64).reshape(2, len(places) // 2, -1)
        v = centred.reshape(values.shape)[places].reshape(2, len(places) // 2, -1)
        sums, squares, products = sums + u.sum(axis=1), squares + (u * u).sum(axis=1), products + u.swapaxes(1, 2) @ v
    variances = squares - sums * sums / halves.shape[1]
    variances = np.where(variances > _FLAT * squares, variances, np.inf)
    return np.asarray(products / np.sqrt(variances[:, :, None] * (centred**2).sum(axis=1)[:, None]))

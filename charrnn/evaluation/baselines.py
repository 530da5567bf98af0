"""What a text costs without a network, so that a network's score means something: n-grams and compressors.

Interpolated Kneser-Ney n-grams, counted in the training part and fixed from then on:

p_k(w | context) = max(c(context w) - D_k, 0) / c(context) + D_k N(context) / c(context) * p_{k-1}(w | shorter context)

with D_k = n_1 / (n_1 + 2 n_2), N the number of different symbols seen after the context, and below the highest order
c the number of different symbols seen *before* the gram instead of its count (Kneser and Ney 1995; Chen and Goodman
1999). The bottom is the uniform distribution. A context never seen passes straight to the shorter one.

Compressors go on learning while they read, and take from the training part what they can: gzip a window of 32 KiB,
bzip2 nothing, xz and PPMd (Shkarin 2002, variant H; if the package pyppmd is there) its last PRIMED bytes.
"""

import bz2
import importlib.util
import lzma
import math
import zlib

import numpy as np
import numpy.typing as npt

from charrnn.text.vocabulary import Ids, Vocabulary

Numbers = npt.NDArray[np.int64]
COUNTED_SYMBOLS = 1_000_000  # of a training part's end; more changes little and costs seconds
PRIMED = 4 << 20  # bytes of a training part's end that a compressor reads first: xz takes a second for each MiB
KNOWING = {  # what each knows of the training part
    "unigram": "counted in the training part",
    "3-gram": "interpolated Kneser-Ney of the training part",
    "6-gram": "interpolated Kneser-Ney of the training part",
    "gzip": "adaptive, after the training part's last 32 KiB",
    "bzip2": "adaptive, alone",
    "xz": "adaptive, after the training part",
    "ppmd": "adaptive, after the training part",
}
ORDERS = {"unigram": 1, "3-gram": 3, "6-gram": 6}
_WINDOW = 32 << 10  # bytes, deflate's
_XZ = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 4 * PRIMED}
_PPMD_ORDER, _PPMD_MEMORY = 6, 256 << 20


def baselines(train: Ids, held_out: Ids, vocabulary: Vocabulary) -> dict[str, float]:
    """Bits per character of `held_out`, by name: every character is counted, as where a model is scored."""
    bits = {name: counting(train, held_out, vocabulary, order) / math.log(2) for name, order in ORDERS.items()}
    held_out = _scored(held_out, vocabulary)
    characters, _ = vocabulary.measure(held_out)
    before = vocabulary.to_bytes(train[-PRIMED:].tolist())[-PRIMED:]
    extra = _spelling(held_out, vocabulary) / math.log(2)
    sizes = compressed(before, vocabulary.to_bytes(held_out.tolist()))
    return bits | {name: (8 * size + extra) / characters for name, size in sizes.items()}


def counting(train: Ids, held_out: Ids, vocabulary: Vocabulary, order: int = 6) -> float:
    """Nats per character of `held_out` under an n-gram of the end of `train`."""
    held_out = _scored(held_out, vocabulary)
    characters, _ = vocabulary.measure(held_out)
    nats = kneser_ney(train[-COUNTED_SYMBOLS:], held_out, len(vocabulary), order) * len(held_out)
    return (nats + _spelling(held_out, vocabulary)) / characters


def compressed(before: bytes, text: bytes) -> dict[str, int]:
    """Bytes of `text` compressed, by the compressor's name; `before` is known to both sides."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before[-_WINDOW:])
    sizes = {
        "gzip": len(deflate.compress(text) + deflate.flush()),
        "bzip2": len(bz2.compress(text)),
        "xz": _xz(before + text) - _xz(before),  # its format has no dictionary to begin with
    }
    if importlib.util.find_spec("pyppmd"):
        sizes["ppmd"] = _ppmd(before + text) - _ppmd(before)
    return sizes


def _xz(text: bytes) -> int:
    return len(lzma.compress(text, filters=[_XZ]))


def _ppmd(text: bytes) -> int:
    import pyppmd

    encoder = pyppmd.Ppmd7Encoder(_PPMD_ORDER, _PPMD_MEMORY)
    return len(encoder.encode(text) + encoder.flush())


def _scored(held_out: Ids, vocabulary: Vocabulary) -> Ids:
    """What counts of a part: of records all but the END before the first, with which the training part ends."""
    return held_out if vocabulary.end_id is None else held_out[1:]


def _spelling(held_out: Ids, vocabulary: Vocabulary) -> float:
    """Nats of saying which characters the unknown ones are: models are charged the same."""
    return vocabulary.spelling * int(np.count_nonzero(held_out == len(vocabulary.symbols)))


def kneser_ney(train: Ids, held_out: Ids, symbols: int, order: int = 6) -> float:
    """Mean nats per symbol of `held_out` under an n-gram of `train`; its first symbols see the end of `train`.

    Long texts are read in blocks, so that memory does not grow with them.
    """
    nats = 0.0
    for start in range(0, len(held_out), COUNTED_SYMBOLS):
        context = min(start, order)
        block = held_out[start - context : start + COUNTED_SYMBOLS]
        nats -= math.fsum(np.log(_probabilities(train, block, symbols, order)[context:]))
    return nats / len(held_out)


def _probabilities(train: Ids, held_out: Ids, symbols: int, order: int) -> npt.NDArray[np.float64]:
    """The probability of every symbol of `held_out` under an n-gram of `train`."""
    grams = _numbered(np.concatenate([train, held_out]).astype(np.int64), symbols, order)
    probability = np.full(len(held_out), 1.0 / symbols)
    for k in range(1, order + 1):
        probability = _interpolate(grams, k, len(train), k == order, probability)
    return probability


def _numbered(text: Numbers, symbols: int, order: int) -> list[Numbers]:
    """For every order k, the number of the k-gram that ends at each place; order 0 has one gram."""
    grams = [np.zeros(len(text), dtype=np.int64)]
    for _ in range(order):
        before = np.concatenate([[0], grams[-1][:-1]])
        grams.append(np.unique(before * symbols + text, return_inverse=True)[1] + 1)  # 0: nothing, before the text
    return grams


def _interpolate(
    grams: list[Numbers], k: int, train: int, highest: bool, lower: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The k-gram probabilities of all held-out places, from those of order k - 1."""
    gram, context = grams[k], np.concatenate([[0], grams[k - 1][:-1]])
    seen, first = np.unique(gram[:train], return_index=True)
    count = np.zeros(gram.max() + 1, dtype=np.int64)
    if highest:
        count += np.bincount(gram[:train], minlength=len(count))
    else:
        longer = np.unique(grams[k + 1][:train], return_index=True)[1]
        count += np.bincount(gram[longer], minlength=len(count))
    total = np.bincount(context[first], weights=count[seen], minlength=context.max() + 1)
    followers = np.bincount(context[first], minlength=len(total))
    once, twice = np.count_nonzero(count == 1), np.count_nonzero(count == 2)
    discount = once / (once + 2 * twice) if once else 0.5
    here, after = gram[train:], context[train:]
    sure = np.maximum(count[here] - discount, 0) + discount * followers[after] * lower
    return np.where(total[after] > 0, sure / np.maximum(total[after], 1), lower)

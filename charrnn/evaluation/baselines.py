"""What a text costs without a network, so that a network's score means something: n-grams and compressors.

Interpolated Kneser-Ney n-grams, counted in the training set and fixed from then on:

p_k(w | context) = max(c(context w) - D_k, 0) / c(context) + D_k N(context) / c(context) * p_{k-1}(w | shorter context)

with D_k = n_1 / (n_1 + 2 n_2), N the number of different symbols seen after the context, and below the highest order
c the number of different symbols seen *before* the gram instead of its count (Kneser and Ney 1995; Chen and Goodman
1999). The bottom is the uniform distribution. A context never seen passes straight to the shorter one.

Compressors go on learning while they read, and take from the training part what they can: gzip a window of 32 KiB,
bzip2 nothing, xz and PPMd (Shkarin 2002, variant H; if the package pyppmd is there) its last PRIMED bytes. They work in
threads while n-grams are counted, as a run that has just ended is waiting.
"""

import bz2
import importlib.util
import lzma
import math
import zlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from charrnn.text.vocabulary import Ids, Vocabulary

Numbers = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
COUNTED_SYMBOLS = 1_000_000  # of a training part's end; more changes little and costs seconds
# Bytes of its end that a compressor reads first. Measured on 4.5 MB of prose and 10 MB of Python: after four times as
# many xz needs 6 to 9 % less and PPMd 4 %, and both together five seconds more.
PRIMED = 1 << 20
KNOWING = {  # what each knows of the training part
    "unigram": "counted in the training set",
    "3-gram": "interpolated Kneser-Ney, counted in the training set",
    "6-gram": "interpolated Kneser-Ney, counted in the training set",
    "gzip": "adaptive, after the last 32 KiB of the training set",
    "bzip2": "adaptive, alone",
    "xz": "adaptive, after the last MiB of the training set",
    "ppmd": "adaptive, after the last MiB of the training set",
}
ORDERS = {"unigram": 1, "3-gram": 3, "6-gram": 6}
_WINDOW = 32 << 10  # bytes, deflate's
_REMEMBERED = 16 << 20  # bytes, by xz
_PPMD_ORDER, _PPMD_MEMORY = 6, 256 << 20


def baselines(train: Ids, held_out: Ids, vocabulary: Vocabulary) -> dict[str, float]:
    """Bits per character of `held_out`, by name: every character is counted, as where a model is scored."""
    held_out = _scored(held_out, vocabulary)
    characters, _ = vocabulary.measure(held_out)
    before = vocabulary.to_bytes(train[-PRIMED:].tolist())[-PRIMED:]
    text, extra = vocabulary.to_bytes(held_out.tolist()), _spelling(held_out, vocabulary) / math.log(2)
    with ThreadPoolExecutor(1) as beside:
        sizes = beside.submit(compressed, before, text)
        nats = kneser_ney(train[-COUNTED_SYMBOLS:], held_out, len(vocabulary), ORDERS.values())
    bits = {name: nats[order] * len(held_out) / math.log(2) for name, order in ORDERS.items()}
    bits |= {name: 8.0 * size for name, size in sizes.result().items()}
    return {name: (each + extra) / characters for name, each in bits.items()}


def comparable(vocabulary: Vocabulary, *, both_ways: bool) -> bool:
    """Whether counting can be held against a model: it reads from one side, and all that it reads is scored."""
    return not (both_ways or vocabulary.layout.asks)


def compressed(before: bytes, text: bytes) -> dict[str, int]:
    """Bytes of `text` compressed, by the compressor's name; `before` is known to both sides."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before[-_WINDOW:])
    with_before = {"xz": _xz} | ({"ppmd": _ppmd} if importlib.util.find_spec("pyppmd") else {})
    with ThreadPoolExecutor(2) as threads:  # no more, for the memory that each takes
        # Their formats have no dictionary to begin with: what both cost less what the first costs.
        both = {
            name: [threads.submit(how, known) for known in (before + text, before)] for name, how in with_before.items()
        }
        sizes = {"gzip": len(deflate.compress(text) + deflate.flush()), "bzip2": len(bz2.compress(text))}
    return sizes | {name: whole.result() - first.result() for name, (whole, first) in both.items()}


def _xz(text: bytes) -> int:
    memory = min(_REMEMBERED, max(4096, len(text)))
    how = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": memory}
    return len(lzma.compress(text, filters=[how]))


def _ppmd(text: bytes) -> int:
    import pyppmd

    encoder = pyppmd.Ppmd7Encoder(_PPMD_ORDER, _PPMD_MEMORY)
    return len(encoder.encode(text) + encoder.flush())


def _scored(held_out: Ids, vocabulary: Vocabulary) -> Ids:
    """What counts of a part: of records all but the END before the first, with which the training part ends."""
    return held_out[vocabulary.layout.shared :]


def _spelling(held_out: Ids, vocabulary: Vocabulary) -> float:
    """Nats of saying which characters the unknown ones are: models are charged the same."""
    return vocabulary.spelling * int(np.count_nonzero(held_out == len(vocabulary.symbols)))


def kneser_ney(train: Ids, held_out: Ids, symbols: int, orders: Collection[int]) -> dict[int, float]:
    """Mean nats per symbol of `held_out` under n-grams of `train`, by order; its first symbols see the end of `train`.

    Long texts are read in blocks, so that memory does not grow with them.
    """
    nats, longest = dict.fromkeys(orders, 0.0), max(orders)
    for start in range(0, len(held_out), COUNTED_SYMBOLS):
        context = min(start, longest)
        block = held_out[start - context : start + COUNTED_SYMBOLS]
        for order, found in _probabilities(train, block, symbols, orders).items():
            nats[order] -= math.fsum(np.log(found[context:]))
    return {order: each / len(held_out) for order, each in nats.items()}


def _probabilities(train: Ids, held_out: Ids, symbols: int, orders: Collection[int]) -> dict[int, Probabilities]:
    """The probability of every symbol of `held_out` under n-grams of `train`, by order."""
    longest, found = max(orders), {}
    grams = _numbered(np.concatenate([train, held_out]).astype(np.int64), symbols, longest)
    lower = np.full(len(held_out), 1.0 / symbols)
    for k in range(1, longest + 1):
        if k in orders:
            found[k] = _interpolate(grams, k, len(train), True, lower)
        if k < longest:
            lower = _interpolate(grams, k, len(train), False, lower)
    return found


def _numbered(text: Numbers, symbols: int, order: int) -> list[Numbers]:
    """For every order k, the number of the k-gram that ends at each place; order 0 has one gram."""
    grams = [np.zeros(len(text), dtype=np.int64)]
    for _ in range(order):
        before = np.concatenate([[0], grams[-1][:-1]])
        grams.append(np.unique(before * symbols + text, return_inverse=True)[1] + 1)  # 0: nothing, before the text
    return grams


def _interpolate(grams: list[Numbers], k: int, train: int, highest: bool, lower: Probabilities) -> Probabilities:
    """The k-gram probabilities of all held-out places, from those of order k - 1."""
    gram, context = grams[k], np.concatenate([[0], grams[k - 1][:-1]])
    first = _first_places(gram[:train])
    count = np.zeros(gram.max() + 1, dtype=np.int64)
    counted = gram[:train] if highest else gram[_first_places(grams[k + 1][:train])]
    count += np.bincount(counted, minlength=len(count))
    total = np.bincount(context[first], weights=count[gram[first]], minlength=context.max() + 1)
    followers = np.bincount(context[first], minlength=len(total))
    once, twice = np.count_nonzero(count == 1), np.count_nonzero(count == 2)
    discount = once / (once + 2 * twice) if once else 0.5
    here, after = gram[train:], context[train:]
    sure = np.maximum(count[here] - discount, 0) + discount * followers[after] * lower
    return np.where(total[after] > 0, sure / np.maximum(total[after], 1), lower)


def _first_places(gram: Numbers) -> Numbers:
    """Where each different number stands first, in no order of the places; numbers are dense, so nothing is sorted."""
    first = np.full(gram.max() + 1, len(gram))
    np.minimum.at(first, gram, np.arange(len(gram)))
    return first[first < len(gram)]

"""Weights -> the bytes of a page: float32, float16, or int8 with a scale for each row.

A row of a matrix is what one unit adds up; its largest weight becomes 127. Vectors (biases, norms) stay float32: they
are few, and their errors are not averaged out.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.arguments import one_of

Array = npt.NDArray[np.float32]
KINDS = ("int8", "float16", "float32")


class Rounded(NamedTuple):
    """All weights in one piece, where each stands in it, and what they are worth after rounding."""

    content: bytes
    listed: list[tuple[str, str, list[int], int]]  # name, kind, shape, place
    weights: dict[str, Array]


def rounded(weights: Mapping[str, npt.NDArray[Any]], kind: str) -> Rounded:
    """`weights` as `kind`, one of KINDS.

    Raises:
        SettingsError: no such kind.
    """
    one_of("weights", kind, KINDS)
    content, listed, worth = bytearray(), [], {}
    for name, array in sorted(weights.items()):
        own = kind if array.ndim > 1 else "float32"
        listed.append((name, own, list(array.shape), len(content)))
        written, worth[name] = _ROUNDED[own](np.ascontiguousarray(array, dtype=np.float32))
        content += written
    return Rounded(bytes(content), listed, worth)


def _int8(array: Array) -> tuple[bytes, Array]:
    scale = np.maximum(np.abs(array).max(axis=1, keepdims=True), np.float32(1e-30)) / np.float32(127)
    whole = np.rint(array / scale).astype(np.int8)
    rows = np.concatenate(
        [np.frombuffer(scale.astype("<f4").tobytes(), dtype=np.uint8).reshape(-1, 4), whole.view(np.uint8)], axis=1
    )
    return rows.tobytes(), whole * scale


def _float16(array: Array) -> tuple[bytes, Array]:
    half = np.clip(array, -65504, 65504).astype("<f2")
    return half.tobytes(), half.astype(np.float32)


def _float32(array: Array) -> tuple[bytes, Array]:
    return array.astype("<f4").tobytes(), array


_ROUNDED = {"int8": _int8, "float16": _float16, "float32": _float32}

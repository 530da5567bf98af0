"""Files of numbers -> the vectors that records begin with: of a picture one, of a spoken word one for each step.

    .npy            (N, d), or (N, n, d) where every record has n of them; mapped, not loaded
    .safetensors    `vectors` (rows, d) and, where a record has several, `lengths` (N,); mapped, too
    .npz            the same two arrays
    .csv, .tsv      a row of numbers for each record, or for each step with a column that names the record

Nothing pickled is ever read. How vectors stand in ids: each has one of its own, behind those of the symbols (V + its
row), so whatever cuts, shuffles, batches or scores ids need not know of them. A network looks the row up.
"""

import csv
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import DataError, unreadable
from charrnn.files import release

Rows = npt.NDArray[Any]
_PIECE = 1 << 18  # numbers that are looked at at once
_DTYPES = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "i1", "U8": "u1", "I16": "<i2", "U16": "<u2"},
    **{"I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8"},
}  # of safetensors


@dataclass(frozen=True, eq=False)
class Vectors:
    """Rows of numbers (R, d), and how many of them each record begins with (N,)."""

    rows: Rows
    lengths: npt.NDArray[np.int64]
    name: str = "the vectors"

    @property
    def size(self) -> int:
        """Numbers in a vector (d)."""
        return int(self.rows.shape[1])

    def __len__(self) -> int:
        """Records."""
        return len(self.lengths)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """The first row of each record."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of all of it."""
        found = hashlib.sha256(f"{self.rows.dtype.str} {self.rows.shape} {self.lengths.tolist()}".encode())
        for piece in self._pieces():
            found.update(np.ascontiguousarray(piece).tobytes())
        return found.digest()

    def standard(self, rows: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(mean, deviation) of each of the d numbers over these rows; a number that never changes has deviation 1."""
        total, squares = np.zeros(self.size), np.zeros(self.size)
        each = max(1, _PIECE // self.size)
        rows.sort()  # as they lie in the file
        for start in range(0, len(rows), each):
            total += np.asarray(self.rows[rows[start : start + each]], dtype=np.float64).sum(axis=0)
            release(self.rows)  # of a file the pages that were read
        mean = total / max(1, len(rows))
        for start in range(0, len(rows), each):
            squares += ((np.asarray(self.rows[rows[start : start + each]], dtype=np.float64) - mean) ** 2).sum(axis=0)
            release(self.rows)  # of a file the pages that were read
        deviation = np.sqrt(squares / max(1, len(rows)))
        return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)

    def checked(self) -> "Vectors":
        """The same.

        Raises:
            DataError: it is no table of numbers, or one of them is none; says which.
        """
        if self.rows.ndim != 2 or self.rows.dtype.kind not in "fiu" or not self.rows.size:
            what = f"{self.name} holds no vectors"
            shape = " x ".join(map(str, self.rows.shape)) or "one value"
            raise DataError(what, f"it is {shape} of {self.rows.dtype}", "give numbers: (N, d) or (N, n, d)")
        if int(self.lengths.sum()) != len(self.rows) or int(self.lengths.min()) < 1:
            why = f"lengths add up to {int(self.lengths.sum()):,}, there are {len(self.rows):,} rows"
            raise DataError(f"{self.name} does not say which vectors are whose", why, "correct the lengths")
        row = 0
        for piece in self._pieces() if self.rows.dtype.kind == "f" else ():
            broken = np.argwhere(~np.isfinite(piece))
            if len(broken):
                place, column = row + int(broken[0][0]), int(broken[0][1])
                record = int(np.searchsorted(self.starts, place, side="right")) - 1
                step = place - int(self.starts[record])
                what = f"record {record + 1} of {self.name} has {piece[broken[0][0], column]} in place {column + 1}"
                raise DataError(f"{what} of its vector {step + 1}", "that is not a number", "correct the file")
            row += len(piece)
        return self

    def _pieces(self) -> Iterator[Rows]:
        each = max(1, _PIECE // self.size)
        for start in range(0, len(self.rows), each):
            yield self.rows[start : start + each]
            release(self.rows)  # of a file the pages that were read


class VectorFile(NamedTuple):
    """Where vectors lie; read when they are needed, and kept while the file stays as it is."""

    path: str
    key: str | None = None

    def read(self) -> Vectors:
        """The vectors: see `read_vectors`."""
        try:
            there = Path(self.path).stat()
        except (OSError, ValueError):
            return read_vectors(*self)
        return _kept(self, there.st_mtime_ns, there.st_size)


@lru_cache(maxsize=2)
def _kept(file: VectorFile, changed: int, size: int) -> Vectors:
    return read_vectors(*file)


def of_array(array: Any, name: str = "`vectors`") -> Vectors:
    """Vectors from (N, d), (N, n, d), or a list of (n_i, d), as a Python caller gives them.

    Raises:
        DataError: they are none.
    """
    if isinstance(array, Vectors):
        return array
    if isinstance(array, (list, tuple)) and any(np.ndim(each) == 2 for each in array):
        parts = [np.asarray(each) for each in array]
        if {part.ndim for part in parts} != {2} or len({part.shape[1] for part in parts}) != 1:
            raise DataError(f"{name} are not of one width", "", "give arrays (n, d) of the same d")
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        return Vectors(np.concatenate(parts), lengths, name).checked()
    found = np.asanyarray(array)  # a mapped one stays mapped
    if found.ndim == 3 and found.shape[1]:
        lengths = np.full(len(found), found.shape[1], dtype=np.int64)
        return Vectors(found.reshape(-1, found.shape[2]), lengths, name).checked()
    return Vectors(found, np.ones(len(found) if found.ndim else 0, dtype=np.int64), name).checked()


def read_vectors(path: str, key: str | None = None) -> Vectors:
    """The vectors in a file, by the end of its name; `key` is the column of a table that names each row's record.

    Raises:
        MissingInputError: it cannot be read.
        DataError: it holds no vectors, or not only numbers; its end is none of those above.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        known = ", ".join(READERS)
        raise DataError(f"{path} is not known to hold vectors", "", f"give one of {known}")
    if key is not None and suffix not in TABLES:
        raise DataError(f"{path} has no columns", "`vectors_key` is for tables (.csv, .tsv)", "leave it out")
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - refused here, whatever the reader
            file.read(1)
        return READERS[suffix](path, key)
    except OSError as error:
        unreadable(error)
    except (ValueError, KeyError, TypeError, EOFError, ImportError, OverflowError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"cannot read the vectors in {path}", why, "check the file") from error


def _npy(path: str, key: str | None) -> Vectors:
    return of_array(np.load(path, mmap_mode="r", allow_pickle=False), path)


def _npz(path: str, key: str | None) -> Vectors:
    with np.load(path, allow_pickle=False) as held:
        return _with_lengths(path, held["vectors"], held.get("lengths"))


def _safetensors(path: str, key: str | None) -> Vectors:
    with open(path, "rb") as file:  # noqa: PTH123
        length = int.from_bytes(file.read(8), "little")
        if length > Path(path).stat().st_size:
            raise ValueError("it is truncated, or not a safetensors file")
        header = json.loads(file.read(length))

    def mapped(name: str) -> Rows:
        entry = header[name]
        (begin, end), shape, dtype = entry["data_offsets"], tuple(entry["shape"]), np.dtype(_DTYPES[entry["dtype"]])
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"tensor {name} is not as large as it says")
        return np.memmap(path, dtype=dtype, mode="r", offset=8 + length + begin, shape=shape)

    return _with_lengths(path, mapped("vectors"), mapped("lengths") if "lengths" in header else None)


def _with_lengths(path: str, rows: Rows, lengths: Rows | None) -> Vectors:
    if lengths is None:
        return of_array(rows, path)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths):
        raise ValueError("lengths is not a row of whole numbers")
    return Vectors(rows, lengths.astype(np.int64), path).checked()


def _table(path: str, key: str | None) -> Vectors:
    with open(path, newline="", encoding="utf-8-sig") as file:  # noqa: PTH123
        lines = (row for row in csv.reader(file, delimiter=TABLES[Path(path).suffix.lower()]) if row)
        first = next(lines, [])
        head = None if all(map(_is_number, first)) else first
        if key is not None and (head is None or key not in head):
            raise ValueError(f"it has no column called {key!r}")
        place = head.index(key) if head is not None and key is not None else None
        names, numbers = list[str](), list[Sequence[float]]()
        for number, row in enumerate(lines if head is not None else itertools.chain([first], lines), 1):
            if len(row) != len(first):
                raise ValueError(f"row {number} has {len(row)} columns, the first has {len(first)}")
            cells = [cell for column, cell in enumerate(row) if column != place]
            if not all(map(_is_number, cells)):
                wrong = next(cell for cell in cells if not _is_number(cell))
                raise ValueError(f"row {number} holds {wrong!r}, which is not a number")
            names.append("" if place is None else row[place])
            numbers.append(list(map(float, cells)))
    rows = np.array(numbers, dtype=np.float32).reshape(len(numbers), -1)
    if place is None:
        return Vectors(rows, np.ones(len(rows), dtype=np.int64), path).checked()
    lengths = [len(list(group)) for _, group in itertools.groupby(names)]
    return Vectors(rows, np.array(lengths, dtype=np.int64), path).checked()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


TABLES = {".csv": ",", ".tsv": "\t"}
READERS: dict[str, Callable[[str, str | None], Vectors]] = {
    ".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".csv": _table, ".tsv": _table,
}  # fmt: skip

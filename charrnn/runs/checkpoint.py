"""A model, and for resuming a whole run, in one `.safetensors` file: written whole, verified on every read, no torch.

    header    8 bytes of length, JSON: {"__metadata__": {"charrnn": RECORD}, tensor name: dtype, shape, place, ...}
    RECORD    JSON text: sha256, format, config, vocabulary, corpus, progress, made_with, wish
    tensors   NAME            the averaged weights: the model that is evaluated, sampled and shared
              training/NAME   only in a resumable file: raw weights, Adam's moments, hidden state

`best.safetensors` holds a model; `step-00001200.safetensors` a model and its run. safetensors itself finds truncation
but no flipped bit, so RECORD begins with the SHA-256 of the whole file (taken with 64 zeros in the digest's own place)
and nothing is believed before it matches. Names, shapes and types must be exactly those that the configuration implies.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from charrnn.config import RunConfig
from charrnn.errors import DataError, MissingInputError
from charrnn.files import write_whole
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.runs.symbols import Symbols, recorded, vocabulary_of
from charrnn.shapes import parameter_shapes, training_shapes
from charrnn.text.packed import kind
from charrnn.text.vocabulary import Vocabulary

Arrays = Mapping[str, npt.NDArray[Any]]
SUFFIX = ".safetensors"
_DIGEST_MARK = b'{\\"sha256\\":\\"'  # RECORD is JSON inside a JSON string, so its quotes are escaped
_NO_DIGEST = b"0" * 64
_HEADER_LIMIT = 16 << 20  # bytes; a vocabulary of a million symbols stays below
_BRACKETS, _COMMAS = 200_000, 1_000_000  # in a header; a thousand layers stay below
_TRAINING = "training/"
# What reading something else than a checkpoint can end in; all of it is said in one line.
_UNREADABLE = (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sha256: str
    format: Literal[1]
    config: RunConfig
    vocabulary: Symbols
    corpus: CorpusFacts
    progress: Progress
    made_with: dict[str, str]
    wish: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """What one file holds."""

    config: RunConfig
    vocabulary: Vocabulary
    corpus: CorpusFacts
    progress: Progress
    weights: Arrays  # averaged over the steps
    training: Arrays | None = None  # what resuming needs besides
    resumable: bool = False  # whether the file that this was read from also holds a run
    made_with: Mapping[str, str] | None = None  # versions, CPU capability, threads
    wish: Mapping[str, Any] | None = None  # what the user asked for, before anything was chosen

    @property
    def calibrated(self) -> Arrays:
        """The weights to write and score with: what divides the logits by the temperature is a smaller head."""
        head = ("head.weight", "head.bias")
        smaller = {name: self.weights[name] / np.float32(self.progress.temperature) for name in head}
        return {**self.weights, **smaller}

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        return sum(array.size for array in self.weights.values())


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write, flush, read back, rename.

    Raises:
        OutputError, StorageError: nothing was changed under the final name.
    """
    write_whole(path, serialized(checkpoint))


def serialized(checkpoint: Checkpoint) -> bytes:
    """The file."""
    record = {
        "sha256": _NO_DIGEST.decode(),
        "format": 1,
        "config": checkpoint.config.model_dump(),
        "vocabulary": recorded(checkpoint.vocabulary),
        "corpus": checkpoint.corpus.model_dump(),
        "progress": checkpoint.progress.model_dump(),
        "made_with": dict(checkpoint.made_with or {}),
        "wish": dict(checkpoint.wish or {}),
    }
    tensors = dict(checkpoint.weights)
    tensors |= {_TRAINING + name: array for name, array in (checkpoint.training or {}).items()}
    metadata = {"charrnn": json.dumps(record, separators=(",", ":"))}
    content = safetensors.save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata)
    place = _digest_place(content)
    return content[:place] + hashlib.sha256(content).hexdigest().encode() + content[place + len(_NO_DIGEST) :]


def read_checkpoint(path: Path, *, training: bool = False) -> Checkpoint:
    """Read and verify a checkpoint; `training` also loads what resuming needs.

    Raises:
        MissingInputError: no such file, or unreadable.
        DataError: not a checkpoint, damaged, or not self-consistent; nothing of it was believed.
    """
    try:
        record, vocabulary, content = _verified(path)
        arrays = safetensors.load(content)
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"tensor {name} holds values that are not finite numbers")
    except _UNREADABLE as error:
        raise _refused(path, error) from error
    weights = {name: array for name, array in arrays.items() if not name.startswith(_TRAINING)}
    rest = {name.removeprefix(_TRAINING): array for name, array in arrays.items() if name.startswith(_TRAINING)}
    if training and not rest:
        raise DataError(
            f"{path} holds a model, not a run", "it has no optimiser state", "start a new run from it with `init_from`"
        )
    return Checkpoint(
        config=record.config,
        vocabulary=vocabulary,
        corpus=record.corpus,
        progress=record.progress,
        weights=weights,
        training=rest if training else None,
        resumable=bool(rest),
        made_with=record.made_with,
        wish=record.wish,
    )


def _verified(path: Path) -> tuple[_Record, Vocabulary, bytes]:
    """What a file whose digest matches holds; before it does, nothing but the header is kept in memory."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError("it is not a regular file")
        with path.open("rb") as file:
            size, head = os.fstat(file.fileno()).st_size, file.read(8)
            length = int.from_bytes(head, "little")
            if length > min(size - 8, _HEADER_LIMIT):
                raise ValueError("it is truncated, or not a safetensors file")
            head += file.read(length)
            place = _digest_place(head)
            record, vocabulary = _record(head[8:], size - 8 - length)
            digest = hashlib.sha256(head[:place] + _NO_DIGEST + head[place + len(_NO_DIGEST) :])
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            if digest.hexdigest().encode() != head[place : place + len(_NO_DIGEST)]:
                raise ValueError("its SHA-256 does not match: the file is damaged")
            file.seek(0)
            return record, vocabulary, file.read()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise MissingInputError(f"cannot read {path}", why, "check the path and its permissions") from error


def _record(header: bytes, data_size: int) -> tuple[_Record, Vocabulary]:
    """Parse a header, and hold its tensors against its own configuration and the size of what follows."""
    if header.count(b"[") + header.count(b"{") > _BRACKETS or header.count(b",") > _COMMAS:
        raise ValueError("its header is not a list of tensors")
    entries = json.loads(header)
    record = _Record.model_validate(json.loads(entries.pop("__metadata__")["charrnn"]))
    vocabulary = vocabulary_of(record.vocabulary)
    if record.config.layers > len(entries):
        raise ValueError("it has fewer tensors than its configuration has layers")
    shapes = parameter_shapes(record.config, len(vocabulary))
    if any(name.startswith(_TRAINING) for name in entries):
        more = training_shapes(record.config, len(vocabulary))
        shapes |= {_TRAINING + name: shape for name, shape in more.items()}
    if set(entries) != set(shapes):
        raise ValueError(f"its tensors are not those of its configuration: {sorted(set(entries) ^ set(shapes))[0]}")
    for name, shape in shapes.items():
        found = tuple(entries[name]["shape"])
        if entries[name]["dtype"] != "F32" or found != shape:
            raise ValueError(f"tensor {name} is {entries[name]['dtype']} {found}, not what its configuration implies")
    if max(int(entry["data_offsets"][1]) for entry in entries.values()) != data_size:
        raise ValueError("it is truncated, or something was appended to it")
    return record, vocabulary


def _digest_place(content: bytes) -> int:
    header_end = 8 + int.from_bytes(content[:8], "little")
    place = content.find(_DIGEST_MARK, 8, header_end)
    if place < 0:
        raise ValueError("it was not written by charrnn, or its header is damaged")
    return place + len(_DIGEST_MARK)


def _refused(path: Path, error: Exception) -> DataError:
    """The error for a damaged checkpoint, or for a file that is none."""
    found = kind(path)
    if found is None:
        return DataError(f"cannot use the checkpoint {path}", _first_line(error), "use another one, or train again")
    why = f"it is not a model, which is a {SUFFIX} file, or the folder or name of a run"
    return DataError(f"{path} is {found[0]}", why, found[1])


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "record"
        return " ".join(f"its {place}: {first['msg'].lower()}".split())
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Damage of every kind is found, and a hostile file costs its reader neither memory nor time."""

import hashlib
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from charrnn.config import RunConfig
from charrnn.errors import DataError
from charrnn.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from charrnn.runs.folder import Run
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.shapes import parameter_shapes, training_shapes
from charrnn.text.vocabulary import Vocabulary

CONFIG = {
    "cell": "rnn", "layers": 1, "hidden": 2, "embedding": 1, "dropout": 0.0, "corpus": ["a"], "batch_size": 1,
    "validation_fraction": 0.1, "seq_length": 2, "steps": 99, "learning_rate": 0.01, "warmup": 0, "eval_every": 3,
    "save_every": "5m", "sample_every": 3, "device": "cpu", "precision": "float32", "threads": 1,
    "weight_drop": 0.0, "dropout_start": 1.0,
}  # fmt: skip
NO_DIGEST = b"0" * 64
MEBIBYTE = 1 << 20


def checkpoint(step):
    """A small run at `step`; no two steps have the same weights."""
    config, generator = RunConfig(**CONFIG), np.random.default_rng(step)
    shapes = [parameter_shapes(config, 2), training_shapes(config, 2)]
    weights, training = (
        {name: generator.normal(size=shape).astype(np.float32) for name, shape in part.items()} for part in shapes
    )
    facts = CorpusFacts(fingerprint="f" * 64, train_symbols=90, validation_symbols=10)
    return Checkpoint(config, Vocabulary.of("ab"), facts, Progress(step=step), weights, training)


@pytest.fixture
def content(tmp_path):
    """The bytes of a small resumable checkpoint."""
    write_checkpoint(tmp_path / "whole.safetensors", checkpoint(8))
    return (tmp_path / "whole.safetensors").read_bytes()


def believed(folder, damaged):
    """How many of the files are taken for checkpoints."""
    path, found = folder / "damaged.safetensors", 0
    for content in damaged:
        path.write_bytes(content)
        try:
            read_checkpoint(path)
            found += 1
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 - one file of a thousand
    return found


def test_a_thousand_flipped_bits_are_all_found(tmp_path, content):
    draw = random.Random(1)  # noqa: S311 - which bits, not secrets
    places = [draw.randrange(8 * len(content)) for _ in range(1000)]
    flipped = (
        content[: place // 8] + bytes([content[place // 8] ^ 1 << place % 8]) + content[place // 8 + 1 :]
        for place in places
    )
    assert believed(tmp_path, flipped) == 0


def test_truncations_at_256_places_are_all_found(tmp_path, content):
    places = np.unique(np.linspace(0, len(content) - 1, 256, dtype=int))
    assert len(places) == 256
    assert believed(tmp_path, (content[:place] for place in places)) == 0


def test_a_hundred_tails_are_all_found(tmp_path, content):
    draw = random.Random(2)  # noqa: S311 - which bytes, not secrets
    tails = [draw.randbytes(draw.choice([1, 2, 8, 100, 4096])) for _ in range(97)]
    assert believed(tmp_path, (content + tail for tail in [*tails, b"\0", content, bytes(4096)])) == 0


def test_zeroed_exchanged_and_repeated_blocks_are_all_found(tmp_path, content):
    draw, damaged = random.Random(3), []  # noqa: S311 - which blocks, not secrets
    for _ in range(64):
        size = draw.choice([16, 64, 512])
        at, other = (draw.randrange(len(content) - size) for _ in range(2))
        damaged.append(content[:at] + bytes(size) + content[at + size :])
        damaged.append(content[:at] + content[other : other + size] + content[at + size :])
        damaged.append(content[:at] + content[at : at + size] + content[at:])
    assert believed(tmp_path, (found for found in damaged if found != content)) == 0


def test_the_tensors_of_another_step_are_found(tmp_path, content):
    write_checkpoint(tmp_path / "other.safetensors", checkpoint(9))
    other = (tmp_path / "other.safetensors").read_bytes()
    mine, theirs = (8 + int.from_bytes(found[:8], "little") for found in (content, other))
    assert content[mine:] != other[theirs:]
    assert believed(tmp_path, [content[:mine] + other[theirs:], other[:theirs] + content[mine:]]) == 0


# Files under another step's name: whole, but not what their name says. What newest means is read from the names, so one
# wrong name would hide every later checkpoint, and a job that is cut into pieces would begin again from it for ever.


@pytest.mark.parametrize("wrong", [9, 100])
def test_a_checkpoint_under_another_steps_name_is_passed_over_by_name(tmp_path, wrong):
    run, said = Run(tmp_path), []
    for step in (7, 8):
        run.save(checkpoint(step))
    (tmp_path / "step-00000008.safetensors").rename(tmp_path / f"step-{wrong:08d}.safetensors")
    found = run.newest_good(said.append)
    assert found.progress.step == 7
    assert len(said) == 1
    assert f"step-{wrong:08d}.safetensors" in said[0]


def test_a_renamed_checkpoint_does_not_hide_what_is_saved_later(tmp_path):
    run = Run(tmp_path)
    run.save(checkpoint(8))
    os.link(tmp_path / "step-00000008.safetensors", tmp_path / "step-00000100.safetensors")
    run.save(checkpoint(20))
    assert run.newest_good(lambda said: None).progress.step == 20


def test_checkpoints_that_changed_places_are_refused(tmp_path):
    run = Run(tmp_path)
    for step in (7, 8):
        run.save(checkpoint(step))
    one, two = (tmp_path / f"step-{step:08d}.safetensors" for step in (7, 8))
    one.rename(tmp_path / "aside")
    two.rename(one)
    (tmp_path / "aside").rename(two)
    with pytest.raises(DataError):
        run.newest_good(lambda said: None)


# Hostile sizes


READER = """
import sys, time
from pathlib import Path
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.errors import DataError
began = time.process_time()
try:
    read_checkpoint(Path(sys.argv[1]))
except DataError as error:
    print("refused", len(str(error)))
seconds = time.process_time() - began
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024)
"""
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")  # noqa: PTH110


def cost_of_refusing(path):
    """(CPU seconds, peak MiB of the process) of a reader that must refuse `path`."""
    done = subprocess.run([sys.executable, "-c", READER, path], capture_output=True, text=True, check=True, timeout=20)
    refused, cost = done.stdout.splitlines()
    assert int(refused.split()[1]) < 2000, "the refusal is no line that anybody can read"
    seconds, peak = map(float, cost.split())
    return seconds, peak


def write_huge(path, size, *, config=None, entries=None, record=None, rest=b"", sealed=False):
    """A file with a header that fits its size, filled with a hole."""
    found = {
        "sha256": NO_DIGEST.decode(), "format": 1, "config": CONFIG | (config or {}), "made_with": {}, "wish": {},
        "vocabulary": {"unit": "char", "symbols": "ab", "end": None, "answer": None, "folds": False},
        "progress": {"step": 1},
        "corpus": {"fingerprint": "f", "train_symbols": 90, "validation_symbols": 10},
    }  # fmt: skip
    metadata = {"charrnn": json.dumps(found | (record or {}), separators=(",", ":"))}
    header = json.dumps({"__metadata__": metadata, **(entries or {})}, separators=(",", ":")).encode()
    header = header[:-1] + rest + b"}"
    header += b" " * (-len(header) % 8)
    head = len(header).to_bytes(8, "little") + header
    if sealed:
        head = head.replace(NO_DIGEST, hashlib.sha256(head + bytes(size)).hexdigest().encode(), 1)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)


def entries_of(config, symbols=2):
    """The header's tensors as the configuration implies them, and their size in bytes."""
    found, size = {}, 0
    for name, shape in parameter_shapes(RunConfig(**CONFIG | config), symbols).items():
        bytes_ = 4 * int(np.prod(shape))
        found[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [size, size + bytes_]}
        size += bytes_
    return found, size


@needs_proc
def test_ten_gigabytes_that_the_configuration_does_not_imply_are_refused_at_once(tmp_path):
    size = 10 << 30
    entry = {"dtype": "F32", "shape": [2, size // 8], "data_offsets": [0, size]}
    write_huge(tmp_path / "huge.safetensors", size, entries={"head.weight": entry})
    seconds, peak = cost_of_refusing(tmp_path / "huge.safetensors")
    assert seconds < 2
    assert peak < 200


@needs_proc
def test_a_large_network_with_a_wrong_digest_never_stands_in_memory(tmp_path):
    entries, size = entries_of({"hidden": 10_000})
    assert size > 2 * 190 * MEBIBYTE
    write_huge(tmp_path / "huge.safetensors", size, config={"hidden": 10_000}, entries=entries)
    assert cost_of_refusing(tmp_path / "huge.safetensors")[1] < 200


ROOM = 30 * MEBIBYTE
BOMBS = {
    "a list of lists": b',"x":[' + b"[]," * (ROOM // 3) + b"[]]",
    "a list of objects": b',"x":[' + b"{}," * (ROOM // 3) + b"{}]",
    "a list of numbers": b',"x":[' + b"1000," * (ROOM // 5) + b"1]",
    "one long text": b',"x":"' + b"x" * ROOM + b'"',
    "one long name": b',"' + b"x" * ROOM + b'":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}',
}


@needs_proc
@pytest.mark.parametrize("bomb", [*BOMBS, "a hundred thousand tensors", "a record of lists"])
def test_a_header_bomb_costs_its_reader_little(tmp_path, bomb):
    path, tensor = tmp_path / "bomb.safetensors", b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    if bomb == "a record of lists":
        write_huge(path, 0, record={"wish": {"x": [[]] * (ROOM // 3)}}, sealed=True)
    else:
        rest = BOMBS.get(bomb) or b"".join(b',"%d":%b' % (number, tensor) for number in range(100_000))
        write_huge(path, 0, rest=rest, sealed=True)
    size = path.stat().st_size / MEBIBYTE
    seconds, peak = cost_of_refusing(path)
    assert peak < 2 * size + 150, f"{seconds:.1f} s, {peak:.0f} MiB"
    assert seconds < 2, f"{seconds:.1f} s, {peak:.0f} MiB"

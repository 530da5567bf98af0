"""What is written comes back bit for bit; what is damaged, hostile or not self-consistent is refused, and quickly."""

import errno
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from charrnn.config import RunConfig
from charrnn.errors import CharrnnError, DataError, OutputError, StorageError
from charrnn.learning.learner import Learner
from charrnn.runs.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from charrnn.runs.progress import CorpusFacts, Progress
from charrnn.text.lanes import Window
from charrnn.text.vocabulary import Vocabulary

NO_DIGEST = b"0" * 64
MARK = b'{"__metadata__":{"charrnn":"{\\"sha256\\":\\"' + NO_DIGEST
NO_RECORDS = {"end": None, "answer": None, "folds": False, "vectors": False, "gaps": False, "labels": []}
DEEP = b"[" * 100_000
TEXTS = {
    "letters": "hello",
    "quotes and backslashes": "\"'\\/`{}:,",
    "emoji": "🙂👩‍💻🏳️‍🌈\U0010ffff",
    "control characters": "".join(map(chr, range(1, 33))) + "\x7f\x85\u2028\u2029\ufeff",
    "the digest mark": '{"sha256":"0',
    "the escaped digest mark": '{\\"sha256\\":\\"0',
    "bytes": b"any",
}


def run_config(**changes):
    values = {
        "layers": 1, "hidden": 5, "embedding": 3, "dropout": 0.0, "corpus": ["poem.txt"], "validation_fraction": 0.1,
        "batch_size": 2, "seq_length": 3, "steps": 10, "learning_rate": 0.01, "warmup": 0, "eval_every": 5,
        "save_every": "5m", "sample_every": 5, "device": "cpu", "precision": "float32", "threads": 1,
        "weight_drop": 0.0, "dropout_start": 1.0,
    }  # fmt: skip
    return RunConfig(**values | changes)


@cache
def learnt(text, changes):
    """The average and everything else that a learner holds after one step."""
    symbols = len(Vocabulary.of(text))
    learner, ids = Learner(run_config(**dict(changes)), symbols), np.arange(8) % symbols
    learner.step(Window(ids, np.arange(8).reshape(4, 2), np.full(2, False), np.full(2, 8)), 0)
    return learner.average_weights(), learner.tensors()


def checkpoint(text="hello", *, training=True, wish=None, **changes):
    weights, rest = ({name: array.copy() for name, array in part.items()} for part in learnt(text, (*changes.items(),)))
    return Checkpoint(
        config=run_config(**changes),
        vocabulary=Vocabulary.of(text),
        corpus=CorpusFacts(fingerprint="f" * 64, train_symbols=90, validation_symbols=10),
        progress=Progress(step=1, epoch=1 / 3, best_nats=0.1 + 0.2, best_step=1, evaluated_step=1, loss_sum=1e-17),
        weights=weights,
        training=rest if training else None,
        resumable=training,
        made_with={"torch": "2.0"},
        wish=wish or {"steps": 10},
    )


def facts(found):
    """Everything but the arrays."""
    return replace(found, weights={}, training=None)


def bits(arrays):
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}


def sealed(header, tensors=b""):
    """A file whose digest is right, computed as the format is documented and not by the module's own code."""
    content = len(header).to_bytes(8, "little") + header + tensors
    return content.replace(NO_DIGEST, hashlib.sha256(content).hexdigest().encode(), 1)


def resealed(content, change):
    """`content` after `change(header, record)`, with the digest that belongs to it."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    record = json.loads(header["__metadata__"]["charrnn"]) | {"sha256": NO_DIGEST.decode()}
    change(header, record)
    header["__metadata__"] = {"charrnn": json.dumps(record, separators=(",", ":"))}
    return sealed(json.dumps(header, separators=(",", ":")).encode(), content[end:])


def refusal(path, *, code=65, training=False):
    """The message with which `path` is refused, in one line and under two seconds."""
    began = time.monotonic()
    with pytest.raises(CharrnnError) as caught:
        read_checkpoint(path, training=training)
    assert time.monotonic() - began < 2
    assert caught.value.exit_code == code
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a small resumable checkpoint."""
    place = tmp_path_factory.mktemp("whole") / "step-00000001.safetensors"
    write_checkpoint(place, checkpoint())
    return place.read_bytes()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_checkpoint_comes_back_bit_for_bit(path, text, training):
    written = checkpoint(text, training=training, wish={"corpus": ['{"sha256":"', '{\\"sha256\\":\\"'], "epochs": 0.1})
    written.weights["head.bias"][:2] = [-0.0, 1e-45]
    write_checkpoint(path, written)
    found = read_checkpoint(path, training=training)
    assert facts(found) == facts(written)
    assert bits(found.weights) == bits(written.weights)
    assert bits(found.training or {}) == bits(written.training or {})


@pytest.mark.parametrize(
    "changes",
    [{"cell": "gru"}, {"cell": "rnn", "layers": 3}, {"embedding": 0}, {"layer_norm": False}, {"save_every": 7}],
    ids=str,
)
def test_every_kind_of_network_comes_back(path, changes):
    written = checkpoint(**changes)
    write_checkpoint(path, written)
    found = read_checkpoint(path, training=True)
    assert facts(found) == facts(written)
    assert bits(found.weights) == bits(written.weights)
    assert bits(found.training) == bits(written.training)


def test_a_model_is_read_from_a_resumable_file_without_its_run(path):
    write_checkpoint(path, checkpoint())
    found = read_checkpoint(path)
    assert found.resumable
    assert found.training is None


def test_plain_safetensors_opens_it_and_finds_configuration_and_vocabulary_as_json(path):
    written = checkpoint('"hé\\llo🙂')
    write_checkpoint(path, written)
    arrays = safetensors.numpy.load_file(path)
    assert set(arrays) == {*written.weights, *(f"training/{name}" for name in written.training)}
    assert arrays["head.weight"].tobytes() == written.weights["head.weight"].tobytes()
    with safe_open(path, "numpy") as file:
        record = json.loads(file.metadata()["charrnn"])
    assert record["config"] == json.loads(written.config.model_dump_json())
    assert record["vocabulary"] == {"unit": "char", "symbols": '"\\hloé🙂'} | NO_RECORDS


def test_the_digest_is_the_sha256_of_the_whole_file_with_zeros_in_its_own_place(content):
    with_digest = re.search(rb'{\\"sha256\\":\\"([0-9a-f]{64})\\"', content)
    without = content.replace(with_digest[1], NO_DIGEST)
    assert hashlib.sha256(without).hexdigest().encode() == with_digest[1]


def test_reading_needs_no_torch(path):
    write_checkpoint(path, checkpoint())
    code = (
        "import sys; from pathlib import Path; from charrnn.runs.checkpoint import read_checkpoint\n"
        "assert read_checkpoint(Path(sys.argv[1]), training=True).training\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=30)


def test_every_flipped_bit_is_found(path, content):
    chosen = random.Random(0)  # noqa: S311 - which bits, not secrets
    header = 8 + int.from_bytes(content[:8], "little")
    places = [chosen.randrange(64)]
    places += [chosen.randrange(8 * header) for _ in range(149)]
    places += [chosen.randrange(8 * header, 8 * len(content)) for _ in range(150)]
    for place in places:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        refusal(path)


def test_every_truncation_is_found(path, content):
    for length in np.linspace(0, len(content) - 1, 64, dtype=int):
        path.write_bytes(content[:length])
        refusal(path)


def test_zeroed_blocks_are_found(path, content):
    found = 0
    for start in range(0, len(content), 64):
        damaged = content[:start] + bytes(len(content[start : start + 64])) + content[start + 64 :]
        if damaged != content:
            path.write_bytes(damaged)
            refusal(path)
            found += 1
    assert found > 30


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"x" * 1000], ids=["NUL", "newline", "text"])
def test_appended_bytes_are_found(path, content, tail):
    path.write_bytes(content + tail)
    assert "something was appended to it" in refusal(path)


@pytest.mark.parametrize(
    "hostile",
    {
        "nothing": b"",
        "text": b"To be, or not to be",
        "an endless header": (2**63).to_bytes(8, "little") + b"{}",
        "nested lists": len(DEEP).to_bytes(8, "little") + DEEP,
        "a nested header": sealed(MARK + b'\\"}"},"x":' + DEEP),
        "a nested record": sealed(MARK + b'\\",\\"x\\":' + DEEP + b'"}}'),
        "a number of many digits": sealed(MARK + b'\\",\\"x\\":' + b"9" * 100_000 + b'}"}}'),
        "a header that is a list": sealed(b'["' + MARK[28:] + b'\\"}"]'),
        "a record cut short": sealed(MARK + b'"}}'),
        "a record without fields": sealed(MARK + b'\\"}"}}'),
        "a record that is no text": sealed(MARK + b'\\"}"},"__metadata__":{"charrnn":1}}'),
        "a header that is not UTF-8": sealed(MARK + b'\\"}\xff"}}'),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_hostile_file_is_refused(path, hostile):
    path.write_bytes(hostile[1])
    refusal(path)


@pytest.mark.parametrize("kind", ["folder", "FIFO", "device"])
@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_refused_without_waiting(path, kind):
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path = Path("/dev/null")
    assert "not a regular file" in refusal(path)


def test_a_missing_file_is_named(path):
    assert "no such file or directory; check the path" in refusal(path, code=66)


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError(errno.EIO, "Input/output error"), "input/output error"), (OSError("Odd"), "odd")],
    ids=str,
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(path, content, monkeypatch, error, why):
    def unreadable(*_):
        raise error

    path.write_bytes(content)
    monkeypatch.setattr(Path, "open", unreadable)
    assert f"; {why}; " in refusal(path, code=66)


def test_a_path_that_no_file_can_have_is_refused(tmp_path):
    refusal(tmp_path / "a\0b")


@pytest.mark.parametrize(
    ("length", "why"), [(2**24, "it was not written by charrnn"), (2**24 + 1, "not a safetensors file")]
)
def test_a_header_too_long_for_any_vocabulary_is_not_read(path, length, why):
    with path.open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(2**27)  # sparse
    assert why in refusal(path)


def test_a_header_of_brackets_is_refused_before_it_is_parsed(path):
    header = MARK + b'\\"}"},"x":' + b"[" * 300_000 + b"]" * 300_000 + b"}"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert "not a list of tensors" in refusal(path)


def test_a_large_file_that_is_no_checkpoint_is_refused_without_holding_it_in_memory(path):
    size = 2**26
    tensor = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = MARK + b'\\"}"},"x":' + json.dumps(tensor).encode() + b"}"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)  # sparse
    tracemalloc.start()
    try:
        assert "its format" in refusal(path)  # found in the header, without a look at the rest
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 8


def no_array(weights, training):
    del weights["head.bias"]


def extra_array(weights, training):
    weights["layers.1.norm.bias"] = np.zeros(5, np.float32)


def other_shape(weights, training):
    weights["head.weight"] = weights["head.weight"].T


def other_rank(weights, training):
    weights["head.bias"] = weights["head.bias"][None]


def doubles(weights, training):
    weights["head.bias"] = weights["head.bias"].astype(np.float64)


def not_a_number(weights, training):
    weights["layers.0.cell.weight_hh_l0"][-1, -1] = np.nan


def infinite(weights, training):
    weights["embedding.weight"][0, 0] = -np.inf


def no_moment(weights, training):
    del training["moment2.head.bias"]


def extra_state(weights, training):
    training["state.1.h"] = training["state.0.h"]


def fewer_lanes(weights, training):
    training["state.0.c"] = training["state.0.c"][:1]


def no_state(weights, training):
    del training["state.0.h"]


def state_of_integers(weights, training):
    training["state.0.h"] = training["state.0.h"].astype(np.int32)


def generator_of_old(weights, training):
    training["generator"] = np.zeros(8, np.uint8)


def moment_not_a_number(weights, training):
    training["moment1.head.weight"][0, 0] = np.nan


WRONG_ARRAYS = [
    no_array, extra_array, other_shape, other_rank, doubles, not_a_number, infinite, no_moment, extra_state,
    fewer_lanes, no_state, state_of_integers, generator_of_old, moment_not_a_number,
]  # fmt: skip


@pytest.mark.parametrize("change", WRONG_ARRAYS, ids=lambda change: change.__name__)
def test_arrays_that_the_configuration_does_not_imply_are_refused_though_the_digest_matches(path, change):
    altered = checkpoint()
    change(altered.weights, altered.training)
    write_checkpoint(path, altered)
    refusal(path)
    refusal(path, training=True)


@pytest.mark.parametrize(("dtype", "factor"), [("BF16", 2), ("F16", 2), ("I32", 1), ("F8_E4M3", 4), ("NONE", 1)])
def test_numbers_of_another_type_are_refused_though_the_digest_matches(path, content, dtype, factor):
    path.write_bytes(resealed(content, lambda header, _: header["head.bias"].update(dtype=dtype, shape=[4 * factor])))
    refusal(path)


@pytest.mark.parametrize("offsets", [[0, 2**62], [0, float("inf")], [-4, 12], [16, 0], [4, 20]], ids=str)
def test_tensors_outside_their_place_are_refused_though_the_digest_matches(path, content, offsets):
    path.write_bytes(resealed(content, lambda header, _: header["head.bias"].update(data_offsets=offsets)))
    refusal(path)


def test_a_resealed_file_without_changes_is_read(path, content):
    path.write_bytes(resealed(content, lambda header, record: None))
    assert facts(read_checkpoint(path)) == facts(checkpoint())


WRONG_RECORDS = {
    "a later format": ({"format": 2}, {}),
    "an unknown field": ({"pickle": "x"}, {}),
    "no fingerprint": ({"corpus": {}}, {}),
    "more about the corpus than is known": (
        {"corpus": {"fingerprint": "f", "train_symbols": 9, "validation_symbols": 1, "pickle": "x"}},
        {},
    ),
    "progress of another program": ({"progress": {"step": 1, "pickle": "x"}}, {}),
    "an unknown cell": ({}, {"cell": "tree"}),
    "an unknown setting": ({}, {"attention": 1}),
    "another width": ({}, {"hidden": 6}),
    "another depth": ({}, {"layers": 2}),
    "no width": ({}, {"hidden": 0}),
    "a rate that is no number": ({}, {"learning_rate": float("nan")}),
    "an unsorted vocabulary": ({"vocabulary": {"unit": "char", "symbols": "ehol", **NO_RECORDS}}, {}),
    "a symbol twice": ({"vocabulary": {"unit": "char", "symbols": "ehll", **NO_RECORDS}}, {}),
    "one symbol more": ({"vocabulary": {"unit": "char", "symbols": "ehlos", **NO_RECORDS}}, {}),
    "half a surrogate pair": ({"vocabulary": {"unit": "char", "symbols": "ehl\ud83d", **NO_RECORDS}}, {}),
    "an unknown unit": ({"vocabulary": {"unit": "line", "symbols": "ehlo", **NO_RECORDS}}, {}),
    "records without an end": ({"vocabulary": {"unit": "char", "symbols": "ehlo", **NO_RECORDS, "end": "x"}}, {}),
    "answers without a mark": ({"vocabulary": {"unit": "char", "symbols": "ehlo", **NO_RECORDS, "answer": "x"}}, {}),
    "words that are characters": ({"vocabulary": {"unit": "char", "symbols": ["e", "h", "lo", "x"], **NO_RECORDS}}, {}),
    "an empty word": ({"vocabulary": {"unit": "word", "symbols": ["", "e", "h", "l"], **NO_RECORDS}}, {}),
    "no unit": ({"vocabulary": {"symbols": "ehlo", **NO_RECORDS}}, {}),
    "no symbols": ({"vocabulary": {"unit": "char", "symbols": "", **NO_RECORDS}}, {}),
    "a best score without a step": ({"progress": {"best_nats": 1.5}}, {}),
    "a negative step": ({"progress": {"step": -1}}, {}),
    "bytes without all 256": ({"vocabulary": {"unit": "byte", "symbols": "ehlo", **NO_RECORDS}}, {}),
}


@pytest.mark.parametrize(("record", "config"), WRONG_RECORDS.values(), ids=WRONG_RECORDS)
def test_a_record_that_contradicts_itself_is_refused_though_the_digest_matches(path, content, record, config):
    path.write_bytes(resealed(content, lambda _, found: (found.update(record), found["config"].update(config))))
    refusal(path)


def test_a_depth_that_the_tensors_cannot_fill_is_refused_before_its_shapes_are_worked_out(path, content, monkeypatch):
    path.write_bytes(resealed(content, lambda _, record: record["config"].update(layers=1000)))
    monkeypatch.setattr("charrnn.runs.checkpoint.parameter_shapes", lambda *_: pytest.fail("worked them out"))
    assert "it has fewer tensors than its configuration has layers" in refusal(path)


def test_what_a_refused_record_calls_its_fields_stays_in_one_line(path, content):
    path.write_bytes(resealed(content, lambda _, record: record.update({"two\nlines": 1})))
    refusal(path)


def test_what_a_refused_file_calls_its_tensors_stays_in_one_line(path, content):
    path.write_bytes(resealed(content, lambda header, _: header.update({"a\nb": header.pop("head.bias")})))
    assert "its tensors are not those of its configuration: a; use" in refusal(path)


@pytest.mark.timeout(2)
def test_a_record_that_implies_billions_of_tensors_is_refused_at_once(path, content):
    path.write_bytes(resealed(content, lambda _, record: record["config"].update(layers=2**31 - 1)))
    refusal(path)


def change_format(header, record):
    record["format"] = 2


def change_format_and_lose_progress(header, record):
    change_format(header, record)
    lose_progress(header, record)


def lose_progress(header, record):
    del record["progress"]


def write_a_list(header, record):
    record["config"]["corpus"] = []


def lose_a_bias(header, record):
    header["extra.bias"] = header.pop("head.bias")


def transpose(header, record):
    header["head.weight"]["shape"].reverse()


REASONS = {
    change_format: "its format: input should be 1",
    lose_progress: "its progress: field required",
    change_format_and_lose_progress: "its format: input should be 1",
    write_a_list: "its config.corpus: list should have at least 1 item",
    lose_a_bias: "its tensors are not those of its configuration: extra.bias",
    transpose: "tensor head.weight is F32 (5, 4), not what its configuration implies",
}


@pytest.mark.parametrize(("change", "reason"), REASONS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_refusal_says_what_is_wrong_and_what_to_do(path, content, change, reason):
    path.write_bytes(resealed(content, change))
    assert f"cannot use the checkpoint {path}; {reason}" in refusal(path)
    assert refusal(path).endswith("; use another one, or train again")


def test_a_record_that_is_no_object_is_called_that(path):
    path.write_bytes(sealed(MARK.replace(b"charrnn", b"another") + b'\\"}","charrnn":"[]"}}'))
    assert "its record: input should be a valid dictionary" in refusal(path)


@pytest.mark.parametrize("text", ["not a checkpoint, but a long enough text", "a" * 8 + "{}"])
def test_a_file_of_another_program_is_called_that(path, text):
    path.write_text(text)
    assert f"{path} is a text; it is not a model" in refusal(path)


def test_a_safetensors_file_of_another_program_is_called_that(path):
    path.write_bytes(safetensors.numpy.save({"weight": np.zeros(3, np.float32)}))
    assert "it was not written by charrnn" in refusal(path)


def test_a_model_without_its_run_cannot_be_resumed(path):
    write_checkpoint(path, checkpoint(training=False))
    assert read_checkpoint(path).resumable is False
    assert f"{path} holds a model, not a run; it has no optimiser state; start a new run from it" in refusal(
        path, training=True
    )


def test_a_run_begins_with_no_progress():
    begun = Progress().model_dump()
    assert begun.pop("temperature") == 1.0
    assert set(begun.values()) == {0, None}


def test_a_checkpoint_needs_a_folder(tmp_path):
    with pytest.raises(OutputError):
        write_checkpoint(tmp_path / "absent" / "best.safetensors", checkpoint())


def test_a_full_disk_leaves_the_old_checkpoint_whole(path, monkeypatch):
    write_checkpoint(path, checkpoint("hello"))
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError):
        write_checkpoint(path, checkpoint("world"))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_forgets_is_found_when_writing(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.pwrite(descriptor, bytes(100), 0))
    with pytest.raises(StorageError):
        write_checkpoint(path, checkpoint())


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (b"%PDF-1.4\n1 0 obj\n", "a PDF", "pdftotext"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n", "a Git LFS pointer", "git lfs pull"),
        (b"PK\x03\x04\0\0\0\0archive/data.pkl", "a file of PyTorch's", "written"),
        (b"roses are red\n", "a text", "before"),
        ("roses are red\n".encode("utf-16"), "a text", "before"),
        ("roses are red\n".encode("utf-16-le"), "a text", "before"),
    ],
)
def test_what_is_something_else_is_named_for_what_it_is(tmp_path, content, what, remedy):
    for name in ("other", "other.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} is {what}; it is not a model.*{remedy}"):
            read_checkpoint(tmp_path / name)

"""Whatever bytes a reader is given, it refuses them in its own words or returns something that can be used."""

import hashlib
import json
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.cli.info import facts, facts_table
from charrnn.config import RunConfig, Wish, check, keys, parse_duration, parse_interval
from charrnn.config_file import CALL_SETTINGS, read_config_file, take_call_settings
from charrnn.errors import CharrnnError
from charrnn.model.numpy_network import NumpyNetwork
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.runs.record import Reached, RunRecord
from charrnn.shapes import parameter_shapes, training_shapes

SOME, MANY = 150, 50_000
SLOWEST = 10.0  # seconds for one example, on a machine that does something else meanwhile
NO_DIGEST = "0" * 64
CONFIG = {
    "cell": "rnn", "layers": 1, "hidden": 2, "embedding": 1, "dropout": 0.0, "corpus": ["a"],
    "validation_fraction": 0.1, "batch_size": 1, "seq_length": 2, "steps": 9, "learning_rate": 0.01, "warmup": 0,
    "eval_every": 3,
    "save_every": "5m", "sample_every": 3, "device": "cpu", "precision": "float32", "threads": 1,
    "weight_drop": 0.0, "dropout_start": 1.0,
}  # fmt: skip


# JSON as it should not be: any tree, written with its duplicates, its endless numbers and its NaN


class Raw(str):
    """A piece of JSON text that no JSON value has."""


class Pairs(list):
    """An object as a list of pairs, so that a key can stand in it twice."""


def pairs(value):
    """`value` with every object as Pairs."""
    if isinstance(value, dict):
        return Pairs([key, pairs(item)] for key, item in value.items())
    return [pairs(item) for item in value] if isinstance(value, list) else value


def text(value):
    """`value` as JSON."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{text(key)}:{text(item)}" for key, item in value) + "}"
    return "[" + ",".join(map(text, value)) + "]" if isinstance(value, list) else json.dumps(value)


def places(tree):
    """Every (container, index) below `tree`."""
    found, ahead = [], [tree]
    while ahead:
        node = ahead.pop()
        if isinstance(node, list):
            found += [(node, index) for index in range(len(node))]
            ahead += [item[1] if isinstance(node, Pairs) else item for item in node]
    return found


def edit(tree, kind, where, value):
    """Change one place of `tree`."""
    found = places(tree)
    if not found:
        return
    node, index = found[where % len(found)]
    if kind == "delete":
        del node[index]
    elif kind == "double":
        node.insert(where % (len(node) + 1), list(node[index]) if isinstance(node, Pairs) else node[index])
    elif not isinstance(node, Pairs):
        node[index] = value
    elif kind == "rename":
        node[index][0] = value if isinstance(value, (str, Raw)) else text(value)
    elif kind == "add":
        node.append([value if isinstance(value, str) and not isinstance(value, Raw) else "x", value])
    else:
        node[index][1] = value


NAMES = ["__metadata__", "charrnn", "sha256", "head.bias", "training/", "training/state.0.h", "dtype", "shape", "F32"]
NAMES += ["data_offsets", "config", "layers", "hidden", "step", "vocabulary", "char", "byte", "word", "lstm", "wish"]
DEEP = st.sampled_from([Raw("[" * n + "]" * n) for n in (10, 900, 9_000)])
TOKENS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0",
    "1E400",
    "9" * 5000,
    "",
    "{",
    "]",
    "'a'",
    "0x10",
    "/**/1",
    "01",
]
raw = st.sampled_from([Raw(token) for token in TOKENS]) | DEEP
numbers = st.integers() | st.floats() | st.sampled_from([-1, 0, 2**31, 2**32, 2**53, 2**63, 2**64, 10**300, 10**4000])
strings = st.text(st.characters(), max_size=8) | st.sampled_from(NAMES) | st.sampled_from(["a" * 10_000, "\ud800"])
leaves = st.none() | st.booleans() | numbers | strings | raw
values = leaves | st.lists(leaves, max_size=4) | st.dictionaries(strings, leaves, max_size=3).map(pairs)
edits = st.tuples(
    st.sampled_from(["replace", "replace", "replace", "delete", "double", "rename", "add"]), st.integers(0, 999), values
)


# A small checkpoint, built as the format is documented


@cache
def small(symbols="ab", unit="char"):
    """(record, tensor entries, tensor bytes) of a resumable checkpoint."""
    config, entries, data = RunConfig(**CONFIG), {}, b""
    shapes = dict(parameter_shapes(config, len(symbols)))
    shapes |= {f"training/{name}": shape for name, shape in training_shapes(config, len(symbols)).items()}
    for name, shape in sorted(shapes.items(), key=lambda item: (item[1] is None, item[0])):
        array = np.zeros(8, np.uint8) if shape is None else np.full(shape, 0.5, np.float32)
        kind = "U8" if shape is None else "F32"
        offsets = [len(data), len(data) + array.nbytes]
        entries[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    record = {
        "sha256": NO_DIGEST,
        "format": 1,
        "config": config.model_dump(),
        "vocabulary": {"unit": unit, "symbols": symbols, "end": None, "answer": None, "folds": False},
        "corpus": {"fingerprint": "f" * 64, "train_symbols": 90, "validation_symbols": 10},
        "progress": {
            "step": 3,
            "epoch": 1.5,
            "validation_nats": 1.0,
            "evaluated_step": 3,
            "best_nats": 1.0,
            "best_step": 3,
        },
        "made_with": {"torch": "2.0"},
        "wish": {"steps": 9},
    }
    return record, entries, data


def sealed(header, data):
    """A file with the digest that belongs to it, wherever its header still has a place for one."""
    header += b" " * (-len(header) % 8)
    content = len(header).to_bytes(8, "little") + header + data
    return content.replace(NO_DIGEST.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def written(record_edits=(), header_edits=(), **vocabulary):
    """A sealed checkpoint after edits of its record and of its header."""
    record, entries, data = small(**vocabulary)
    record, header = pairs(record), pairs(entries)
    for change in record_edits:
        edit(record, *change)
    header.insert(0, ["__metadata__", Pairs([["charrnn", text(record)]])])
    for change in header_edits:
        edit(header, *change)
    return sealed(text(header).encode("utf-8", "surrogatepass"), data)


def mangled(content, changes):
    """`content` after changes of its bytes: (kind, place, bytes)."""
    data = bytearray(content)
    for kind, place, piece in changes:
        at = place % (len(data) + 1)
        if kind == "insert":
            data[at:at] = piece
        elif kind == "delete":
            del data[at : at + len(piece)]
        elif kind == "copy":
            data[at:at] = data[place % 97 : place % 97 + len(piece)]
        else:
            data[at : at + len(piece)] = piece
    return bytes(data)


def mangled_header(changes):
    """A sealed file whose header's bytes were changed."""
    content = written()
    end = 8 + int.from_bytes(content[:8], "little")
    at = content.index(b'sha256\\":\\"') + len(b'sha256\\":\\"')
    header = content[8:at] + NO_DIGEST.encode() + content[at + 64 : end]
    return sealed(mangled(header, changes), content[end:])


PIECES = [b"\0", b"\xff", b'"', b"\\", b"{", b"]", b",", b":", b"\n", b"\x1b[31m", b"9" * 30, b"NaN", b"-", b"\\ud800"]
bytes_changes = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "copy", "overwrite"]),
        st.integers(0, 10_000),
        st.sampled_from(PIECES) | st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=5,
)
symbol_sets = st.sets(st.characters(), max_size=30).map(sorted).map("".join) | st.text(st.characters(), max_size=6)


def examine_checkpoint(folder, content):
    """Refused, or a model whose every part can be used and said."""
    path = folder / "model.safetensors"
    path.write_bytes(content)
    read_checkpoint(path, training=True)
    found = read_checkpoint(path)
    assert found.resumable
    json.dumps(facts(found, path), allow_nan=False)
    assert facts_table(found, path)
    assert found.progress.step >= 0
    network = NumpyNetwork(found.config, len(found.vocabulary), found.calibrated)
    logits, _ = network.step(np.zeros(1, np.int64), network.initial_state(1))
    assert logits.shape == (1, len(found.vocabulary))
    ids = list(range(len(found.vocabulary)))
    text = found.vocabulary.to_bytes(ids)
    if found.vocabulary.unit != "word" and (found.vocabulary.end, found.vocabulary.folds) == (None, False):
        assert found.vocabulary.encode(text).tolist() == ids


def examine_damage(folder, content):
    """Refused, unless the changes changed nothing."""
    examine_checkpoint(folder, content)
    assert content == written()


# YAML


SOUP = ["seed", "corpus", "hidden", "checkpoints", "max_time", ": ", ":", "- ", "? ", "[", "]", "{", "}", ", ", "\n"]
SOUP += ["\n  ", "\t", " ", "# ", "|\n", ">-\n ", "'", '"', "&a ", "*a", "<<: ", "!!int ", "!!python/name:os.system "]
SOUP += ["!<tag:x> ", "!%FF ", "%YAML 1.1\n---\n", "%YAML 9.9\n---\n", f"%YAML 1.{'9' * 5000}\n---\n", "%TAG ! x\n"]
SOUP += [
    "---\n",
    "...\n",
    "~",
    "null",
    "yes",
    "1e3",
    "0o7",
    "\ufeff",
    "\x85",
    "\u2028",
    "é",
    "🙂",
    '"\\x41"',
    '"\\ud800"',
]
SOUP += ['"\\UFFFFFFFF"', '"\\U00110000"', '"\\0"', "@", "`", "%", "[" * 300, "{" * 300, "- " * 300, "? " * 300]
token = st.sampled_from(SOUP) | st.text(st.characters(codec="utf-8"), max_size=5)
yaml_text = st.lists(token, max_size=30).map(lambda found: "".join(found).encode())
setting = st.sampled_from([*keys(), *CALL_SETTINGS]).map(lambda key: key.replace("_", "-"))
scalar = st.one_of(token, numbers.map(str), st.text(st.characters(codec="utf-8"), max_size=9).map(json.dumps))
flat = st.lists(st.tuples(setting, scalar), max_size=6).map(lambda found: "".join(f"{k}: {v}\n" for k, v in found))
wide = yaml_text.map(lambda found: found.decode().encode("utf-16"))
yaml_bytes = yaml_text | st.binary(max_size=60) | flat.map(str.encode) | wide


def examine_yaml(folder, content):
    """Refused, or settings of the types that they have."""
    path = folder / "config.yaml"
    path.write_bytes(content)
    found = read_config_file(path)
    assert all(
        value is None or isinstance(value, str) or all(isinstance(item, str) for item in value)
        for value in found.values()
    )
    assert set(take_call_settings(found, ())) <= set(CALL_SETTINGS)
    wish = Wish()
    wish.add(found, str(path))


# metrics.jsonl


event_names = st.sampled_from(["sampled", "trained", "evaluated", "started", 7, None, Raw("NaN")])
event_parts = {"event": event_names, "step": st.integers(0, 9) | values, "text": values, "nats_per_char": values}
event = st.fixed_dictionaries({}, optional=event_parts).map(pairs).map(text)
line = event | values.map(text) | st.text(st.characters(), max_size=20)
lines = st.lists(line, max_size=6).map(lambda found: "\n".join(found).encode("utf-8", "surrogatepass"))
record_bytes = st.tuples(lines | st.binary(max_size=60), st.integers(-1, 10))


def examine_record(folder, content):
    """What is read are events; what is wound back holds none of the later ones, and nothing else is lost."""
    content, step = content
    record = RunRecord(folder)
    record.metrics.write_bytes(content)
    before = record.read()
    assert all(isinstance(found, dict) and isinstance(found["step"], int) for found in before)
    record.wind_back(Reached(step, step, step, 9))
    after = record.read()
    assert all(found["step"] <= step for found in after)
    assert len(after) <= sum(found["step"] <= step for found in before)
    metrics, samples = record.metrics.read_bytes(), record.samples.read_bytes()
    record.wind_back(Reached(step, step, step, 9))
    assert (record.metrics.read_bytes(), record.samples.read_bytes()) == (metrics, samples)


# Values of settings


spellings = st.text("0123456789.dhms -+e_٣", max_size=12) | st.sampled_from(["9" * 400 + "s", "0s", "1d" * 500, "5m\n"])
anything = spellings | values | st.binary(max_size=5) | st.just(object())
asked_for = st.tuples(st.sampled_from(keys()), anything, st.sampled_from(["flag", "environment", "a file"]))


def examine_time(folder, value):
    """A duration is a number of seconds within bounds; an interval a count of steps or a duration."""
    for parse in (parse_duration, parse_interval):
        try:
            found = parse(value)
        except ValueError:
            continue
        if parse is parse_interval and isinstance(found, int):
            assert found >= 1
        else:
            assert 0 < parse_duration(found) < 1e9


def examine_setting(folder, asked):
    """A checked value is checked: asking with it again changes nothing."""
    key, value, source = asked
    found = check(key, value, source)
    assert check(key, found, source) == found


units = st.sampled_from(["char", "byte"])
some_edits = st.lists(edits, min_size=1, max_size=3)
vocabularies = st.builds(lambda symbols, unit: written(symbols=symbols, unit=unit), symbol_sets, units)
headers = some_edits.map(lambda found: written(header_edits=found))
files = bytes_changes.map(lambda found: mangled(written(), found))
TARGETS = {  # what is generated, what must hold, and the exit codes of a refusal
    "records of checkpoints": (some_edits.map(written), examine_checkpoint, (0, 65)),
    "headers of checkpoints": (headers, examine_checkpoint, (0, 65)),
    "headers with changed bytes": (bytes_changes.map(mangled_header), examine_checkpoint, (0, 65)),
    "files with changed bytes": (files, examine_damage, (0, 65)),
    "vocabularies": (vocabularies, examine_checkpoint, (0, 65)),
    "configuration files": (yaml_bytes, examine_yaml, (0, 2)),
    "records of runs": (record_bytes, examine_record, (0,)),
    "durations": (anything, examine_time, (0,)),
    "settings": (asked_for, examine_setting, (0, 2)),
}


def hold(target, folder, content):
    """Examine one input: it ends in a refusal or in something that holds, and soon."""
    _, examine, codes = TARGETS[target]
    began = time.monotonic()
    try:
        examine(folder, content)
    except CharrnnError as error:
        code = error.exit_code
    else:
        code = 0
    assert code in codes
    assert time.monotonic() - began < SLOWEST


def fuzz(target, folder, examples):
    """Examine so many inputs."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(TARGETS[target][0])
    def examined(content):
        hold(target, folder, content)

    examined()


def with_progress(**changes):
    """A sealed checkpoint with other progress."""
    record, entries, data = small()
    record = record | {"progress": record["progress"] | changes}
    header = {"__metadata__": {"charrnn": json.dumps(record)}, **entries}
    return sealed(json.dumps(header).replace('{\\"sha256\\": \\"', '{\\"sha256\\":\\"').encode(), data)


# What fuzzing has found, so that it is tried every time.
FOUND = [
    ("configuration files", b'glob: "\\UFFFFFFFF"'),
    ("configuration files", b'"\\U00110000": 1'),
    ("configuration files", b"%YAML 1." + b"9" * 5000 + b"\n---\n"),
    ("records of runs", (b"[" * 9_000, 3)),
    ("records of runs", (b'{"step": 1}', 3)),
    ("records of runs", (b'{"step": 1, "event": "sampled"}', 3)),
    ("records of runs", (b'{"step": 1, "event": "sampled", "text": [], "nats_per_char": "1"}', 3)),
    ("records of runs", (b'{"step": 1, "event": "notice", "text": "\\ud800"}', 3)),
    ("vocabularies", written(symbols="")),
    ("records of checkpoints", with_progress(step=-1)),
    ("records of checkpoints", with_progress(epoch=float("nan"))),
    ("records of checkpoints", with_progress(validation_nats=float("inf"))),
    ("records of checkpoints", with_progress(seconds=-float("inf"))),
]


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_what_fuzzing_has_found_does_not_come_back(tmp_path, number):
    target, content = FOUND[number]
    hold(target, tmp_path, content)


def test_what_is_not_changed_is_read(tmp_path):
    examine_checkpoint(tmp_path, written())
    examine_checkpoint(tmp_path, with_progress(step=4))
    examine_checkpoint(tmp_path, mangled_header([]))


@pytest.mark.parametrize("target", TARGETS)
def test_only_refusals_and_usable_values_come_out(tmp_path, target):
    fuzz(target, tmp_path, SOME)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("target", TARGETS)
def test_only_refusals_and_usable_values_come_out_of_many_more(tmp_path, target):
    fuzz(target, tmp_path, MANY)

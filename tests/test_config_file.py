import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config import RunConfig, Wish
from charrnn.config_file import LIMIT, read_config_file, write_config_file
from charrnn.errors import MissingInputError, SettingsError


def read(folder: Path, content: str | bytes) -> dict[str, object]:
    path = folder / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_config_file(path)


def wish(values: dict[str, object]) -> dict[str, object]:
    asked = Wish()
    asked.add(values, "file")
    return asked.values


def refusal(folder: Path, content: str | bytes) -> str:
    with pytest.raises(SettingsError) as caught:
        read(folder, content)
    assert caught.value.exit_code == 2
    assert str(folder / "config.yaml") in str(caught.value)
    return str(caught.value)


# What is read


def test_scalars_are_typed_by_their_setting(tmp_path):
    content = """
# a comment
learning-rate: 1e-3
hidden: 64
layer_norm: no
encoding: no
glob: 12
save-every: 1000
eval_every: 5m
corpus: [no, 3, "a b"]
"""
    assert wish(read(tmp_path, content)) == {
        **{"learning_rate": 0.001, "hidden": 64, "layer_norm": False, "encoding": "no", "glob": "12"},
        **{"save_every": 1000, "eval_every": "5m", "corpus": ["no", "3", "a b"]},
    }


@pytest.mark.parametrize("null", ["", "~", "null"])
def test_null_means_absent(tmp_path, null):
    values = read(tmp_path, f"glob: {null}\nseed: 1\n")
    assert values == {"glob": None, "seed": "1"}
    assert wish(values) == {"seed": 1}


@pytest.mark.parametrize("text", ["''", "'~'", '"null"'])
def test_quoted_null_is_text(tmp_path, text):
    assert read(tmp_path, f"glob: {text}\n") == {"glob": text[1:-1]}


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n"])
def test_empty_file_asks_for_nothing(tmp_path, content):
    assert read(tmp_path, content) == {}


@pytest.mark.parametrize("content", ["seed: 1", "{seed: 1}", "---\nseed: 1\n...\n", "\ufeffseed: 1\r\n", "? seed\n: 1"])
def test_all_ways_to_write_a_mapping_mean_the_same(tmp_path, content):
    assert read(tmp_path, content) == {"seed": "1"}


# What is refused


@pytest.mark.parametrize(
    ("line", "why", "content"),
    [
        (3, "appears twice", "seed: 1\nhidden: 2\nseed: 3\n"),
        (2, "appears twice", "batch-size: 1\nbatch_size: 1\n"),
        (2, "aliases", "seed: 1\nhidden: *seed\n"),
        (2, "aliases", "seed: 1\n<<: *base\n"),
        (2, "aliases", "seed: 1\ncorpus: [*a]\n"),
        (1, "anchors", "seed: &one 1\n"),
        (1, "anchors", "&one seed: 1\n"),
        (1, "anchors", "corpus: &all [a]\n"),
        (1, "tags", "seed: !!int 1\n"),
        (1, "tags", "!!map {seed: 1}\n"),
        (1, "tags", "corpus: !!python/tuple [a]\n"),
        (2, "tags", "seed: 1\nglob: !!python/object/apply:os.system [ls]\n"),
        (2, "nested", "model:\n  hidden: 2\n"),
        (1, "nested", "corpus: [a, [b]]\n"),
        (1, "nested", "corpus: [{a: b}]\n"),
        (1, "nested", "? [a]\n: b\n"),
        (1, "setting: value", "hello\n"),
        (1, "setting: value", "- hidden\n- 2\n"),
        (3, "", "seed: 1\n\n  hidden: 2\n"),
        (2, "", "seed: 1\nglob: a: b\n"),
        (2, "", "seed: 1\n\thidden: 2\n"),
        (3, "", "seed: 1\nglob: 'open\n"),
        (3, "", "seed: 1\ncorpus: [a\n"),
        (1, "", b"seed: \xe9\n"),
        (1, "", b"seed: 1\0\n"),
        (1, "", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        (1, "", bytes(range(256))),
    ],
)
def test_what_is_no_flat_mapping_is_refused_with_its_line(tmp_path, line, why, content):
    message = refusal(tmp_path, content)
    assert f"config.yaml, line {line}: " in message
    assert why in message
    assert "\n" not in message


@pytest.mark.parametrize("rest", ["---\nhidden: 2\n", "...\n[[[\n", "--- !!python/name:os.system\n"])
def test_nothing_after_the_first_mapping_is_ignored_in_silence(tmp_path, rest):
    assert "line " in refusal(tmp_path, "seed: 1\n" + rest)


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_file_over_one_mebibyte_is_refused(tmp_path, size):
    content = ("#" * (size - len("\nseed: 1"))) + "\nseed: 1"
    if size <= LIMIT:
        assert read(tmp_path, content) == {"seed": "1"}
    else:
        assert "longer than 1 MiB" in refusal(tmp_path, content)


@pytest.mark.parametrize("nest", ["[", "{", "? ", "- ", "corpus: [", "[a, "])
@pytest.mark.parametrize("start", ["", "corpus: "])
def test_deep_nesting_is_refused_at_once(tmp_path, start, nest):
    began = time.monotonic()
    assert "line 1" in refusal(tmp_path, start + nest * 5000)
    assert time.monotonic() - began < 2  # 0.1 s, where building the nest would overflow the stack


@pytest.mark.parametrize("name", ["missing.yaml", ".", "file/below"])
def test_missing_file_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(MissingInputError, match="check `config`") as caught:
        read_config_file(tmp_path / name)
    assert caught.value.exit_code == 66


# What was written


shares = st.floats(0, 1, exclude_max=True)
counts = st.integers(1, 2**31 - 1)
widths = st.integers(1, 2**16)
finite = st.floats(0, exclude_min=True, allow_infinity=False)
# File names hold any character, and for bytes that are no UTF-8, halves of surrogate pairs.
names = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
tricky = st.sampled_from(
    ["no", "null", "~", "1e3", "0x10", "2001-01-01", "- a", "a: b", "# c", "!t", "&a", "*b", "[", "="]
)
configs = st.builds(
    RunConfig,
    cell=st.sampled_from(["lstm", "gru", "rnn"]),
    layers=st.integers(1, 1000),
    hidden=widths,
    embedding=st.integers(0, 2**16),
    dropout=shares,
    layer_norm=st.booleans(),
    residual=st.booleans(),
    corpus=st.lists(names | tricky, min_size=1, max_size=4),
    glob=st.none() | names | tricky,
    encoding=names | tricky,
    unit=st.sampled_from(["char", "byte"]),
    validation=st.none() | names | tricky,
    validation_fraction=shares,
    batch_size=widths,
    seq_length=widths,
    steps=counts,
    weight_drop=shares,
    dropout_start=shares | st.just(1.0),
    learning_rate=finite,
    warmup=st.integers(0),
    weight_decay=st.floats(0, allow_infinity=False),
    clip=finite,
    ema=shares,
    seed=st.integers(0, 2**63 - 1),
    eval_every=counts,
    save_every=counts | st.sampled_from(["5m", "1h30m", "90s", "0.5h"]),
    sample_every=counts,
    device=names | tricky,
    precision=st.sampled_from(["float32", "bfloat16"]),
    threads=st.integers(1, 1024),
)


@pytest.mark.parametrize(
    "name", ["a\nb", "a\r\nb", "a\x85b", "a\u2028b", " a ", "\ta", "\ufeffa", "caf\udce9", "a " * 9000]
)
def test_strange_name_comes_back_from_a_written_file(tmp_path, name):
    whole = {"layers": 1, "hidden": 1, "embedding": 1, "dropout": 0, "corpus": [name], "validation_fraction": 0}
    whole |= {
        "batch_size": 1,
        "seq_length": 1,
        "steps": 1,
        "learning_rate": 1e-3,
        "warmup": 0,
        "threads": 1,
        "weight_drop": 0.0,
        "dropout_start": 1.0,
    }
    whole |= {"weight_drop": 0, "dropout_start": 1}
    whole |= {"eval_every": 1, "save_every": 1, "sample_every": 1, "device": "cpu", "precision": "float32"}
    write_config_file(tmp_path / "config.yaml", RunConfig(**whole))
    assert read_config_file(tmp_path / "config.yaml")["corpus"] == [name]


@settings(max_examples=60, deadline=None)
@given(configs)
def test_written_file_asks_for_the_same_run_again(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    write_config_file(path, config)
    assert RunConfig(**wish(read_config_file(path))) == config

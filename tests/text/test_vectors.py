"""Files of numbers become vectors, each with its record, or are refused in a line; and how they stand in ids."""

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import DataError, MissingInputError, SettingsError
from charrnn.text import vectors as room
from charrnn.text.batches import windows_of
from charrnn.text.corpus import read_corpus, source_of, split_of
from charrnn.text.marks import VECTOR
from charrnn.text.vectors import VectorFile, of_array, read_vectors

NUMBERS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
LENGTHS = [1, 2, 3]


def written(folder, kind):
    """(path, key) of a file with NUMBERS, in records of LENGTHS where it can say so."""
    path, owner = (
        folder / f"v{kind}",
        [name for name, length in zip("abc", LENGTHS, strict=True) for _ in range(length)],
    )
    if kind == ".npy":
        np.save(path, NUMBERS)
        return path, None
    if kind == ".npz":
        np.savez(path, vectors=NUMBERS, lengths=LENGTHS)
    if kind == ".safetensors":
        safetensors.numpy.save_file({"vectors": NUMBERS, "lengths": np.array(LENGTHS)}, path)
    if kind in (".csv", ".tsv"):
        comma = "," if kind == ".csv" else "\t"
        rows = [comma.join([name, *map(repr, row)]) for name, row in zip(owner, NUMBERS.tolist(), strict=True)]
        path.write_text("\n".join([comma.join(["who", "x", "y", "z"]), *rows]) + "\n")
        return path, "who"
    return path, None


@pytest.mark.parametrize("kind", [".npy", ".npz", ".safetensors", ".csv", ".tsv"])
def test_every_kind_of_file_gives_its_numbers(tmp_path, kind):
    found = read_vectors(*(part and str(part) for part in written(tmp_path, kind)))
    np.testing.assert_array_equal(np.asarray(found.rows), NUMBERS)
    assert found.lengths.tolist() == ([1] * 6 if kind == ".npy" else LENGTHS)
    assert found.size == 3


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i4", "i8"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3)])
def test_numbers_of_any_type_and_several_of_a_record(tmp_path, dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.save(tmp_path / "v.npy", array)
    found = read_vectors(str(tmp_path / "v.npy"))
    assert isinstance(found.rows, np.memmap)
    assert (len(found), found.size, found.lengths.sum()) == (4, 3, len(found.rows))
    np.testing.assert_array_equal(np.asarray(found.rows), array.reshape(-1, 3))
    safetensors.numpy.save_file({"vectors": array.reshape(-1, 3)}, tmp_path / "v.safetensors")
    again = read_vectors(str(tmp_path / "v.safetensors"))
    assert isinstance(again.rows, np.memmap)
    np.testing.assert_array_equal(np.asarray(again.rows), np.asarray(found.rows))


def test_a_table_without_a_head_or_a_key_has_a_row_for_each_record(tmp_path):
    (tmp_path / "v.csv").write_text("1,2\n3,4.5\n")
    found = read_vectors(str(tmp_path / "v.csv"))
    assert (found.rows.tolist(), found.lengths.tolist()) == ([[1, 2], [3, 4.5]], [1, 1])


BAD = {
    "text.npy": b"not an array",
    "empty.npy": b"",
    "objects.npy": np.array([{"a": 1}], dtype=object),
    "words.npy": np.array([["a", "b"]]),
    "line.npy": np.zeros(3),
    "none.npy": np.zeros((0, 3)),
    "narrow.npy": np.zeros((3, 0)),
    "four.npy": np.zeros((2, 2, 2, 2)),
    "complex.npy": np.zeros((2, 2), dtype=complex),
    "nan.npy": np.array([[1.0, 2], [3, np.nan]]),
    "endless.npy": np.array([[[1.0, 2], [3, 4]], [[5, -np.inf], [7, 8]]]),
    "other.npz": {"rows": np.zeros((2, 2))},
    "lengths.npz": {"vectors": np.zeros((3, 2)), "lengths": np.array([1, 1])},
    "zero.npz": {"vectors": np.zeros((3, 2)), "lengths": np.array([3, 0])},
    "halves.npz": {"vectors": np.zeros((3, 2)), "lengths": np.array([1.5, 1.5])},
    "no.safetensors": b"\xff" * 40,
    "cut.safetensors": b"\x10\0\0\0\0\0\0\0{}",
    "ragged.csv": b"1,2\n3\n",
    "word.csv": b"x,y\n1,two\n",
    "nothing.csv": b"",
    "head.csv": b"x,y\n",
    "picture.png": b"\x89PNG",
}


@pytest.mark.parametrize("name", BAD)
def test_what_holds_no_vectors_is_refused_in_a_line(tmp_path, name):
    path, content = tmp_path / name, BAD[name]
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(DataError, match=r"^[^\n]+$") as refused:
        read_vectors(str(path))
    assert name in str(refused.value)
    if name == "nan.npy":
        assert "record 2" in str(refused.value)
        assert "place 2" in str(refused.value)
    if name == "endless.npy":
        assert "record 2" in str(refused.value)
        assert "vector 1" in str(refused.value)


def test_a_truncated_array_and_a_missing_one_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", NUMBERS)
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-5])
    with pytest.raises(DataError):
        read_vectors(str(tmp_path / "v.npy"))
    with pytest.raises(MissingInputError):
        read_vectors(str(tmp_path / "nowhere.npy"))
    with pytest.raises(DataError, match="columns"):
        read_vectors(str(tmp_path / "v.npy"), "key")


def test_a_file_that_changes_is_read_again(tmp_path):
    np.save(tmp_path / "v.npy", NUMBERS)
    file = VectorFile(str(tmp_path / "v.npy"))
    assert file.read() is file.read()
    np.save(tmp_path / "v.npy", np.ones((2, 2)))
    assert len(file.read()) == 2


def test_lists_of_arrays_are_records(tmp_path):
    found = of_array([np.zeros((2, 3)), np.ones((1, 3))])
    assert (found.lengths.tolist(), found.rows.shape) == ([2, 1], (3, 3))
    for wrong in ([np.zeros((2, 3)), np.ones((1, 4))], [np.zeros((2, 3)), np.ones(3)], "text", None, [[]]):
        with pytest.raises(DataError):
            of_array(wrong)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(1, 7), st.integers(1, 20))
def test_the_standard_is_that_of_numpy_piece_by_piece(rows, size, piece):
    array = np.random.default_rng(rows).normal(3, 2, size=(rows, size))
    array[:, 0] = 5
    before, room._PIECE = room._PIECE, piece
    try:
        mean, deviation = of_array(array).standard(np.arange(rows)[::2].copy())
    finally:
        room._PIECE = before
    np.testing.assert_allclose(mean, array[::2].mean(axis=0), rtol=1e-5)
    expected = array[::2].std(axis=0)
    np.testing.assert_allclose(deviation, np.where(expected > 1e-9, expected, deviation), rtol=1e-4)
    assert (deviation > 0).all()


# In ids --------------------------------------------------------------------------------------------------------------


def corpus_of(folder, text, array, **more):
    (folder / "text.txt").write_text(text)
    np.save(folder / "v.npy", array)
    values = {"corpus": [str(folder / "text.txt")], "records": "lines", "vectors": str(folder / "v.npy"), **more}
    return read_corpus(source_of(values), split_of({"validation_fraction": 0.25, **values}))[0]


TEXT = "".join(f"{word}\n" for word in ("red", "blue", "green", "red", "blue", "white", "red", "blue"))


@pytest.mark.parametrize("unit", ["char", "word"])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("shuffled", [False, True])
def test_each_record_begins_with_its_own_vectors(tmp_path, unit, steps, shuffled):
    array = np.repeat(np.arange(8.0)[:, None, None], steps, axis=1).repeat(2, axis=2)
    corpus = corpus_of(tmp_path, TEXT, array, unit=unit, shuffle_records=shuffled)
    v, seen = corpus.vocabulary, []
    for part in (corpus.train, corpus.validation):
        borders = v.layout.borders(part)
        assert (borders.asked - borders.first == steps).all()
        for first, asked, last in zip(*borders.columns, strict=True):
            rows = part[first + 1 : asked + 1].astype(int) - len(v)
            (number,) = set(np.asarray(corpus.vectors.rows)[rows].ravel().tolist())
            assert v.decode(part[asked + 1 : last].tolist()) == TEXT.split("\n")[int(number)]
            seen.append(number)
        assert not v.layout.counted(part)[part >= len(v)].any()
    assert sorted(seen) == list(range(8))
    assert (seen == list(range(8))) == (not shuffled)


def test_what_stands_for_a_vector_writes_nothing_and_counts_nothing(tmp_path):
    corpus = corpus_of(tmp_path, TEXT, np.zeros((8, 2)))
    v = corpus.vocabulary
    plain = v.unnumbered(corpus.train)
    assert v.decode(plain.tolist()) == "\n" + "\n".join(TEXT.split("\n")[:6]) + "\n"
    assert v.measure(corpus.train)[0] == len(v.decode(plain.tolist()))
    assert v.symbols.index(VECTOR) in v.unwritten


def test_windows_read_vectors_and_predict_none(tmp_path):
    corpus = corpus_of(tmp_path, TEXT, np.zeros((8, 2, 2)))
    batches = windows_of(corpus.train, corpus.vocabulary, 2, 4)
    read = set()
    for step in range(batches.windows):
        window = batches.window(step)
        assert (window.targets[window.counted] < len(corpus.vocabulary)).all()
        read |= set(window.inputs[window.inputs >= len(corpus.vocabulary)].tolist())
    assert len(read) == 12


def test_the_fingerprint_is_that_of_text_and_vectors(tmp_path):
    found = {corpus_of(tmp_path, TEXT, array).fingerprint for array in (np.zeros((8, 2)), np.ones((8, 2)))}
    found |= {corpus_of(tmp_path, TEXT.replace("red", "rad"), np.zeros((8, 2))).fingerprint}
    assert len(found) == 3


@pytest.mark.parametrize("count", [7, 9])
def test_there_are_as_many_vectors_as_records(tmp_path, count):
    with pytest.raises(DataError, match=f"vectors for {count} records; the text has 8"):
        corpus_of(tmp_path, TEXT, np.zeros((count, 2)))


def test_vectors_are_for_records_of_one_text(tmp_path):
    with pytest.raises(SettingsError, match="are for records"):
        source_of({"corpus": ["x"], "vectors": "v.npy"})
    with pytest.raises(SettingsError, match="those of one text"):
        source_of({"corpus": ["x"], "vectors": "v.npy", "records": "lines", "validation": "y"})


def test_a_text_may_not_hold_the_mark_of_a_vector(tmp_path):
    with pytest.raises(DataError, match="U\\+FDD1"):
        corpus_of(tmp_path, f"a{VECTOR}b\nc\n", np.zeros((2, 2)))

"""What is taken from an array is the same, wherever it is held."""

import numpy as np
import pytest
import torch

from charrnn.learning import held
from charrnn.learning.held import Held
from charrnn.text.lanes import Lanes

CPU = torch.device("cpu")
KINDS = [np.uint8, np.uint16, np.uint32, np.float16]
PLACES = np.random.default_rng(1).integers(300, size=(9, 4))


def array_of(kind, shape=(300,)):
    most = 1 if kind is np.float16 else np.iinfo(kind).max
    return (np.random.default_rng(0).random(shape) * most).astype(kind)


def expected(array):
    found = array[PLACES]
    return torch.from_numpy(found.astype(np.float32 if found.dtype.kind == "f" else np.int64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(300,), (300, 5)])
@pytest.mark.parametrize("piece", [7, 1 << 24])
def test_a_copy_made_in_pieces_gives_what_the_array_gives(monkeypatch, kind, shape, piece):
    monkeypatch.setattr(held, "_PIECE", piece)
    array = array_of(kind, shape)
    array.flags.writeable = False  # as a file that is mapped
    here, copied = Held(array, CPU), Held(array, CPU)
    copied.there = copied._uploaded()
    assert copied.there.element_size() == array.itemsize
    for one in (here, copied):
        torch.testing.assert_close(one.take(PLACES), expected(array), rtol=0, atol=0)


def test_a_column_of_rows_is_taken_like_any_other():
    rows = np.zeros(300, dtype=[("p", np.float16, (3,)), ("symbols", np.uint32, (3,))])
    rows["p"], rows["symbols"] = array_of(np.float16, (300, 3)), array_of(np.uint32, (300, 3))
    for name in ("p", "symbols"):
        one = Held(rows[name], CPU)
        copy = one._uploaded()
        assert torch.equal(one.take(PLACES), expected(np.ascontiguousarray(rows[name])))
        one.there = copy
        assert torch.equal(one.take(PLACES), expected(np.ascontiguousarray(rows[name])))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.25, 0.0])
def test_a_gpu_gives_the_same_windows(monkeypatch, kind, share):
    monkeypatch.setattr(held, "SHARE", share)
    array = array_of(kind)
    one = Held(array, torch.device("cuda"))
    assert (one.there is not None) == (share > 0)
    assert torch.equal(one.take(PLACES).cpu(), expected(array))
    if kind is not np.float16:
        window = Lanes(array, 3, 20).window(7)
        ids = one.take(window.places).cpu().numpy()
        assert np.array_equal(ids[:-1], window.inputs)
        assert np.array_equal(ids[1:], window.targets)

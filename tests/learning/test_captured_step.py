"""A captured step is the plain one: the same loss, norm, state and weights, whatever is handed in, step after step."""

import numpy as np
import pytest
import torch

from charrnn.learning.captured_step import CapturedStep, why_plain
from charrnn.learning.dropout import UNITS, WEIGHTS, dropout_mask, mask_on
from charrnn.learning.learner import Learner
from charrnn.model import graph
from charrnn.model.cells import persistent
from charrnn.text.lanes import Lanes
from tests.learning.test_learner import config

V, STEPS = 7, 12
IDS = np.random.default_rng(0).integers(V, size=4000).astype(np.uint8)


def repeated(work, changing):
    """A graph as a CPU can have one: what comes out is written to where it was captured."""
    before = [tensor.detach().clone() for tensor in changing]
    result = work()
    with torch.no_grad():
        for tensor, kept in zip(changing, before, strict=True):
            tensor.copy_(kept)

    def tensors(found):
        return [found] if isinstance(found, torch.Tensor) else [each for part in found for each in tensors(part)]

    def replay():
        for place, tensor in zip(tensors(result), tensors(work()), strict=True):
            place.copy_(tensor)

    return replay, result


def learnt(settings, captured, steps=STEPS):
    learner = Learner(settings, V)
    if captured:
        learner.learn = CapturedStep(learner._learn, learner._changing)
    windows = Lanes(IDS, settings.batch_size, settings.seq_length)
    found = [[value.item() for value in learner.step(windows.window(step), step)] for step in range(steps)]
    return found, learner


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("dropout", [{}, {"dropout": 0.4, "weight_drop": 0.3, "dropout_start": 0.0}])
def test_a_captured_step_learns_what_the_plain_one_learns(monkeypatch, cell, dropout):
    monkeypatch.setattr(graph, "captured", repeated)
    settings = config(cell).model_copy(update={"layers": 2, **dropout})
    plain, one = learnt(settings, captured=False)
    again, other = learnt(settings, captured=True)
    np.testing.assert_allclose(plain, again, rtol=1e-5)  # a learning rate that is a tensor is rounded
    for name, array in other.tensors().items():
        np.testing.assert_allclose(array, one.tensors()[name], rtol=1e-3, atol=1e-6, err_msg=name)
    kinds = len(other.learn.graphs)  # without masks where their share is still nothing, then with them
    assert kinds == (2 if dropout else 1)


def test_what_cannot_be_captured_is_made_plainly(monkeypatch):
    def refuse(work, changing):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graph, "captured", refuse)
    found, learner = learnt(config(), captured=True)
    np.testing.assert_allclose(found, learnt(config(), captured=False)[0], rtol=1e-5)
    assert all("capturing" in each.again.refused for each in learner.learn.graphs.values())


def test_only_one_process_on_a_gpu_is_captured():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert why_plain(gpu, 1) is None
    assert "processes" in why_plain(gpu, 2)
    assert "GPU" in why_plain(cpu, 1)
    assert Learner(config(), V).path == "kernel by kernel, as this device is not a GPU"


@pytest.mark.parametrize(
    ("cell", "inputs", "hidden", "lanes", "precision", "found"),
    [
        ("lstm", 128, 512, 64, "float16", True),
        ("lstm", 128, 1024, 128, "float16", True),
        ("lstm", 64, 512, 64, "float16", False),
        ("lstm", 128, 1152, 64, "float16", False),
        ("lstm", 128, 512, 136, "float16", False),
        ("lstm", 128, 512, 64, "bfloat16", False),
        ("gru", 128, 512, 64, "float16", False),
    ],
)
def test_the_persistent_kernel_is_taken_for_what_torch_takes_it(cell, inputs, hidden, lanes, precision, found):
    assert persistent(cell, inputs, hidden, lanes, precision) == found


def test_masks_on_a_cpu_are_those_of_numpy():
    where = {"seed": 3, "step": 4, "layer": 0, "what": WEIGHTS}
    expected = dropout_mask(6, 5, 0.3, **where)
    assert torch.equal(mask_on(torch.device("cpu"), 6, 5, 0.3, **where), torch.from_numpy(expected))


KINDS = ("float32", "bfloat16", "float16")
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
LARGER = {
    "device": "cuda", "hidden": 128, "embedding": 64, "batch_size": 16, "seq_length": 32, "steps": 300,
    "dropout": 0.0, "weight_drop": 0.0,
}  # fmt: skip


def on_gpu(precision="float32", **more):
    return config("lstm").model_copy(update={**LARGER, "precision": precision, **more})


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("precision", KINDS)
@pytest.mark.parametrize("dropout", [{}, {"dropout": 0.4, "weight_drop": 0.3, "dropout_start": 0.0}])
def test_on_a_gpu_captured_and_plain_steps_agree(precision, dropout):
    one, two = (Learner(on_gpu(precision, **dropout), V) for _ in range(2))
    one.learn = one._learn
    assert isinstance(two.learn, CapturedStep)
    windows = Lanes(IDS, 16, 32)
    for step in range(50):
        first, second = (each.step(windows.window(step), step)[0].item() for each in (one, two))
        assert first == pytest.approx(second, rel=1e-3 if precision == "float32" else 2e-2)
    assert not any(each.again.refused for each in two.learn.graphs.values())


@pytest.mark.cuda
@cuda
def test_a_gpu_in_float32_learns_what_a_cpu_learns():
    gpu, cpu = on_gpu(), on_gpu(device="cpu")
    torch.backends.cudnn.allow_tf32 = False
    try:
        one, two = Learner(gpu, V), Learner(cpu, V)
        two.network.load_weights(one.network.weights())
        two.average.load_weights(one.average.weights())
        windows = Lanes(IDS, 16, 32)
        for step in range(50):
            first, second = (each.step(windows.window(step), step)[0].item() for each in (one, two))
            assert first == pytest.approx(second, abs=2e-3)
    finally:
        torch.backends.cudnn.allow_tf32 = True


@pytest.mark.cuda
@cuda
def test_half_precisions_on_a_gpu_stay_near_float32_over_300_steps():
    losses = {}
    for precision in KINDS:
        learner, windows = Learner(on_gpu(precision), V), Lanes(IDS, 16, 32)
        found = [learner.step(windows.window(step), step)[0].item() for step in range(300)]
        losses[precision] = np.mean(found[-50:])
    assert losses["bfloat16"] == pytest.approx(losses["float32"], abs=0.03)
    assert losses["float16"] == pytest.approx(losses["float32"], abs=0.03)


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("precision", KINDS)
def test_resuming_on_a_gpu_is_exact(precision):
    settings = on_gpu(precision, dropout=0.4, weight_drop=0.3, dropout_start=0.5)
    windows = Lanes(IDS, 16, 32)
    whole = Learner(settings, V)
    expected = [whole.step(windows.window(step), step)[0].item() for step in range(40)]
    half = Learner(settings, V)
    for step in range(20):
        half.step(windows.window(step), step)
    resumed = Learner(settings, V)
    resumed.restore(half.tensors(), half.average_weights(), 20)
    assert [resumed.step(windows.window(step), step)[0].item() for step in range(20, 40)] == expected[20:]
    ours, theirs = resumed.tensors(), whole.tensors()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize(("what", "shape"), [(UNITS, (64, 512)), (WEIGHTS, (2048, 512))])
def test_masks_on_a_gpu_are_a_function_of_their_numbers(what, shape):
    where = {"seed": 1, "step": 7, "layer": 0, "what": what}
    mask = mask_on(torch.device("cuda"), *shape, 0.25, **where)
    assert torch.equal(mask, mask_on(torch.device("cuda"), *shape, 0.25, **where))
    assert not torch.equal(mask, mask_on(torch.device("cuda"), *shape, 0.25, **where | {"step": 8}))
    assert mask.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (mask == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)

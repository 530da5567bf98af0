"""A training step, and the promise that everything it changes can be taken out and put back, bit for bit."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from charrnn.config import RunConfig
from charrnn.learning.learner import LOSS_SCALE, Learner
from charrnn.learning.watch import live_sample, validate
from charrnn.model.cells import CELLS
from charrnn.model.machine import computes
from charrnn.shapes import training_shapes
from charrnn.text.batches import windows_of
from charrnn.text.corpus import build_corpus
from charrnn.text.lanes import Lanes, Window
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

torch.set_num_threads(1)  # such small tensors are only slowed down by more
CORPUS = build_corpus("the quick brown fox jumps over the lazy dog; " * 12, fraction=0.25)
V = len(CORPUS.vocabulary)
COMPUTED = [(cell, kind) for kind in ("float32", "bfloat16") for cell in CELLS if computes("cpu", kind, cell)]
STEPS, HALF = 9, 5  # an epoch has 6 windows of 3 lanes and 20 symbols


def config(cell="lstm", **changes):
    values = {"cell": cell, "layers": 2, "hidden": 8, "embedding": 6, "dropout": 0.5, "corpus": ["-"]}
    values |= {"validation_fraction": 0.25, "batch_size": 3, "seq_length": 20, "steps": STEPS, "learning_rate": 0.01}
    values |= {"warmup": 2, "eval_every": 5, "save_every": 5, "sample_every": 5, "device": "cpu"}
    values |= {"weight_drop": changes.get("dropout", 0.5) / 2, "dropout_start": 0.4}
    return RunConfig(**(values | {"precision": "float32", "threads": 1} | changes))


def train(learner, first, last):
    """Make the steps [first, last); returns the losses."""
    lanes = Lanes(CORPUS.train, learner.config.batch_size, learner.config.seq_length)
    assert lanes.windows == 6
    return [learner.step(lanes.window(step), step)[0].item() for step in range(first, last)]


def trained(wanted, steps):
    learner = Learner(wanted, V)
    train(learner, 0, steps)
    return learner


def whole(learner, step):
    """Everything that a step changes, by name."""
    averages = {f"average.{name}": array for name, array in learner.average_weights().items()}
    return {name: array.copy() for name, array in learner.tensors().items()} | averages


def differing(one, other):
    """Names of the arrays that differ in any bit."""
    assert one.keys() == other.keys()
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def resumed(wanted, halfway, step=HALF):
    """A new learner with what `whole` held, trained to the end."""
    learner = Learner(wanted, V)
    average = {name.removeprefix("average."): array for name, array in halfway.items() if name.startswith("average.")}
    learner.restore(halfway, average, step)
    train(learner, HALF, STEPS)
    return whole(learner, STEPS)


@pytest.mark.parametrize(("cell", "precision"), COMPUTED)
def test_resumed_learner_reaches_the_same_bits(cell, precision):
    """Tolerance zero: weights, average, both moments, hidden state and the masks of dropout."""
    wanted = config(cell, precision=precision)
    unbroken = whole(trained(wanted, STEPS), STEPS)
    halfway = whole(trained(wanted, HALF), HALF)
    assert len(differing(unbroken, halfway)) == len(unbroken), "every array must have something to lose"
    assert differing(resumed(wanted, halfway), unbroken) == []


def test_restoring_is_the_inverse_of_taking_out():
    halfway = whole(trained(config(), HALF), HALF)
    learner = trained(config(seed=1), 2)
    average = {name: halfway[f"average.{name}"] for name in learner.average_weights()}
    learner.restore(halfway, average, HALF)
    assert differing(whole(learner, HALF), halfway) == []


def test_learner_before_its_first_step_can_be_resumed_too():
    start = whole(Learner(config(), V), 0)
    learner = trained(config(), HALF)
    learner.restore(start, {name: start[f"average.{name}"] for name in learner.average_weights()}, 0)
    train(learner, 0, STEPS)
    assert differing(whole(learner, STEPS), whole(trained(config(), STEPS), STEPS)) == []


@pytest.mark.parametrize("part", ["weights.", "state.", "moment1.", "moment2."])
def test_every_part_of_a_learner_is_needed_to_resume(part):
    """Replace one part by that of another seed, and the result is another."""
    unbroken, halfway, other = (
        whole(trained(config(seed=seed), steps), steps) for seed, steps in [(0, STEPS), (0, HALF), (1, HALF)]
    )
    changed = {name for name in halfway if name.startswith(part)}
    assert changed
    broken = resumed(config(), {name: (other if name in changed else halfway)[name] for name in halfway})
    assert any(name.startswith("weights.") for name in differing(broken, unbroken))


def test_average_is_needed_to_resume_but_does_not_steer_the_weights():
    unbroken, halfway = (whole(trained(config(), steps), steps) for steps in (STEPS, HALF))
    weights = {name: halfway[f"weights.{name.removeprefix('average.')}"] for name in halfway if "average." in name}
    found = differing(resumed(config(), halfway | weights), unbroken)
    assert sorted(found) == sorted(weights)


def test_number_of_steps_is_needed_to_resume():
    """Adam's correction of young moments depends on it."""
    unbroken, halfway = (whole(trained(config(), steps), steps) for steps in (STEPS, HALF))
    assert differing(resumed(config(), halfway, step=HALF + 1), unbroken)


def masks(learner, index):
    """Of every layer: the units', then the weights'."""
    return [mask.numpy() for layer in learner._masks(index, 3, slice(0, 3)) for mask in layer]


def test_masks_of_a_step_depend_on_nothing_that_was_drawn_before():
    """Nor on what was learnt: a learner that never made a step has the masks of one that made them all."""
    fresh, old = Learner(config(), V), trained(config(), STEPS)
    for generator_state in (1, 2):
        torch.manual_seed(generator_state)
        np.random.seed(generator_state)
        for index in (STEPS - 1, 3, 1):  # in any order
            for mask, same in zip(masks(fresh, index), masks(old, index), strict=True):
                np.testing.assert_array_equal(mask, same)
    here, later, seeded = masks(fresh, 3), masks(fresh, 4), masks(Learner(config(seed=1), V), 3)
    assert len(here) == 4
    assert all(
        ((mine > 0) != (theirs > 0)).any()
        for other in (later, seeded)
        for mine, theirs in zip(here, other, strict=True)
    )
    assert all((here[kind] != here[kind + 2]).any() for kind in (0, 1)), "every layer has masks of its own"


def test_masks_of_the_right_steps_are_needed_to_resume(monkeypatch):
    """Negative control: a resumed run with the masks of another step ends elsewhere."""
    unbroken, halfway = (whole(trained(config(), steps), steps) for steps in (STEPS, HALF))
    right = Learner._masks
    monkeypatch.setattr(Learner, "_masks", lambda self, index, *rest: right(self, index - 1, *rest))
    assert any(name.startswith("weights.") for name in differing(resumed(config(), halfway), unbroken))


def test_what_was_taken_out_is_not_changed_by_later_steps():
    learner = trained(config(), HALF)
    taken, average = learner.tensors(), learner.average_weights()
    kept, kept_average = copy.deepcopy(taken), copy.deepcopy(average)
    train(learner, HALF, STEPS)
    assert differing(taken, kept) == []
    assert differing(average, kept_average) == []


def test_taking_out_changes_nothing():
    quiet, asked = Learner(config(), V), Learner(config(), V)
    torch.manual_seed(0)
    train(quiet, 0, STEPS)
    torch.manual_seed(0)
    for step in range(STEPS):
        whole(asked, step)
        train(asked, step, step + 1)
    assert differing(whole(asked, STEPS), whole(quiet, STEPS)) == []


@pytest.mark.parametrize("cell", CELLS)
def test_watching_does_not_change_what_learns(cell):
    """A validation and a live sample after every step, against none at all."""
    watched = Learner(config(cell), V)
    for step in range(STEPS):
        train(watched, step, step + 1)
        found = validate(watched.average, CORPUS)
        assert np.isfinite(found.nats_per_char)
        assert len(live_sample(watched.config, watched.average, CORPUS, found.temperature)) == 200
    watched_bits = whole(watched, STEPS)
    assert differing(watched_bits, whole(trained(config(cell), STEPS), STEPS)) == []


def gradients_of(network, window, state):
    """(loss, final state) of a window from a given state, with gradients left in `network`."""
    network.zero_grad()
    logits, end = network(torch.from_numpy(window.inputs), state)
    loss = F.cross_entropy(logits.flatten(0, 1), torch.from_numpy(window.targets).flatten())
    loss.backward()
    return loss.detach(), end


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_ends_where_the_window_begins_but_the_state_does_not(cell):
    """Window 2 learns from a constant state, the one that window 1 left; through both its gradient would be another."""
    wanted = config(cell, dropout=0.0, clip=1e9)
    learner, windows = Learner(wanted, V), Lanes(CORPUS.train, 3, 20)
    first, second = windows.window(0), windows.window(1)
    before = copy.deepcopy(learner.network)
    learner.step(first, 0)
    _, carried = gradients_of(before, first, before.initial_state(3))
    assert not any(part.requires_grad for layer in learner.state for part in layer)
    for layer, expected in zip(learner.state, carried, strict=True):
        for part, same in zip(layer, expected, strict=True):
            torch.testing.assert_close(part, same.detach(), rtol=0, atol=0)

    between = copy.deepcopy(learner.network)
    state = [tuple(part.clone() for part in layer) for layer in learner.state]
    loss, norm = learner.step(second, 1)
    expected_loss, _ = gradients_of(between, second, state)
    assert torch.equal(loss, expected_loss)
    pairs = list(zip(learner.network.parameters(), between.parameters(), strict=True))
    assert all(torch.equal(ours.grad, expected.grad) for ours, expected in pairs)
    assert norm.item() == pytest.approx(torch.cat([p.grad.flatten() for p in between.parameters()]).norm().item())

    truncated = [parameter.grad.clone() for parameter in between.parameters()]
    _, state = between(torch.from_numpy(first.inputs), between.initial_state(3))
    gradients_of(between, second, state)  # through both windows
    difference = [(p.grad - t).abs().max() for p, t in zip(between.parameters(), truncated, strict=True)]
    assert max(difference) > 1e-4


def test_gradient_is_clipped_after_its_norm_was_taken():
    learner = Learner(config(dropout=0.0, clip=1e-3), V)
    _, norm = learner.step(Lanes(CORPUS.train, 3, 20).window(0), 0)
    clipped = torch.cat([parameter.grad.flatten() for parameter in learner.network.parameters()]).norm()
    assert norm > 0.01
    assert clipped.item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_lanes_that_start_afresh_start_from_zero_and_the_others_go_on(cell):
    """Lane 1 starts over; to 1e-6, its state is that of a reader who began there."""
    learner = trained(config(cell, dropout=0.0), HALF)
    network, state = copy.deepcopy(learner.network), learner.state
    plain = Lanes(CORPUS.train, 3, 20).window(HALF)
    assert not plain.fresh.any()
    learner.step(Window(plain.ids, plain.places, np.array([False, True, False]), plain.ends), HALF)
    with torch.no_grad():
        going_on = network(torch.from_numpy(plain.inputs), state)[1]
        from_zero = network(torch.from_numpy(plain.inputs), network.initial_state(3))[1]
    for ours, old, new in zip(learner.state, going_on, from_zero, strict=True):
        for part, kept, fresh in zip(ours, old, new, strict=True):
            torch.testing.assert_close(part[[0, 2]], kept[[0, 2]], rtol=0, atol=1e-6)
            torch.testing.assert_close(part[1], fresh[1], rtol=0, atol=1e-6)
    assert (going_on[0][0] - from_zero[0][0]).abs().max() > 1e-5, "20 symbols later there must still be a difference"


def test_same_seed_starts_with_the_same_weights_and_another_seed_with_others():
    first, again, other = (whole(Learner(config(seed=seed), V), 0) for seed in (3, 3, 4))
    assert differing(first, again) == []
    assert "weights.head.weight" in differing(first, other)


@pytest.mark.parametrize(("cell", "precision"), COMPUTED)
def test_learner_learns(cell, precision):
    """From about ln V to below a third of it: the text repeats one sentence."""
    wanted = config(cell, precision=precision, dropout=0.0, hidden=32, steps=120, learning_rate=0.02)
    losses = train(Learner(wanted, V), 0, 120)
    assert abs(losses[0] - np.log(V)) < 0.7
    assert np.mean(losses[-6:]) < losses[0] / 3


# float16's loss scale, which works in any precision


def scaled(scale, steps, **changes):
    learner = Learner(config(**changes), V)
    learner.scale = torch.tensor(scale)
    train(learner, 0, steps)
    return learner


@pytest.mark.parametrize("cell", CELLS)
def test_a_scaled_loss_is_learnt_from_bit_for_bit(cell):
    """It is a power of two, and taken out before anything is done with a gradient."""
    found = whole(scaled(LOSS_SCALE, STEPS, cell=cell), STEPS)
    assert found.pop("loss_scale").tolist() == [LOSS_SCALE]
    assert differing(found, whole(trained(config(cell), STEPS), STEPS)) == []


def test_a_scale_that_is_too_large_is_halved_and_the_step_made_again():
    learner = scaled(2.0**127, STEPS)
    assert 1 < learner.scale < 2.0**127
    found = whole(learner, STEPS)
    del found["loss_scale"]
    assert differing(found, whole(trained(config(), STEPS), STEPS)) == []


def test_what_no_scale_helps_changes_nothing_and_is_seen():
    learner = scaled(LOSS_SCALE, HALF)
    with torch.no_grad():
        learner.network.head.weight.fill_(3e38)  # logits without end
    before = whole(learner, HALF)
    (loss,) = train(learner, HALF, HALF + 1)
    after = whole(learner, HALF)
    assert math.isnan(loss)
    assert {name.partition(".")[0] for name in differing(before, after)} == {"state", "loss_scale"}


def test_the_scale_is_needed_to_resume():
    halfway = whole(scaled(2.0**20, HALF), HALF)
    learner = scaled(2.0**13, 0)
    average = {name.removeprefix("average."): array for name, array in halfway.items() if name.startswith("average.")}
    learner.restore(halfway, average, HALF)
    assert learner.scale == 2.0**20


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_what_resuming_needs_is_what_a_checkpoint_holds(precision):
    wanted = config(precision=precision)
    held = {name: array.shape for name, array in Learner(wanted, V).tensors().items()}
    assert held == training_shapes(wanted, V)


@pytest.mark.skipif(not computes("cpu", "float16", "gru"), reason="no float16 here")
def test_float16_learns():
    wanted = config("gru", precision="float16", dropout=0.0, hidden=32, steps=120, learning_rate=0.02)
    learner = Learner(wanted, V)
    losses = train(learner, 0, 120)
    assert learner.scale is not None
    assert np.mean(losses[-6:]) < losses[0] / 3


# Records


RECORDS = Vocabulary("char", (END, "a", "b", "c", ANSWER), end="\n", answer="=")


def test_a_step_on_records_follows_the_mean_over_their_answers():
    """Against every record by itself, whole and unpadded, from a fresh state."""
    texts = "ab=c", "c=ba", "=a", "b=", "abc=abcabca"
    plain = config(dropout=0.0, ema=0.0, batch_size=5, seq_length=12, clip=1e9)
    other = Learner(plain, len(RECORDS))
    losses = []
    for text in texts:
        ids = torch.from_numpy(RECORDS.encode(END + text.replace("=", ANSWER) + END).astype(np.int64))
        logits, _ = other.network(ids[:-1, None], other.network.initial_state(1))
        asked = text.index("=") + 1
        losses.append(F.cross_entropy(logits[asked:, 0], ids[asked + 1 :], reduction="sum"))
    expected = sum(losses) / sum(len(text) - text.index("=") for text in texts)
    expected.backward()
    text = END + "".join(text.replace("=", ANSWER) + END for text in texts)
    batches, learner = windows_of(RECORDS.encode(text), RECORDS, 5, 12), Learner(plain, len(RECORDS))
    assert (batches.windows, batches.padding > 0.4) == (1, True)
    loss, _ = learner.step(batches.window(0), 0)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    for (name, parameter), (_, alone) in zip(
        learner.network.named_parameters(), other.network.named_parameters(), strict=True
    ):
        torch.testing.assert_close(parameter.grad, alone.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_a_long_record_carries_its_state_from_window_to_window():
    """Windows of 4 and one of 12 give the same losses."""
    text = END + "abcabcacbba" + END
    learner = Learner(config(dropout=0.0, batch_size=1, seq_length=4, learning_rate=1e-30), len(RECORDS))
    plain = Vocabulary("char", RECORDS.symbols, end="\n")
    short, long = (windows_of(plain.encode(text), plain, 1, size) for size in (4, 12))
    assert (short.windows, long.windows) == (3, 1)
    losses = [learner.step(short.window(step), step)[0].item() for step in range(3)]
    assert np.mean(losses) == pytest.approx(learner.step(long.window(0), 3)[0].item(), abs=1e-6)


def test_the_state_that_is_kept_has_as_many_lanes_as_the_run():
    """A batch of short records is wider, and leaves nothing behind."""
    plain = Vocabulary("char", RECORDS.symbols, end="\n")
    batches = windows_of(plain.encode(END + f"a{END}" * 40), plain, 3, 20)
    learner = Learner(config(batch_size=3), len(plain))
    assert batches.window(0).inputs.shape == (2, 30)
    learner.step(batches.window(0), 0)
    assert {part.shape for layer in learner.state for part in layer} == {(3, 8)}
    assert not any(part.any() for layer in learner.state for part in layer)

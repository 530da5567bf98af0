"""What decays, what Adam remembers, and what the average follows."""

import subprocess
import sys

import pytest
import torch

from charrnn.config import ModelConfig
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import BETAS, EPSILON, AdamW, average_pull, update_average
from charrnn.model.cells import CELLS
from charrnn.model.network import CharRNN
from tests.learning.test_learner import config

DECAY, RATE, RECURRENT = 0.25, 0.125, 1.75


def network_and_optimizer(**changes):
    torch.manual_seed(0)
    network = CharRNN(ModelConfig(**{"layers": 2, "hidden": 4, "embedding": 3, "dropout": 0.0} | changes), 5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.5, 1)  # nothing is zero, so that all decay would show
    return network, AdamW(network, DECAY, RECURRENT)


@pytest.mark.parametrize("embedding", [0, 3])
def test_every_parameter_is_learnt_and_exactly_the_matrices_decay(embedding):
    network, optimizer = network_and_optimizer(embedding=embedding)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    grouped = [(names[id(p)], decay) for group, _, decay in optimizer.groups for p in group]
    assert sorted(name for name, _ in grouped) == sorted(names.values())
    decaying = {name for name, decay in grouped if decay == DECAY}
    assert {name for name, decay in grouped if decay == 0} == set(names.values()) - decaying
    assert decaying == {name for name in names.values() if "weight" in name and "norm" not in name}


@pytest.mark.parametrize("cell", CELLS)
def test_exactly_the_recurrent_matrices_learn_at_the_speed_of_their_cell(cell):
    learner = Learner(config(cell).model_copy(update={"layers": 2}), 5)
    speeds = {id(p): speed for group, speed, _ in learner.optimizer.groups for p in group}
    found = {name: speeds[id(parameter)] for name, parameter in learner.network.named_parameters()}
    assert found == {name: CELLS[cell].recurrent if "weight_hh" in name else 1.0 for name in found}
    assert len(set(found.values())) == (2 if cell == "lstm" else 1)


def test_a_step_without_gradients_shrinks_the_matrices_and_leaves_the_rest():
    network, optimizer = network_and_optimizer()
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(RATE)
    for name, parameter in network.named_parameters():
        rate = RATE * RECURRENT if "weight_hh" in name else RATE
        kept = 1 - rate * DECAY if parameter.dim() > 1 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * kept, rtol=1e-6, atol=0)


def test_adam_with_restored_moments_goes_on_bit_for_bit():
    torch.manual_seed(1)
    gradients = torch.randn(4, 3, 3)

    def learn(optimizer, parameter, first, last):
        for gradient in gradients[first:last]:
            parameter.grad = gradient.clone()
            optimizer.step(RATE)

    def fresh(values):
        network = torch.nn.Linear(3, 3, bias=False)
        network.weight.data.copy_(values)
        return network.weight, AdamW(network, DECAY, RECURRENT)

    whole, optimizer = fresh(torch.ones(3, 3))
    learn(optimizer, whole, 0, 2)
    kept = {name: tensor.clone() for name, tensor in optimizer.moments(whole).items()}
    resumed, other = fresh(whole.detach())
    for name, tensor in other.moments(resumed).items():
        assert not tensor.any()
        tensor.copy_(kept[name])
    other.resume(2)
    learn(optimizer, whole, 2, 4)
    learn(other, resumed, 2, 4)
    assert torch.equal(whole, resumed)


def test_steps_are_those_of_the_class_that_torch_has_for_them():
    """Bit for bit, also where a parameter has no gradient at first."""
    (ours, optimizer), (theirs, _) = network_and_optimizer(), network_and_optimizer()
    groups = [
        {"params": [parameter], "weight_decay": DECAY if parameter.dim() > 1 else 0.0, "speed": speed}
        for name, parameter in theirs.named_parameters()
        for speed in [RECURRENT if "weight_hh" in name else 1.0]
    ]
    reference = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON, fused=True)
    generator = torch.Generator().manual_seed(3)
    for step in range(5):
        for group in reference.param_groups:
            group["lr"] = RATE / (step + 1) * group["speed"]
        ours.zero_grad()
        for number, (mine, other) in enumerate(zip(ours.parameters(), theirs.parameters(), strict=True)):
            gradient = torch.randn(mine.shape, generator=generator)
            if step > 1 or number:
                mine.grad, other.grad = gradient.clone(), gradient.clone()
        optimizer.step(RATE / (step + 1))
        reference.step()
    assert all(torch.equal(*pair) for pair in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_no_compiler_is_loaded_for_it():
    program = (
        "import sys, torch; from charrnn.learning.optimizer import AdamW; network = torch.nn.Linear(2, 2);"
        "optimizer = AdamW(network, 0.1, 1.0); network(torch.ones(1, 2)).sum().backward(); optimizer.step(0.1);"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.998])
def test_the_average_follows_a_plain_loop(decay):
    torch.manual_seed(2)
    path = torch.randn(300, 2, 3, dtype=torch.float64)  # weights after each step
    average, plain = [path[0].clone(), path[0, 0].clone()], path[0].tolist()
    for step, weights in enumerate(path[1:]):
        update_average(average, [weights, weights[0]], average_pull(step, decay))
        now = min(decay, (1 + step) / (10 + step))
        plain = [
            [now * old + (1 - now) * new for old, new in zip(*rows, strict=True)]
            for rows in zip(plain, weights.tolist(), strict=True)
        ]
    torch.testing.assert_close(average[0], torch.tensor(plain, dtype=torch.float64), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(average[1], average[0][0], rtol=0, atol=0)


def test_the_weights_that_are_averaged_stay_as_they_are():
    weights = torch.ones(3)
    update_average([torch.zeros(3)], [weights], 0.1)
    assert torch.equal(weights, torch.ones(3))

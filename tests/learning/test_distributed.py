"""Several processes are one run: they share out the lanes, agree on everything, and learn what one alone would learn.

What real processes found comes from `ranks.py`; they are started once, and the tests look at what they left behind.
"""

import json
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import DataError, LostProcessError, SettingsError
from charrnn.learning.distributed import ALONE, Group, joined
from charrnn.learning.meeting import own_part

RANKS = Path(__file__).with_name("ranks.py")
CELLS = ["rnn", "lstm", "gru"]
LEARNT = 1e-5  # measured: below 3e-6 after 12 steps, in float32


@dataclass
class Found:
    """What each process wrote: `facts[rank]` and `arrays[rank]`."""

    facts: list[Any]
    arrays: list[Any]


def started(once, free_port, size):
    """Start `size` processes of `ranks.py` and wait for them."""

    def make(folder):
        ports = [str(free_port()), str(free_port())]
        lines = [[sys.executable, str(RANKS), str(rank), str(size), str(folder), *ports] for rank in range(size)]
        processes = [subprocess.Popen(line, stderr=subprocess.PIPE) for line in lines]
        try:
            ended = [process.communicate(timeout=120)[1].decode()[-2000:] for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert [process.returncode for process in processes] == [0] * size, "\n".join(ended)

    folder = once(f"{size}-ranks", make)
    names = [f"{size}-{rank}" for rank in range(size)]
    return Found(
        [json.loads((folder / f"{name}.json").read_text()) for name in names],
        [np.load(folder / f"{name}.npz") for name in names],
    )


@pytest.fixture(scope="module")
def two(once, free_port):
    return started(once, free_port, 2)


@pytest.fixture(scope="module")
def three(once, free_port):
    return started(once, free_port, 3)


def distance(arrays, one, other):
    """The largest difference between arrays of two prefixes, over all names behind them."""
    pairs = [(name, other + name.removeprefix(one)) for name in arrays.files if name.startswith(one)]
    assert pairs
    return max(float(np.abs(arrays[a] - arrays[b]).max()) for a, b in pairs)


# One process alone ---------------------------------------------------------------------------------------------------


def test_a_process_alone_agrees_with_itself():
    array, tensor, network = np.arange(3.0), torch.arange(6.0).view(3, 2), torch.nn.Linear(2, 2)
    assert (ALONE.rank, ALONE.size) == (0, 1)
    assert ALONE.first(lambda: 7) == ALONE.each(lambda: 7) == 7
    assert ALONE.agree(3.0, -1.0) == [3.0, -1.0]
    assert ALONE.share(5) == slice(0, 5)
    assert ALONE.mean(tensor) is tensor
    assert ALONE.lanes(tensor) is tensor
    np.testing.assert_array_equal(ALONE.total(array), np.arange(3.0))
    assert ALONE.replicated(network) is network
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("ask", [ALONE.first, ALONE.each])
def test_a_failure_alone_is_raised_as_it_is(ask):
    error = DataError("mine")
    with pytest.raises(DataError) as caught:
        ask(lambda: (_ for _ in ()).throw(error))
    assert caught.value is error


def test_one_process_joins_nobody():
    with joined(0, 1, 0) as group:
        assert group is ALONE
        assert not torch.distributed.is_initialized()


@given(size=st.integers(1, 64), each=st.integers(1, 50))
def test_shares_are_equal_and_in_order_and_cover_all_lanes(size, each):
    lanes = list(range(size * each))
    shares = [lanes[Group(rank, size).share(len(lanes))] for rank in range(size)]
    assert {len(share) for share in shares} == {each}
    assert [lane for share in shares for lane in share] == lanes


@given(size=st.integers(2, 64), lanes=st.integers(1, 1000))
def test_lanes_that_cannot_be_shared_out_evenly_are_refused(size, lanes):
    if lanes % size:
        with pytest.raises(
            SettingsError, match=f"`batch_size={lanes}` cannot .* {size} processes; .* {size}"
        ) as caught:
            Group(0, size).share(lanes)
        assert caught.value.exit_code == 2
    else:
        Group(0, size).share(lanes)


def meetings(store, rounds, size):
    """Threads that meet in `store` as the processes of one start after the other; what each then finds there."""

    def meet(rank, start):
        time.sleep(0.002 * ((7 * rank + start) % 5))
        part = own_part(store, rank, size)
        left = part.check([f"left by {rank}"])
        part.set(f"left by {rank}", str(start))
        return left, [part.get(f"left by {each}").decode() for each in range(size)]

    with ThreadPoolExecutor(size) as pool:
        return [list(pool.map(meet, range(size), [start] * size)) for start in range(rounds)]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_processes_that_are_started_again_meet_in_a_store_that_remembers_those_before(size):
    """Each start has a part of the store that is empty, and the same one for all."""
    found = meetings(torch.distributed.HashStore(), 6, size)
    assert found == [[(False, [str(start)] * size)] * size for start in range(6)]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_waits_in_vain_says_so(rank):
    """Also where the store remembers one that was there before."""
    store = torch.distributed.HashStore()
    meetings(store, 1, 2)
    store.set_timeout(timedelta(seconds=0.1))
    with pytest.raises(LostProcessError, match=f"a process other than rank {rank} has ended"):
        own_part(store, rank, 2)


# Two processes together ----------------------------------------------------------------------------------------------


def test_what_is_done_first_is_done_by_rank_0_alone_and_all_get_its_result(two):
    assert [facts["place"] for facts in two.facts] == [[0, 2], [1, 2]]
    assert [facts["first"] for facts in two.facts] == [[0, [0, 1, 2], 1], [0, [0, 1, 2], 0]]


def test_a_failure_of_what_is_done_first_is_everybodys_with_its_class_code_and_words(two):
    first, second = (facts["first fails"] for facts in two.facts)
    assert first == second
    assert len(first) >= 9
    assert all(message == "what; why; remedy" for _, _, message in first)
    codes = {name: code for name, code, _ in first}
    assert codes.items() >= {"SettingsError": 2, "DataError": 65, "StorageError": 74, "BusyError": 75}.items()


def test_what_each_does_is_its_own(two):
    assert [facts["each"] for facts in two.facts] == [[0, 1], [1, 1]]


def test_the_first_failure_of_what_each_does_is_everybodys(two):
    assert [facts["each fails on one"] for facts in two.facts] == [["DataError", 65, "of rank 1"]] * 2
    assert [facts["each fails on both"] for facts in two.facts] == [["DataError", 65, "of rank 0"]] * 2


def test_what_is_agreed_upon_is_the_largest_that_any_has(two):
    assert [facts["agree"] for facts in two.facts] == [[1, 0, 5]] * 2


def test_mean_and_total_are_over_all_processes(two):
    assert [facts["mean"] for facts in two.facts] == [[1.5, 8]] * 2
    assert [facts["total"] for facts in two.facts] == [[3, 16]] * 2


def test_gathered_lanes_are_what_was_shared_out(two):
    assert all(facts["lanes"] and facts["strided lanes"] for facts in two.facts)


def test_a_process_that_is_left_says_so(two):
    what, remedy = "a process other than rank 0 has ended", "the same command with `resume=True` continues the run"
    expected = ["LostProcessError", 75, f"{what}; the run cannot go on without it; {remedy}"]
    assert [facts["abandoned"] for facts in two.facts] == [expected, ["DataError", 65, "of rank 1 alone"]]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("cell", CELLS)
def test_two_processes_learn_what_one_learns(two, cell, dropout):
    """Losses, norms, weights, average, moments, and the hidden states of all lanes in their order; over an epoch."""
    case = f"{(cell, dropout, 'float32')} "
    assert distance(two.arrays[0], f"two {case}", f"one {case}") < LEARNT


def test_two_processes_learn_and_score_records_as_one_does(two):
    """Whose lanes count different numbers of symbols, and some none."""
    assert distance(two.arrays[0], "two records ", "one records ") < LEARNT


def test_two_processes_learn_both_ways_as_one_does(two):
    """Each is shown what stands behind its own lanes, with the gaps that one alone would have drawn there."""
    assert distance(two.arrays[0], "two both ", "one both ") < LEARNT


@pytest.mark.parametrize("cell", CELLS)
def test_the_comparison_would_see_another_mask_or_another_lane(two, cell):
    """Negative control: what dropout changes, and what the two halves of the lanes differ in, is far larger."""
    arrays = two.arrays[0]
    plain, dropped = (f"one {(cell, dropout, 'float32')} " for dropout in (0.0, 0.5))
    assert distance(arrays, plain, dropped) > 1000 * LEARNT
    states = [arrays[name] for name in arrays.files if name.startswith(f"two {plain[4:]}state.")]
    assert states
    assert min(np.abs(state[:2] - state[2:]).max() for state in states) > 1000 * LEARNT


def test_two_processes_learn_what_one_learns_in_bfloat16_as_far_as_it_can_tell(two):
    (case,) = (name[4:] for name in two.arrays[0].files if name.startswith("one ") and "bfloat16') losses" in name)
    np.testing.assert_allclose(two.arrays[0][f"two {case}"], two.arrays[0][f"one {case}"], rtol=0, atol=0.05)


def test_all_processes_hold_the_same_bits(two):
    first, second = two.arrays
    assert len(second.files) > 100
    assert [name for name in second.files if first[name].tobytes() != second[name].tobytes()] == []


@pytest.mark.parametrize("way", ["one, then two", "two, then one"])
def test_a_run_goes_on_with_another_number_of_processes(two, way):
    assert distance(two.arrays[0], f"{way} ", "one ('lstm', 0.5, 'float32') ") < LEARNT


@pytest.mark.parametrize(("symbols", "segments"), [(2, 1), (500, 1), (3999, 3)])
def test_validation_on_two_processes_counts_every_symbol_once(two, symbols, segments):
    """Also where one of them has nothing to read; who knows nothing pays ln V for each symbol, wherever it is read."""
    of_one, (of_two, of_two_again) = two.facts[0]["scores of one"], (facts["scores of two"] for facts in two.facts)
    assert (of_one[f"symbols {symbols}"], of_one[f"segments {symbols}"]) == (symbols, segments)
    assert of_two == of_two_again
    assert of_two[f"ignorant {symbols}"] == pytest.approx(1, abs=1e-6)
    assert of_two[f"random {symbols}"] == pytest.approx(of_one[f"random {symbols}"], abs=1e-6)
    assert abs(of_one[f"random {symbols}"] - of_one[f"ignorant {symbols}"]) > 1e-3


def test_two_processes_agree_on_the_temperature_of_the_whole(two):
    """Three letters in four are a, which has 1.5 nats more: ln 3 would be right."""
    of_one, (of_two, of_two_again) = two.facts[0]["scores of one"], (facts["scores of two"] for facts in two.facts)
    assert of_two["unequal"] == of_two_again["unequal"] == pytest.approx(of_one["unequal"], abs=1e-6)
    assert 1.5 / of_one["unequal"][1] == pytest.approx(math.log(3), abs=1.5 * 0.03 / 2)


def test_a_run_on_three_processes_that_is_resumed_reaches_the_same_bits(three):
    """Sums over more than two depend on their order, and so on where DistributedDataParallel puts a gradient."""
    assert [facts["differing"] for facts in three.facts] == [[], [], []]
    first, *others = three.arrays
    assert all(first[name].tobytes() == other[name].tobytes() for other in others for name in first.files)

"""What training asks of the process it runs in: threads, a heap that keeps what it has, and how large it became."""

import json
import os
import platform
import subprocess
import sys
import time

import pytest
import torch

from charrnn.errors import SettingsError
from charrnn.model import machine
from charrnn.model.cells import CELLS
from charrnn.model.machine import (
    LayerShape,
    check_precision,
    computes,
    peak_memory,
    precisions,
    set_up_process,
    training_speeds,
    usable_device,
)

MEBIBYTE = 1 << 20


def in_a_process(code):
    """What `code` assigns to `found`, in a process that nothing else has used."""
    start = "import json, resource\nimport torch\nfrom charrnn.model.machine import peak_memory, set_up_process\n"
    line = [sys.executable, "-c", start + code + "\nprint(json.dumps(found))"]
    done = subprocess.run(line, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_peak_memory_grows_by_what_is_used_and_never_shrinks():
    """Memory that was not touched does not count."""
    code = "found = [peak_memory()]\n"
    code += "unused = torch.empty(1 << 28)\nfound.append(peak_memory())\n"
    code += "used = bytearray(b'x' * (200 << 20))\nfound.append(peak_memory())\n"
    code += "del used\nfound.append(peak_memory())\n"
    before, untouched, during, after = in_a_process(code)
    assert before > 50 * MEBIBYTE, "torch alone takes more"
    assert untouched - before < 64 * MEBIBYTE
    assert 195 * MEBIBYTE < during - untouched < 420 * MEBIBYTE  # the literal and its copy
    assert after >= during


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_process_computes_on_as_many_threads_as_it_was_told(threads):
    before = torch.get_num_threads()
    try:
        set_up_process(threads)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


FAULTS = """
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
found = [faults(), faults()]
set_up_process(1)
for _ in range(5):  # until the heap has found its places
    faults()
found.append(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such knob")
def test_freed_memory_is_kept_for_the_next_step():
    """Five times 32 MiB: without being set up the process asks for each page again, afterwards for none."""
    _, without, kept = in_a_process(FAULTS)
    assert kept < 200
    assert without > 5 * kept


def test_a_process_is_set_up_also_where_the_c_library_has_no_such_knob(monkeypatch):
    before = torch.get_num_threads()
    for failure in (OSError, AttributeError, TypeError):

        def library(name, failure=failure):
            raise failure

        monkeypatch.setattr("charrnn.model.machine.ctypes.CDLL", library)
        set_up_process(before)
    assert torch.get_num_threads() == before


def test_peak_memory_is_in_bytes_here():
    assert peak_memory() > 50 * MEBIBYTE


def test_a_device_that_is_not_here_is_refused_with_those_that_are():
    assert usable_device("cpu") == "cpu"
    assert usable_device("auto") in ("cpu", "cuda")
    for device in ("gpu", "cuda:99", "", "cpu:x"):
        with pytest.raises(SettingsError, match="cannot be used here; choose from cpu"):
            usable_device(device)


@pytest.mark.parametrize("cell", CELLS)
def test_the_speed_of_this_machine_is_one(cell):
    """Within a wide margin of a product of matrices: a layer that learns is not faster, nor a hundred times slower."""
    matrix, threads = torch.ones(1024, 1024), torch.get_num_threads()
    times = []
    for _ in range(5):
        began = time.monotonic()
        matrix @ matrix
        times.append(time.monotonic() - began)
    found = training_speeds("cpu", precisions("cpu", cell), threads, LayerShape(cell, 64, 256, 16))
    assert list(found) == precisions("cpu", cell)
    assert found["float32"] > 0.01 * 2 * 1024**3 / min(times)
    assert all(speed < 20 * 2 * 1024**3 / min(times) for speed in found.values())


def test_a_precision_that_is_emulated_is_not_measured_for_long(monkeypatch):
    """Where bfloat16 is emulated, a hundred times slower, an eighth of a second of it would be enough."""
    unroll, tries = CELLS["rnn"].unroll, []

    def emulated(self, *arguments):
        if torch.is_autocast_enabled("cpu"):
            tries.append(time.sleep(0.1))
        return unroll(self, *arguments)

    monkeypatch.setattr(CELLS["rnn"], "unroll", emulated)
    found = training_speeds("cpu", ["float32", "bfloat16"], 1, LayerShape("rnn", 8, 16, 4))
    assert len(tries) == 4
    assert found["bfloat16"] < found["float32"] / 3


def measured_beside(monkeypatch, busy, patience, first=0):
    """(turns, seconds of the quickest) where turns from `first` to `busy` lose a core and take 0.05 s, others 0.005."""
    unroll, turns = CELLS["rnn"].unroll, []

    def disturbed(self, *arguments):
        turns.append(time.sleep(0.05 if first <= len(turns) < busy else 0.005))
        return unroll(self, *arguments)

    monkeypatch.setattr(CELLS["rnn"], "unroll", disturbed)
    monkeypatch.setattr(machine, "cores_taken", lambda: min(max(first, len(turns)), busy))
    speed = training_speeds("cpu", ["float32"], 1, LayerShape("rnn", 8, 16, 4), patience)["float32"]
    return len(turns), 6 * 16 * (8 + 16) * 4 * 16 / speed


@pytest.mark.parametrize("first", [0, 1])
def test_where_others_take_the_cores_a_machine_is_measured_until_they_leave(monkeypatch, first):
    """The first turn does not count: it also sets things up."""
    turns, quickest = measured_beside(monkeypatch, 12, patience=60.0, first=first)
    assert turns == 13
    assert quickest < 0.04


@pytest.mark.parametrize(("patience", "least", "most"), [(0.0, 4, 4), (0.5, 5, 11)])
def test_or_for_as_long_as_there_is_patience(monkeypatch, patience, least, most):
    turns, quickest = measured_beside(monkeypatch, 10**9, patience)
    assert least <= turns <= most
    assert quickest >= 0.05


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be kept on one core here")
def test_losing_a_core_is_noticed():
    """By a process that shares one with another, which works as long as there is somebody to disturb."""
    assert in_a_process("""
import os
from charrnn.model.machine import cores_taken
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
before, parent, child = cores_taken(), os.getpid(), os.fork()
while not child and os.getppid() == parent:
    pass
if not child:
    os._exit(0)
while cores_taken() == before:
    pass
found = True
""")


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_chosen_can_be_computed_and_what_cannot_is_refused(cell, monkeypatch):
    assert computes("cpu", "float32", cell)
    assert all(computes("cpu", precision, cell) for precision in precisions("cpu", cell))
    check_precision("cpu", "float32", cell)

    def without(self, *arguments):
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(CELLS[cell], "unroll", without)
    assert not computes("cpu", "bfloat16", cell)
    with pytest.raises(SettingsError, match="`precision=bfloat16` cannot be used here; this machine cannot run a"):
        check_precision("cpu", "bfloat16", cell)

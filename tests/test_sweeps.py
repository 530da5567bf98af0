"""Killed, refused, signalled, led astray: a little of every sweep in each run of the suite, all of it when asked for.

A sweep forks hundreds of processes, so each has a process of its own: no thread of the test runner is there to fork.
"""

import subprocess
import sys
from pathlib import Path

import pytest

SWEEPS = Path(__file__).with_name("sweeps.py")


def sweep(*arguments, timeout=200):
    """Run a sweep; no trial of it may fail."""
    done = subprocess.run(
        [sys.executable, str(SWEEPS), *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_killed_at_any_moment_ends_like_one_that_never_was():
    sweep("kill", "--n", "8", "--steps", "20")


def test_a_run_that_dies_or_is_refused_at_any_call_of_a_save_ends_the_same():
    sweep("crash-points", "--places", "periodic", "last", "--calls", "1", "--steps", "16", "--every", "2")


def test_a_signal_in_any_phase_saves_and_the_same_line_continues():
    sweep("signals", "--n", "11", "--steps", "20")


def test_a_run_that_diverges_rolls_back_and_ends_the_same_however_it_is_stopped():
    sweep("divergence", "--steps", "18", "--every", "2")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "arguments",
    [("kill", "--n", "300"), ("crash-points",), ("signals", "--n", "100"), ("divergence",), ("control",)],
    ids=lambda arguments: arguments[0],
)
def test_the_long_sweep(arguments):
    sweep(*arguments, timeout=3600)

"""Signals are noted, never acted on in the middle of a step."""

import os
import signal
import time

import pytest

from charrnn.errors import OutOfTimeError, StoppedError
from charrnn.training.interruption import STOPPING, Interruption

CAUGHT = (*STOPPING, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def _default_signals():
    """Whoever runs the tests may ignore some (nohup, a shell's background jobs)."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (*CAUGHT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(number, 128 + number) for number in STOPPING])
def test_a_signal_before_there_is_anything_to_lose_leaves_at_once(number, code):
    with Interruption(), pytest.raises(StoppedError, match="before training began") as caught:
        send(number)
    assert caught.value.exit_code == code


def test_what_all_processes_agree_upon_counts_and_not_what_this_one_saw():
    """Each tells its own signal and whether its time is over; a signal that any of them got comes first."""
    told = []

    def agreeing(*answer):
        def agree(*numbers):
            told.append(list(numbers))
            return list(answer)

        return agree

    with Interruption(exit_incomplete=99) as interruption:
        interruption.check(agreeing(0, 0))
        with pytest.raises(StoppedError) as stopped:
            interruption.check(agreeing(signal.SIGTERM, 1.0))
        with pytest.raises(OutOfTimeError) as late:
            interruption.check(agreeing(0.0, 1.0))
        interruption.patience()
        send(signal.SIGHUP)
        interruption.deadline = time.monotonic()
        with pytest.raises(StoppedError):
            interruption.check(agreeing(signal.SIGTERM, 1.0))
    assert told == [[0, False]] * 3 + [[signal.SIGHUP, True]]
    assert (stopped.value.exit_code, late.value.exit_code) == (143, 99)


def test_time_that_is_over_stops_at_the_next_check_with_the_code_that_was_asked_for():
    with Interruption(deadline=time.monotonic() + 0.05, exit_incomplete=99) as interruption:
        interruption.check()
        time.sleep(0.06)
        with pytest.raises(OutOfTimeError) as caught:
            interruption.check()
    assert caught.value.exit_code == 99


def test_the_moment_at_which_the_time_is_over_is_over(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 10.0)
    Interruption(deadline=10.5).check()
    with pytest.raises(OutOfTimeError):
        Interruption(deadline=10.0).check()


def test_running_out_of_time_is_no_failure_unless_it_was_asked_to_be_one():
    with pytest.raises(OutOfTimeError) as caught:
        Interruption(deadline=0.0).check()
    assert caught.value.exit_code == 0


def test_a_signal_that_came_before_the_time_was_over_decides_the_exit_code():
    with Interruption(deadline=0.0, exit_incomplete=99) as interruption:
        interruption.patience()
        send(signal.SIGTERM)
        with pytest.raises(StoppedError) as caught:
            interruption.check()
    assert caught.value.exit_code == 143


@pytest.mark.parametrize(("number", "code"), [(number, 128 + number) for number in STOPPING])
def test_a_signal_stops_at_the_next_check_with_its_exit_code(number, code):
    with Interruption() as interruption:
        interruption.patience()
        interruption.check()
        send(number)
        with pytest.raises(StoppedError, match=number.name) as caught:
            interruption.check()
    assert caught.value.exit_code == code


@pytest.mark.parametrize("first", STOPPING)
def test_a_signal_and_then_ctrl_c_leaves_at_once(first):
    with Interruption() as interruption:
        interruption.patience()
        send(first)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_a_second_termination_does_not_tear_the_save_apart():
    with Interruption() as interruption:
        interruption.patience()
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        send(signal.SIGHUP)
        with pytest.raises(StoppedError):
            interruption.check()


def test_usr1_asks_once_for_a_save_and_does_not_stop():
    with Interruption() as interruption:
        assert not interruption.save_wanted()
        send(signal.SIGUSR1)
        interruption.check()
        assert interruption.save_wanted()
        assert not interruption.save_wanted()
        send(signal.SIGUSR1)
        assert interruption.save_wanted()


def test_the_handlers_from_before_are_put_back():
    before = [signal.getsignal(number) for number in CAUGHT]
    with Interruption():
        assert all(signal.getsignal(number) not in before for number in CAUGHT)
    assert [signal.getsignal(number) for number in CAUGHT] == before


def test_the_handlers_from_before_are_put_back_after_a_failure():
    before = [signal.getsignal(number) for number in CAUGHT]
    with pytest.raises(ZeroDivisionError), Interruption():
        _ = 1 / 0
    assert [signal.getsignal(number) for number in CAUGHT] == before


def test_a_hangup_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            send(signal.SIGHUP)
            interruption.check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_a_hangup_can_be_ignored_from_outside():
    """Whoever started the process may have ignored the others by accident; a scheduler's warning must still arrive."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    with Interruption() as interruption:
        interruption.patience()
        send(signal.SIGUSR1)
        assert interruption.save_wanted()
        send(signal.SIGTERM)
        with pytest.raises(StoppedError, match="SIGTERM"):
            interruption.check()

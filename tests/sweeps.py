"""Reliability sweeps: real processes that are killed, refused, signalled or led astray, and must end up the same.

    python tests/sweeps.py kill --n 300          SIGKILL at random moments, most of them inside a save; then resume
    python tests/sweeps.py crash-points          die at, or fail, every single call by which a run changes the disk
    python tests/sweeps.py signals --n 100       SIGTERM, SIGHUP, SIGINT, SIGUSR1 in every phase of a run
    python tests/sweeps.py divergence            a loss or a gradient that is no number: once, always, or only large
    python tests/sweeps.py control               sabotage that each of these sweeps must notice

torch is loaded once; every trial forks a child that runs one command line in a folder of its own, with what shall
happen to it put in place after the fork. "The same" is tolerance zero: every tensor of the newest checkpoint, the best
model, the record without its clocks, the samples, the progress. One process is busy at a time.
"""

import argparse
import contextlib
import errno
import functools
import importlib
import itertools
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from charrnn import files
from charrnn.cli import app, tables
from charrnn.config_file import read_config_file
from charrnn.errors import CharrnnError
from charrnn.learning import learner, watch
from charrnn.planning import plan
from charrnn.runs import folder as run_folder
from charrnn.runs import record as run_record
from charrnn.runs.checkpoint import read_checkpoint
from charrnn.text import survey
from charrnn.training import loop, session

TEXT = "the quick brown fox jumps over the lazy dog; " * 14  # 630 characters: a tenth is held out
FLAGS = [
    *("--hidden", "12", "--embedding", "6", "--layers", "2", "--dropout", "0.5", "--batch-size", "3"),
    *("--weight-drop", "0.2", "--dropout-start", "0.4", "--learning-rate", "0.01"),
    *("--seq-length", "8", "--precision", "float32", "--threads", "1"),
    *("--save-every", "3", "--eval-every", "10", "--name", "r", "--resume", "--checkpoints", "."),
]
SAVE_EVERY, RATE = 3, 0.01  # as in FLAGS
CLOCKS = {"seconds", "symbols_per_second"}
PRIMITIVES = frozenset({"write", "fsync", "replace", "unlink"})
MEMORY = "/dev/shm"  # noqa: S108 - a folder of its own is made in it
HANG = 60  # seconds after which a child that does not end is ended by its own alarm


class WrongError(AssertionError):
    """A trial that did not end as it must."""


def must(holds, what):
    if not holds:
        raise WrongError(what)


# A child -------------------------------------------------------------------------------------------------------------


class Child:
    """A forked process that runs one command line; `prepare(tell)` is called in it first, `tell()` reaches `heard`."""

    def __init__(self, folder, arguments, prepare=None):
        self.folder, self.began, self.code = folder, time.monotonic(), None
        self.pipe, far = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(arguments, prepare, far)
        os.close(far)

    def _live(self, arguments, prepare, pipe):
        code = 99
        try:
            signal.alarm(HANG)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.chdir(self.folder)
            tempfile.tempdir = str(self.folder)
            for stream, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY)):
                os.dup2(os.open(os.devnull, mode), stream)
            os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            importlib.import_module("charrnn.cli.train").STARTED = time.monotonic()
            if prepare:
                prepare(lambda: os.write(pipe, b"!"))
            code = app.run(arguments)
        except BaseException:
            sys.stderr.write(traceback.format_exc())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def heard(self, seconds=HANG):
        """Wait until the child tells something; False if it ended instead."""
        ready, _, _ = select.select([self.pipe], [], [], seconds)
        return bool(ready and os.read(self.pipe, 1))

    def send(self, number):
        if self.code is None:
            os.kill(self.pid, number)  # not waited for yet, so the number is still this child's

    def wait(self):
        """The exit code as a shell would see it."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        code = os.waitstatus_to_exitcode(status)
        self.code = 128 - code if code < 0 else code
        self.seconds = time.monotonic() - self.began
        must(self.code != 128 + signal.SIGALRM, "it hung")
        for sign in ("Traceback", "bug in charrnn", "Exception ignored"):
            must(sign not in self.said, f"{sign} on stderr:\n{self.said}")
        return self.code

    @property
    def said(self):
        stderr = self.folder / "stderr"
        return stderr.read_text() if stderr.exists() else ""  # a child can die before it opens it


class Lab:
    """Where trials take place: a text, folders, and what an unbroken run of `steps` steps leaves behind."""

    def __init__(self, base, steps, name="unbroken", prepare=None):
        self.base, self.steps, self.count = base, steps, 0
        self.text = base / "text.txt"
        self.text.write_text(TEXT)
        self.unbroken = self.new(name)
        code = (child := self.child(self.unbroken, prepare)).wait()
        must(code == 0, f"the unbroken run ends with {code}: {child.said}")
        self.seconds, self.expected = child.seconds, outcome(self.unbroken)

    def new(self, name=None):
        self.count += 1
        folder = self.base / (name or f"trial-{self.count}")
        folder.mkdir()
        return folder

    def child(self, folder, prepare=None, length=None):
        length = length or ["--steps", str(self.steps)]
        return Child(folder, ["train", str(self.text), *FLAGS, *length], prepare)

    def ends_the_same(self, folder, prepare=None, expected=None, without=()):
        """Resume to the end, if that was not reached; then everything is as if nothing had happened."""
        code = (child := self.child(folder, prepare)).wait()
        must(code == 0, f"resuming ends with {code}: {child.said}")
        is_whole(folder)
        must(not list((folder / "r").glob(".*.part")), "a temporary file is left")
        must_equal(outcome(folder), expected or self.expected, without)
        shutil.rmtree(folder)


# What a run leaves behind --------------------------------------------------------------------------------------------


def record(folder):
    """The events on record; only the last line may be cut short."""
    path = folder / "r" / "metrics.jsonl"
    lines = path.read_text("utf-8", "surrogateescape").split("\n") if path.exists() else []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(json.loads(line))
        except ValueError:
            must(number == len(lines), f"line {number} of the record is not whole: {line!r}")
    return found


def newest(folder):
    """The step of the newest checkpoint."""
    return max((step for step, _ in run_folder.Run(folder / "r").steps()), default=None)


def outcome(folder):
    """Everything a run leaves behind, without what a clock put there."""
    checkpoint = read_checkpoint(run_folder.Run(folder / "r").steps()[0][1], training=True)
    kept = [
        {key: value for key, value in event.items() if key not in CLOCKS}
        for event in record(folder)
        if event["event"] in ("trained", "evaluated", "sampled", "rolledback")
    ]
    return {
        **checkpoint.weights,
        **{f"training/{name}": array for name, array in checkpoint.training.items()},
        **{f"best/{name}": array for name, array in read_checkpoint(folder / "r" / "best.safetensors").weights.items()},
        "progress": checkpoint.progress.model_dump(exclude={"seconds"}),
        "settings": checkpoint.config.model_dump(exclude={"corpus"}),
        "record": kept,
        "samples": (folder / "r" / "samples.txt").read_text(),
    }


def must_equal(one, other, without=()):
    must(set(one) == set(other), f"other parts: {set(one) ^ set(other)}")
    for name, value in one.items():
        if name in without:
            continue
        if not isinstance(value, np.ndarray):
            must(value == other[name], f"another {name}: {difference(value, other[name])}")
        else:
            must(np.array_equal(value, other[name]), f"another {name}")


def difference(one, other):
    """The first thing that differs, short enough to be read."""
    if isinstance(one, list):
        both = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
        one, other = both[0] if both else (f"{len(one)} entries", f"{len(other)} entries")
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = ({k: v for k, v in a.items() if b.get(k) != v} for a, b in ((one, other), (other, one)))
    return f"{str(one)[:300]} instead of {str(other)[:300]}"


def is_whole(folder):
    """Every file with a final name is whole, and no more than one save interval is lost."""
    for path in (folder / "r").glob("*.safetensors"):
        try:
            read_checkpoint(path, training=path.name.startswith("step"))
        except CharrnnError as error:
            raise WrongError(f"a file with a final name is damaged: {error}") from error
    if (folder / "r" / "config.yaml").exists():
        read_config_file(folder / "r" / "config.yaml")
    return record(folder)


def trained(folder):
    """The last step on record."""
    return max((event["step"] for event in record(folder) if event["event"] == "trained"), default=0)


# What can be put in place in a child ---------------------------------------------------------------------------------


class Disk:
    """`os` as charrnn.files sees it; `act(name, real, *arguments)` stands before every call that changes the disk."""

    def __init__(self, act):
        self.act = act

    def __getattr__(self, name):
        real = getattr(os, name)
        return functools.partial(self.act, name, real) if name in PRIMITIVES else real


def stand_before_the_disk(act):
    files.os, unlink = Disk(act), Path.unlink
    Path.unlink = lambda path, missing_ok=False: act("unlink", lambda: unlink(path, missing_ok))


def before(owner, name, call, nth=1):
    """Have `call()` made before the nth call of `owner.name`."""
    real, number = getattr(owner, name), Counter()

    def wrapped(*arguments, **named):
        number["calls"] += 1
        if number["calls"] == nth:
            call()
        return real(*arguments, **named)

    setattr(owner, name, wrapped)


class Places:
    """Which part of a run is changing the disk: `save 3` is the third checkpoint, `best 1` the first best model."""

    def __init__(self):
        self.now, self.counts = [""], Counter()
        named = [
            (run_folder.Run, "save", "save"),
            (run_folder.Run, "save_best", "best"),
            (run_record, "append_line", "append"),
        ]
        named += [(run_record.RunRecord, "wind_back", "wind"), (session, "write_config_file", "config")]
        for owner, name, label in [*named, (loop, "write_config_file", "config again")]:
            self._mark(owner, name, label)

    def _mark(self, owner, name, label):
        real = getattr(owner, name)

        def marked(*arguments, **named):
            self.counts[label] += 1
            self.now.append(f"{label} {self.counts[label]}")
            try:
                return real(*arguments, **named)
            finally:
                self.now.pop()

        setattr(owner, name, marked)


def slow_save(tell, nth, pause):
    """The nth save or best model goes through the disk slowly, after telling so."""
    places, told = Places(), []

    def act(name, real, *arguments):
        if places.now[-1].startswith(("save", "best")) and places.counts["save"] + places.counts["best"] == nth:
            if not told:
                told.append(tell())
            time.sleep(pause)
            if name == "write":
                return real(arguments[0], arguments[1][:8192])
        return real(*arguments)

    stand_before_the_disk(act)


# SIGKILL at random moments -------------------------------------------------------------------------------------------


def kill_trial(lab, chance):
    """Up to three sessions are killed, most of them inside a save; the last one ends as the unbroken run did."""
    folder, saves = lab.new(), lab.steps // SAVE_EVERY + 2 * (lab.steps // 10)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if chance.random() < 0.65:
            pause = 0.002
            child = lab.child(folder, functools.partial(slow_save, nth=chance.randint(1, saves), pause=pause))
            child.heard()
            time.sleep(chance.uniform(0, 10 * pause))
        else:
            child = lab.child(folder)
            time.sleep(chance.uniform(0, lab.seconds))
        child.send(signal.SIGKILL)
        code = child.wait()
        must(code in (0, 128 + signal.SIGKILL), f"a session ends with {code}: {child.said}")
        is_whole(folder)
        lost = trained(folder) - (newest(folder) or 0)
        must(lost <= SAVE_EVERY, f"{lost} steps are lost")
    lab.ends_the_same(folder)


def kill(lab, options):
    for number in range(options.n):
        yield "kill", f"trial {number}", functools.partial(kill_trial, lab, chance_of(options, number))


# Every call that changes the disk ------------------------------------------------------------------------------------

DEATHS = ("die before", "die within")
REFUSALS = ("ENOSPC", "EDQUOT", "EIO")
EVERYWHERE = ""


class Fault:
    """Something goes wrong at the k-th call of a place: once, or from then on wherever a place begins so."""

    def __init__(self, tell, place, k, kind, lasting=None):
        self.tell, self.places, self.place, self.k, self.kind, self.lasting = tell, Places(), place, k, kind, lasting
        self.calls, self.began = 0, False
        stand_before_the_disk(self.act)

    def act(self, name, real, *arguments):
        now = self.places.now[-1]
        self.calls += now == self.place
        again = self.began and self.lasting is not None and now.startswith(self.lasting)
        if (now == self.place and self.calls == self.k) or again:
            if not self.began:
                self.tell()
            self.began = True
            return self.happen(name, real, *arguments)
        return real(*arguments)

    def happen(self, name, real, *arguments):
        if self.kind == "die before":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "write":
            descriptor, content = arguments
            if self.kind == "lie":
                return real(descriptor, bytes([content[0] ^ 1]) + bytes(content[1:]))
            written = real(descriptor, content[: max(1, len(content) // 2)])
            if self.kind == "short":
                return written
        if self.kind == "die within":
            with contextlib.suppress(FileNotFoundError):  # most temporary files are gone when they are removed
                real(*arguments) if name != "write" else None
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind in REFUSALS:
            number = getattr(errno, self.kind)
            raise OSError(number, os.strerror(number))
        return real(*arguments)


def calls_of(lab, folder, place):
    """The names of the calls by which a run in `folder` changes the disk in one place, in order."""

    def note(tell):
        places, noted = Places(), lab.base / "calls"
        noted.write_text("")

        def act(name, real, *arguments):
            if places.now[-1] == place:
                with noted.open("a") as file:
                    file.write(name + "\n")
            return real(*arguments)

        stand_before_the_disk(act)

    lab.child(folder, note).wait()
    return (lab.base / "calls").read_text().split()


def crash_trial(lab, begin, place, k, name, kind, lasting):
    """One thing goes wrong in one place, in a run that continues what lies in `begin`."""
    folder = lab.new()
    if begin:
        shutil.copytree(begin / "r", folder / "r")
    child = lab.child(folder, lambda tell: Fault(tell, place, k, kind, lasting))
    must(child.heard(), "the fault was not reached")
    code = child.wait()
    is_whole(folder)
    kept, loaded = newest(folder), run_folder.Run(folder / "r").newest_good(lambda text: must(False, text))
    must((kept is None) == (loaded is None), "no checkpoint loads")
    if kind in DEATHS:
        must(code == 128 + signal.SIGKILL, f"it did not die, but ended with {code}")
        must(place.startswith(("config", "append")) or kept is not None or place == "save 1", "no checkpoint is left")
    elif lasting is not None or (kind != "short" and place.startswith(("config 1", "wind"))):
        said = [line for line in child.said.splitlines() if line.startswith("charrnn: ")]
        if name == "unlink":
            must(code in (0, 74), f"exit {code}")
        else:
            must(code == 74 and len(said) == 1 and said[0].startswith("charrnn: error: "), f"exit {code}: {said}")
            must(str(Path("r") / "") in said[0], f"no path in: {said[0]}")
    else:
        must(code == 0, f"exit {code}: {child.said}")
        refused = kind in (*REFUSALS, "lie") and name != "unlink"
        must(("warning: cannot write" in child.said or "warning: r/" in child.said) == refused, child.said)
        must_equal(outcome(folder), lab.expected)
    lab.ends_the_same(folder, without=("record", "samples") if lasting == "append" else ())


def crash_points(lab, options):
    happened = Counter(event["event"] for event in record(lab.unbroken))
    saves, half = happened["saved"], lab.new("half")
    lab.child(half, functools.partial(stop_at_step, step=lab.steps // 2)).wait()
    scoring, terminate = lab.new("scoring"), lambda: os.kill(os.getpid(), signal.SIGTERM)
    lab.child(scoring, lambda tell: before(loop, "validate", terminate)).wait()
    places = {
        "periodic": [("save 4", None, None)],
        "final": [(f"save {saves}", None, None), (f"save {saves}", None, EVERYWHERE)],
        "first": [("save 1", None, None), ("config 1", None, None)],
        "best": [("best 1", None, None)],
        "last": [(f"best {happened['evaluated']}", None, lasting) for lasting in (None, EVERYWHERE)],
        "again": [("best 1", scoring, None), ("save 1", scoring, None)],
        "appends": [(f"append {number}", None, None) for number in (1, 2, 3, 5, 9, lab.steps)],
        "resuming": [("wind 1", half, None)],
        "full": [("save 4", None, EVERYWHERE), ("append 7", None, EVERYWHERE), ("append 7", None, "append")],
    }
    chosen = [one for part in options.places or places for one in places[part]]
    first = chosen[0][0]
    for place, begin, lasting in chosen:
        names = calls_of(lab, begin_copy(lab, begin), place)
        must(names, f"nothing was written in {place}")
        for k, name in list(enumerate(names, 1))[: None if place == first else options.calls]:
            for kind in kinds(place, name, lasting):
                begun = f", in {begin.name}" if begin else ""
                once = "" if lasting is None else " from then on" + (f" in all {lasting}s" if lasting else "")
                what = f"{place}{begun}: call {k} ({name}) {kind}{once}"
                row = f"crash points: {'die' if kind in DEATHS else 'refuse' if kind in REFUSALS else kind}"
                yield row, what, functools.partial(crash_trial, lab, begin, place, k, name, kind, lasting)


def kinds(place, name, lasting):
    """What can happen at a call."""
    if lasting is not None:
        return REFUSALS[:1] if lasting else REFUSALS
    read_back = ("lie",) if not place.startswith("append") else ()
    return (*DEATHS, *REFUSALS, *(("short", *read_back) if name == "write" else ()))


def begin_copy(lab, begin):
    folder = lab.new()
    if begin:
        shutil.copytree(begin / "r", folder / "r")
    return folder


def stop_at_step(tell, step, number=signal.SIGTERM):
    before(learner.Learner, "step", lambda: os.kill(os.getpid(), number), nth=step)


# Signals in every phase ----------------------------------------------------------------------------------------------

LONG = 0.02  # seconds that a phase is drawn out, for a signal to fall into it


def phase_hook(chance, phase, steps):
    """What draws a phase out and tells of it; None for the very start, which just tells."""
    owner, name, most = {
        "start": (app, "app", 1),
        "reading": (survey, "stream_text", 1),
        "reading again": (survey, "stream_text", 1),
        "measuring": (plan, "measure", 1),
        "preparing": (learner.Learner, "__init__", 1),
        "steps": (learner.Learner, "step", steps),
        "evaluation": (loop, "validate", steps // 10),
        "sample": (loop, "live_sample", steps // 10),
        "end": (tables, "closing_table", 1),
        "save": (None, None, steps // SAVE_EVERY),
    }[phase]
    nth = chance.randint(1, most)
    if phase == "save":
        return functools.partial(slow_save, nth=nth, pause=0.002)
    pause = LONG * chance.random()  # so that half of the signals come in what follows, too
    return lambda tell: before(owner, name, lambda: (tell(), time.sleep(pause)), nth)


PHASES = (
    *("start", "reading", "measuring", "preparing", "steps", "evaluation", "sample", "save", "end"),
    "reading again",  # in a second session
)


def signal_trial(lab, chance, phase, number):
    folder = lab.new()
    if phase == "reading again":
        lab.child(folder, functools.partial(stop_at_step, step=chance.randint(1, lab.steps))).wait()
    length = ["--time", "30s"] if phase == "measuring" else None
    child = lab.child(folder, phase_hook(chance, phase, lab.steps), length)
    must(child.heard(), f"the phase was not reached: {child.said}")
    time.sleep(chance.uniform(0, LONG))
    child.send(number)
    sent = time.monotonic()
    code = child.wait()
    must(time.monotonic() - sent < 10, "it took more than 10 s")
    if number == signal.SIGUSR1:
        must(code == 0, f"exit {code}: {child.said}")
    else:
        must(code in (0, 128 + number), f"exit {code}: {child.said}")
    if code:
        must(trained(folder) == (newest(folder) or 0), f"at {newest(folder)}, not at step {trained(folder)}")
    if phase == "measuring" and (folder / "r").exists():
        must(code, "it ended")  # a signal that came after measuring: such a run is longer than this one
        is_whole(folder)
    else:
        lab.ends_the_same(folder)


def twice_trial(lab, chance):
    """The second Ctrl-C leaves in the middle of a save that takes long."""
    folder = lab.new()
    child = lab.child(folder, functools.partial(slow_save, nth=chance.randint(2, 10), pause=0.3))
    must(child.heard(), "no save was reached")
    time.sleep(chance.uniform(0, 0.1))
    child.send(signal.SIGINT)
    time.sleep(0.05)
    child.send(signal.SIGINT)
    sent = time.monotonic()
    must((code := child.wait()) == 130, f"exit {code}: {child.said}")
    must(time.monotonic() - sent < 1, "it took more than a second")
    is_whole(folder)
    lab.ends_the_same(folder)


def signals(lab, options):
    others = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1)
    for number in range(options.n):
        chance, phase = chance_of(options, number), PHASES[number % len(PHASES)]
        usable = others[:2] if phase in ("start", "measuring") else others
        sent = chance.choice(usable) if chance.random() < 0.25 else signal.SIGTERM
        what = f"trial {number}: {sent.name}, {phase}"
        yield f"signals: {phase}", what, functools.partial(signal_trial, lab, chance, phase, sent)
    for number in range(max(2, options.n // 10)):
        chance = chance_of(options, -number - 1)
        yield "signals: SIGINT twice", f"trial {number}", functools.partial(twice_trial, lab, chance)


# Divergence ----------------------------------------------------------------------------------------------------------


def go_astray(tell, part, step, often, factor=float("nan")):
    """At a step the loss or the gradients are multiplied by `factor`: before the rate is ever halved, or always."""
    now = {"faulty": False}
    make_step, loss, clip = learner.Learner.step, torch.nn.functional.cross_entropy, torch.nn.utils.clip_grad_norm_

    def faulty_step(self, window, index):
        now["faulty"] = index >= step if often == "always" else index == step and self.config.learning_rate == RATE
        try:
            return make_step(self, window, index)
        finally:
            now["faulty"] = False

    def faulty_loss(*arguments, **named):
        return loss(*arguments, **named) * (factor if now["faulty"] and part == "loss" else 1)

    def faulty_clip(parameters, most):
        if now["faulty"] and part == "norm":
            for parameter in parameters:
                parameter.grad *= factor
        return clip(parameters, most)

    learner.Learner.step, torch.nn.functional.cross_entropy = faulty_step, faulty_loss
    torch.nn.utils.clip_grad_norm_ = faulty_clip


def rollbacks(folder):
    return [event for event in record(folder) if event["event"] == "rolledback"]


def once_trial(lab, part, step):
    folder = lab.new()
    code = (child := lab.child(folder, functools.partial(go_astray, part=part, step=step, often="once"))).wait()
    must(code == 0, f"exit {code}: {child.said}")
    found, good = rollbacks(folder), step // SAVE_EVERY * SAVE_EVERY
    must(len(found) == 1, f"{len(found)} rollbacks on record")
    must(found[0]["diverged_step"] == step + 1, f"found at {found[0]['diverged_step']}, made at step {step + 1}")
    must(good <= found[0]["step"] <= step, f"back at {found[0]['step']}")
    must(found[0]["learning_rate"] == RATE / 2, f"learning rate {found[0]['learning_rate']}")
    must("warning: training diverged" in child.said, child.said)
    steps = [event["step"] for event in record(folder) if event["event"] == "trained"]
    must(steps == list(range(1, lab.steps + 1)), f"the record does not read as one run: {steps}")
    is_whole(folder)
    expected = outcome(folder)
    lab.ends_the_same(folder, expected=expected)


def stopped_and_astray_trial(lab, fault, expected, stop):
    """A run with a fault that is stopped in between ends as the same run that is not stopped."""
    folder = lab.new()

    def prepare(tell):
        fault(tell)
        stop(tell)

    code = (child := lab.child(folder, prepare)).wait()
    must(code in (0, 143, 137), f"exit {code}: {child.said}")
    is_whole(folder)
    lab.ends_the_same(folder, fault, expected)


def always_trial(lab, part, step):
    folder = lab.new()
    fault = functools.partial(go_astray, part=part, step=step, often="always")
    for session_number in (1, 2):  # resuming what cannot go on ends the same way
        code = (child := lab.child(folder, fault)).wait()
        errors = [line for line in child.said.splitlines() if line.startswith("charrnn: error: ")]
        must(code == 70 and len(errors) == 1, f"session {session_number}, exit {code}: {child.said}")
        rates = [event["learning_rate"] for event in rollbacks(folder)][-3:]
        must(rates == [RATE / 2, RATE / 4, RATE / 8], f"session {session_number}, learning rates {rates}")
        is_whole(folder)
        must(step < SAVE_EVERY or (newest(folder) or 0) >= step - SAVE_EVERY, f"the last good step is {newest(folder)}")


def spike_trial(lab, part, step):
    """A loss or gradient that is large and finite is no divergence."""
    folder = lab.new()
    fault = functools.partial(go_astray, part=part, step=step, often="once", factor=100.0)
    code = (child := lab.child(folder, fault)).wait()
    must(code == 0, f"exit {code}: {child.said}")
    must(not rollbacks(folder), "it rolled back")
    must(("the loss jumped" in child.said) == (part == "loss"), child.said)
    is_whole(folder)


def refused_rollback_trial(lab, fault, expected, k, kind):
    """The record cannot be wound back at once: it must still read as one run in the end."""
    folder = lab.new()

    def prepare(tell):
        fault(tell)
        Fault(tell, "wind 2", k, kind)  # the first one is at the start

    child = lab.child(folder, prepare)
    must(child.heard(), "the fault was not reached")
    code = child.wait()
    must(code == 0, f"exit {code}: {child.said}")
    must_equal(outcome(folder), expected)


def divergence(lab, options):
    middle = lab.steps // 2 + 1
    for part in ("loss", "norm"):
        for step in (0, 1, middle, lab.steps - 1) if part == "loss" else (middle,):
            what = f"{part} at step {step}"
            yield "divergence: once", what, functools.partial(once_trial, lab, part, step)
        for step in (0, middle) if part == "loss" else (middle,):
            yield "divergence: always", f"{part} from step {step}", functools.partial(always_trial, lab, part, step)
        yield "divergence: finite", f"{part} at step {middle}", functools.partial(spike_trial, lab, part, middle)
    fault = functools.partial(go_astray, part="loss", step=middle, often="once")
    astray = lab.new("astray")
    lab.child(astray, fault).wait()
    expected = outcome(astray)
    for number, calls in ((signal.SIGTERM, (-1, 1, 2)), (signal.SIGKILL, (-1, 1, 2, 3, 4, 7))):
        for call in calls:  # the call after `middle` of them is where it goes astray
            stop = functools.partial(stop_at_step, step=middle + call, number=number)
            trial = functools.partial(stopped_and_astray_trial, lab, fault, expected, stop)
            yield "divergence: resumed", f"{number.name} at step call {middle + call}", trial
    for k, kind in ((1, "ENOSPC"), (3, "EIO"), (6, "ENOSPC")):  # 6: the samples, after the events
        trial = functools.partial(refused_rollback_trial, lab, fault, expected, k, kind)
        yield "divergence: record refused", f"call {k} {kind}", trial


# Does a sweep notice? ------------------------------------------------------------------------------------------------


def in_place(path, content):
    """A writer that is not careful."""
    with path.open("wb") as file:
        for start in range(0, len(content), 4096):
            file.write(content[start : start + 4096])
            file.flush()
            time.sleep(0.0005)


def control(lab, options):
    """Each sabotage must be noticed by at least one of a few trials of its sweep."""
    from charrnn.runs import checkpoint

    restore, masks = learner.Learner.restore, learner.Learner._masks

    def forgetful(self, tensors, average, step):
        restore(self, tensors, average, step)
        self.state = self.network.initial_state(self.config.batch_size)

    def out_of_step(self, tensors, average, step):
        restore(self, tensors, average, step)
        self._masks = lambda index: masks(self, index - 1)

    def patched(owner, name, other, sweep, n):
        real = getattr(owner, name)
        setattr(owner, name, other)
        try:
            trials = list(sweep(lab, argparse.Namespace(n=n, seed=options.seed, places=["periodic"], calls=None)))[:n]
            return any(failed(trial) for _, _, trial in trials)
        finally:
            setattr(owner, name, real)

    def notices(*arguments):
        must(patched(*arguments), "nothing was noticed")

    yield (
        "control",
        "checkpoints written in place",
        functools.partial(notices, checkpoint, "write_whole", in_place, kill, 20),
    )
    for what, other in (("the hidden state starts anew", forgetful), ("dropout is out of step", out_of_step)):
        yield "control", what, functools.partial(notices, learner.Learner, "restore", other, kill, 10)
    yield (
        "control",
        "signals are not noted",
        functools.partial(notices, loop.Loop, "_leave", lambda self: None, signals, 8),
    )


def failed(trial):
    try:
        trial()
    except (AssertionError, CharrnnError, OSError):
        return True
    return False


# The command ---------------------------------------------------------------------------------------------------------


def chance_of(options, number):
    return random.Random(f"{options.seed} {number}")  # noqa: S311 - repeatable on purpose


def carry_out(sweep, lab, options):
    """Run every trial; returns times tried and times failed by row, and tells of failures as they happen."""
    tried, wrong = Counter(), Counter()
    for row, what, trial in itertools.islice(sweep(lab, options), 0, None, options.every):
        tried[row] += 1
        try:
            trial()
        except Exception as error:
            wrong[row] += 1
            kind = "" if isinstance(error, WrongError) else f"{type(error).__name__}: "
            sys.stderr.write(f"FAILED {row}, {what}: {kind}{error}\n")
            if not isinstance(error, WrongError):
                sys.stderr.write(traceback.format_exc())
    return tried, wrong


SWEEPS = {
    "kill": (kill, 300),
    "crash-points": (crash_points, 0),
    "signals": (signals, 100),
    "divergence": (divergence, 0),
    "control": (control, 0),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", choices=SWEEPS)
    parser.add_argument("--n", type=int, help="how many trials (kill, signals)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=60, help="of each run")
    parser.add_argument("--places", nargs="*", help="of crash-points: PLACES above")
    parser.add_argument("--every", type=int, default=1, help="leave out all trials but every so manieth")
    parser.add_argument("--calls", type=int, help="of crash-points: only so many in places after the first")
    options = parser.parse_args()
    sweep, times = SWEEPS[options.sweep]
    options.n = times if options.n is None else options.n
    for key in [key for key in os.environ if key.startswith("CHARRNN_")]:
        del os.environ[key]
    warm_up()
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None  # to a killed process it is as good as a disk
    with tempfile.TemporaryDirectory(prefix="charrnn-sweep-", dir=memory) as base:
        began = time.monotonic()
        tried, wrong = carry_out(sweep, Lab(Path(base), options.steps), options)
    for row in tried:
        sys.stdout.write(f"{row:<32} tried {tried[row]:>5}   failed {wrong[row]:>3}\n")
    sys.stdout.write(f"{options.sweep:<32} tried {tried.total():>5}   failed {wrong.total():>3}   ")
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
    return 1 if wrong else 0


def warm_up():
    """What all children share: short samples, and what is otherwise loaded late; nothing here starts a thread."""
    torch.set_num_threads(1)
    watch.SAMPLE = replace(watch.SAMPLE, length=30)
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.zeros(2, 2)
    torch.optim.AdamW([weight], fused=True).step()
    for late in (
        "charrnn.evaluation.baselines",
        "encodings.utf_32_le",
        "filelock",
        "numpy.ma",
        "rich.console",
        "rich.table",
    ):
        importlib.import_module(late)
    torch.nn.LSTM(6, 12)(torch.zeros(8, 3, 6))  # the first takes as long as the next hundred


if __name__ == "__main__":
    sys.exit(main())

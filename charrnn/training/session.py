"""From a wish to a loop that can run: a new run, the continuation of one, or one that starts from another's weights.

new       read the text, choose what nobody asked for, turn seconds into steps, claim the folder
resume    take configuration, vocabulary, weights and position from the newest good checkpoint; the text must be
the same (its fingerprint says so), and so must everything that was asked for
"""

import math
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from charrnn import __version__
from charrnn.checkpoint import Checkpoint, Progress, read_checkpoint
from charrnn.config import CELL_GATES, RunConfig, Wish, parameter_shapes
from charrnn.config_file import write_config_file
from charrnn.errors import SettingsError
from charrnn.report.events import Event, Listener, Notice, Reached, RunRecord, Started
from charrnn.text.corpus import Corpus, read_corpus
from charrnn.text.vocabulary import Vocabulary
from charrnn.training import plan
from charrnn.training.interruption import Interruption
from charrnn.training.keeper import Keeper
from charrnn.training.learner import Learner
from charrnn.training.loop import Loop
from charrnn.training.run import CONFIG, Run, claimed, find_model, run_folder
from charrnn.training.settings import Choices, absolute, choose_settings, usable_device
from charrnn.training.transfer import adapted_weights, adopt_network

# Where a run computes and how it is watched may change between its sessions; what it learns may not.
MAY_CHANGE = frozenset({"device", "threads", "save_every", "keep", "corpus"})


@dataclass(frozen=True)
class Request:
    """One call of `train`: what is wished, and where it goes."""

    wish: Wish
    checkpoints: Path
    name: str | None = None
    resume: bool = False
    init_from: str | None = None
    began: float = field(default_factory=time.monotonic)  # a --time counts from here


@dataclass
class Preparation:
    """A new run before its first step: what was read, chosen and planned."""

    corpus: Corpus
    choices: Choices
    config: RunConfig
    cost: plan.Cost | None
    notices: list[str]
    source: Checkpoint | None = None  # whose weights to start from

    @property
    def memory(self) -> int:
        """Bytes that training needs beyond the program: five copies of the weights, one window, the ids."""
        c, gates = self.config, CELL_GATES[self.config.cell]
        per_symbol = c.layers * c.hidden * (2 * gates + 8) + 4 * len(self.corpus.vocabulary) + 2 * c.embedding
        ids = (len(self.corpus.train) + len(self.corpus.validation)) * self.corpus.train.itemsize
        return 4 * (5 * self.parameters + c.batch_size * c.seq_length * per_symbol) + 6 * ids

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        return count_parameters(self.config, self.corpus.vocabulary)


@contextmanager
def opened(request: Request, emit: Listener, interruption: Interruption) -> Iterator[Loop]:
    """The loop that `request` asks for, new or resumed, with its folder owned for as long as the block lasts."""
    run = run_folder(request.checkpoints, request.name, stem=stem(request.wish), resume=request.resume)
    preparation = checkpoint = None
    if not (request.resume and run.exists()):
        preparation = prepare(request)
        interruption.patience()
        run = claimed(run, given=request.name is not None, resume=request.resume)
    with run.owned():
        if request.resume:
            checkpoint = run.newest_good(lambda text: emit(Notice(0, text)))
        if checkpoint is None and preparation is None:
            preparation = prepare(request)
        interruption.patience()
        if checkpoint is not None:
            yield resume(run, request.wish, emit, interruption, checkpoint)
        elif preparation is not None:
            yield start(preparation, run, request, emit, interruption)


def stem(wish: Wish) -> str:
    """What to call a run that nobody named: after its first text."""
    corpus = wish.get("corpus")
    if not corpus:
        return "run"
    if corpus[0] == "-":
        return "stdin"
    is_folder = os.path.isdir(corpus[0])  # noqa: PTH112 - unlike Path.is_dir, false for any unusable name
    return Path(corpus[0]).resolve().name if is_folder else Path(corpus[0]).stem


def prepare(request: Request) -> Preparation:
    """Read the text, choose what was not asked for and plan the length; writes nothing."""
    wish = request.wish
    if not wish.get("corpus"):
        raise SettingsError("no CORPUS given", "", "name a text, as in: charrnn train corpus.txt")
    source = read_checkpoint(find_model(request.init_from, request.checkpoints)) if request.init_from else None
    if source:
        adopt_network(wish, source.config)
    corpus, share, notices = corpus_of(wish.values)
    choices = choose_settings(wish, corpus, share)
    torch.set_num_threads(choices.values["threads"])
    cost = None
    if plan.needs_measuring(wish):
        unplanned = {"steps": 10**6, "warmup": 100, "eval_every": 1, "save_every": 1, "sample_every": 1}
        cost = plan.measure(RunConfig.model_validate(choices.values | unplanned), corpus)
    left = (wish.get("time") or 0.0) - (time.monotonic() - request.began)
    return Preparation(corpus, choices, plan.complete(choices, wish, corpus, cost, left), cost, notices, source)


def corpus_of(
    values: Mapping[str, Any], known: tuple[Vocabulary, str] | None = None
) -> tuple[Corpus, float, list[str]]:
    """The corpus that a wish or a recorded configuration names."""
    return read_corpus(
        values["corpus"],
        unit=values.get("unit") or "char",
        encoding=values.get("encoding") or "utf-8",
        glob=values.get("glob"),
        validation=values.get("validation"),
        fraction=values.get("validation_fraction"),
        known=known,
    )


def start(preparation: Preparation, run: Run, request: Request, emit: Listener, interruption: Interruption) -> Loop:
    """The loop of a new run in its (owned) folder."""
    p, config, corpus = preparation, preparation.config, preparation.corpus
    learner, weights = Learner(config, len(corpus.vocabulary)), None
    if p.source:
        weights, kept = adapted_weights(p.source, corpus.vocabulary, learner.average_weights())
        learner.begin(weights)
        p.notices.append(kept)
    write_config_file(run.path / CONFIG, config)
    emit = recorded(run, Reached(-1), emit)  # an earlier start may have ended before its first save
    keeper = Keeper(run, corpus, learner, emit, made_with(config), dict(request.wish.values))
    loop = Loop(run, config, corpus, learner, Progress(), keeper, emit, interruption)
    loop.first_weights = weights
    loop.fixed_evaluations = request.wish.get("eval_every") is not None
    if request.wish.get("time"):
        loop.deadline, loop.cost = request.began + request.wish.get("time"), p.cost
    loop.emit(Started(0, run.path.name, p.parameters, config.steps, False))
    for notice in p.notices + p.choices.sentences():
        loop.emit(Notice(0, notice))
    return loop


def resume(run: Run, wish: Wish, emit: Listener, interruption: Interruption, checkpoint: Checkpoint) -> Loop:
    """The loop that continues `checkpoint`.

    Raises:
        SettingsError: something else is asked for than the run was started with.
        DataError: the text is not the one that the run learns.
    """
    config = agreed(checkpoint, wish)
    usable_device(config.device)
    torch.set_num_threads(config.threads)
    known = (checkpoint.vocabulary, checkpoint.corpus.fingerprint)
    corpus, _, _ = corpus_of(config.model_dump(), known)
    learner, progress = Learner(config, len(corpus.vocabulary)), checkpoint.progress
    assert checkpoint.training is not None
    learner.restore(checkpoint.training, checkpoint.weights, progress.step)
    reached = Reached(progress.step, progress.evaluated_step, progress.sampled_step, progress.rollbacks)
    emit = recorded(run, reached, emit)
    keeper = Keeper(run, corpus, learner, emit, made_with(config), dict(checkpoint.wish or {}))
    loop = Loop(run, config, corpus, learner, progress, keeper, emit, interruption)
    loop.saved = loop.done
    loop.emit(Started(progress.step, run.path.name, count_parameters(config, corpus.vocabulary), config.steps, True))
    differing = [key for key, value in keeper.made_with.items() if (checkpoint.made_with or {}).get(key) != value]
    if differing:
        text = f"resumed with another {', '.join(differing)}: the last bits of results may differ"
        loop.emit(Notice(progress.step, text))
    return loop


def agreed(checkpoint: Checkpoint, wish: Wish) -> RunConfig:
    """The recorded configuration, with what may change taken from `wish`; everything else must agree."""
    recorded = {**checkpoint.config.model_dump(), **(checkpoint.wish or {})}
    for key, value in wish.values.items():
        if key not in MAY_CHANGE and value != "auto" and recorded.get(key) != value:
            what = f"--{key.replace('_', '-')} {value} is not what this run was started with ({recorded.get(key)})"
            raise SettingsError(what, "resuming continues a run as it was", "leave it away, or use --init-from")
    changes = {key: wish.values[key] for key in MAY_CHANGE - {"corpus"} if wish.get(key) not in (None, "auto")}
    if wish.get("corpus"):
        changes["corpus"] = [absolute(place) for place in wish.values["corpus"]]
    return checkpoint.config.model_copy(update=changes)


def recorded(run: Run, reached: Reached, emit: Listener) -> Listener:
    """A listener that writes the run's record, which has `reached` so far, and tells `emit`."""
    record = RunRecord(run.path, lambda text: emit(Notice(reached.step, text)))
    record.wind_back(reached)

    def tell(event: Event) -> None:
        record(event)
        emit(event)

    return tell


def count_parameters(config: RunConfig, vocabulary: Vocabulary) -> int:
    """How many weights a network of this configuration has."""
    return sum(math.prod(shape) for shape in parameter_shapes(config, len(vocabulary)).values())


def made_with(config: RunConfig) -> dict[str, str]:
    """What exact resuming depends on besides the checkpoint."""
    device = torch.device(config.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "charrnn": __version__,
        "torch": torch.__version__,
        "processor": f"{platform.machine()} {name}",
        "threads": str(config.threads),
        "processes": "1",
        "precision": config.precision,
    }

"""From a wish to a loop that can run: a new run, the continuation of one, or one that starts from another's weights.

new       read the text, choose what nobody asked for, turn seconds into steps, claim the folder
resume    take configuration, vocabulary, weights and position from the newest good checkpoint; the text must be
the same (its fingerprint says so), and so must everything that was asked for; but a complete run may be
made longer: another leg, with a warm-up and a falling learning rate of its own
"""

import platform
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from charrnn import __version__
from charrnn.config import LENGTHS, RunConfig, Wish, shown
from charrnn.config_file import CONFIG, write_config_file
from charrnn.errors import SettingsError
from charrnn.learning.distributed import ALONE, Group
from charrnn.learning.learner import Learner
from charrnn.model.machine import check_precision, computes, set_up_process, usable_device
from charrnn.planning import plan, teaching
from charrnn.planning.preparation import Preparation, Request, count_parameters, prepare, stem
from charrnn.planning.settings import absolute_texts
from charrnn.planning.transfer import adapted_weights
from charrnn.runs import tensorboard
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.events import Event, Listener, Notice, Started
from charrnn.runs.folder import BEST, Run, claimed, run_folder
from charrnn.runs.own_text import own_text, places_of, texts_of
from charrnn.runs.progress import Progress
from charrnn.runs.record import Reached, RunRecord
from charrnn.text.corpus import Corpus
from charrnn.training.interruption import Interruption
from charrnn.training.keeper import Keeper
from charrnn.training.loop import Loop
from charrnn.training.pace import Pace

# Where a run computes and how it is watched may change between its sessions; what it learns may not.
MAY_CHANGE = frozenset({"device", "threads", "save_every", "keep"})


@contextmanager
def opened(request: Request, emit: Listener, interruption: Interruption, group: Group = ALONE) -> Iterator[Loop]:
    """The loop that `request` asks for, new or resumed, with its folder owned for as long as the block lasts."""
    given, again = request.name is not None, request.resume
    if request.tensorboard:
        group.first(tensorboard.check)
    run = group.first(lambda: run_folder(request.checkpoints, request.name, stem=stem(request.wish), resume=again))
    preparation = checkpoint = None
    if not (again and group.first(run.exists)):
        preparation = prepare(request, group)
        interruption.patience()
        run = group.first(lambda: claimed(run, given=given, resume=again))
    with ExitStack() as stack:
        group.first(lambda: stack.enter_context(run.owned(lambda text: emit(Notice(0, text)))))
        if again:
            checkpoint = group.first(lambda: run.newest_good(lambda text: emit(Notice(0, text))))
        if checkpoint is None and preparation is None:
            preparation = prepare(request, group)
        if checkpoint is not None:
            yield resume(run, request, emit, interruption, checkpoint, group)
        elif preparation is not None:
            interruption.patience()
            yield start(preparation, run, request, emit, interruption, group)


def start(p: Preparation, run: Run, request: Request, emit: Listener, interruption: Interruption, group: Group) -> Loop:
    """The loop of a new run in its (owned) folder."""
    config, corpus = p.config, p.corpus
    learner, weights = Learner.of(config, corpus, group, p.expected), None
    if p.source:
        weights, kept = adapted_weights(p.source, corpus.vocabulary, learner.average_weights())
        learner.begin(weights)
        p.notices.append(kept)
    group.first(lambda: write_config_file(run.path / CONFIG, config))
    begun = Reached(-1)  # an earlier start may have ended before its first save
    emit = recorded(run, config.per, begun, emit, group, request.tensorboard)
    keeper = Keeper(run, corpus, learner, emit, made_with(config, group), dict(request.wish.values), group)
    loop = Loop(run, config, corpus, learner, Progress(), keeper, emit, interruption, group)
    loop.first_weights = weights
    loop.pace = Pace.of(p, request)
    loop.emit(Started(0, run.path.name, p.parameters, config.steps, False))
    for notice in p.notices + p.choices.sentences():
        loop.emit(Notice(0, notice))
    return loop


def resume(
    run: Run, request: Request, emit: Listener, interruption: Interruption, checkpoint: Checkpoint, group: Group
) -> Loop:
    """The loop that continues `checkpoint`.

    Raises:
        SettingsError: something else is asked for than the run was started with.
        DataError: the text is not the one that the run learns.
    """
    complete = checkpoint.progress.step >= checkpoint.config.steps
    config, more = agreed(checkpoint, request, complete=complete)
    able = group.each(lambda: computes(usable_device(config.device), config.precision, config.cell))
    if group.agree(not able)[0]:  # a job may land anywhere
        config = in_float32(config, request.wish)
    corpus, texts = group.each(lambda: same_text(run, checkpoint, request))
    config = config.model_copy(update=group.first(lambda: texts))
    set_up_process(config.threads)
    progress, asked = checkpoint.progress, dict(checkpoint.wish or {})
    expected = group.each(lambda: teaching.asked(config, corpus, request.cache, request.tell))
    leg = leg_of(request, checkpoint, config, corpus, group) if more else None
    if leg:
        config = group.first(partial(plan.lengthened, config, progress, leg, corpus))
    learner = Learner.of(config, corpus, group, expected)
    assert checkpoint.training is not None
    learner.restore(checkpoint.training, checkpoint.weights, progress.step)
    interruption.patience()
    reached = Reached(progress.step, progress.evaluated_step, progress.sampled_step, progress.rollbacks)
    emit = recorded(run, config.per, reached, emit, group, request.tensorboard)
    keeper = Keeper(run, corpus, learner, emit, made_with(config, group), asked, group)
    loop = Loop(run, config, corpus, learner, progress, keeper, emit, interruption, group)
    loop.saved = loop.done
    loop.emit(Started(progress.step, run.path.name, count_parameters(config, corpus.vocabulary), config.steps, True))
    if leg:
        begin_leg(loop, leg, more)
    if config != checkpoint.config:
        loop.use(config)
    differing = [key for key, value in keeper.made_with.items() if (checkpoint.made_with or {}).get(key) != value]
    if differing:
        text = f"resumed with a different {', '.join(differing)}: results may differ in their last bits"
        loop.emit(Notice(progress.step, text))
    return loop


def leg_of(request: Request, checkpoint: Checkpoint, config: RunConfig, corpus: Corpus, group: Group) -> plan.Leg:
    """What a complete run is to go on for; of a time, what it has had is taken off."""
    asked, seconds = dict(checkpoint.wish or {}), request.wish.get("time")
    if seconds is None:
        return plan.Leg(request.wish, asked, None, None)
    had = float(asked.get("time") or checkpoint.progress.seconds)
    cost = plan.measure(config, corpus, group, baselines=request.baselines)
    return plan.Leg(request.wish, asked, request.began + seconds - had, cost)


def begin_leg(loop: Loop, leg: plan.Leg, more: Mapping[str, Any]) -> None:
    """What of a complete run changes when it is made longer, by the length that is asked for now."""
    loop.pace = Pace(leg.deadline, leg.cost, leg.asked.get("eval_every") is not None)
    loop.keeper.wish = {key: value for key, value in loop.keeper.wish.items() if key not in LENGTHS} | dict(more)
    loop.progress.stale = 0
    first, length = loop.progress.step, loop.config.steps - loop.progress.step
    loop.emit(Notice(first, f"the run was complete at step {first:,}; it goes on for another {length:,} steps"))


def in_float32(config: RunConfig, wish: Wish) -> RunConfig:
    """The same, where this machine cannot compute it otherwise.

    Raises:
        SettingsError: another precision is asked for.
    """
    if wish.get("precision") not in (None, "auto"):
        check_precision(config.device, config.precision, config.cell)
    return config.model_copy(update={"precision": "float32"})


def same_text(run: Run, checkpoint: Checkpoint, request: Request) -> tuple[Corpus, dict[str, Any]]:
    """The text that the run learns, read again, and where it lies now; refused if it has changed."""
    told = texts_of(request.wish.values)
    found, texts = own_text(checkpoint, run.path / BEST, [told] if told else (), cache=request.cache, tell=request.tell)
    return found, absolute_texts(texts)


def agreed(checkpoint: Checkpoint, request: Request, *, complete: bool) -> tuple[RunConfig, dict[str, Any]]:
    """The recorded configuration, with what may change taken from `wish`; everything else must agree.

    And the other length that a `complete` run is wished to have.
    """
    wish = request.wish
    recorded, more = {**checkpoint.config.model_dump(), **(checkpoint.wish or {})}, dict[str, Any]()
    for key, value in wish.values.items():
        if complete and key in LENGTHS and recorded.get(key) != value:
            more[key] = value
            continue
        moved = key in places_of(checkpoint.config)  # where something lies now; its fingerprint must agree
        if key not in MAY_CHANGE and not moved and value != "auto" and recorded.get(key) != value:
            had = shown(key, recorded.get(key))
            what = f"`{key}={shown(key, value)}` is not what this run was started with ({had})"
            raise SettingsError(
                what,
                "resuming continues a run as it was",
                "leave it out",
                "make it longer when it is complete" if key in LENGTHS else "",
                "start a new run from its model with `init_from`",
            )
    changes = {key: wish.values[key] for key in MAY_CHANGE if wish.get(key) not in (None, "auto")}
    if wish.get("distill_from") and wish.get("distill_from") != recorded["distill_from"]:
        changes["distill_from"] = teaching.found(wish.get("distill_from"), request.checkpoints)
    return checkpoint.config.model_copy(update=changes), more


def recorded(run: Run, per: str, reached: Reached, emit: Listener, group: Group, curves: bool) -> Listener:
    """A listener that writes the run's record, which has `reached` so far, and tells `emit`; only rank 0 writes.

    `per` is what its scores are counted by. With `curves` it writes those of TensorBoard, too.
    """
    if group.rank:
        return emit

    def warn(text: str) -> None:
        emit(Notice(reached.step, text))

    record = RunRecord(run.path, warn, per)
    record.wind_back(reached)
    drawn = [tensorboard.TensorBoard(record, reached, warn)] if curves else []
    listeners: list[Listener] = [record, *drawn, emit]

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell


def made_with(config: RunConfig, group: Group) -> dict[str, str]:
    """What exact resuming depends on besides the checkpoint."""
    device = torch.device(config.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "charrnn": __version__,
        "torch": torch.__version__,
        "processor": f"{platform.machine()} {name}",
        "threads": str(config.threads),
        "processes": str(group.size),
        "precision": config.precision,
    }

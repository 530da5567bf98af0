"""`charrnn train`: learn from a text."""

import time as clock
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from charrnn.cli import train_options as o
from charrnn.cli.console import AT_END
from charrnn.cli.options import PLACES, at_home, cache_folder
from charrnn.cli.several import follow, place

if TYPE_CHECKING:
    from charrnn.config import Wish
    from charrnn.planning.preparation import Request
    from charrnn.runs.events import Listener
    from charrnn.training.interruption import Interruption

STARTED = clock.monotonic()  # a --time counts from when the command was called, not from when torch was loaded

# Parameters of the command that are not settings of a run.
NOT_SETTINGS = frozenset(
    {
        *("ctx", "checkpoints", "cache", "name", "resume", "init_from", "config", "max_time", "exit_incomplete"),
        *("dry_run", "print_config", "tensorboard", "as_json", "quiet", "verbose"),
    }
)


def train(
    ctx: typer.Context,
    corpus: o.Corpus = None,
    glob: o.Glob = None,
    exclude: o.Exclude = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
    newlines: o.Newlines = None,
    unit: o.Unit = None,
    min_count: o.MinCount = None,
    records: o.RecordKind = None,
    record_separator: o.RecordSeparator = None,
    target_after: o.TargetAfter = None,
    synced: o.Synced = None,
    field: o.Field = None,
    target: o.Target = None,
    shuffle_records: o.ShuffleRecords = None,
    vectors: o.Vectors = None,
    vectors_key: o.VectorsKey = None,
    validation: o.Validation = None,
    validation_fraction: o.Fraction = None,
    test: o.Test = None,
    test_fraction: o.TestFraction = None,
    cell: o.Cell = None,
    layers: o.Layers = None,
    hidden: o.Hidden = None,
    embedding: o.Embedding = None,
    layer_norm: o.LayerNorm = None,
    residual: o.Residual = None,
    bidirectional: o.Bidirectional = None,
    init_from: o.InitFrom = None,
    epochs: o.Epochs = None,
    steps: o.Steps = None,
    time: o.Time = None,
    batch_size: o.BatchSize = None,
    seq_length: o.SeqLength = None,
    dropout: o.Dropout = None,
    weight_drop: o.WeightDrop = None,
    dropout_start: o.DropoutStart = None,
    raise_dropout: o.RaiseDropout = None,
    learning_rate: o.LearningRate = None,
    warmup: o.Warmup = None,
    weight_decay: o.WeightDecay = None,
    distill_from: o.DistillFrom = None,
    distill_weight: o.DistillWeight = None,
    clip: o.Clip = None,
    ema: o.Ema = None,
    seed: o.Seed = None,
    name: o.Name = None,
    resume: o.Resume = False,
    config: o.Config = None,
    eval_every: o.EvalEvery = None,
    sample_every: o.SampleEvery = None,
    patience: o.Patience = None,
    save_every: o.SaveEvery = None,
    keep: o.Keep = None,
    max_time: o.MaxTime = None,
    exit_incomplete: o.ExitIncomplete = 0,
    tensorboard: o.TensorBoard = False,
    checkpoints: o.RunsFolder = Path("checkpoints"),
    device: o.Device = None,
    precision: o.Precision = None,
    threads: o.Threads = None,
    cache: o.TrainingCache = None,
    dry_run: o.DryRun = False,
    print_config: o.PrintConfig = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Train a network on a text: files, folders, or standard input.

    \b
    charrnn train corpora/sonnets.txt
    charrnn train src/ --glob "*.py" --time 10m --name code
    charrnn train corpus.txt --name job --steps 20000 --resume
    """
    carry_out(*gather(ctx, config))


def carry_out(given: Mapping[str, Any], wish: "Wish") -> None:
    """Train, or only say what would be trained; signals are heard before anything heavy is loaded."""
    from charrnn.training.interruption import Interruption

    until, code = deadline(given["max_time"]), given["exit_incomplete"]
    with Interruption(until, code, AT_END.get().callback) as interruption:
        where = rank, size, _ = place()
        if size == 1:
            check_texts(wish)

        from charrnn.cli.console import say
        from charrnn.planning.preparation import Request

        places = (given["checkpoints"], given["name"], given["resume"], given["init_from"])
        tell = (lambda text: None) if given["quiet"] or rank else say
        table = not given["quiet"] and (given["dry_run"] or not given["as_json"])
        request = Request(wish, *places, STARTED, cache_folder(given["cache"]), tell, given["tensorboard"], table)
        if rank == 0 and (given["dry_run"] or given["print_config"]):
            preview(request, given["print_config"], given["as_json"])
        elif rank == 0:
            learn(request, interruption, given, where)
        elif not (given["dry_run"] or given["print_config"]):
            follow(request, interruption, where)


def check_texts(wish: "Wish") -> None:
    """Refuse a mistyped name at once, not after torch has been loaded."""
    from charrnn.text.corpus import source_of
    from charrnn.text.reading import Source, check_files

    if wish.get("corpus"):
        check_files(source_of(wish.values))
    for key in ("validation", "test", "vectors"):
        if wish.get(key):
            check_files(Source((wish.get(key),)))


def learn(
    request: "Request", interruption: "Interruption", given: Mapping[str, Any], where: tuple[int, int, int]
) -> None:
    """Run the training to its end, with a table at the close."""
    from charrnn.cli.console import say
    from charrnn.cli.tables import closing_table
    from charrnn.learning.distributed import joined
    from charrnn.training.session import opened

    listener = view(given["as_json"], given["quiet"])
    try:
        with joined(*where, request.tell) as group, opened(request, listener, interruption, group) as loop:
            if given["verbose"]:
                say("".join(f"{key}: {value}\n" for key, value in loop.config.model_dump().items()).rstrip())
                say(f"a step: {loop.learner.path}")
            was_complete = loop.progress.step >= loop.config.steps
            loop.go()
    finally:
        getattr(listener, "close", lambda: None)()
    if request.baselines:
        say(closing_table(loop, was_complete, request.checkpoints))


def preview(request: "Request", print_config: bool, as_json: bool) -> None:
    """Say what would be trained; train nothing."""
    from dataclasses import replace

    from charrnn.cli.console import print_result
    from charrnn.cli.tables import config_lines, cost_table
    from charrnn.planning.preparation import prepare
    from charrnn.text.corpus import source_of
    from charrnn.text.examination import examine

    preparation = prepare(request, measure=not print_config)
    if print_config:
        print_result(config_lines(request.wish, preparation))
        return
    source = replace(source_of(preparation.config.model_dump()), records=None, vectors=None)  # as it stands there
    examined = examine(source) if source.readable_again() else None
    print_result(cost_table(preparation, examined, as_json))


def deadline(max_time: str | None) -> float | None:
    """When to stop and save, on the monotonic clock: two to ten seconds before the time is over."""
    from charrnn.config import parse_duration
    from charrnn.errors import SettingsError

    if max_time is None:
        return None
    try:
        seconds = parse_duration(max_time)
    except ValueError as error:
        raise SettingsError(f"--max-time cannot be {max_time!r}", "", str(error)) from error
    return STARTED + seconds - max(2.0, min(10.0, seconds / 10))


def view(as_json: bool, quiet: bool) -> "Listener":
    """Who listens to the run: a bar on a terminal, lines elsewhere, JSON or nobody on request."""
    from charrnn.cli.console import on_terminal
    from charrnn.cli.views import BarView, JsonView, PlainView, quiet_view

    if as_json:
        return JsonView()
    if quiet:
        return quiet_view
    return BarView() if on_terminal() else PlainView()


def gather(ctx: typer.Context, config: Path | None) -> tuple[dict[str, Any], "Wish"]:
    """What the call is given and what the run is wished to be: flag, environment, file; the first to ask wins."""
    from charrnn.arguments import check_effects
    from charrnn.cli.refusals import was_typed
    from charrnn.config import Wish, check_one_length
    from charrnn.config_file import read_config_file, take_call_settings

    given, in_file = dict(ctx.params), read_config_file(config) if config is not None else {}
    named = {key for key in given if (source := ctx.get_parameter_source(key)) is not None and source.name != "DEFAULT"}
    in_file = {key: at_home(value) if key in PLACES else value for key, value in in_file.items()}
    given |= take_call_settings(in_file, named)
    asked: dict[str, dict[str, Any]] = {"flag": {}, "environment": {}}
    for key in named - NOT_SETTINGS:
        source = ctx.get_parameter_source(key)
        asked["environment" if source is not None and source.name == "ENVIRONMENT" else "flag"][key] = given[key]
    typed = {key: given[key] for key in named if was_typed(ctx, key)}
    check_effects(typed, given, {"exit_incomplete": ("max_time",)})
    wish = Wish()
    for name, values in [*asked.items(), (str(config), in_file)]:
        check_one_length(values, name)
        wish.add(values, name)
    return given, wish

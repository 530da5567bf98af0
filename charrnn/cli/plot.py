"""`charrnn plot`: curves of what runs recorded, in the terminal, as an SVG file or as numbers. It only reads."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.options import Checkpoints, complete_model, complete_path, plain

if TYPE_CHECKING:
    from charrnn.config import RunConfig
    from charrnn.report.charts import Chart
    from charrnn.report.curves import Against, Curves

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN", help="Folders or names of runs. [default: the newest run]", autocompletion=complete_model
    ),
]
Place = Annotated[
    Literal["step", "symbols", "time"],
    plain("Curves", "--against", "Steps, symbols read, or seconds of training."),
]
Svg = Annotated[
    str | None,
    plain("Output", "--svg", "Write an SVG file; - is stdout.", metavar="FILE", autocompletion=complete_path),
]
Json = Annotated[bool, plain("Output", "--json", "Print the points, one JSON object for each run.")]
WIDEST, HIGHEST = 200, 60  # characters; beyond them a curve gains nothing


def plot(
    runs: Runs = None,
    against: Place = "step",
    svg: Svg = None,
    as_json: Json = False,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Draw the learning curves of runs.

    Training loss, validation score and learning rate of one run or several, also while they train.

    \b
    charrnn plot
    charrnn plot sonnets --against time
    charrnn plot small large --svg curves.svg
    charrnn plot sonnets --json | jq '.validation[-1]'
    """
    from charrnn.cli.console import print_result, say
    from charrnn.errors import SettingsError
    from charrnn.files import write_whole
    from charrnn.report.charts import standalone
    from charrnn.report.curves import charts
    from charrnn.runs.record import find_run
    from charrnn.text.visible import visible

    if svg is not None and (as_json or not Path(svg).name):
        why = "--json prints numbers" if as_json else f"{svg!r} is not a file name"
        raise SettingsError("there is no SVG file to write", why, "give one of the two" if as_json else "name a file")
    wanted: list[str | None] = [*runs] if runs else [None]
    folders = list(dict.fromkeys(find_run(run, checkpoints) for run in wanted))
    if not runs:
        say(f"run {folders[0]}")
    names = [folder.resolve().name for folder in folders]
    names = names if len(set(names)) == len(names) else list(map(str, folders))
    found = {visible(name): curves_of(folder, against) for name, folder in zip(names, folders, strict=True)}
    for name, run in found.items():
        if not run.validation:
            say(f"{name}: no evaluation is recorded yet" if run.training else f"{name}: nothing is recorded yet")
    if as_json:
        print_result("\n".join(numbers(name, run, against) for name, run in found.items()))
    elif svg is None:
        draw(charts(found, against))
    elif svg == "-":
        print_result(standalone(charts(found, against)).rstrip("\n"))
    else:
        write_whole(Path(svg), standalone(charts(found, against)).encode())
        say(f"wrote {svg}")


def curves_of(folder: Path, against: "Against") -> "Curves":
    """What a run recorded. How much an epoch is, only its checkpoints know: one is read where it counts."""
    from charrnn.report.curves import curves
    from charrnn.runs.record import RunRecord

    events = RunRecord(folder).read()
    symbols, config = in_checkpoint(folder) if against == "symbols" else (None, in_config(folder))
    return curves(events, train_symbols=symbols, config=config)


def in_checkpoint(folder: Path) -> "tuple[int, RunConfig]":
    """How many symbols a run reads in an epoch, and what it is."""
    from charrnn.errors import MissingInputError
    from charrnn.runs.checkpoint import read_checkpoint
    from charrnn.runs.folder import Run

    model = Run(folder).model()
    if model is None:
        what, why = f"how many symbols {folder} has read is not known", "it has saved no checkpoint yet"
        raise MissingInputError(what, why, "use --against step or --against time")
    checkpoint = read_checkpoint(model)
    return checkpoint.corpus.train_symbols, checkpoint.config


def in_config(folder: Path) -> "RunConfig | None":
    """What a run is; the curves are the same where nobody can say it."""
    from charrnn.config import RunConfig
    from charrnn.config_file import CONFIG, read_config_file
    from charrnn.errors import CharrnnError

    try:
        return RunConfig.model_validate(read_config_file(folder / CONFIG))
    except (CharrnnError, ValueError):  # damaged, or of another version
        return None


def draw(drawn: "list[Chart]") -> None:
    """Loss over most of the terminal, the learning rate below it."""
    import shutil

    from charrnn.cli.console import print_result, takes_braille, takes_colours
    from charrnn.report.terminal import drawing

    size = shutil.get_terminal_size()
    width, height = min(size.columns, WIDEST), min(size.lines, HIGHEST)
    low = max(9, height // 4)
    braille, colours = takes_braille(), takes_colours()
    pictures = [
        drawing(chart, width=width, height=lines, ascii_only=not braille, colours=colours)
        for chart, lines in zip(drawn, (max(14, height - low - 1), low), strict=True)
    ]
    print_result("\n".join(pictures), drawn=True)


def numbers(name: str, run: "Curves", against: "Against") -> str:
    """A run's points as one JSON object: [place, bits], counted as it says, and [place, rate]."""
    found = {
        "run": name,
        "against": against,
        "training_per": run.symbol,
        "validation_per": run.per,
        "training": run.points("training", against),
        "validation": run.points("validation", against),
        "learning_rate": run.points("learning_rate", against),
    }
    return json.dumps(found, ensure_ascii=False)

"""The flags: name, environment variable, help. What they mean and which values are good is known to `config.py`."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def flag(name: str, help_text: str, *more: str, **settings: Any) -> Any:
    """An option that can also stand in CHARRNN_<NAME>."""
    variable = "CHARRNN_" + name.split("/")[0].removeprefix("--").upper().replace("-", "_")
    # Whether a path can be read is found out, in our words, when it is.
    return typer.Option(name, *more, envvar=variable, show_envvar=False, help=help_text, readable=False, **settings)


def cache_folder(given: Path | None) -> Path:
    """Where encoded texts lie: as asked for, else in the folder that the XDG specification names."""
    if given is not None:
        return given
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "charrnn"  # noqa: PTH111


def complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """Runs below the checkpoints folder, and folders and checkpoint files, that begin so."""
    checkpoints = Path(ctx.params.get("checkpoints") or "checkpoints")
    runs = [path.parent.name for path in checkpoints.glob("*/*.safetensors")]
    places = [place for place in complete_path(incomplete) if place.endswith(("/", ".safetensors"))]
    return sorted({name for name in runs if name.startswith(incomplete)} | set(places))


def complete_path(incomplete: str) -> list[str]:
    """Files, and folders with a slash, that begin so."""
    folder, _, name = incomplete.rpartition("/")
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    shown = f"{folder}/" if "/" in incomplete else ""
    try:
        found = [path for path in place.iterdir() if path.name.startswith(name)]
        return sorted(shown + path.name + ("/" if path.is_dir() else "") for path in found if not _hidden(path, name))
    except OSError:
        return []


def _hidden(path: Path, name: str) -> bool:
    return path.name.startswith(".") and not name.startswith(".")


Checkpoints = Annotated[Path, flag("--checkpoints", "The folder that holds the runs.")]
Unknown = Annotated[
    Literal["error", "skip", "replace"],
    typer.Option(
        "--unknown", help="Characters that the model does not know: refuse, leave out, or take their nearest."
    ),
]

Model = Annotated[
    str | None,
    typer.Argument(
        help="A .safetensors file, a run's folder or name; default: the newest run.", autocompletion=complete_model
    ),
]
ReadingDevice = Annotated[str, typer.Option("--device", envvar="CHARRNN_DEVICE", help="cpu, cuda, cuda:1.")]
PromptEncoding = Annotated[
    str | None, typer.Option("--encoding", help="Of files of prompts; default: the corpus' own.")
]
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", help="Text to continue.")]
PromptFile = Annotated[
    str | None, typer.Option("--prompt-file", help="File to continue; - is stdin.", autocompletion=complete_path)
]

Corpus = Annotated[
    list[str] | None,
    typer.Argument(metavar="CORPUS...", help="Files, folders, globs, or - for stdin.", autocompletion=complete_path),
]
Name = Annotated[str | None, flag("--name", "The run's folder below --checkpoints; default: the corpus' name.")]
Resume = Annotated[
    bool, flag("--resume", "Continue the named run exactly where it stopped; start it if there is none.")
]
InitFrom = Annotated[
    str | None,
    flag(
        "--init-from",
        "Start from another model's weights (fine-tuning).",
        metavar="MODEL",
        autocompletion=complete_model,
    ),
]
Config = Annotated[Path | None, flag("--config", "YAML file with any of these settings; flags win over it.")]
Glob = Annotated[str | None, flag("--glob", "Which files of a folder, as in '*.py'; default: those that are text.")]
Exclude = Annotated[
    list[str] | None, flag("--exclude", "Files of a folder to leave out, as in 'test_*'; may be repeated.")
]
Encoding = Annotated[str | None, flag("--encoding", "Default: utf-8, strictly; marks of UTF-16 and UTF-32 are heeded.")]
Errors = Annotated[str | None, flag("--errors", "Undecodable bytes: strict (refuse), replace (by U+FFFD) or ignore.")]
Newlines = Annotated[str | None, flag("--newlines", "keep, or lf: carriage returns become line feeds. Default: keep.")]
Cache = Annotated[
    Path | None, flag("--cache", "Folder for encoded large texts; it may be deleted. Default: ~/.cache/charrnn.")
]
Unit = Annotated[str | None, flag("--unit", "What a symbol is: char, byte or word. Default: char.")]
MinCount = Annotated[
    int | None, flag("--min-count", "Rarer characters become one unknown symbol; rarer words are spelled. Default: 1.")
]
RecordKind = Annotated[
    str | None, flag("--records", "Independent texts: lines, blank-line (between them) or files. Default: one text.")
]
RecordSeparator = Annotated[
    str | None, flag("--record-separator", "Independent texts, with this between them.", metavar="TEXT")
]
TargetAfter = Annotated[
    str | None,
    flag("--target-after", "Only what follows TEXT in a record is learnt: TAB, or any text.", metavar="TEXT"),
]
Field = Annotated[
    str | None, flag("--field", "Of CSV, TSV or JSON Lines, learn this column or field; each row is a record.")
]
Target = Annotated[str | None, flag("--target", "The column or field that answers --field; only it is learnt.")]
ShuffleRecords = Annotated[
    bool | None, flag("--shuffle-records/--no-shuffle-records", "Put records in an order drawn by --seed, then split.")
]
Validation = Annotated[str | None, flag("--validation", "A text of its own to validate on.", metavar="FILE")]
Fraction = Annotated[float | None, flag("--validation-fraction", "The last part of the text. Default: 0.1.")]
Test = Annotated[str | None, flag("--test", "A text of its own for evaluate --split test.", metavar="FILE")]
TestFraction = Annotated[
    float | None, flag("--test-fraction", "Held out behind the validation part, for the end. Default: 0.")
]
Cell = Annotated[str | None, flag("--cell", "lstm, gru or rnn. Default: lstm.")]
Layers = Annotated[int | None, flag("--layers", "Stacked recurrent layers.")]
Hidden = Annotated[int | None, flag("--hidden", "Units in each layer.")]
Embedding = Annotated[int | None, flag("--embedding", "Width of the input embedding; 0 is one-hot.")]
Dropout = Annotated[float | None, flag("--dropout", "After each layer, 0 to below 1.")]
WeightDrop = Annotated[float | None, flag("--weight-drop", "Dropout of recurrent weights, 0 to below 1.")]
DropoutStart = Annotated[
    float | None, flag("--dropout-start", "Share of both in force at the first step, growing to all. Default: chosen.")
]
LayerNorm = Annotated[bool | None, flag("--layer-norm/--no-layer-norm", "LayerNorm after each layer. Default: on.")]
Residual = Annotated[bool | None, flag("--residual/--no-residual", "Residual connections. Default: on.")]
Epochs = Annotated[float | None, flag("--epochs", "Length: readings of the training part.")]
Steps = Annotated[int | None, flag("--steps", "Length: optimiser steps.")]
Time = Annotated[str | None, flag("--time", "Length: 90s, 10m, 2h; the schedule is planned to end within it.")]
BatchSize = Annotated[int | None, flag("--batch-size", "Lanes read side by side.")]
SeqLength = Annotated[int | None, flag("--seq-length", "Symbols per window of truncated BPTT.")]
LearningRate = Annotated[float | None, flag("--learning-rate", "The peak of warm-up and cosine.")]
Warmup = Annotated[int | None, flag("--warmup", "Steps up to the peak.")]
WeightDecay = Annotated[float | None, flag("--weight-decay", "On matrices only. Default: 0.05.")]
Clip = Annotated[float | None, flag("--clip", "Largest global gradient norm. Default: 1.")]
Ema = Annotated[float | None, flag("--ema", "Decay of the weights' moving average. Default: 0.998.")]
EvalEvery = Annotated[str | None, flag("--eval-every", "Steps, or a duration such as 30s.")]
SaveEvery = Annotated[str | None, flag("--save-every", "Steps, or a duration. Default: 5m, and at evaluations.")]
Keep = Annotated[int | None, flag("--keep", "How many resumable checkpoints to keep, besides the best. Default: 2.")]
MaxTime = Annotated[
    str | None, flag("--max-time", "Save and leave in time before this is over, as in 3h50m; the same line continues.")
]
ExitIncomplete = Annotated[
    int, flag("--exit-incomplete", "Exit code if --max-time ends the job with work left.", min=0, max=255)
]
SampleEvery = Annotated[str | None, flag("--sample-every", "Steps, or a duration. Default: at evaluations.")]
Device = Annotated[str | None, flag("--device", "auto, cpu, cuda, cuda:1, mps.")]
Precision = Annotated[str | None, flag("--precision", "auto, float32 or bfloat16.")]
Threads = Annotated[int | None, flag("--threads", "CPU threads of each process.")]
Seed = Annotated[int | None, flag("--seed", "Default: 0.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be trained and what it costs; train nothing.")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print every setting and where it came from.")]
TensorBoard = Annotated[
    bool, flag("--tensorboard", "Write the run's curves for TensorBoard, too; needs the package tensorboard.")
]
Json = Annotated[bool, typer.Option("--json", help="Events as JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say every setting of the run.")]

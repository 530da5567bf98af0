"""The flags of `train`, group by group. What they mean and which values are good is known to `config.py`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from charrnn.cli.options import complete_model, complete_path, flag, plain

Flag = Callable[..., Any]
text: Flag = partial(flag, "Text")
network: Flag = partial(flag, "Network")
length: Flag = partial(flag, "Length")
optimisation: Flag = partial(flag, "Regularisation and optimisation")
saving: Flag = partial(flag, "Watching and saving")
machine: Flag = partial(flag, "Machine")
output: Flag = partial(flag, "Output")

Corpus = Annotated[
    list[str] | None,
    typer.Argument(metavar="CORPUS", help="Files, folders or globs; - is stdin.", autocompletion=complete_path),
]
Glob = Annotated[
    str | None,
    text("--glob", "Which files of a folder to take, as in '*.py'.", metavar="PATTERN", default="all that are text"),
]
Exclude = Annotated[
    list[str] | None,
    text("--exclude", "Files of a folder or pattern to leave out, as in 'test_*'; may be repeated.", metavar="PATTERN"),
]
Encoding = Annotated[
    str | None, text("--encoding", "Encoding of the text.", default="utf-8, or what a byte order mark says")
]
Errors = Annotated[
    str | None,
    text(
        "--errors",
        "Undecodable bytes: refuse them, replace them by U+FFFD, or ignore them.",
        metavar="strict|replace|ignore",
        default="strict",
    ),
]
Newlines = Annotated[
    str | None, text("--newlines", "With lf, carriage returns become line feeds.", metavar="keep|lf", default="keep")
]
Unit = Annotated[str | None, text("--unit", "What a symbol is.", metavar="char|byte|word", default="char")]
MinCount = Annotated[
    int | None,
    text("--min-count", "Rarer characters become one unknown symbol; rarer words are spelled out.", default="1"),
]
RecordKind = Annotated[
    str | None,
    text(
        "--records",
        "Many independent texts: each line, what blank lines separate, or each file.",
        metavar="lines|blank-line|files",
        default="one text",
    ),
]
RecordSeparator = Annotated[
    str | None, text("--record-separator", "Many independent texts, separated by TEXT.", metavar="TEXT")
]
TargetAfter = Annotated[
    str | None,
    text("--target-after", "Learn only what follows TEXT (or TAB) in each record: the answer.", metavar="TEXT"),
]
Synced = Annotated[
    bool | None,
    text("--synced/--not-synced", "The answer is a label for each word of the question, in order.", default="no"),
]
Field = Annotated[
    str | None, text("--field", "Of CSV, TSV or JSON Lines, learn this column or field; each row is a record.")
]
Target = Annotated[str | None, text("--target", "The column or field that answers --field; only it is learnt.")]
ShuffleRecords = Annotated[
    bool | None,
    text("--shuffle-records/--no-shuffle-records", "Shuffle records (by --seed) before they are split.", default="no"),
]
Vectors = Annotated[
    str | None,
    text("--vectors", "Numbers that each record begins with: .npy, .npz, .safetensors, .csv or .tsv.", metavar="FILE"),
]
VectorsKey = Annotated[
    str | None,
    text("--vectors-key", "Column of a table of vectors that names the record of each row.", metavar="COLUMN"),
]
Validation = Annotated[str | None, text("--validation", "A separate text as the validation set.", metavar="FILE")]
Fraction = Annotated[
    float | None, text("--validation-fraction", "Share of the text, from its end, to validate on.", default="0.1")
]
Test = Annotated[
    str | None, text("--test", "A separate text as the test set, for evaluate --split test.", metavar="FILE")
]
TestFraction = Annotated[
    float | None, text("--test-fraction", "Share of the text to hold out behind the validation set.", default="0")
]

Cell = Annotated[str | None, network("--cell", "Kind of recurrent layer.", metavar="lstm|gru|rnn", default="lstm")]
Layers = Annotated[int | None, network("--layers", "Number of stacked recurrent layers.", default="1")]
Hidden = Annotated[int | None, network("--hidden", "Units in each layer.", default="auto")]
Embedding = Annotated[int | None, network("--embedding", "Width of the input embedding; 0 is one-hot.", default="auto")]
LayerNorm = Annotated[bool | None, network("--layer-norm/--no-layer-norm", "LayerNorm after each layer.", default="on")]
Residual = Annotated[
    bool | None, network("--residual/--no-residual", "Residual connections between layers.", default="on")
]
Bidirectional = Annotated[
    bool | None,
    network(
        "--bidirectional/--one-direction", "Read what stands behind a symbol, too: to fill gaps, find errors, label.",
        default="no",
    ),
]  # fmt: skip
InitFrom = Annotated[
    str | None,
    network(
        "--init-from", "Start from the weights of another model (fine-tuning).", metavar="MODEL",
        autocompletion=complete_model,
    ),
]  # fmt: skip

Epochs = Annotated[float | None, length("--epochs", "Passes over the training set.", default="auto")]
Steps = Annotated[int | None, length("--steps", "Optimiser steps.")]
Time = Annotated[
    str | None,
    length(
        "--time", "As in 90s, 10m or 2h: the schedule ends in time, or when the text is learnt.", metavar="DURATION"
    ),
]
BatchSize = Annotated[int | None, length("--batch-size", "Sequences in a batch.", default="auto")]
SeqLength = Annotated[int | None, length("--seq-length", "Symbols in a sequence of truncated BPTT.", default="auto")]

Dropout = Annotated[float | None, optimisation("--dropout", "After each layer, from 0 to below 1.", default="auto")]
WeightDrop = Annotated[
    float | None, optimisation("--weight-drop", "Dropout of recurrent weights, from 0 to below 1.", default="auto")
]
DropoutStart = Annotated[
    float | None,
    optimisation("--dropout-start", "Share of both at the first step; it grows to all of it.", default="auto"),
]
RaiseDropout = Annotated[
    bool | None,
    optimisation(
        "--raise-dropout/--no-raise-dropout",
        "Raise both where the validation score rises.",
        default="unless one of them is given",
    ),
]
WeightDecay = Annotated[float | None, optimisation("--weight-decay", "On weight matrices only.", default="0.05")]
LearningRate = Annotated[
    float | None, optimisation("--learning-rate", "Peak: held after the warm-up, then down to zero.", default="auto")
]
Warmup = Annotated[int | None, optimisation("--warmup", "Steps up to the peak.", default="a tenth of all, at most 100")]
DistillFrom = Annotated[
    list[str] | None,
    optimisation(
        "--distill-from",
        "A model whose predictions are learnt, too; may be repeated, for the mean of several.",
        metavar="MODEL",
        autocompletion=complete_model,
    ),
]
DistillWeight = Annotated[
    float | None,
    optimisation("--distill-weight", "Of these predictions, beside the text itself.", default="0.5"),
]
Clip = Annotated[float | None, optimisation("--clip", "Largest global gradient norm.", default="1")]
Ema = Annotated[float | None, optimisation("--ema", "Decay of the moving average of the weights.", default="0.998")]
Seed = Annotated[int | None, optimisation("--seed", "Random seed.", default="0")]

Name = Annotated[
    str | None, saving("--name", "Name of the run: its folder below --checkpoints.", default="that of the corpus")
]
Resume = Annotated[
    bool, saving("--resume", "Continue the named run exactly where it stopped; start it if there is none.")
]
Config = Annotated[
    Path | None, saving("--config", "YAML file with any of these settings; flags win over it.", metavar="FILE")
]
EvalEvery = Annotated[
    str | None, saving("--eval-every", "Steps, or a duration such as 30s.", metavar="INTERVAL", default="auto")
]
SampleEvery = Annotated[
    str | None, saving("--sample-every", "Steps, or a duration.", metavar="INTERVAL", default="at each evaluation")
]
Patience = Annotated[
    int | None, saving("--patience", "Stop early: end after so many evaluations in a row without a better score.")
]
SaveEvery = Annotated[
    str | None,
    saving("--save-every", "Steps, or a duration.", metavar="INTERVAL", default="5m, and at each evaluation"),
]
Keep = Annotated[int | None, saving("--keep", "Resumable checkpoints to keep besides the best model.", default="2")]
MaxTime = Annotated[
    str | None,
    saving("--max-time", "Save and leave before this is over, as in 3h50m; --resume continues.", metavar="DURATION"),
]
ExitIncomplete = Annotated[
    int, saving("--exit-incomplete", "Exit code when --max-time leaves work to do.", min=0, max=255)
]
TensorBoard = Annotated[
    bool, saving("--tensorboard", "Write the curves for TensorBoard, too; needs the package tensorboard.")
]
RunsFolder = Annotated[Path, saving("--checkpoints", "Folder that holds the runs.")]

Device = Annotated[
    str | None, machine("--device", "As in cpu, cuda, cuda:1 or mps.", metavar="DEVICE", default="auto: the fastest")
]
Precision = Annotated[
    str | None,
    machine(
        "--precision", "Precision of arithmetic.", metavar="auto|float32|bfloat16|float16", default="auto: the fastest"
    ),
]
Threads = Annotated[
    int | None, machine("--threads", "CPU threads of each process.", default="the cores this process may use")
]
TrainingCache = Annotated[
    Path | None,
    machine("--cache", "Folder for large texts once encoded; it may be deleted.", default="~/.cache/charrnn"),
]

DryRun = Annotated[bool, plain("Output", "--dry-run", "Say what would be trained and what it costs; train nothing.")]
PrintConfig = Annotated[bool, plain("Output", "--print-config", "Print every setting and where it came from.")]
Json = Annotated[bool, plain("Output", "--json", "Print events as JSON lines on stdout.")]
Quiet = Annotated[bool, plain("Output", "--quiet", "Print nothing but errors.", "-q")]
Verbose = Annotated[bool, plain("Output", "--verbose", "Print every setting of the run.", "-v")]

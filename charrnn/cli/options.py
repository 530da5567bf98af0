"""How a flag is made, and those that several commands share: name, group, environment variable, help."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def plain(group: str, name: str, help_text: str, *more: str, **settings: Any) -> Any:
    """An option in one of the groups of `--help`."""
    return typer.Option(name, *more, help=help_text, rich_help_panel=group, **settings)


def flag(group: str, name: str, help_text: str, *more: str, default: str = "", **settings: Any) -> Any:
    """An option that can also stand in CHARRNN_<NAME>; `default` says what holds without it."""
    variable = "CHARRNN_" + name.split("/")[0].removeprefix("--").upper().replace("-", "_")
    shown = f"{help_text} [default: {default}]" if default else help_text
    # Whether a path can be read is found out, in our words, when it is.
    return plain(group, name, shown, *more, envvar=variable, show_envvar=False, readable=False, **settings)


# Arguments that name files or folders, wherever they stand: as flags, in the environment or in a file of settings.
PLACES = frozenset(
    {
        *("corpus", "init_from", "config", "validation", "test", "cache", "checkpoints", "model", "text", "texts"),
        *("distill_from", "prompt_file", "prompts", "adapt_to", "run", "runs", "output", "svg", "vectors"),
    }
)


READ = frozenset({"corpus", "validation", "test", "text", "prompt_file", "prompts", "adapt_to"})  # of them, as texts


def at_home(value: Any) -> Any:
    """A place, or several, with ~ at the beginning written out: a shell leaves it alone in --flag=~/place."""
    if isinstance(value, list | tuple):
        return type(value)(map(at_home, value))
    if not str(value).startswith("~"):
        return value
    return type(value)(os.path.expanduser(value))  # noqa: PTH111 - Path.expanduser raises where there is no home


def cache_folder(given: Path | None) -> Path | None:
    """Where encoded texts lie: as asked for, else as the XDG specification has it; in memory where there is no home."""
    if given is not None:
        return given
    folder = at_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    homeless = folder.startswith("~") or folder == "/.cache"  # as where HOME is empty
    return None if homeless else Path(folder) / "charrnn"


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\"}


def unescaped(text: str) -> bytes:
    r"""A text of a flag that shells make hard to type: \n, \t, \r, \0 and \\ are what they are called."""
    found = re.sub(r"\\([ntr0\\])", lambda found: _ESCAPES[found[1]], text)
    return found.encode("utf-8", "surrogateescape")


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


# What several commands share.
Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="A .safetensors file, or the folder or name of a run. [default: the newest run]",
        autocompletion=complete_model,
    ),
]
Checkpoints = Annotated[Path, flag("Files", "--checkpoints", "Folder that holds the runs.")]
OwnText = Annotated[
    list[str] | None,
    plain(
        "Files",
        "--corpus",
        "Where the model's own text is now, if it moved. Repeat it for each text, then --validation's and --test's.",
        metavar="PLACE",
        autocompletion=complete_path,
    ),
]
Cache = Annotated[
    Path | None,
    flag("Files", "--cache", "Folder for large texts once encoded; it may be deleted.", default="~/.cache/charrnn"),
]
ReadingDevice = Annotated[
    str,
    plain(
        "Machine",
        "--device",
        "As in cpu, cuda or cuda:1.",
        metavar="DEVICE",
        envvar="CHARRNN_DEVICE",
        show_envvar=False,
    ),
]
Prompt = Annotated[str | None, plain("Prompt", "--prompt", "Text to continue.", "-p", metavar="TEXT")]
PromptEncoding = Annotated[
    str | None,
    plain("Prompt", "--encoding", "Encoding of files that are read. [default: that of the model's own text]"),
]
PromptFile = Annotated[
    str | None,
    plain("Prompt", "--prompt-file", "File to continue; - is stdin.", metavar="FILE", autocompletion=complete_path),
]
_UNKNOWN = "Characters that the model does not know: refuse them, skip them, or replace each by the nearest known one."
_VECTORS = "What each record begins with, for a model trained so: .npy, .npz, .safetensors, .csv or .tsv."
VectorsOfPrompts = Annotated[
    str | None, plain("Prompt", "--vectors", _VECTORS, metavar="FILE", autocompletion=complete_path)
]
VectorsOfText = Annotated[
    str | None, plain("Text", "--vectors", _VECTORS, metavar="FILE", autocompletion=complete_path)
]
_KEY = "Column of a table of vectors that names the record of each row."
KeyOfPrompts = Annotated[str | None, plain("Prompt", "--vectors-key", _KEY, metavar="COLUMN")]
KeyOfText = Annotated[str | None, plain("Text", "--vectors-key", _KEY, metavar="COLUMN")]
UnknownInPrompt = Annotated[Literal["error", "skip", "replace"], plain("Prompt", "--unknown", _UNKNOWN)]
UnknownInText = Annotated[Literal["error", "skip", "replace"], plain("Text", "--unknown", _UNKNOWN)]

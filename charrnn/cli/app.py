"""The door: one command per file; here they are gathered, and every error becomes one line and an exit code."""

import errno
import os
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from pathlib import Path
from typing import Annotated, Any

import typer

from charrnn.cli.console import AT_END, drop_stdout, say
from charrnn.cli.evaluate import ModelsThenTexts, evaluate
from charrnn.cli.export import export
from charrnn.cli.fill import fill
from charrnn.cli.flags import AT_HAND, flags_of, spoken_error
from charrnn.cli.help import GroupedCommand, GroupedCommands
from charrnn.cli.info import info
from charrnn.cli.plot import plot
from charrnn.cli.predict import predict
from charrnn.cli.report import report
from charrnn.cli.sample import sample
from charrnn.cli.train import train
from charrnn.errors import CharrnnError, EndedEarlyError, MissingInputError, ReaderGoneError, SettingsError
from charrnn.files import writing_failed

app = typer.Typer(
    name="charrnn",
    cls=GroupedCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
GROUPS: Mapping[str, Sequence[Callable[..., None]]] = {
    "Train": [train],
    "Write": [sample, predict, fill],
    "Score": [evaluate],
    "Look inside": [info, plot, report],
    "Take along": [export],
}
for group, commands in GROUPS.items():
    for command in commands:
        kind = ModelsThenTexts if command is evaluate else GroupedCommand
        app.command(cls=kind, rich_help_panel=group)(command)


def _version(wanted: bool) -> None:
    if wanted:
        from charrnn import __version__

        typer.echo(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def door(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="CHARRNN_DEBUG", help="Show the traceback when the program itself fails.")
    ] = False,
) -> None:
    """Train a recurrent network on a text, character by character, and write more of it.

    \b
    charrnn train corpus.txt              train on a text
    charrnn sample --temp 0.8             write more of it
    charrnn evaluate                      score held-out text
    charrnn predict -p "The quick br"     what comes next
    charrnn fill notes "Sh_ll I comp__e"   what is missing
    charrnn report                        everything about a run, on one page
    charrnn export sonnets desk.html      a page with the model in it
    """
    if ctx.invoked_subcommand is not None:
        group: Any = ctx.command
        AT_HAND.set(flags_of(group.commands[ctx.invoked_subcommand]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. No traceback ever reaches a user who did not ask for it."""
    try:
        with ExitStack() as end:
            return copy_context().run(_run, arguments, end)  # which command was at hand ends with it
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str], end: ExitStack) -> int:
    AT_END.set(end)
    try:
        _check_surroundings()
        return int(app(arguments, standalone_mode=False) or 0)
    except ReaderGoneError:
        drop_stdout()
        return 0
    except EndedEarlyError as early:
        say(f"charrnn: {spoken_error(early)}")
        return early.exit_code
    except SystemExit as left:  # the command-line library's own way out of a broken pipe
        if isinstance(left.__context__, BrokenPipeError):
            drop_stdout()
            return 0
        return int(left.code or 0)
    except CharrnnError as error:
        return _fail(spoken_error(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(_usage(error) or "nothing to do; see charrnn --help", error.exit_code)
    except typer.Abort:
        return 130
    except OSError as error:
        if error.errno == errno.ENOMEM:
            return _fail(spoken_error(_OUT_OF_MEMORY), _OUT_OF_MEMORY.exit_code)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return _bug(arguments)
        full = writing_failed(Path("standard output"), error)  # help and version: all else is written by ResultStream
        return _fail(spoken_error(full), full.exit_code)
    except Exception as error:
        known = _explained(error)
        return _bug(arguments) if known is None else _fail(spoken_error(known), known.exit_code)


def _check_surroundings() -> None:
    """Refuse to run where libraries would fail, each in its own way: nowhere, or with settings that they cannot use."""
    from charrnn.model.cores import POOLS, threads_can_start

    if not threads_can_start():
        os.environ.update(dict.fromkeys(POOLS, "1"))
        say("no more threads may be started here (see ulimit -u): computing on one core")
    if any(name.startswith("TQDM_") for name in os.environ):
        try:
            import tqdm  # noqa: F401 - it reads its variables when it is loaded
        except (ValueError, TypeError) as error:
            raise SettingsError("a variable TQDM_... cannot be used", str(error), "correct it or unset it") from error
    try:
        Path.cwd()
    except OSError as error:
        why = "it has been deleted" if isinstance(error, FileNotFoundError) else (error.strerror or "").lower()
        raise MissingInputError("cannot read the working folder", why, "change to another one") from error


_OUT_OF_MEMORY = SettingsError(
    "out of memory", "the network or the batch is too large", "lower `hidden`, `layers` or `batch_size`"
)


def _explained(error: Exception) -> CharrnnError | None:
    """What to say of what libraries and the system fail at for reasons of their own; some say so in words only."""
    if isinstance(error, ImportError) and any(words in str(error) for words in _NOT_LOADED):
        return SettingsError("out of memory", f"a library cannot be loaded: {error}", "raise the limit (see ulimit -v)")
    words = ("DefaultCPUAllocator", "out of memory")
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return SettingsError("no more threads may be started", "", "raise the limit (see ulimit -u)")
    full = isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))
    if full:
        return _OUT_OF_MEMORY
    if _while_importing(error):
        what, why = "a library cannot be loaded", _one_line(str(error))[:200]
        memory = "raise the limit on memory (see ulimit -v)"  # C code that gets none need not say so
        return SettingsError(what, why, "correct the variables that it reads", memory, "install it again")
    return None


def _while_importing(error: Exception) -> bool:
    """Whether a library of others failed while it was loaded: over a variable that it cannot use, or a broken file."""
    ours = str(Path(__file__).parents[1])
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.name == "<module>" and not frame.filename.startswith(ours) for frame in frames[2:])


_NOT_LOADED = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")


def _fail(message: str, code: int) -> int:
    say(f"charrnn: error: {_one_line(message)}")
    return code


def _usage(error: Any) -> str:
    """What is wrong with a command line, naming the variable where a value stood in the environment."""
    message: str = error.format_message().replace("Value error, ", "")  # the class that a library names it by
    parameter: Any = getattr(error, "param", None)
    context: Any = getattr(error, "ctx", None)
    source = context.get_parameter_source(parameter.name) if context and parameter else None
    if source is not None and source.name == "ENVIRONMENT" and parameter.envvar:
        for name in parameter.opts:
            message = message.replace(f"'{name}'", parameter.envvar)
    return _one_line(message)


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _bug(arguments: list[str]) -> int:
    """A failure of ours: one line, and where the traceback was written."""
    trace = traceback.format_exc()
    if "--debug" in arguments or os.environ.get("CHARRNN_DEBUG", "0").lower() not in ("", "0", "false", "no", "off"):
        say(trace)
    what = _one_line(trace.strip().splitlines()[-1])
    try:
        with tempfile.NamedTemporaryFile("w", prefix="charrnn-", suffix=".log", delete=False) as file:
            file.write(trace)
        where = f"the traceback is in {Path(file.name)}"
    except OSError:
        where = "run it again with charrnn --debug to see the traceback"
    return _fail(f"this is a bug in charrnn: {what}; {where}; please report it", 1)

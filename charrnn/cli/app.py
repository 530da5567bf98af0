"""The door: one command per file; here they are gathered, and every error becomes one line and an exit code."""

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.console import say
from charrnn.cli.evaluate import ModelsThenTexts, evaluate
from charrnn.cli.info import info
from charrnn.cli.plot import plot
from charrnn.cli.predict import predict
from charrnn.cli.report import report
from charrnn.cli.sample import sample
from charrnn.cli.train import train
from charrnn.errors import CharrnnError, EndedEarlyError, ReaderGoneError
from charrnn.files import writing_failed

app = typer.Typer(
    name="charrnn",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (train, sample, predict, info, plot, report):
    app.command()(command)
app.command(cls=ModelsThenTexts)(evaluate)


def _version(wanted: bool) -> None:
    if wanted:
        from charrnn import __version__

        typer.echo(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def door(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="CHARRNN_DEBUG", help="Show the traceback when the program itself fails.")
    ] = False,
) -> None:
    """Learn a text character by character, and write more of it.

    \b
    charrnn train corpus.txt              learn
    charrnn sample --temp 0.8             write
    charrnn evaluate                      score
    charrnn predict -p "The quick br"     what comes next
    charrnn plot                          how it learnt
    """


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. No traceback ever reaches a user who did not ask for it."""
    try:
        return int(app(arguments, standalone_mode=False) or 0)
    except ReaderGoneError:
        return _leave_silently()
    except EndedEarlyError as end:
        say(f"charrnn: {end}")
        return end.exit_code
    except SystemExit as end:  # the command-line library's own way out of a broken pipe
        return _leave_silently() if isinstance(end.__context__, BrokenPipeError) else int(end.code or 0)
    except CharrnnError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(_one_line(error.format_message()) or "nothing to do; see charrnn --help", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return _bug(arguments)
        full = writing_failed(Path("standard output"), error)  # help and version: all else is written by ResultStream
        return _fail(str(full), full.exit_code)
    except Exception as error:
        return _fail(*_OUT_OF_MEMORY) if _is_out_of_memory(error) else _bug(arguments)


_OUT_OF_MEMORY = ("out of memory; the network or the batch is too large; lower --hidden, --layers or --batch-size", 2)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; torch says so in words only, in a plain RuntimeError."""
    words = ("DefaultCPUAllocator", "out of memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))


def _fail(message: str, code: int) -> int:
    say(f"charrnn: error: {_one_line(message)}")
    return code


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _leave_silently() -> int:
    """Nothing more goes to stdout, also when Python flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


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

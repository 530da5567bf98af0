"""`charrnn report`: runs as one HTML page."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.options import Cache, Checkpoints, OwnText, cache_folder, complete_model, plain

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN",
        help="Folders or names of runs, or .safetensors files. [default: the newest run]",
        autocompletion=complete_model,
    ),
]
Output = Annotated[
    str | None,
    plain(
        "Output",
        "--output",
        "File to write; - is stdout. [default: report.html in the first run's folder]",
        "-o",
        metavar="FILE",
    ),
]


Shape = Annotated[
    str | None,
    plain("Output", "--vectors-shape", "Draw vectors as pictures of so many rows and columns.", metavar="ROWSxCOLUMNS"),
]


def report(
    run: Runs = None,
    output: Output = None,
    vectors_shape: Shape = None,
    corpus: OwnText = None,
    checkpoints: Checkpoints = Path("checkpoints"),
    cache: Cache = None,
) -> None:
    """Show runs on one HTML page.

    Learning curves, samples, surprises, units, gradients, and what is copied; the page needs nothing else.

    \b
    charrnn report sonnets
    charrnn report lstm gru rnn -o compared.html
    """
    from dataclasses import replace

    from charrnn import __version__
    from charrnn.cli.console import ResultStream, print_result, say
    from charrnn.cli.flags import spoken
    from charrnn.cli.models import foreign, open_model
    from charrnn.errors import OutputError, SettingsError
    from charrnn.files import write_whole
    from charrnn.report.page import BEGINS, page
    from charrnn.report.study import study

    if output is not None and not Path(output).name:
        raise SettingsError("there is no page to write", f"{output!r} is not a file name", "name a file")
    names: list[str | None] = [*run] if run else [None]
    models = [open_model(each, checkpoints, corpus=corpus) for each in names]
    place = models[0].path.parent / "report.html" if output is None else Path(output)
    if output is None and foreign(place, BEGINS):
        raise OutputError(
            f"{place} is not a page of charrnn", "it is left as it is", "choose another place with --output"
        )
    shape = None if vectors_shape is None else shaped(vectors_shape, {m.checkpoint.config.vector_size for m in models})
    accounts = [replace(study(model, cache_folder(cache)), shape=shape) for model in models]
    if len({account.name for account in accounts}) < len(accounts):
        accounts = [replace(each, name=str(model.path)) for each, model in zip(accounts, models, strict=True)]
    for account in accounts:
        for notice in account.notices:
            say(f"{account.name}: {spoken(notice)}")
    seen_from = Path() if output == "-" else place.parent
    accounts = [replace(each, desk=each.desk and os.path.relpath(each.desk, seen_from)) for each in accounts]
    written = page(accounts, f"charrnn {__version__}")
    if output == "-":
        with ResultStream() as stream:
            stream.write(written)
        return
    write_whole(place, written)
    print_result(str(place))


def shaped(text: str, sizes: set[int]) -> tuple[int, int]:
    """(rows, columns) of pictures, of which vectors of one of these `sizes` hold one each."""
    from charrnn.errors import SettingsError

    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise SettingsError(f"--vectors-shape cannot be {text!r}", "", "give rows and columns, as in 8x8")
    rows, columns = int(found[1]), int(found[2])
    if sizes == {0}:
        raise SettingsError("--vectors-shape needs a model that reads vectors", "", "leave it out")
    if rows * columns not in sizes:
        why = f"the vectors have {', '.join(f'{size:,}' for size in sorted(sizes))} numbers"
        raise SettingsError(
            f"--vectors-shape {text} is {rows * columns:,} numbers", why, "give the shape that they have"
        )
    return rows, columns

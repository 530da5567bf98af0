"""`charrnn export`: a model taken elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from charrnn.cli.options import Checkpoints, OwnText, complete_model, complete_path, plain

Exported = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A .safetensors file, or the folder or name of a run.",
        autocompletion=complete_model,
    ),
]
Place = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        help="page.html, model.onnx, or a folder. [default: desk.html beside the model]",
        autocompletion=complete_path,
    ),
]
Weights = Annotated[
    Literal["int8", "float16", "float32"] | None,
    plain("Output", "--weights", "How exact a page's weights are; int8 is smallest. [default: int8]"),
]


def export(
    model: Exported,
    file: Place = None,
    weights: Weights = None,
    corpus: OwnText = None,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Take a model elsewhere: as a web page, as ONNX, as a folder.

    The page holds the network and writes offline, in any browser.

    \b
    charrnn export sonnets
    charrnn export sonnets desk.html --weights float32
    charrnn export sonnets sonnets.onnx
    charrnn export sonnets sonnets-model/
    """
    from charrnn.cli.console import print_result, say
    from charrnn.cli.flags import spoken
    from charrnn.cli.models import foreign, open_model
    from charrnn.errors import OutputError
    from charrnn.export.desk import BEGINS
    from charrnn.export.homes import export as written
    from charrnn.report.study import DESK

    opened = open_model(model, checkpoints, corpus=corpus)
    beside = opened.path.parent / DESK
    if file is None and foreign(beside, BEGINS):
        raise OutputError(f"{beside} is not a page of charrnn", "it is left as it is", "name the file to write")
    place = str(beside) if file is None else file
    for notice in written(opened, place, weights):
        say(spoken(notice))
    print_result(place)

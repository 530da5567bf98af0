"""`charrnn fill`: write what is missing in a text."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Checkpoints, Model, complete_path, plain
from charrnn.model.cores import POOLS

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel


def fill(
    model: Model = None,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The text itself; - is stdin. [default: stdin]")
    ] = None,
    file: Annotated[
        str | None,
        plain("Text", "--file", "File with the text; - is stdin.", metavar="FILE", autocompletion=complete_path),
    ] = None,
    encoding: Annotated[
        str | None, plain("Text", "--encoding", "Encoding of FILE. [default: that of the model's own text]")
    ] = None,
    gap: Annotated[str, plain("Gaps", "--gap", "What stands for one missing symbol.", metavar="CHAR")] = "_",
    gap_text: Annotated[
        str | None,
        plain("Gaps", "--gap-text", "What stands for a gap of unknown length, as in '(...)'.", metavar="TEXT"),
    ] = None,
    most: Annotated[int, plain("Gaps", "--most", "Symbols that such a gap may have.", min=1)] = 20,
    temperature: Annotated[
        float, plain("Sampling", "--temp", "0 writes the likeliest; above, one is drawn.", "--temperature", "-t")
    ] = 0.0,
    seed: Annotated[
        int | None,
        plain("Sampling", "--seed", "Random seed. [default: drawn, and printed on stderr]", min=0, max=2**63 - 1),
    ] = None,
    top: Annotated[int, plain("Output", "--top", "How many writings of a gap --json lists.", min=1, max=1000)] = 3,
    as_json: Annotated[bool, plain("Output", "--json", "One JSON object, which lists every gap.")] = False,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Write what is missing in a text.

    \b
    charrnn fill sonnets "Shall I comp___ thee to a sum___'s day"
    charrnn fill sonnets --file damaged.txt --gap '#' > restored.txt
    echo "Shall I (...) thee" | charrnn fill sonnets --gap-text '(...)' --json
    """
    # A search multiplies a few rows at a time: more threads would only wait for each other. They read this once.
    os.environ.update({pool: os.environ.get(pool, "1") for pool in POOLS})
    from charrnn.cli.asked import drawn
    from charrnn.cli.console import ResultStream, print_result, say
    from charrnn.cli.models import open_model
    from charrnn.text.places import STDIN

    opened = open_model(model, checkpoints)
    given = read(opened, text, file, encoding)
    seed = drawn() if seed is None and temperature > 0 else seed or 0
    found = opened.fill(given, gap=gap, gap_text=gap_text, most=most, temperature=temperature, seed=seed, top=top)
    if not found.gaps:
        say(f"no gap in the text: {' or '.join(filter(None, (gap, gap_text)))} stands for one")
    if not as_json:
        with ResultStream() as stream:
            stream.write((found.text + "\n" * (text not in (None, STDIN))).encode("utf-8", "surrogateescape"))
        return
    gaps = [gap._asdict() | {"likeliest": [each._asdict() for each in gap.likeliest]} for gap in found.gaps]
    shown = {"model": str(opened.path), "text": found.text, "gaps": gaps}
    print_result(json.dumps(shown, ensure_ascii=False))


def read(model: "LanguageModel", text: str | None, file: str | None, encoding: str | None) -> str:
    """The text with the gaps."""
    from charrnn.cli.models import source_for
    from charrnn.errors import SettingsError
    from charrnn.text.places import STDIN
    from charrnn.text.prompts import prompt_of

    if text is not None and text != STDIN:
        if encoding is not None:
            what, why = "--encoding is for a file, or stdin", "the text stands on the command line"
            raise SettingsError(what, why, "leave it out")
        return text
    return prompt_of(source_for(model, [file or STDIN], encoding=encoding)).decode()

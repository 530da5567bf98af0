"""`charrnn predict`: what comes next, and how probable it is."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from charrnn.cli.options import (
    Checkpoints,
    KeyOfPrompts,
    Model,
    Prompt,
    PromptEncoding,
    PromptFile,
    UnknownInPrompt,
    VectorsOfPrompts,
    plain,
)

if TYPE_CHECKING:
    from charrnn.generation.beam import Prediction

_BYTE = re.compile(r"\\\\(x[89a-f][0-9a-f])")  # one that is no text, as JSON quotes it
BAR = 30  # characters of a bar for probability 1


def predict(
    model: Model = None,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    unknown: UnknownInPrompt = "error",
    encoding: PromptEncoding = None,
    vectors: VectorsOfPrompts = None,
    vectors_key: KeyOfPrompts = None,
    steps: Annotated[
        int,
        plain("Output", "--steps", "Characters to predict; more than one by beam search.", min=1, max=1000),
    ] = 1,
    top: Annotated[int, plain("Output", "--top", "How many to show.", min=1, max=10_000)] = 10,
    as_json: Annotated[bool, plain("Output", "--json", "One JSON object.")] = False,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Show what comes next, and how probable it is.

    \b
    charrnn predict -p "The quick brown fo"
    charrnn predict sonnets -p "Shall I compare th" --steps 3 --json
    """
    from charrnn.cli.console import print_result
    from charrnn.cli.models import given, open_model, read_prompt

    opened = given(open_model(model, checkpoints), vectors, vectors_key)
    text = read_prompt(opened, prompt, prompt_file, encoding)
    found = opened.predict(text, steps=steps, top=top, unknown=unknown)
    if as_json:
        predictions = [{"text": text, "probability": probability} for text, probability in found]
        shown = {"model": str(opened.path), "prompt": text.decode("utf-8", "replace"), "predictions": predictions}
        print_result(json.dumps(shown, ensure_ascii=False))
    else:
        print_result(bars(found))


def bars(found: "list[Prediction]") -> str:
    """A line for each: its text quoted, its probability, a bar."""
    quoted = [_BYTE.sub(r"\\\1", json.dumps(text, ensure_ascii=False)) for text, _ in found]
    width = max(map(len, quoted))
    return "\n".join(
        f"{name:{width}}  {probability:.4f}  {'█' * round(BAR * probability)}".rstrip()
        for name, (_, probability) in zip(quoted, found, strict=True)
    )

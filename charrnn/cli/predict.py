"""`charrnn predict`: what comes next, and how probable it is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Checkpoints, Model, Prompt, PromptEncoding, PromptFile, Unknown

if TYPE_CHECKING:
    from charrnn.generation.beam import Prediction

BAR = 30  # characters of a bar for probability 1


def predict(
    model: Model = None,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    encoding: PromptEncoding = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, max=1000, help="How many characters; more than one by beam search.")
    ] = 1,
    top: Annotated[int, typer.Option("--top", min=1, max=10_000, help="How many to show.")] = 10,
    unknown: Unknown = "error",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Say what probably comes after a text.

    \b
    charrnn predict -p "The quick brown fo"
    charrnn predict sonnets -p "Shall I compare th" --steps 3 --json
    """
    from charrnn.cli.console import print_result
    from charrnn.cli.models import check_prompts, open_model, read_prompt

    check_prompts(prompt, prompt_file)
    opened = open_model(model, checkpoints)
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
    quoted = [json.dumps(text, ensure_ascii=False) for text, _ in found]
    width = max(map(len, quoted))
    return "\n".join(
        f"{name:{width}}  {probability:.4f}  {'█' * round(BAR * probability)}".rstrip()
        for name, (_, probability) in zip(quoted, found, strict=True)
    )

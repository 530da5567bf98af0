"""`charrnn info`: what is in a checkpoint."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.options import Checkpoints, Model

if TYPE_CHECKING:
    from charrnn.checkpoint import Checkpoint


def info(
    model: Model = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Say what a checkpoint is: network, vocabulary, text, training so far, score.

    \b
    charrnn info
    charrnn info checkpoints/sonnets/best.safetensors --json
    """
    from charrnn.cli.console import print_result
    from charrnn.cli.models import open_model

    opened = open_model(model, checkpoints)
    checkpoint, path = opened.checkpoint, opened.path
    print_result(json.dumps(facts(checkpoint, path), ensure_ascii=False) if as_json else facts_table(checkpoint, path))


def facts(checkpoint: "Checkpoint", path: Path) -> dict[str, Any]:
    """Everything a checkpoint says of itself, but its tensors."""
    vocabulary = checkpoint.vocabulary
    return {
        "model": str(path),
        "parameters": sum(array.size for array in checkpoint.weights.values()),
        "resumable": checkpoint.resumable,
        "vocabulary": {
            "unit": vocabulary.unit,
            "size": len(vocabulary),
            "symbols": "".join(vocabulary.symbols) if vocabulary.unit == "char" else None,
            "fingerprint": vocabulary.fingerprint,
        },
        "corpus": checkpoint.corpus.model_dump(),
        "progress": checkpoint.progress.model_dump(),
        "config": checkpoint.config.model_dump(),
        "made_with": dict(checkpoint.made_with or {}),
    }


def facts_table(checkpoint: "Checkpoint", path: Path) -> str:
    """The same for people."""
    from charrnn.cli.console import table

    config, p, vocabulary, corpus = checkpoint.config, checkpoint.progress, checkpoint.vocabulary, checkpoint.corpus
    inputs = f"embedding {config.embedding}" if config.embedding else "one-hot input"
    parameters = sum(array.size for array in checkpoint.weights.values())
    nats = p.validation_nats
    score = "no validation part" if nats is None else f"{nats:.4f} nats = {nats / math.log(2):.4f} bits per character"
    alphabet = "all 256 bytes" if vocabulary.unit == "byte" else repr("".join(vocabulary.symbols[:60]))[1:-1]
    rows = [
        ("file", f"{path} ({'a whole run, resumable' if checkpoint.resumable else 'a model'})"),
        ("network", f"{config.layers} x {config.hidden} {config.cell}, {inputs}, {parameters:,} parameters"),
        ("vocabulary", f"{len(vocabulary)} {vocabulary.unit}s: {alphabet}{' ...' if len(vocabulary) > 60 else ''}"),
        ("text", f"{', '.join(config.corpus)}"),
        ("", f"{corpus.train_symbols:,} training and {corpus.validation_symbols:,} validation symbols"),
        ("fingerprint", corpus.fingerprint),
        ("trained", f"{p.step:,} of {config.steps:,} steps, {p.epoch:.1f} epochs, {p.seconds:.0f} s"),
        ("validation", score),
        ("made with", ", ".join(f"{key} {value}" for key, value in (checkpoint.made_with or {}).items())),
    ]
    return table(rows)

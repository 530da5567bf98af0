"""`charrnn info`: what is in a checkpoint."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from charrnn.cli.options import Checkpoints, Model, plain

if TYPE_CHECKING:
    from charrnn.runs.checkpoint import Checkpoint
    from charrnn.text.vocabulary import Vocabulary


def info(
    model: Model = None,
    as_json: Annotated[bool, plain("Output", "--json", "One JSON object.")] = False,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Show what is in a checkpoint.

    Its network, vocabulary and text, how far it is trained, and its score.

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
        "parameters": checkpoint.parameters,
        "resumable": checkpoint.resumable,
        "vocabulary": {
            "unit": vocabulary.unit,
            "size": len(vocabulary),
            "symbols": symbols(vocabulary),
            "end": vocabulary.end,
            "answer": vocabulary.answer,
            "folds": vocabulary.folds,
            "labels": list(vocabulary.labels),
            "fingerprint": vocabulary.fingerprint,
        },
        "corpus": checkpoint.corpus.model_dump(),
        "progress": checkpoint.progress.model_dump(),
        "config": checkpoint.config.model_dump(),
        "made_with": dict(checkpoint.made_with or {}),
    }


def symbols(vocabulary: "Vocabulary") -> str | list[str] | None:
    """The characters of a vocabulary, or its words; bytes are known. What separates records is shown by itself."""
    from charrnn.text.marks import CONTROLS

    if vocabulary.unit == "byte":
        return None
    single = vocabulary.symbols[: len(vocabulary.symbols) - len(vocabulary.labels)]
    shown = [symbol for symbol in single if symbol not in CONTROLS]
    return shown if vocabulary.unit == "word" else "".join(shown)


def facts_table(checkpoint: "Checkpoint", path: Path) -> str:
    """The same for people."""
    from charrnn.cli.console import table
    from charrnn.report.curves import SYMBOLS

    config, p, vocabulary, corpus = checkpoint.config, checkpoint.progress, checkpoint.vocabulary, checkpoint.corpus
    inputs = f"embedding {config.embedding}" if config.embedding else "one-hot input"
    inputs += ", both ways" * config.bidirectional
    inputs += f", vectors of {config.vector_size:,} numbers" * bool(config.vector_size)
    nats = p.validation_nats
    score = "no validation set"
    if nats is not None:
        bits = f"{nats / math.log(2):.4f} bits per {config.per}"
        score = f"{nats:.4f} nats = {bits}, logits divided by {p.temperature:.2f}"
    shown = symbols(vocabulary)
    if isinstance(shown, list):
        shown = " ".join(word for word in shown if len(word) > 1)
    alphabet = "all 256 bytes" if shown is None else repr(shown[:60])[1:-1] + " ..." * (len(shown) > 60)
    split = f"{corpus.train_symbols:,} symbols to train on, {corpus.validation_symbols:,} to validate on"
    split += f", {corpus.test_symbols:,} to test on" if corpus.test_symbols else ""
    rows = [
        ("file", f"{path} ({'a resumable checkpoint' if checkpoint.resumable else 'a model'})"),
        ("network", f"{config.layers} x {config.hidden} {config.cell}, {inputs}, {checkpoint.parameters:,} parameters"),
        ("vocabulary", f"{len(vocabulary):,} {SYMBOLS[vocabulary.unit]}s: {alphabet}"),
        *([("labels", ", ".join(vocabulary.labels))] if vocabulary.labels else []),
        ("text", f"{', '.join(config.corpus)}"),
        ("", split),
        ("fingerprint", corpus.fingerprint),
        ("trained", f"{p.step:,} of {config.steps:,} steps, {p.epoch:.1f} epochs, {p.seconds:.0f} s"),
        *[("", f"made longer at step {leg:,}") for leg in config.legs],
        *[("", f"dropout and weight-drop raised at step {step:,}") for step in config.raised],
        *[("", f"also from {model}, weight {config.distill_weight:g}") for model in config.distill_from],
        ("validation", score),
        ("made with", ", ".join(f"{key} {value}" for key, value in (checkpoint.made_with or {}).items())),
    ]
    return table(rows)

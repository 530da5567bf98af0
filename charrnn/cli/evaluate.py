"""`charrnn evaluate`: score text."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.console import table
from charrnn.cli.options import Checkpoints, Model

if TYPE_CHECKING:
    import numpy.typing as npt

    from charrnn.checkpoint import Checkpoint
    from charrnn.evaluation.score import Score
    from charrnn.text.vocabulary import Ids, Vocabulary

LARGE = 10_000  # symbols from which torch's start-up is worth waiting for
EXACT = 1_000_000  # symbols up to which the state is carried through the whole text in one piece
LANES = 64  # beyond that; measured on tiny Shakespeare, a run-up of 512 changes the mean by less than 1e-9 nats


def evaluate(
    model: Model = None,
    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT...", help="Files, or -; default: the validation part.")
    ] = None,
    split: Annotated[
        Literal["train", "validation"], typer.Option("--split", help="Which part of the model's corpus.")
    ] = "validation",
    window: Annotated[
        int | None, typer.Option("--window", min=1, help="Score in cold-start windows of N symbols.")
    ] = None,
    unknown: Annotated[
        Literal["error", "skip", "replace"], typer.Option("--unknown", help="Characters that the model does not know.")
    ] = "skip",
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of TEXT; default: the corpus' own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    per_line: Annotated[bool, typer.Option("--per-line", help="One JSON object per line of the text.")] = False,
    per_char: Annotated[bool, typer.Option("--per-char", help="One JSON object per symbol.")] = False,
    device: Annotated[str, typer.Option("--device", envvar="CHARRNN_DEVICE", help="cpu, cuda, cuda:1.")] = "cpu",
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Score text: nats and bits per character, every character counted once, the state carried through.

    \b
    charrnn evaluate
    charrnn evaluate sonnets poem.txt other.txt --json
    echo "Shall I compare thee" | charrnn evaluate sonnets -
    """
    from charrnn.cli.console import print_result
    from charrnn.cli.models import open_model
    from charrnn.evaluation.score import total

    checkpoint, path = open_model(model, checkpoints)
    vocabulary = checkpoint.vocabulary
    ids, missing, name = subject(checkpoint, text or [], split, unknown, encoding)
    if not len(ids):
        from charrnn.errors import DataError

        raise DataError(f"nothing to score in {name}", "no symbol of it is known to the model", "check the text")
    nats = score_ids(checkpoint, ids, window, device)
    if per_line or per_char:
        for found in pieces(vocabulary, ids, nats, per_line):
            print_result(json.dumps(found, ensure_ascii=False))
    else:
        found = figures(total(vocabulary, ids, nats, missing)) | {"model": str(path), "text": name}
        print_result(json.dumps(found) if as_json else score_table(found, window))


def subject(
    checkpoint: "Checkpoint", text: list[str], split: str, unknown: str, encoding: str | None
) -> tuple["Ids", int, str]:
    """What to score: ids, how many unknown symbols were not encoded as themselves, and its name."""
    from charrnn.text.reading import read_text
    from charrnn.text.vocabulary import UNKNOWN

    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    if not text:
        return own_part(checkpoint, split), 0, f"{split} part of {', '.join(config.corpus)}"
    name = ", ".join(text)
    content = read_text(text, unit=config.unit, encoding=encoding or config.encoding).content
    missing = int((vocabulary.lookup(content) == UNKNOWN).sum())
    return vocabulary.encode(content, unknown=unknown, name=name), missing, name


def own_part(checkpoint: "Checkpoint", split: str) -> "Ids":
    """A part of the text that the model learnt, found again by its recorded place and fingerprint."""
    from charrnn.errors import MissingInputError
    from charrnn.text.corpus import read_corpus

    c = checkpoint.config
    remedy = "name a TEXT to score"
    if split == "validation" and not checkpoint.corpus.validation_symbols:
        raise MissingInputError("this model held no validation part out", "", f"{remedy}, or add --split train")
    if "-" in c.corpus:
        raise MissingInputError("this model learnt from standard input", "its text is gone", remedy)
    corpus, _, _ = read_corpus(
        c.corpus,
        unit=c.unit,
        encoding=c.encoding,
        glob=c.glob,
        validation=c.validation,
        fraction=c.validation_fraction,
        known=(checkpoint.vocabulary, checkpoint.corpus.fingerprint),
    )
    return corpus.part(split)


def score_ids(checkpoint: "Checkpoint", ids: "Ids", window: int | None, device: str) -> "npt.NDArray[Any]":
    """Nats of every symbol: NumPy for a short text on a CPU, torch for a long one or another device."""
    from charrnn.cli.models import open_network
    from charrnn.evaluation.score import carried, cold, lanes, surprisals

    segments = carried(len(ids)) if len(ids) <= EXACT else lanes(len(ids), LANES)
    if window:
        segments = cold(len(ids), window)
    reader = open_network(checkpoint, device, light=len(ids) < LARGE)
    return surprisals(reader, ids, segments, side_by_side=LANES)


def pieces(vocabulary: "Vocabulary", ids: "Ids", nats: "npt.NDArray[Any]", per_line: bool) -> Iterator[dict[str, Any]]:
    """The bits of every line, or of every symbol, in order."""
    bits = nats / math.log(2)
    if not per_line:
        for place, (symbol, value) in enumerate(zip(ids.tolist(), bits.tolist(), strict=True)):
            yield {"position": place, "text": vocabulary.decode([symbol]), "bits": value}
        return
    newline = vocabulary.symbols.index("\n") if "\n" in vocabulary.symbols else -1
    ends = [*(place + 1 for place in (ids == newline).nonzero()[0].tolist()), len(ids)] if newline >= 0 else [len(ids)]
    start = 0
    for number, end in enumerate(ends, 1):
        if end > start:
            line = vocabulary.decode(ids[start:end].tolist()).rstrip("\n")
            value = float(bits[start:end].sum())
            yield {
                "line": number,
                "text": line,
                "characters": end - start,
                "bits": value,
                "bits_per_char": value / (end - start),
            }
        start = end


def figures(score: "Score") -> dict[str, Any]:
    """The numbers of a score, by the names that scripts rely on."""
    keys = ("nats_per_char", "bits_per_char", "bits_per_byte", "perplexity", "characters", "bytes", "unknown")
    return {key: getattr(score, key) for key in keys}


def score_table(found: dict[str, Any], window: int | None) -> str:
    """The same for people."""
    from charrnn.evaluation.score import RUN_UP

    how = "state carried through the whole text"
    if found["characters"] > EXACT:
        how += f", in {LANES} lanes with a run-up of {RUN_UP} symbols"
    if window:
        how = f"windows of {window} symbols, each from nothing"
    unknown = f", {found['unknown']:,} unknown" if found["unknown"] else ""
    rows = [
        ("nats per character", f"{found['nats_per_char']:.4f}"),
        ("bits per character", f"{found['bits_per_char']:.4f}"),
        ("bits per byte", f"{found['bits_per_byte']:.4f}"),
        ("perplexity", f"{found['perplexity']:.3f} per symbol"),
        ("counted", f"{found['characters']:,} characters, {found['bytes']:,} bytes{unknown}"),
        ("how", how),
        ("text", found["text"]),
        ("model", found["model"]),
    ]
    return table(rows)

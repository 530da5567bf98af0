"""`charrnn evaluate`: score text."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from charrnn.cli.options import Cache, Checkpoints, Model, ReadingDevice, cache_folder, complete_path

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel, Scored
    from charrnn.text.vocabulary import Ids, Vocabulary

Texts = Annotated[
    list[str] | None,
    typer.Argument(metavar="TEXT...", help="Files, or -; default: the validation part.", autocompletion=complete_path),
]


class ModelsThenTexts(TyperCommand):
    """`evaluate a b c -- text.txt`: before the two dashes every name is a model, after them every name is a text."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep what stands after the dashes for `evaluate` itself."""
        if "--" in args:
            place = args.index("--")
            ctx.meta["texts"], args = args[place + 1 :], args[:place]
        return super().parse_args(ctx, args)


def evaluate(
    ctx: typer.Context,
    model: Model = None,
    text: Texts = None,
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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for each model.")] = False,
    per_line: Annotated[bool, typer.Option("--per-line", help="One JSON object per line of the text.")] = False,
    per_char: Annotated[bool, typer.Option("--per-char", help="One JSON object per symbol.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Only lines of more bits per character (or, with --per-char, such symbols)."),
    ] = None,
    device: ReadingDevice = "cpu",
    checkpoints: Checkpoints = Path("checkpoints"),
    cache: Cache = None,
) -> None:
    """Score text: nats and bits per character, every character counted once, the state carried through.

    \b
    charrnn evaluate
    charrnn evaluate sonnets poem.txt other.txt --json
    echo "Shall I compare thee" | charrnn evaluate sonnets -
    charrnn evaluate shakespeare marlowe -- disputed.txt
    charrnn evaluate logs today.log --threshold 4 | jq -r .text
    """
    from charrnn.cli.console import print_result
    from charrnn.cli.models import open_model
    from charrnn.cli.tables import comparison, figures, score_table

    names: list[str | None] = [model]
    if "texts" in ctx.meta:
        names, text = [model, *(text or [])], ctx.meta["texts"]
    by_piece = per_line or per_char or threshold is not None
    check(by_piece, threshold, len(names))
    found = []
    with rereadable(text or [], len(names)) as places:
        for each in names:
            opened = open_model(each, checkpoints, device)
            subject = Subject(opened, text or [], places, split, encoding, cache_folder(cache))
            how: Any = {"window": window, "unknown": unknown, "name": subject.name}
            if by_piece:
                print_pieces(opened.vocabulary, opened.scored(subject.pieces(), **how), per_char, threshold)
                continue
            score = figures(opened.score(subject.pieces(), **how))
            found.append(score | {"model": str(opened.path), "text": subject.name})
            if as_json:
                print_result(json.dumps(found[-1]))
    if found and not as_json:
        print_result(score_table(found[0], window) if len(found) == 1 else comparison(found))


def check(by_piece: bool, threshold: float | None, models: int) -> None:
    """Refuse what cannot be shown."""
    from charrnn.errors import SettingsError

    if by_piece and models > 1:
        raise SettingsError("--per-line, --per-char and --threshold show one model", "", "name one MODEL")
    if threshold is not None and not math.isfinite(threshold):
        raise SettingsError(f"--threshold cannot be {threshold}", "", "give a number of bits")


@contextmanager
def rereadable(text: list[str], times: int) -> Iterator[list[str]]:
    """Places that can be read so many times: standard input is kept in a file while several models score it."""
    import tempfile

    from charrnn.text.places import STDIN
    from charrnn.text.reading import stream_bytes

    if STDIN not in text or times < 2:
        yield text
        return
    with tempfile.NamedTemporaryFile(prefix="charrnn-") as file:
        for piece in stream_bytes(STDIN):
            file.write(piece)
        file.flush()
        yield [file.name if place == STDIN else place for place in text]


class Subject:
    """What is scored: texts, or a part of the model's own corpus."""

    def __init__(
        self,
        model: "LanguageModel",
        text: list[str],
        places: list[str],
        split: str,
        encoding: str | None,
        cache: Path,
    ) -> None:
        self.model, self.places, self.split, self.encoding, self.cache = model, places, split, encoding, cache
        self.name = ", ".join(text) if text else f"{split} part of {', '.join(model.checkpoint.config.corpus)}"

    def pieces(self) -> "Iterator[str | bytes | Ids]":
        """The text, piece by piece; says what a user should know of its reading."""
        from charrnn.cli.console import say
        from charrnn.evaluation.score import BLOCK
        from charrnn.text.corpus import source_of
        from charrnn.text.reading import stream_text

        config = self.model.checkpoint.config
        if not self.places:
            ids = own_part(self.model, self.split, self.cache)
            yield from (ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK))
            return
        values = config.model_dump() | ({"encoding": self.encoding} if self.encoding else {})
        notices: list[str] = []
        yield from stream_text(source_of(values, self.places), notices)
        for notice in notices:
            say(notice)


def own_part(model: "LanguageModel", split: str, cache: Path) -> "Ids":
    """A part of the text that the model learnt, found again by its recorded place and fingerprint."""
    from charrnn.errors import MissingInputError
    from charrnn.text.corpus import read_corpus, source_of

    checkpoint = model.checkpoint
    c = checkpoint.config
    remedy = "name a TEXT to score"
    if split == "validation" and not checkpoint.corpus.validation_symbols:
        raise MissingInputError("this model held no validation part out", "", f"{remedy}, or add --split train")
    if "-" in c.corpus:
        raise MissingInputError("this model learnt from standard input", "its text is gone", remedy)
    corpus, _, _ = read_corpus(
        source_of(c.model_dump()),
        validation=c.validation,
        fraction=c.validation_fraction,
        known=(checkpoint.vocabulary, checkpoint.corpus.fingerprint),
        cache=cache,
    )
    return corpus.part(split)


def print_pieces(vocabulary: "Vocabulary", parts: "Iterable[Scored]", per_char: bool, threshold: float | None) -> None:
    """A JSON object for every line, or every symbol: all, or those above `threshold` bits per character."""
    from charrnn.cli.console import ResultStream

    found, key = (symbols(vocabulary, parts), "bits") if per_char else (lines(vocabulary, parts), "bits_per_char")
    with ResultStream() as stream:
        for piece in found:
            if threshold is None or piece[key] > threshold:
                stream.write((json.dumps(piece, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))


def symbols(vocabulary: "Vocabulary", parts: "Iterable[Scored]") -> Iterator[dict[str, Any]]:
    """The bits of every symbol, in order."""
    place = 0
    for part in parts:
        for symbol, nats in zip(part.ids.tolist(), part.nats.tolist(), strict=True):
            yield {"position": place, "text": vocabulary.decode([symbol]), "bits": nats / math.log(2)}
            place += 1


def lines(vocabulary: "Vocabulary", parts: "Iterable[Scored]") -> Iterator[dict[str, Any]]:
    """The bits of every line, in order; a line's newline is counted with it."""
    newline = vocabulary.symbols.index("\n") if "\n" in vocabulary.symbols else -1
    number, ids, nats = 1, [], 0.0
    for part in parts:
        start, ends = 0, [place + 1 for place in (part.ids == newline).nonzero()[0].tolist()]
        for end in (*ends, len(part.ids)):
            ids += part.ids[start:end].tolist()
            nats = math.fsum((nats, *part.nats[start:end].tolist()))
            start = end
            if ids and ids[-1] == newline:
                yield one_line(vocabulary, number, ids, nats)
                number, ids, nats = number + 1, [], 0.0
    if ids:
        yield one_line(vocabulary, number, ids, nats)


def one_line(vocabulary: "Vocabulary", number: int, ids: list[int], nats: float) -> dict[str, Any]:
    """What is said of a line."""
    bits = nats / math.log(2)
    return {
        "line": number,
        "text": vocabulary.decode(ids).rstrip("\n"),
        "characters": len(ids),
        "bits": bits,
        "bits_per_char": bits / len(ids),
    }

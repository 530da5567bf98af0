"""`charrnn evaluate`: score text."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.help import GroupedCommand
from charrnn.cli.options import (
    Cache,
    Checkpoints,
    KeyOfText,
    Model,
    OwnText,
    ReadingDevice,
    UnknownInText,
    VectorsOfText,
    at_home,
    cache_folder,
    complete_path,
    plain,
)

if TYPE_CHECKING:
    from charrnn.cli.subjects import Subject
    from charrnn.evaluation.compare import Blocks, Passage
    from charrnn.language_model import LanguageModel

Texts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT", help="Files; - is stdin. [default: the validation set]", autocompletion=complete_path
    ),
]
Split = Annotated[
    Literal["train", "validation", "test"], plain("Text", "--split", "Which set of the model's own text to score.")
]
Encoding = Annotated[
    str | None, plain("Text", "--encoding", "Encoding of TEXT. [default: that of the model's own text]")
]
Field = Annotated[str | None, plain("Text", "--field", "Column or field of TEXT. [default: as in training]")]
Target = Annotated[str | None, plain("Text", "--target", "Column or field with the answer. [default: as in training]")]
Window = Annotated[
    int | None, plain("Score", "--window", "Score windows of N symbols, each from a zero state (cold start).", min=1)
]
Choices = Annotated[
    str | None,
    plain("Score", "--choices", "Which of these answers is the likeliest, as in 'yes,no'.", metavar="A,B..."),
]
Baselines = Annotated[
    bool, plain("Score", "--baselines", "Add what n-grams and compressors reach on the held-out text.")
]
Adapt = Annotated[
    bool, plain("Score", "--adapt", "Add the score of a network that goes on learning from what it has scored.")
]
Mean = Annotated[bool, plain("Score", "--together", "Score several models as one, by the mean of their probabilities.")]
PerLine = Annotated[bool, plain("Output", "--per-line", "One JSON object per line (or record) of the text.")]
PerChar = Annotated[bool, plain("Output", "--per-char", "One JSON object per symbol.")]
Threshold = Annotated[
    float | None,
    plain("Output", "--threshold", "Show only lines, or symbols, that cost more bits per character than this."),
]
Heatmap = Annotated[
    bool, plain("Output", "--heatmap", "Show the text itself, coloured (or underlined) by the bits it costs.")
]
Json = Annotated[bool, plain("Output", "--json", "One JSON object for each model.")]


class ModelsThenTexts(GroupedCommand):
    """`evaluate a b c -- text.txt`: before the two dashes every name is a model, after them every name is a text."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Tell models, kept in `ctx.meta`, from texts."""
        if "--" in args:
            place = args.index("--")
            ctx.meta["texts"], args = at_home(args[place + 1 :]), args[:place]
        rest, given = super().parse_args(ctx, args), ctx.params
        ctx.meta["models"] = [given["model"]]
        if given["together"] or "texts" in ctx.meta:
            ctx.meta["models"] += given["text"] or []
            given["text"] = ctx.meta.get("texts")
        return rest


def evaluate(
    ctx: typer.Context,
    model: Model = None,
    text: Texts = None,
    split: Split = "validation",
    unknown: UnknownInText = "skip",
    encoding: Encoding = None,
    field: Field = None,
    target: Target = None,
    vectors: VectorsOfText = None,
    vectors_key: KeyOfText = None,
    window: Window = None,
    choices: Choices = None,
    baselines: Baselines = False,
    adapt: Adapt = False,
    together: Mean = False,
    per_line: PerLine = False,
    per_char: PerChar = False,
    threshold: Threshold = None,
    heatmap: Heatmap = False,
    as_json: Json = False,
    device: ReadingDevice = "cpu",
    corpus: OwnText = None,
    checkpoints: Checkpoints = Path("checkpoints"),
    cache: Cache = None,
) -> None:
    """Score text in nats and bits per character.

    \b
    charrnn evaluate
    charrnn evaluate sonnets poem.txt other.txt --json
    echo "Shall I compare thee" | charrnn evaluate sonnets -
    charrnn evaluate shakespeare marlowe -- disputed.txt
    charrnn evaluate seed-1 seed-2 seed-3 --together
    charrnn evaluate logs today.log --threshold 4 | jq -r .text
    charrnn evaluate shakespeare letter.txt --heatmap
    charrnn evaluate sonnets play.txt --adapt
    charrnn evaluate reviews new.tsv --choices positive,negative
    """
    from charrnn.cli.console import print_result
    from charrnn.cli.labels import labelling, labels_table
    from charrnn.cli.models import open_models
    from charrnn.cli.refusals import check, check_flags, check_model
    from charrnn.cli.subjects import Subject, rereadable
    from charrnn.cli.tables import comparison, figures, score_table
    from charrnn.evaluation.compare import Blocks
    from charrnn.evaluation.score import summed

    names: list[str | None] = ctx.meta["models"]
    by_piece, offered = per_line or per_char or heatmap or threshold is not None, (choices or "").split(",")
    number = 1 if together else len(names)
    check(by_piece, threshold, number, choices)
    check_flags(by_piece, ctx.params, held_out=number == 1 and not text and split != "train")
    found, compared, said = list[dict[str, Any]](), list[Blocks](), set[str]()
    with rereadable(text or [], number * (1 + bool(choices) + adapt), cache_folder(cache)) as places:
        for opened in open_models(names, together, checkpoints, device, corpus):
            subject = Subject(opened, text or [], places, split, ctx.params, cache_folder(cache), said)
            opened = check_model(subject.given(), ctx.params, found)
            how: Any = {"window": window, "unknown": unknown, "name": subject.name, "live": by_piece}
            if by_piece:
                print_in_pieces(opened, subject, ctx.params, how, offered, whole=not text)
                continue
            if opened.vocabulary.labels:
                score = labelling(opened, subject)
            else:
                compared.append(Blocks(opened.vocabulary))
                parts = opened.scored(subject.pieces(), **how)
                parts = compared[-1].over(parts) if number > 1 else parts
                whole = summed(opened.vocabulary, parts, subject.name)
                score = figures(whole, two_sided=opened.checkpoint.config.bidirectional)
                score |= choice_accuracy(opened, subject, offered) if choices else {}
                score |= adapted(opened, subject, unknown, whole.symbols) if adapt else {}
                score |= without_network(subject) if baselines else {}
            found.append(score | {"model": str(opened.path), "text": subject.name})
    differing = differences(found, compared) if len(compared) > 1 else []
    if not found:
        return
    if as_json or opened.vocabulary.labels:
        print_result("\n".join(map(json.dumps if as_json else labels_table, found)))
        return
    how = reading(opened, window, found[0]["characters"])
    print_result(score_table(found[0], how) if len(found) == 1 else comparison(found, differing))


def print_in_pieces(
    model: "LanguageModel",
    subject: "Subject",
    asked: Mapping[str, Any],
    how: Mapping[str, Any],
    choices: list[str],
    *,
    whole: bool,
) -> None:
    """The text itself in colours (of a `whole` set its beginning), or what each line or symbol costs or is called."""
    from charrnn.cli.heatmap import beginning, print_heatmap
    from charrnn.cli.labels import print_sentences
    from charrnn.cli.pieces import print_choices, print_pieces

    if model.vocabulary.labels:
        print_sentences(model.labelled(subject.pieces()))
    elif asked["choices"] and asked["per_line"]:
        print_choices(model.chosen(subject.pieces(), choices))
    elif asked["heatmap"]:
        shown = beginning(subject) if whole else subject.pieces()
        print_heatmap(subject, model.scored(shown, **how), asked["threshold"])
    else:
        print_pieces(model, model.scored(subject.pieces(), **how), asked["per_char"], asked["threshold"])


def reading(model: "LanguageModel", window: int | None, characters: int) -> str:
    """How a text was read, in words."""
    from charrnn.evaluation.score import LANES, SHORT
    from charrnn.evaluation.segments import RUN_UP

    sides = ", from both sides" * model.checkpoint.config.bidirectional
    if model.vocabulary.layout.records:
        what = "answer, after its question" if model.vocabulary.layout.answers else "record"
        return f"each {what}, from a zero state{sides}"
    if window:
        return f"windows of {window} symbols, each from a zero state{sides}"
    lanes = f", in at most {LANES} parallel sequences with a run-up of {RUN_UP} symbols" if characters > SHORT else ""
    return f"state carried through the whole text{lanes}{sides}"


def differences(found: list[dict[str, Any]], compared: "list[Blocks]") -> "list[Passage]":
    """Add to each model's figures what it needs more than the best; where the best two differ most."""
    from charrnn.cli.tables import bits
    from charrnn.evaluation.compare import difference, passages

    order = sorted(range(len(found)), key=lambda model: bits(found[model]))
    best = compared[order[0]]
    for figures, blocks in zip(found, compared, strict=True):
        bounds = difference(blocks, best)
        figures["difference_bits_per_char"] = None if bounds is None else bounds._asdict()
    return passages(compared[order[1]], best)


def choice_accuracy(model: "LanguageModel", subject: "Subject", choices: list[str]) -> dict[str, float]:
    """How often the likeliest choice is the answer."""
    right = [each.answer == each.choice for each in model.chosen(subject.pieces(), choices)]
    return {"choice_accuracy": sum(right) / len(right)}


def adapted(model: "LanguageModel", subject: "Subject", unknown: str, symbols: int) -> dict[str, float]:
    """The score of a network that goes on learning from what it has scored, on a text of so many symbols."""
    from charrnn.cli.console import with_bar
    from charrnn.evaluation.score import summed

    parts = model.scored(subject.pieces(), adapting=True, unknown=unknown, name=subject.name)
    score = summed(model.vocabulary, with_bar(parts, symbols), subject.name)
    return {"adapted_nats_per_char": score.nats_per_char, "adapted_bits_per_char": score.bits_per_char}


def without_network(subject: "Subject") -> dict[str, dict[str, float]]:
    """What n-grams and compressors get on the same part, given the training part."""
    from charrnn.evaluation.baselines import baselines

    corpus = subject.corpus
    return {"baselines": baselines(corpus.train, corpus.part(subject.split), corpus.vocabulary)}

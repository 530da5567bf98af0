"""A trained model -> an account of it: everything that its report shows, found out from its file, its run and its text.

    the record of its run   curves, the ladder
    the model               its card
    the model and its text  the baselines, a passage with its surprises and cells, gradients, what a sample copies

What cannot be found out is left out and said: a model can be looked at without its run, and without its text.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import DataError, MissingInputError
from charrnn.evaluation.alternatives import read
from charrnn.evaluation.baselines import KNOWING, baselines
from charrnn.evaluation.gradients import reach
from charrnn.evaluation.held_out import watched
from charrnn.evaluation.novelty import novelty
from charrnn.evaluation.score import charged
from charrnn.generation.generate import generate
from charrnn.generation.sample import Request, Sampling
from charrnn.language_model import LanguageModel
from charrnn.model.behind import BEYOND
from charrnn.report.contents import Account, Answer, Baseline, Cells, Copying, Rung, Symbol, Unit
from charrnn.report.curves import SYMBOLS, curves, number
from charrnn.report.sides import labels_of, meanings_of, read_passage, units_of
from charrnn.runs.own_text import nameless
from charrnn.runs.record import METRICS, RunRecord
from charrnn.text.corpus import Corpus
from charrnn.text.layout import Independent
from charrnn.text.vocabulary import Ids, Vocabulary

PASSAGE = 1000  # symbols
PROBABILITIES = 10_000_000  # found out for it; of many thousand words it is shorter
RUN_UP = 512  # symbols before it, where the text is long enough
LIKELIEST = 5
STUDIED = 20_000  # symbols, for the meanings of units and the reach of gradients
SAMPLE = Sampling(length=2000, temperature=0.8)
SEED = 1
VECTOR_SHOWN = "\u25aa"
ANSWERED = 12  # questions, or vectors
SEARCHED = 1 << 24  # symbols of the training text, for what is copied: a quarter of a second each million
SHOWN = {  # of a cell, by its name
    "lstm": "Shown of each unit: tanh(c), its memory.",
    "gru": "Shown of each unit: h, its memory and its output.",
    "rnn": "Shown of each unit: h.",
}
BACKWARDS = " Units from {:,} on, all layers counted through, read the text from its end."
NAMED = 5  # places of a text
DESK = "desk.html"  # what `charrnn export` writes beside a model
LEVELS = np.frombuffer(b"0123456789abcde", dtype=np.uint8)  # of an activation, from -1 to 1


def study(model: LanguageModel, cache: Path | None = None) -> Account:
    """The account of `model`; a text of many million symbols is encoded into `cache`, as in training."""
    account = recorded(model)
    try:
        corpus = model.own_text(cache)
    except (MissingInputError, DataError) as error:
        notice = f"The text that it was trained on was not found, so what needs that text is missing here: {error}."
        return replace(account, notices=(*account.notices, notice))
    return with_text(account, model.given(corpus.vectors), corpus)


def recorded(model: LanguageModel) -> Account:
    """What the model's file and its run's record say."""
    c, folder = model.checkpoint, model.path.parent
    events = RunRecord(folder).read()
    notices = (
        ()
        if events
        else (f"There is no {METRICS} beside the model, so there are no learning curves and no samples from training.",)
    )
    nats = c.progress.validation_nats
    return Account(
        name=folder.resolve().name if events or model.path.name == "best.safetensors" else model.path.stem,
        card=tuple(card(model)),
        parameters=c.parameters,
        bits_per_char=None if nats is None else nats / math.log(2),
        per=c.config.per,
        settings=nameless(c.config).model_dump(),
        curves=curves(events, train_symbols=c.corpus.train_symbols, config=c.config) if events else None,
        rungs=tuple(rungs(events)),
        notices=notices,
        desk=str(folder / DESK) if (folder / DESK).is_file() else "",
    )


def card(model: LanguageModel) -> Iterator[tuple[str, str]]:
    """What was trained on what, for how long, and what it reached."""
    c = model.checkpoint
    config, p, corpus = c.config, c.progress, c.corpus
    inputs = f"embedding of {config.embedding}" if config.embedding else "one-hot input"
    inputs += ", both ways" * config.bidirectional
    inputs += f", vectors of {config.vector_size:,} numbers" * bool(config.vector_size)
    yield "network", f"{config.layers} x {config.hidden} {config.cell}, {inputs}, {c.parameters:,} parameters"
    more = f" and {len(config.corpus) - NAMED:,} more" if len(config.corpus) > NAMED else ""
    yield "text", ", ".join(Path(place).name or place for place in config.corpus[:NAMED]) + more
    sizes = f"{corpus.train_symbols:,} to train on, {corpus.validation_symbols:,} to validate on"
    yield "symbols", sizes + (f", {corpus.test_symbols:,} to test on" if corpus.test_symbols else "")
    yield "vocabulary", f"{len(c.vocabulary):,} {SYMBOLS[c.vocabulary.unit]}s"
    yield (
        "trained",
        f"{p.step:,} of {config.steps:,} steps, {p.epoch:.1f} epochs, {p.seconds:,.0f} s on {config.device}",
    )
    if p.validation_nats is not None:
        bits = f"{p.validation_nats / math.log(2):.4f} bits per {config.per}"
        yield "validation", f"{p.validation_nats:.4f} nats = {bits}"
    yield "made with", ", ".join(f"{key} {value}" for key, value in (c.made_with or {}).items())


def rungs(events: list[dict[str, Any]]) -> Iterator[Rung]:
    """What the run wrote, in order."""
    for event in events:
        if event["event"] == "sampled" and isinstance(event.get("text"), str):
            nats = number(event.get("nats_per_char"))
            yield Rung(event["step"], None if nats is None else nats / math.log(2), event["text"])


def with_text(account: Account, model: LanguageModel, corpus: Corpus) -> Account:
    """The same, and what can be found out with the text."""
    part, split = (corpus.validation, "held-out") if len(corpus.validation) > 1 else (corpus.train, "training")
    v, both = model.vocabulary, model.checkpoint.config.bidirectional
    if v.labels:
        labels, sentences = labels_of(model, part)
        return replace(account, labels=labels, answers=sentences)
    length = max(100, min(PASSAGE, PROBABILITIES // len(v)))
    first = 1 if v.layout.records else beginning(part[: RUN_UP + length], v)
    last = min(len(part), first + length)
    return replace(
        account,
        baselines=tuple(standing(corpus)) if split == "held-out" and not (v.layout.asks or both) else (),
        passage=tuple(passage(model, part, first, last)),
        from_left=tuple(passage(model, part, first, last, left=True)) if both else (),
        where=f"From the {split} text",
        cells=cells(model, part[:STUDIED], first, last),
        reach=() if both else tuple(reached(model, part[:STUDIED])),
        copying=None if v.layout.asks or both else copying(model, corpus),
        answers=tuple(answers(model, part)) if v.layout.asks else (),
    )


def answers(model: LanguageModel, ids: Ids) -> Iterator[Answer]:
    """What the model writes to the first questions of a part, or to their vectors, and what stands there."""
    v, layout = model.vocabulary, model.vocabulary.layout
    assert isinstance(layout, Independent)
    found = layout.borders(layout.head(ids, ANSWERED * SAMPLE.length))
    asked = [ids[first + 1 : place + 1] for first, place in zip(found.first, found.asked, strict=True)][:ANSWERED]
    sampling = Sampling(length=SAMPLE.length, temperature=0, records=True)
    written = [b""] * len(asked)
    for piece in generate(model.network(light=True), v, [Request(each, SEED) for each in asked], sampling):
        written[piece.number] += piece.text
    for each, text, place, last in zip(asked, written, found.asked, found.last, strict=False):
        rows = each[each >= len(v)].astype(np.int64) - len(v)
        shown = (
            ()
            if model.vectors is None
            else tuple(map(tuple, np.asarray(model.vectors.rows[rows], np.float64).tolist()))
        )
        question = v.decode(each[each < len(v)].tolist())
        yield Answer(question, shown, text.decode("utf-8", "replace"), v.decode(ids[place + 1 : last].tolist()))


def standing(corpus: Corpus) -> Iterator[Baseline]:
    """What others get on the part by which the network was judged."""
    for name, bits in baselines(corpus.train, watched(corpus), corpus.vocabulary).items():
        yield Baseline(name, KNOWING[name], bits)


def beginning(ids: Ids, vocabulary: Vocabulary) -> int:
    """Where a passage begins: after a run-up, with a line if one begins there soon."""
    first = min(RUN_UP, len(ids) // 3)
    newline = vocabulary.symbols.index("\n") if "\n" in vocabulary else -1
    found = np.flatnonzero(ids[first - 1 : first + 200] == newline)
    return max(1, first + int(found[0]) if len(found) else first)


def passage(model: LanguageModel, ids: Ids, first: int, last: int, *, left: bool = False) -> Iterator[Symbol]:
    """The symbols ids[first:last], with their bits and what was likelier; of both sides perhaps the `left` alone."""
    v = model.vocabulary
    if model.checkpoint.config.bidirectional:
        found = read_passage(model, ids[: last + BEYOND], first, last, LIKELIEST, left=left)
    else:
        found = read(model.networks.numpy, ids, first, last, LIKELIEST, v.end_id)
    nats = charged(v, ids[first:last], np.array([each.nats for each in found]), begins=False)
    for each, value, counts in zip(found, nats.tolist(), v.layout.counted(ids[:last])[first:].tolist(), strict=True):
        likeliest = tuple((shown(v, symbol), probability) for symbol, probability in each.likeliest)
        yield Symbol(shown(v, each.symbol), value / math.log(2) if counts else None, likeliest)


def shown(vocabulary: Vocabulary, symbol: int) -> str:
    """A symbol by itself: a byte that is no character in hexadecimal, nothing for the end of a record."""
    if symbol >= len(vocabulary):
        return VECTOR_SHOWN
    if symbol == vocabulary.end_id:
        return ""
    return f"\\x{symbol:02x}" if vocabulary.unit == "byte" and symbol > 127 else vocabulary.decode([symbol])


def cells(model: LanguageModel, ids: Ids, first: int, last: int) -> Cells:
    """What every unit does in the passage, and which of them mean something."""
    config = model.checkpoint.config
    values = units_of(model, ids, first, last)
    digits = LEVELS[np.clip(np.rint((values + 1) * 7), 0, 14).astype(np.intp)].T
    units = tuple(Unit(each.unit, each.property, each.correlation) for each in meanings_of(model, ids))
    what = SHOWN[config.cell] + BACKWARDS.format(config.layers * config.hidden + 1) * config.bidirectional
    return Cells(what, config.hidden, tuple(row.tobytes().decode() for row in digits), units)


def reached(model: LanguageModel, ids: Ids) -> list[float]:
    """How much of the gradient reaches k steps back, as a share of what reaches one step back."""
    network = model.networks.torch.network
    v = model.vocabulary
    norms = reach(network, ids, model.checkpoint.config.seq_length, end_id=v.end_id, symbols=len(v))
    return (norms / norms[0]).tolist() if len(norms) and norms[0] > 0 else []


def copying(model: LanguageModel, corpus: Corpus) -> Copying:
    """How much of a sample stands in the training text, and how much of as much held-out text."""
    v = model.vocabulary
    written = model.sample(length=SAMPLE.length, temperature=SAMPLE.temperature, seed=SEED).text
    ids = model.ids(written)
    held_out = corpus.validation[: len(ids)]
    searched = corpus.train[:SEARCHED]
    mine, theirs = novelty(searched, ids), novelty(searched, held_out)
    before, inside, after = (v.decode(part.tolist()) for part in np.split(ids, [mine.start, mine.start + mine.length]))
    shares = {n: (mine.shares.get(n), theirs.shares.get(n)) for n in range(4, 13)}
    how = f"A sample of {len(ids):,} symbols at temperature {SAMPLE.temperature:g}, seed {SEED}."
    if len(searched) < len(corpus.train):
        how += f" It is compared with the first {len(searched):,} symbols of the training set."
    return Copying(how, (before, inside, after), (mine.length, theirs.length), shares)

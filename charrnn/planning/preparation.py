"""What a new run will be, before its first step: its text, everything chosen for it, and how long it takes.

A `Request` is one call of `train`; a `Preparation` is all that a dry run can say of it. Nothing is written here. With
several processes each reads the text, rank 0 chooses and plans, and all must have read the same.
"""

import math
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

from charrnn.config import RunConfig, Wish
from charrnn.errors import DataError, SettingsError
from charrnn.evaluation.baselines import COUNTED_SYMBOLS, comparable
from charrnn.learning.distributed import ALONE, Group
from charrnn.learning.teachers import Expected
from charrnn.model.machine import check_precision, peak_memory, set_up_process
from charrnn.planning import plan, teaching
from charrnn.planning.settings import HEAVY, Choices, choose_settings
from charrnn.planning.transfer import adopt_network
from charrnn.runs.checkpoint import Checkpoint, read_checkpoint
from charrnn.runs.folder import find_model
from charrnn.shapes import parameter_shapes
from charrnn.text.corpus import Corpus, read_corpus, source_of, split_of
from charrnn.text.duplicates import SPAN, duplicates
from charrnn.text.packed import COMPRESSED
from charrnn.text.places import check_selection
from charrnn.text.survey import Tell
from charrnn.text.vocabulary import Vocabulary

SAVING = 5  # copies of the weights, measured
COUNTING = 100  # bytes for each counted symbol, with what compressors take beside it, measured


@dataclass(frozen=True)
class Request:
    """One call of `train`: what is wished, and where it goes."""

    wish: Wish
    checkpoints: Path
    name: str | None = None
    resume: bool = False
    init_from: str | None = None
    began: float = field(default_factory=time.monotonic)  # a --time counts from here
    cache: Path | None = None  # where large texts are kept encoded; None: in memory
    tell: Tell = lambda text: None  # how far the reading of a large text is
    tensorboard: bool = False  # whether its curves are written, too
    baselines: bool = False  # whether n-grams are counted at the end, for the closing table


@dataclass
class Preparation:
    """A new run before its first step: what was read, chosen and planned."""

    corpus: Corpus
    choices: Choices
    config: RunConfig
    cost: plan.Cost | None
    notices: list[str]
    source: Checkpoint | None = None  # whose weights to start from
    expected: Expected | None = None  # of the models that it learns from
    measured_memory: int | None = 0  # bytes, after the throw-away steps; None where the system does not say

    @property
    def memory(self) -> int | None:
        """Bytes resident at the peak of the run, as far as the system tells.

        What the throw-away steps and their evaluation took is measured; copying the weights and moments for a save
        and counting n-grams for the closing table come on top.
        """
        if self.measured_memory is None:
            return None
        counting = comparable(self.corpus.vocabulary, both_ways=self.config.bidirectional)
        counted = counting * COUNTING * min(len(self.corpus.train), COUNTED_SYMBOLS)
        return self.measured_memory + SAVING * 4 * self.parameters + counted

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        return count_parameters(self.config, self.corpus.vocabulary)


def stem(wish: Wish) -> str:
    """What to call a run that nobody named: after its first text."""
    corpus = wish.get("corpus")
    if not corpus:
        return "run"
    if corpus[0] == "-":
        return "stdin"
    is_folder = os.path.isdir(corpus[0])  # noqa: PTH112 - unlike Path.is_dir, false for any unusable name
    if is_folder:
        return Path(corpus[0]).resolve().name
    file = Path(corpus[0])
    return Path(file.stem).stem if file.suffix in COMPRESSED else file.stem


def prepare(request: Request, group: Group = ALONE, *, measure: bool = False) -> Preparation:
    """Read the text, choose what was not asked for and plan the length; writes nothing.

    A few throw-away steps are made where the length depends on what a step costs, or where asked to `measure`.
    """
    wish = request.wish
    corpus, choices, notices, source = group.each(lambda: _read_and_choose(request, group))
    fingerprint = group.first(lambda: corpus.fingerprint)
    group.each(lambda: _check_same_text(corpus, fingerprint))
    choices = group.first(lambda: choices)
    set_up_process(choices.values["threads"])
    cell = choices.values.get("cell", RunConfig.model_fields["cell"].default)
    group.each(lambda: check_precision(choices.values["device"], choices.values["precision"], cell))
    given = wish.get("distill_from") or []
    paths = group.first(lambda: teaching.found(given, request.checkpoints))
    choices.values |= {"distill_from": paths, "teachers": teaching.fingerprint(paths) if paths else None}
    cost, needed = None, plan.needs_measuring(wish)
    dropped = {"dropout": 0.5, "weight_drop": 0.3, "dropout_start": 1.0}  # how much is known when steps are
    unplanned = {"steps": 10**6, "warmup": 100, "eval_every": 1, "save_every": 1, "sample_every": 1}
    tried = RunConfig.model_validate(dropped | choices.values | unplanned)
    expected = group.each(lambda: teaching.asked(tried, corpus, request.cache, request.tell))
    if needed or measure:
        cost = plan.measure(tried, corpus, group, expected, baselines=request.baselines)
    left = plan.deadline(wish, request.began) - time.monotonic()
    config = group.first(lambda: plan.complete(choices, wish, corpus, cost if needed else None, left))
    prepared = Preparation(corpus, choices, config, cost, notices, source, expected, peak_memory())
    if prepared.parameters > HEAVY * len(corpus.train):
        each = prepared.parameters // len(corpus.train)
        what = f"warning: {each:,} weights for each of the {len(corpus.train):,} symbols of the training set"
        notices.append(f"{what}: such a network memorises its text; more text or a smaller `hidden` helps")
    return prepared


def _read_and_choose(request: Request, group: Group) -> tuple[Corpus, Choices, list[str], Checkpoint | None]:
    wish = request.wish
    if not wish.get("corpus"):
        raise SettingsError("no text to train on", "", "name one, as in: charrnn train corpus.txt")
    if "-" in wish.get("corpus") and group.size > 1:
        raise SettingsError("several processes cannot share standard input", "", "write the text to a file first")
    wish.check_effects()
    check_selection(wish.get("corpus"), wish.get("glob"), wish.get("exclude") or ())
    source = read_checkpoint(find_model(request.init_from, request.checkpoints)) if request.init_from else None
    if source:
        adopt_network(wish, source.config)
    corpus, share, notices = read_corpus(
        source_of(wish.values),
        split_of(wish.values),
        min_count=wish.get("min_count"),
        cache=request.cache,
        tell=request.tell,
    )
    size = 0 if corpus.vectors is None else corpus.vectors.size
    asked = wish.get("vector_size")  # by a model to start from, or a configuration that was written down
    if asked is not None and asked != size:
        what = f"the network is to read vectors of {asked:,} numbers, those of the text have {size:,}"
        raise SettingsError(what, f"so says {wish.sources['vector_size']}", "give such `vectors`, or leave it out")
    both, labels = wish.get("bidirectional"), wish.get("synced")
    for key, there in {"vectors": size, "bidirectional": both, "synced": labels}.items():
        if there and wish.get("distill_from"):
            raise SettingsError(f"`distill_from` cannot be used with `{key}`", "", "leave one of them out")
    if size and (both or labels):
        what = "`vectors` are for networks that read one way, and write"
        raise SettingsError(what, "", "leave `bidirectional` and `synced` out, or `vectors`")
    notices += [told for part in ("validation", "test") if (told := flattered(corpus, part))]
    left = max(0.0, plan.deadline(wish, request.began) - time.monotonic())  # reading took its time, too
    choices = choose_settings(wish, corpus, share, group.size, seconds=left)
    group.share(choices.values["batch_size"])
    return corpus, choices, notices, source


def flattered(corpus: Corpus, part: str) -> str | None:
    """What to say of a held-out part of which some stands in the training part too."""
    found, of = duplicates(corpus.train, corpus.part(part), corpus.vocabulary)
    what = "records" if corpus.vocabulary.layout.records else f"passages of {SPAN} symbols"
    share = f"{found:,} of {of:,} {what} in the {part} set" if found else None
    return share and f"{share} also occur in the training set: its score is too optimistic"


def _check_same_text(corpus: Corpus, fingerprint: str) -> None:
    if corpus.fingerprint != fingerprint:
        what = f"the text on {platform.node()} is not the one that the first process reads"
        raise DataError(what, "all processes of a run must train on the same text", "copy it to every machine")


def count_parameters(config: RunConfig, vocabulary: Vocabulary) -> int:
    """How many weights a network of this configuration has."""
    return sum(math.prod(shape) for shape in parameter_shapes(config, len(vocabulary)).values())

"""The text that a model learnt, found again.

A model that is given away carries the names of its texts and their fingerprint, nothing of where its author keeps them.
Where they lie is the business of the run's folder: its resumable checkpoints and its `config.yaml` say so. They are
looked for where somebody says that they are now, where the run recorded them, and by their names in the working folder,
beside the model, beside the folder of its runs, and in folders called `corpora` there. The fingerprint decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from charrnn.config import RunConfig
from charrnn.errors import CharrnnError, DataError, MissingInputError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.folder import BEST
from charrnn.text.corpus import Corpus, read_corpus, source_of, split_of
from charrnn.text.places import STDIN
from charrnn.text.reading import Source, check_files
from charrnn.text.survey import Tell

Texts = Mapping[str, Any]  # `corpus` (several places), `validation`, `test` and `vectors`, as far as they are known
APART = ("validation", "test")
CORPORA = "corpora"


def nameless(config: RunConfig) -> RunConfig:
    """`config` with its texts and the models that it learnt from called by their names: for what is given away."""
    models = [Path(path).parent.name if Path(path).name == BEST else _name(path) for path in config.distill_from]
    return config.model_copy(update=_renamed(texts_of(config.model_dump()), _name) | {"distill_from": models})


def places_of(config: RunConfig) -> set[str]:
    """The settings of a run that say where something lies, which a fingerprint tells."""
    return {*texts_of(config.model_dump()), *(["distill_from"] if config.distill_from else [])}


def texts_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The texts among the settings of a run."""
    found = {key: values[key] for key in ("corpus", *APART, "vectors") if values.get(key)}
    return found | ({"corpus": [found["corpus"]]} if isinstance(found.get("corpus"), str) else {})


def told_in_order(places: Sequence[str], config: RunConfig) -> list[Texts]:
    """What `places` may stand for: the corpus, and behind it the validation text, the test text or the vectors."""
    apart = [key for key in (*APART, "vectors") if getattr(config, key)]
    found: list[Texts] = []
    for number in range(min(len(apart), len(places) - 1) + 1):
        behind = len(places) - number
        found.append({"corpus": list(places[:behind])} | dict(zip(apart, places[behind:], strict=False)))
    return found


def own_text(
    checkpoint: Checkpoint,
    model: Path,
    told: Sequence[Texts] = (),
    *,
    cache: Path | None = None,
    tell: Tell = lambda text: None,
) -> tuple[Corpus, dict[str, Any]]:
    """The text that the model in the file `model` learnt, and the places where it was found.

    `told` is where it may be now; what is not among that is looked for.

    Raises:
        MissingInputError: it is nowhere, or came from standard input.
        DataError: only texts with another fingerprint are there.
    """
    values = checkpoint.config.model_dump()
    if not told and STDIN in values["corpus"]:
        raise MissingInputError("this model was trained on standard input", "its text is gone", "name a text to score")
    failure: CharrnnError | None = None
    known = (checkpoint.vocabulary, checkpoint.corpus.fingerprint)
    for texts in _candidates(texts_of(values), model.parent, told):
        source, split = source_of(values | texts), split_of(values | texts)
        try:
            check_files(source)
            check_files(Source(tuple(texts[key] for key in (*APART, "vectors") if key in texts)))
        except MissingInputError as error:
            failure = failure or (error if told else None)
            continue
        try:
            return read_corpus(source, split, known=known, cache=cache, tell=tell)[0], texts
        except (MissingInputError, DataError) as error:
            failure = error if failure is None or isinstance(failure, MissingInputError) else failure
    if failure is not None:
        raise failure
    raise _missing(texts_of(values))


def _missing(texts: Texts) -> CharrnnError:
    names = ", ".join([*map(_name, texts["corpus"]), *(_name(texts[key]) for key in APART if key in texts)])
    return MissingInputError(
        f"cannot find the text that the model was trained on, {names}", "", "name it with `corpus`"
    )


def _candidates(recorded: Texts, folder: Path, told: Sequence[Texts]) -> Iterator[dict[str, Any]]:
    """Where the texts may be, each place once; what is told goes before what is recorded, and that before names."""
    seen: list[dict[str, Any]] = []
    for known in told or [{}]:
        for texts in _bases(recorded, folder):
            found = {key: known.get(key, place) for key, place in texts.items()}
            if found not in seen:
                seen.append(found)
                yield found


def _bases(recorded: Texts, folder: Path) -> Iterator[dict[str, Any]]:
    from charrnn.config_file import CONFIG, read_config_file  # YAML, which sampling does not need

    yield dict(recorded)
    try:
        beside = texts_of(read_config_file(folder / CONFIG))
    except CharrnnError:
        beside = {}
    if beside.keys() == recorded.keys():
        yield beside
    for root in (Path(), folder, folder.parent.parent):
        for place in (root, root / CORPORA):
            yield _renamed(recorded, lambda text, place=place: str(place / _name(text)))


def _renamed(texts: Texts, rename: Any) -> dict[str, Any]:
    return {key: list(map(rename, place)) if key == "corpus" else rename(place) for key, place in texts.items()}


def _name(place: str) -> str:
    return Path(place).name or place

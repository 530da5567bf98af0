"""What a model that labels words answers, and how often it is right, for people and for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.cli.subjects import Subject
    from charrnn.evaluation.labelling import Labelled, Tally
    from charrnn.language_model import LanguageModel
    from charrnn.text.reading import Source

CONFUSED = 3  # other labels that a row names
NOT_DRAWN = ("top_k", "top_p", "min_p", "stop", "no_repeat", "novel", "adapt_to", "records")
NOT_SCORED = ("window", "choices", "baselines", "adapt", "together", "per_char", "threshold", "heatmap")


def refuse(asked: Mapping[str, Any], flags: Iterable[str]) -> None:
    """Refuse flags that are of no use to labels."""
    from charrnn.errors import SettingsError

    for flag in flags:
        if asked[flag]:
            name = f"--{flag.replace('_', '-')}"
            raise SettingsError(
                f"{name} is not for this model", "it labels words, each with the likeliest", "leave it out"
            )


def print_labels(
    model: "LanguageModel", prompts: "Source | None", single: list[bytes], unknown: str, *, echo: bool, as_json: bool
) -> None:
    """The labels of each prompt's words, on a line; with `echo` behind the words."""
    from charrnn.cli.console import ResultStream, say
    from charrnn.cli.flags import spoken
    from charrnn.text.prompts import prompts_of

    between, notices = model.checkpoint.config.target_after or "", list[str]()
    coming = single if prompts is None else (line for line in prompts_of(prompts, notices) if line is not None)
    with ResultStream() as stream:
        for prompt in coming:
            words = prompt.decode("utf-8", "replace").partition(between)[0]
            (found,) = model.labels([words], unknown=unknown)
            if as_json:
                shown = {"model": str(model.path), "prompt": words, "text": " ".join(found.said), **told(found)}
                line = json.dumps(shown, ensure_ascii=False)
            else:
                line = (words + between) * echo + " ".join(found.said)
            stream.write((line + "\n").encode("utf-8", "surrogateescape"))
    for notice in notices:
        say(spoken(notice))


def told(found: "Labelled") -> dict[str, Any]:
    """The words and labels of a sentence."""
    said = {"words": found.words, "labels": found.said, "probabilities": found.probabilities}
    return said | ({"expected": found.labels} if any(found.labels) else {})


def print_sentences(records: "Iterable[Labelled]") -> None:
    """A JSON object for each sentence."""
    from charrnn.cli.console import ResultStream

    with ResultStream() as stream:
        for number, record in enumerate(records, 1):
            shown = {"line": number, **told(record)}
            stream.write((json.dumps(shown, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))


def labelling(model: "LanguageModel", subject: "Subject") -> dict[str, Any]:
    """The figures of a text whose words have labels.

    Raises:
        DataError: it has no words.
    """
    from charrnn.errors import DataError
    from charrnn.evaluation.labelling import Tally

    tally = Tally().over(model.labelled(subject.pieces()))
    if not tally.words:
        raise DataError(f"nothing to score in {subject.name}", "it has no words with labels", "check the text")
    return tallied(tally)


def tallied(tally: "Tally") -> dict[str, Any]:
    """What was counted, by the names that scripts rely on."""
    confusion: dict[str, dict[str, int]] = {}
    for (true, said), count in sorted(tally.confusion.items()):
        confusion.setdefault(true, {})[said] = count
    found: dict[str, Any] = {"label_accuracy": tally.accuracy}
    found |= {"sentence_accuracy": tally.right_sentences / tally.sentences}
    found |= {"words": tally.words, "sentences": tally.sentences, "accuracy_by_label": tally.by_label}
    return {**found, **({} if tally.f1 is None else {"span_f1": tally.f1}), "confusion": confusion}


def labels_table(found: Mapping[str, Any]) -> str:
    """The same for people."""
    from charrnn.cli.console import table

    rows = [
        ("labels", f"{found['label_accuracy']:.1%} of {found['words']:,} right"),
        ("sentences", f"{found['sentence_accuracy']:.1%} of {found['sentences']:,} right in every word"),
        *([("spans", f"F1 {found['span_f1']:.3f}")] if "span_f1" in found else []),
        ("text", found["text"]),
        ("model", found["model"]),
    ]
    return f"{table(rows)}\n\n{table(list(confusions(found)))}"


def confusions(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """For each label how often it is right, and what it is taken for."""
    yield "label", "words", "right", "taken for"
    for true, said in found["confusion"].items():
        others = sorted(((count, other) for other, count in said.items() if other != true), reverse=True)
        named = ", ".join(f"{other} {count:,}" for count, other in others[:CONFUSED])
        right = found["accuracy_by_label"][true]
        yield true or "(not in the training text)", f"{sum(said.values()):,}", f"{right:.1%}", named

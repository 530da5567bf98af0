"""What every command that takes MODEL, RUN or a prompt does with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from charrnn.cli.console import say

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel
    from charrnn.text.reading import Source


def open_model(
    model: str | None, checkpoints: Path, device: str = "cpu", corpus: list[str] | None = None
) -> "LanguageModel":
    """The model that MODEL stands for, whose own text is in `corpus`; says which one was taken if nobody named one."""
    from charrnn.language_model import load

    found = load(model, checkpoints=checkpoints, device=device, corpus=corpus or ())
    if model is None:
        say(f"model {found.path}")
    return found


def open_models(
    models: list[str | None], together: bool, checkpoints: Path, device: str, corpus: list[str] | None
) -> "Iterator[LanguageModel]":
    """The models that MODEL stands for, one after the other; or all of them as one, which scores like each."""
    from charrnn.together import Together

    opened = (open_model(each, checkpoints, device, corpus) for each in models)
    return cast(Any, iter([Together(list(opened))])) if together else opened


def given(model: "LanguageModel", vectors: str | None, key: str | None) -> "LanguageModel":
    """The model, which reads the vectors of a file, if one is named."""
    from charrnn.text.vectors import VectorFile

    return model.given(None if vectors is None else VectorFile(vectors, key).read())


def source_for(model: "LanguageModel", places: list[str], **asked: str | None) -> "Source":
    """A text that is read as the model's own was, but for what was `asked`: another encoding, another field."""
    from dataclasses import replace

    from charrnn.text.corpus import source_of

    given: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    given |= {"vectors": asked.get("vectors"), "vectors_key": asked.get("vectors_key")}  # the recorded ones are others
    if "field" in given:
        given |= dict.fromkeys(("records", "record_separator", "target_after"))
    source = source_of(model.checkpoint.config.model_dump() | given, places)
    return source if "field" in given else replace(source, records=source.records and source.records.loose())


def read_prompt(
    model: "LanguageModel", prompt: str | None, prompt_file: str | None, encoding: str | None = None
) -> bytes:
    """The prompt's bytes, from the argument, a file or stdin."""
    from charrnn.text.prompts import prompt_of

    if prompt_file is not None:
        return prompt_of(source_for(model, [prompt_file], encoding=encoding))
    return (prompt or "").encode("utf-8", "surrogateescape")


def foreign(place: Path, begins: bytes) -> bool:
    """Whether somebody else's file is there, which does not begin as ours do: a model's folder need not be a run's."""
    try:
        with place.open("rb") as file:
            return file.read(len(begins)) != begins
    except FileNotFoundError:
        return False
    except OSError:  # a folder, or not ours to read
        return True

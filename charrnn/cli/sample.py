"""`charrnn sample`: write text."""

import secrets
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Checkpoints, Model, Prompt, PromptEncoding, PromptFile, ReadingDevice, Unknown

if TYPE_CHECKING:
    from charrnn.cli.writers import Writer
    from charrnn.generation.sample import Request
    from charrnn.language_model import LanguageModel
    from charrnn.text.reading import Source
    from charrnn.text.vocabulary import Vocabulary

ESCAPES = {"\\n": "\n", "\\t": "\t", "\\0": "\0"}


def sample(
    model: Model = None,
    temperature: Annotated[
        float, typer.Option("--temp", "--temperature", "-t", help="0 is greedy; below 1 safer, above 1 wilder.")
    ] = 1.0,
    length: Annotated[int, typer.Option("--length", "-n", min=0, max=10**15, help="Characters to write.")] = 500,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    prompts: Annotated[
        str | None, typer.Option("--prompts", help="File with a prompt on each line, answered in order; - is stdin.")
    ] = None,
    field: Annotated[
        str | None, typer.Option("--field", help="The column or field of --prompts; default: what was learnt.")
    ] = None,
    encoding: PromptEncoding = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="How many samples, of each prompt; the i-th of all uses seed + i.")
    ] = 1,
    separator: Annotated[
        str | None, typer.Option("--separator", help="After each of several samples: \\n (default), \\0, any text.")
    ] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Choose among the k likeliest.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Choose among the likeliest that sum to p.")] = None,
    min_p: Annotated[
        float | None, typer.Option("--min-p", help="Choose among those at least p times as likely as the likeliest.")
    ] = None,
    records: Annotated[
        bool, typer.Option("--records", help="Each sample is one record; for models of --records.")
    ] = False,
    adapt_to: Annotated[
        str | None,
        typer.Option("--adapt-to", help="Learn from this file first, for this call only, and continue it; - is stdin."),
    ] = None,
    stop: Annotated[list[str] | None, typer.Option("--stop", help="End before this text; may be repeated.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Default: drawn, and printed on stderr.")
    ] = None,
    unknown: Unknown = "error",
    echo: Annotated[bool, typer.Option("--echo/--no-echo", help="Write the prompt before its continuation.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per sample.")] = False,
    device: ReadingDevice = "cpu",
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Write text with a trained model.

    \b
    charrnn sample --temp 0.8
    charrnn sample sonnets -n 2000 --prompt "Shall I compare thee" > poem.txt
    charrnn sample sonnets --adapt-to diary.txt --no-echo
    charrnn sample names --count 1000 --stop $'\\n' --json | jq -r .text
    cat questions.txt | charrnn sample --prompts - --seed 7 --separator '\\0' | xargs -0 -n 1 echo
    """
    from charrnn.cli.console import ResultStream
    from charrnn.cli.models import check_prompts, open_model, read_prompt, source_for
    from charrnn.cli.writers import JsonWriter, PlainWriter
    from charrnn.generation.sample import Sampling

    stops = tuple(text.encode("utf-8", "surrogateescape") for text in stop or [])
    check_prompts(prompt, prompt_file, prompts)
    opened = open_model(model, checkpoints, device)
    single = [] if prompts is not None else [read_prompt(opened, prompt, prompt_file, encoding)]
    if adapt_to is not None:
        opened, single = adapted(opened, adapt_to, unknown, [prompt, prompt_file, prompts], single)
    sampling = Sampling(length, temperature, top_k, top_p, min_p, stops, one_record(opened.vocabulary, records))
    several = None if prompts is None else source_for(opened, [prompts], encoding=encoding, field=field)
    asked = Asked(opened, several, single, count, seed, unknown)
    with ResultStream() as stream:
        between = PlainWriter(stream, after(separator, several=count > 1 or prompts is not None))
        writer: Writer = JsonWriter(stream, str(opened.path)) if as_json else between
        for piece in opened.write(asked.requests(), sampling):
            if asked.is_new(piece.number):
                writer.begin(*asked.shown(piece.number), echo)
            writer.write(piece.text)
            if piece.ending is not None:
                writer.end(piece.ending)


def one_record(vocabulary: "Vocabulary", asked: bool) -> bool:
    """Whether a sample ends with its record: where it was asked for, and always if it answers, or is a file."""
    from charrnn.errors import SettingsError

    if asked and vocabulary.end_id is None:
        raise SettingsError("--records needs a model of records", "this one learnt a single text", "leave it away")
    return asked or vocabulary.answer is not None or vocabulary.end == ""


def adapted(
    model: "LanguageModel", place: str, unknown: str, asked: list[str | None], prompts: list[bytes]
) -> "tuple[LanguageModel, list[bytes]]":
    """The model after it has learnt from a file, and the prompts; where none was `asked` for, the file's end."""
    from charrnn.cli.console import say
    from charrnn.errors import DataError, SettingsError
    from charrnn.evaluation.segments import RUN_UP
    from charrnn.text.corpus import source_of
    from charrnn.text.reading import stream_text

    if place == "-" and "-" in asked[1:]:
        raise SettingsError("standard input cannot be learnt from and be the prompt", "", "name a file")
    notices: list[str] = []
    pieces = list(stream_text(source_of(model.checkpoint.config.model_dump(), [place]), notices))
    end = (b"" if model.vocabulary.unit == "byte" else "").join(pieces)[-RUN_UP:]  # type: ignore[arg-type]
    if not end:
        raise DataError(f"{place} is empty", "there is nothing to adapt to", "name a text")
    model = model.adapted(pieces, unknown=unknown, name=place)
    for notice in (*notices, f"adapted to {place}, for this call only"):
        say(notice)
    if any(each is not None for each in asked):
        return model, prompts
    return model, [end if isinstance(end, bytes) else end.encode("utf-8", "surrogateescape")]


def drawn() -> int:
    """A seed by chance, said on stderr."""
    from charrnn.cli.console import say

    seed = secrets.randbelow(2**32)
    say(f"seed {seed}")
    return seed


def after(separator: str | None, *, several: bool) -> bytes:
    """What stands after a sample: what was asked for, else a newline where there are several."""
    if separator is None:
        return b"\n" if several else b""
    for escape, character in ESCAPES.items():
        separator = separator.replace(escape, character)
    return separator.encode("utf-8", "surrogateescape")


class Asked:
    """The texts that were asked for: a request for each, and what its answer is shown with."""

    def __init__(
        self,
        model: "LanguageModel",
        prompts: "Source | None",
        single: list[bytes],
        count: int,
        seed: int | None,
        unknown: str,
    ) -> None:
        self.model, self.prompts, self.single = model, prompts, single
        self.count, self.unknown = count, unknown
        for prompt in single:
            model.encode(prompt, unknown=unknown)  # refused before a seed is drawn and said
        self.seed = drawn() if seed is None else seed
        self.waiting: dict[int, bytes] = {}

    def requests(self) -> "Iterator[Request | None]":
        """One for each sample, made when a lane is free for it; None where the prompts make a pause."""
        from charrnn.generation.sample import Request

        number = 0
        for name, prompt in self._prompts():
            if prompt is None:
                yield None
                continue
            ids = self.model.encode(prompt, unknown=self.unknown, name=name)
            prompt = self._question(prompt)
            for _ in repeat(None, self.count):
                self.waiting[number] = prompt
                yield Request(ids, self.seed + number)
                number += 1

    def is_new(self, number: int) -> bool:
        """Whether nothing of this sample was shown before."""
        return number in self.waiting

    def shown(self, number: int) -> tuple[bytes, int]:
        """The prompt and the seed of a sample whose text now comes."""
        return self.waiting.pop(number), self.seed + number

    def _question(self, prompt: bytes) -> bytes:
        """A prompt as it is shown: where answers were learnt, with what separates it from its own.

        Raises:
            SettingsError: nothing is asked.
        """
        from charrnn.errors import SettingsError
        from charrnn.text.vocabulary import ANSWER

        answer = (self.model.vocabulary.answer or "").encode()
        if answer and not prompt:
            raise SettingsError("this model answers", "nothing was asked", "give a --prompt or --prompts")
        if ANSWER.encode() in prompt:
            return prompt.replace(ANSWER.encode(), answer)
        return prompt if answer in prompt else prompt + answer

    def _prompts(self) -> Iterator[tuple[str, bytes | None]]:
        from charrnn.cli.console import say
        from charrnn.text.prompts import prompts_of

        yield from (("the prompt", prompt) for prompt in self.single)
        if self.prompts is not None:
            number, notices = 0, list[str]()
            for line in prompts_of(self.prompts, notices):
                number += line is not None
                yield f"line {number} of the prompts", line
            for notice in notices:
                say(notice)

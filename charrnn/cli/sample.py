"""`charrnn sample`: write text."""

import codecs
import json
import secrets
import sys
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from charrnn.cli.options import Checkpoints, Model, Prompt, PromptFile, ReadingDevice, Unknown

if TYPE_CHECKING:
    from charrnn.cli.console import ResultStream
    from charrnn.generation.sample import Ending, Request
    from charrnn.language_model import LanguageModel

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
    charrnn sample names --count 1000 --stop $'\\n' --json | jq -r .text
    cat questions.txt | charrnn sample --prompts - --seed 7 --separator '\\0' | xargs -0 -n 1 echo
    """
    from charrnn.cli.console import ResultStream
    from charrnn.cli.models import open_model
    from charrnn.generation.sample import Sampling

    stops = tuple(text.encode("utf-8", "surrogateescape") for text in stop or [])
    sampling = Sampling(length, temperature, top_k, top_p, min_p, stops)
    single = the_prompt(prompt, prompt_file, prompts)
    opened = open_model(model, checkpoints, device)
    asked = Asked(opened, prompts, single, count, seed, unknown)
    with ResultStream() as stream:
        between = PlainWriter(stream, after(separator, several=count > 1 or prompts is not None))
        writer: Writer = JsonWriter(stream, str(opened.path)) if as_json else between
        for piece in opened.write(asked.requests(), sampling):
            if asked.is_new(piece.number):
                writer.begin(*asked.shown(piece.number), echo)
            writer.write(piece.text)
            if piece.ending is not None:
                writer.end(piece.ending)


def drawn() -> int:
    """A seed by chance, said on stderr."""
    from charrnn.cli.console import say

    seed = secrets.randbelow(2**32)
    say(f"seed {seed}")
    return seed


def the_prompt(prompt: str | None, prompt_file: str | None, prompts: str | None) -> list[bytes]:
    """The one prompt, unless there is a file of them."""
    from charrnn.cli.models import read_prompt
    from charrnn.errors import SettingsError

    if prompts is None:
        return [read_prompt(prompt, prompt_file)]
    if prompt is not None or prompt_file is not None:
        raise SettingsError("--prompts excludes --prompt and --prompt-file", "", "give one of them")
    return []


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
        prompts: str | None,
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

    def requests(self) -> "Iterator[Request]":
        """One for each sample, made when a lane is free for it."""
        from charrnn.generation.sample import Request

        number = 0
        for name, prompt in self._prompts():
            ids = self.model.encode(prompt, unknown=self.unknown, name=name)
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

    def _prompts(self) -> Iterator[tuple[str, bytes]]:
        from charrnn.text.reading import stream_lines

        yield from (("the prompt", prompt) for prompt in self.single)
        if self.prompts is not None:
            for number, line in enumerate(stream_lines(self.prompts), 1):
                yield f"line {number} of the prompts", line


class Writer(Protocol):
    """What becomes of a sample while it is being written."""

    def begin(self, prompt: bytes, seed: int, echo: bool) -> None:
        """A sample begins."""

    def write(self, text: bytes) -> None:
        """More of its text."""

    def end(self, ending: "Ending") -> None:
        """It has ended."""


class PlainWriter:
    """The text, and after it what separates it from the next; on a terminal at least a newline."""

    def __init__(self, stream: "ResultStream", end: bytes) -> None:
        self.stream = stream
        self.after = end or (b"\n" if sys.stdout is not None and sys.stdout.isatty() else b"")

    def begin(self, prompt: bytes, seed: int, echo: bool) -> None:
        """A sample begins."""
        self.stream.write(prompt if echo else b"")

    def write(self, text: bytes) -> None:
        """More of its text."""
        self.stream.write(text)

    def end(self, ending: "Ending") -> None:
        """It has ended."""
        self.stream.write(self.after)


class JsonWriter:
    """One JSON object on one line, written while its text comes, so that no text is too long for memory."""

    def __init__(self, stream: "ResultStream", model: str) -> None:
        self.stream, self.model = stream, model
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def begin(self, prompt: bytes, seed: int, echo: bool) -> None:
        """A sample begins."""
        known = {"model": self.model, "seed": seed, "prompt": prompt.decode("utf-8", "replace")}
        self._put(f'{json.dumps(known, ensure_ascii=False)[:-1]}, "text": "')
        self.write(prompt if echo else b"")

    def write(self, text: bytes) -> None:
        """More of its text."""
        self._put(json.dumps(self.decoder.decode(text), ensure_ascii=False)[1:-1])

    def end(self, ending: "Ending") -> None:
        """It has ended."""
        rest = json.dumps(self.decoder.decode(b"", final=True), ensure_ascii=False)[1:]
        self.decoder.reset()
        found = {
            "characters": ending.symbols,
            "log_probability": -ending.nats,
            "log_probability_per_char": -ending.nats / ending.symbols if ending.symbols else None,
            "stop_reason": ending.reason,
            "stop": None if ending.stop is None else ending.stop.decode("utf-8", "replace"),
        }
        self._put(f"{rest}, {json.dumps(found, ensure_ascii=False)[1:]}\n")

    def _put(self, text: str) -> None:
        self.stream.write(text.encode("utf-8", "surrogateescape"))

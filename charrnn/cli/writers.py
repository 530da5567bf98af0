"""How samples are written: as they are, or as JSON objects, while they come."""

import codecs
import json
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from charrnn.cli.console import ResultStream
    from charrnn.generation.sample import Ending


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
            "characters": ending.characters,
            "log_probability": -ending.nats,
            "log_probability_per_char": -ending.nats / ending.characters if ending.characters else None,
            "stop_reason": ending.reason,
            "stop": None if ending.stop is None else ending.stop.decode("utf-8", "replace"),
        }
        self._put(f"{rest}, {json.dumps(found, ensure_ascii=False)[1:]}\n")

    def _put(self, text: str) -> None:
        self.stream.write(text.encode("utf-8", "surrogateescape"))

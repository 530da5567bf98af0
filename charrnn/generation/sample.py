"""One text on its way: what it has to read, what it has written, what of that may leave, and when it ends.

What could be the beginning of a stop string is held back until it is not, so that no part of a stop string ever leaves;
the one that is complete first ends the text. This room does not know networks, nor how a symbol is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.arguments import number, texts, whole
from charrnn.errors import SettingsError
from charrnn.generation.healing import Healing
from charrnn.generation.limits import Limits, Spans
from charrnn.text.vocabulary import Ids, Vocabulary

NOTHING = -1  # in place of a symbol: none was left


@dataclass(frozen=True)
class Sampling:
    """How to choose (see `choose.distribution`) and when to stop.

    Raises:
        SettingsError: a value is out of bounds, or not a number.
    """

    length: int = 500  # characters; bytes for the byte unit
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    stops: tuple[bytes, ...] = ()  # one text, or several, as text or bytes, are made so
    records: bool = False  # whether the end of a record ends a text
    no_repeat: int | None = None  # symbols; see `limits`
    novel: int | None = None  # the same
    spans: Spans | None = field(default=None, compare=False, repr=False)  # of the training text, where novel is asked

    def __post_init__(self) -> None:
        whole("length", self.length, 0)
        if not 0 <= number("temperature", self.temperature) < float("inf"):
            remedy = "give a finite number of at least 0; 0 is greedy"
            raise SettingsError(f"`temperature` cannot be {self.temperature:g}", "", remedy)
        for name, least in (("top_k", self.top_k), ("no_repeat", self.no_repeat), ("novel", self.novel)):
            if least is not None:
                whole(name, least, 1)
        for name, share in (("top_p", self.top_p), ("min_p", self.min_p)):
            if share is not None and not 0 < number(name, share) <= 1:
                raise SettingsError(f"`{name}` cannot be {share:g}", "", "give a number above 0 and at most 1")
        stops = texts("stops", self.stops)  # one text is one, not its letters
        encoded = [stop.encode("utf-8", "surrogateescape") if isinstance(stop, str) else stop for stop in stops]
        if b"" in encoded:
            raise SettingsError("a text to stop at cannot be empty", "", "give at least one character")
        object.__setattr__(self, "stops", tuple(encoded))


class Request(NamedTuple):
    """A text to be written: what it continues, and the seed of its draws (NumPy's PCG64, one number per symbol).

    The `rest` belongs to the prompt, and what is written begins with it: see `healing`.
    """

    prompt: Ids
    seed: int
    rest: str = ""


@dataclass(frozen=True)
class Ending:
    """How a text ended: `length`, `stop`, `record` or `exhausted`; `nats` is -ln of its probability at temperature 1.

    That includes the stop string, the end of the record, and a last word that was cut to the length. `exhausted` means
    that nothing was left that may be written. Nats are the model's own, without limits, but given a prompt's rest.
    """

    reason: str
    characters: int  # bytes for the byte unit
    nats: float
    stop: bytes | None = None


@dataclass(frozen=True)
class Sample:
    """A text that was written: `text` continues `prompt`. `log_probability` is in nats, at temperature 1."""

    text: str
    prompt: str
    seed: int
    characters: int
    log_probability: float
    stop_reason: str  # `length`, `stop`, `record` or `exhausted`
    stop: str | None  # the stop string that ended it

    @classmethod
    def of(cls, written: bytes, prompt: str | bytes, seed: int, ending: Ending) -> "Sample":
        """The sample that ended so."""
        stop = None if ending.stop is None else _as_text(ending.stop)
        texts = _as_text(written), _as_text(prompt)
        return cls(*texts, seed, ending.characters, -ending.nats, ending.reason, stop)


@dataclass
class Text:
    """A text on its way: what it still has to read, what it has written, what of that may leave."""

    number: int
    request: Request
    vocabulary: Vocabulary
    sampling: Sampling
    ending: Ending | None = None
    begun: bool = False
    written: int = 0
    nats: float = 0.0
    _sure: bytearray = field(default_factory=bytearray)
    _held: bytes = b""

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.request.seed)
        self.script = _opening(self.vocabulary, self.request.prompt, self.generator)
        self.read = 0  # symbols of the script
        self.covering = len(self.request.rest)  # characters of the prompt that are still to be written
        self.healing = Healing.of(self.vocabulary, self.request.rest) if self.request.rest else None
        self.dictated: list[int] = []  # what the spelling of the rest goes on with
        limited = self.sampling.no_repeat, self.sampling.spans
        self.limits = Limits(*limited, self.request.prompt.tolist()) if limited != (None, None) else None
        if self.sampling.length == 0:
            self.ending = Ending("length", 0, 0.0)

    @property
    def steered(self) -> bool:
        """Whether what comes after its script is not free."""
        held = self.healing is not None or bool(self.dictated) or self.limits is not None
        return held and self.ending is None

    def taken(self) -> bytes:
        """What may leave and has not left yet."""
        text = bytes(self._sure)
        self._sure.clear()
        return text

    def plan(self, steps: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """For the next `steps` choices: the symbols that the script dictates (else -1), and a draw for every other."""
        forced = np.full(steps, -1, dtype=np.int64)
        dictated = self.script[self.read : self.read + steps]
        forced[: len(dictated)] = dictated
        self.read += len(dictated)
        uniform = np.zeros(steps)
        uniform[len(dictated) :] = self.generator.random(steps - len(dictated))
        return forced, uniform

    def add(self, ids: Sequence[int], nats: Sequence[float]) -> None:
        """Take up symbols that were chosen; what comes after the end is dropped."""
        if self._endless(ids):
            self.nats = reduce(add, nats, self.nats)
            self._sure += self.vocabulary.to_bytes(ids)
            self.written += sum(self.vocabulary.lengths[symbol] for symbol in ids)
            return
        for symbol, cost in zip(ids, nats, strict=True):
            if symbol == NOTHING:
                self._end("exhausted")
                return
            self.nats += cost  # one by one: `sum` compensates, so its result would depend on the pieces
            if self.sampling.records and symbol == self.vocabulary.end_id:
                self._end("record")
                return
            text, length = self._uncovered(symbol)
            room = self.sampling.length - self.written
            self._held += text if length <= room else text.decode()[:room].encode()
            self.written += min(length, room)
            place, stop = _find(self._held, self.sampling.stops)
            if stop is not None:
                self._held = self._held[:place]
                self._end("stop", stop)
                return
            if self.written == self.sampling.length:
                self._end("length")
                return
            sure = len(self._held) - _overlap(self._held, self.sampling.stops)
            self._sure += self._held[:sure]
            self._held = self._held[sure:]

    def _endless(self, ids: Sequence[int]) -> bool:
        """Whether the text can neither end at one of `ids` nor hold one back, so that none needs a look of its own."""
        s = self.sampling
        if s.stops or self.covering or NOTHING in ids or (s.records and self.vocabulary.end_id in ids):
            return False
        return self.written + sum(self.vocabulary.lengths[symbol] for symbol in ids) < s.length

    def _uncovered(self, symbol: int) -> tuple[bytes, int]:
        """What a symbol writes behind the prompt, and how much of the length that takes."""
        text, length = self.vocabulary.to_bytes([symbol]), self.vocabulary.lengths[symbol]
        if self.covering:
            covered = min(self.covering, length)
            text, length = text.decode()[covered:].encode(), length - covered
            self.covering -= covered
        return text, length

    def _end(self, reason: str, stop: bytes | None = None) -> None:
        self._sure += self._held
        self.ending = Ending(reason, self.written, self.nats, stop)


def never_written(vocabulary: Vocabulary, text: bytes) -> str:
    """The characters of `text` that no sample has."""
    if vocabulary.unit == "byte":
        return ""
    known = set(vocabulary.decode(place for place in range(len(vocabulary)) if place not in vocabulary.unwritten))
    return "".join(c for c in dict.fromkeys(text.decode("utf-8", "surrogateescape")) if c not in known)


def _opening(vocabulary: Vocabulary, prompt: Ids, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    opening = np.concatenate([np.array(part, dtype=np.int64) for part in (vocabulary.layout.opening, prompt)])
    if len(opening):
        return opening
    if "\n" in vocabulary.symbols:
        return np.array([vocabulary.symbols.index("\n")])
    return generator.integers(len(vocabulary.symbols), size=1)


def _find(text: bytes, stops: Sequence[bytes]) -> tuple[int, bytes | None]:
    """The earliest stop string in `text`; at the same place the longest."""
    found = [(text.find(stop), -len(stop), stop) for stop in stops if stop in text]
    if not found:
        return -1, None
    place, _, stop = min(found)
    return place, stop


def _overlap(text: bytes, stops: Sequence[bytes]) -> int:
    """Length of the longest end of `text` that a stop string begins with."""
    longest = max((len(stop) - 1 for stop in stops), default=0)
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(s.startswith(text[-n:]) for s in stops)), 0)


def _as_text(content: str | bytes) -> str:
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else content

"""The texts that `sample` was asked for: a request for each, made when there is room for it."""

import itertools
import secrets
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.generation.sample import Request
    from charrnn.language_model import LanguageModel
    from charrnn.text.reading import Source


def drawn() -> int:
    """A seed by chance, said on stderr."""
    from charrnn.cli.console import say

    seed = secrets.randbelow(2**32)
    say(f"seed {seed}")
    return seed


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
        from charrnn.cli.console import say

        number = 0
        records = itertools.count()
        for name, prompt in self._prompts():
            if prompt is None:
                yield None
                continue
            how = {"unknown": self.unknown, "name": name, "record": next(records)}
            request = self.model.request(prompt, self.seed, **how)  # type: ignore[arg-type]
            prompt = self._question(prompt)
            for _ in repeat(None, self.count):
                self.waiting[number] = prompt
                yield request._replace(seed=self.seed + number)
                number += 1
        if self.model.vectors is not None and (left := len(self.model.vectors) - next(records)) > 0:
            say(f"{left:,} of {len(self.model.vectors):,} records of vectors had no prompt, and were left out")

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
        from charrnn.text.marks import ANSWER

        answer = (self.model.vocabulary.answer or "").encode()
        if answer and not prompt and self.model.vectors is None:
            raise SettingsError("this model answers questions", "nothing was asked", "give a --prompt or --prompts")
        if ANSWER.encode() in prompt:
            return prompt.replace(ANSWER.encode(), answer)
        return prompt if answer in prompt else prompt + answer

    def _prompts(self) -> Iterator[tuple[str, bytes | None]]:
        from charrnn.cli.console import say
        from charrnn.cli.flags import spoken
        from charrnn.text.prompts import prompts_of

        times = 1 if self.model.vectors is None else len(self.model.vectors)
        yield from (("the prompt", prompt) for prompt in self.single for _ in range(times))
        if self.prompts is not None:
            number, notices = 0, list[str]()
            for line in prompts_of(self.prompts, notices):
                number += line is not None
                yield f"line {number} of the prompts", line
            for notice in notices:
                say(spoken(notice))

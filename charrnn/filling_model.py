"""What a trained model puts into a text that is there: what is missing, and labels for its words."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from charrnn.arguments import UNKNOWN, not_negative, one_of, texts, whole
from charrnn.arguments import text as checked
from charrnn.errors import SettingsError
from charrnn.evaluation.blocks import blocks
from charrnn.evaluation.labelling import Labelled, labelled
from charrnn.evaluation.score import SHORT
from charrnn.generation.fill import MOST, How
from charrnn.generation.restore import Restored, restore
from charrnn.scoring_model import Content, ScoringModel
from charrnn.text.characters import as_text
from charrnn.text.labels import unlabelled, unmarked
from charrnn.text.marks import END
from charrnn.text.vocabulary import Ids

HELD = 1 << 24  # probabilities of labels, of a long text


class FillingModel(ScoringModel):
    """A trained network with its vocabulary, which fills gaps and labels words."""

    def fill(
        self,
        text: str,
        *,
        gap: str = "_",
        gap_text: str | None = None,
        most: int = 20,
        temperature: float = 0.0,
        seed: int = 0,
        top: int = 3,
    ) -> Restored:
        """`text` with its gaps filled: each `gap` is a symbol, each `gap_text` at most `most` of them.

        At temperature 0 the likeliest is written, else one is drawn; of each gap the `top` likeliest are told.

        Raises:
            SettingsError, DataError: the gaps or the text cannot be such.
        """
        if self.vocabulary.labels:
            self.check_one_way("fill gaps")
        given = as_text(checked("text", text), "the text")
        how = How(not_negative("temperature", temperature), whole("seed", seed, 0), whole("top", top, 1))
        how = replace(how, most=whole("most", most, 1, MOST))
        self.given(self.vectors)
        read = partial(self._marked, name="the text")
        return restore(self.networks.numpy, self.vocabulary, given, read, how, gap=gap, gap_text=gap_text)

    def label(self, words: Content | Iterable[Content]) -> list[str]:
        """A label for each word, of a model that was trained on such: words in a list, or between blanks in a text.

        Raises:
            SettingsError: it was trained without labels.
        """
        if not isinstance(words, (str, bytes)):
            each = [_text(word) for word in texts("words", words)]
            if odd := [word for word in each if len(word.split()) != 1]:
                raise SettingsError(f"`words` cannot hold {odd[0]!r}", "a word has no blanks", "give each by itself")
            words = " ".join(each)
        (found,) = self.labels([words])
        return found.said

    def labels(self, sentences: Iterable[Content], *, unknown: str = "skip") -> Iterator[Labelled]:
        """The words of each sentence with their labels; one without words has none."""
        self._labels()
        one_of("unknown", unknown, UNKNOWN)
        for sentence in sentences:
            (words,) = unmarked("the sentence", [_text(checked("sentences", sentence))], labels=True)
            if unknown == "error":
                self.vocabulary.encode(words, name="the prompt")  # for the places that it names
            ids = self.vocabulary.encode(END + unlabelled(words) + END, unknown=unknown)
            found = labelled(self.network(light=True), self.vocabulary, ids) if len(ids) > 2 else iter(_WORDLESS)
            yield next(found)._replace(words=words.split())  # also what the model does not know of them

    def labelled(self, pieces: Iterable[Content | Ids]) -> Iterator[Labelled]:
        """The words of a text that stands there with its labels, and what the model says of them.

        Memory does not grow with it.
        """
        self._labels()
        v, size = self.vocabulary, max(SHORT, HELD // len(self.vocabulary.labels))
        coming = blocks(v.stream(self._pieces(pieces), "skip"), size + 1, size, v.end_id)
        for number, block in enumerate(coming):  # the first begins with the END before its records
            ids = np.concatenate((v.encode(END), block)) if number else block
            yield from labelled(self.network(light=len(ids) <= SHORT), v, ids)

    def _labels(self) -> None:
        if not self.vocabulary.labels:
            what = "this model labels nothing"
            raise SettingsError(what, "it was trained without labels", "train one with `synced` and `target_after`")


_WORDLESS = [Labelled([], [], [], [])]


def _text(content: Content) -> str:
    return content if isinstance(content, str) else content.decode("utf-8", "replace")

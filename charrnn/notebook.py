"""charrnn from Python: train, load, and look at what came of it. The package hands these out as its own.

    model = charrnn.train("corpus.txt", time="60s")    charrnn.load("shakespeare").surprisal("To be")

They are the commands without the door: the same settings, defaults, folders and guarantees, and nothing is printed.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.arguments import several
from charrnn.config import CALL, Wish, check_one_length
from charrnn.errors import SettingsError
from charrnn.evaluation.costs import known
from charrnn.language_model import LanguageModel as LanguageModel
from charrnn.language_model import opened
from charrnn.runs.record import RunRecord, find_run
from charrnn.scoring_model import Content

if TYPE_CHECKING:
    from charrnn.report.picture import Surprisal
    from charrnn.runs.events import Event, Listener


class Model(LanguageModel):
    """A trained model in hand: what a `LanguageModel` does, and what is to be looked at or taken along."""

    def surprisal(self, text: Content, *, unknown: str = "skip") -> "Surprisal":
        """The characters or words of `text` with their bits; a notebook draws them in colours."""
        from charrnn.report.picture import Surprisal

        parts = self.scored(self._read(text, "the text"), unknown=unknown)
        return Surprisal(tuple(known(self.vocabulary, parts, [0])))

    def report(self, place: str | Path | None = None) -> str:
        """Everything about the model and its run as one HTML page, also written to `place`.

        Raises:
            OutputError, StorageError: it cannot be written.
        """
        from charrnn import __version__
        from charrnn.files import write_whole
        from charrnn.report.page import page
        from charrnn.report.study import study

        written = page([study(self)], f"charrnn {__version__}")
        if place is not None:
            write_whole(Path(place), written)
        return written.decode()

    def export(self, place: str | Path, *, weights: str | None = None) -> list[str]:
        """Write the model to `place`, as a page, as ONNX or as a folder: see `export.homes.export`."""
        from charrnn.export.homes import export

        return export(self, place, weights)


def load(
    model: str | Path | None = None,
    *,
    checkpoints: str | Path = "checkpoints",
    device: str = "cpu",
    corpus: str | Iterable[str] = (),
) -> Model:
    """The model that a `.safetensors` file, a run's folder or name, or nothing (the newest run) stands for.

    See `language_model.opened` for the rest.
    """
    return opened(Model, model, checkpoints, device, corpus)


def train(
    corpus: str | Path | Iterable[str | Path],
    *,
    name: str | None = None,
    checkpoints: str | Path = "checkpoints",
    resume: bool = False,
    init_from: str | Path | None = None,
    cache: str | Path | None = None,
    progress: "bool | Callable[[Event], object]" = False,
    **settings: Any,
) -> Model:
    """Train on texts (files, folders, patterns) as `charrnn train` does, and load the best model of the run.

    `settings` are those of `--help`, with underscores: `time="60s"`, `hidden=512`, `validation="other.txt"`.
    `progress` is a function that is called with every event of the run, or True for a bar. Ctrl-C saves and raises;
    the same call with `resume=True` goes on.

    Raises:
        CharrnnError: what `charrnn train` would refuse or end with, in one line.
    """
    from charrnn.planning.preparation import Request
    from charrnn.training.interruption import Interruption
    from charrnn.training.session import opened as session

    began, wish = time.monotonic(), Wish()
    places = [corpus] if isinstance(corpus, (str, Path)) else list(several("corpus", corpus))
    check_one_length(settings, CALL)
    wish.add({"corpus": [str(place) for place in places], **settings}, CALL)
    source = None if init_from is None else str(init_from)
    kept = None if cache is None else Path(cache)
    request = Request(wish, Path(checkpoints), name, resume, source, began, kept)
    listen, close = _listener(progress)
    try:
        with Interruption() as interruption, session(request, listen, interruption) as loop:
            loop.go()
            path = loop.run.path
    finally:
        close()
    return load(path, device=loop.config.device)


def _listener(progress: Any) -> "tuple[Listener, Callable[[], None]]":
    if callable(progress):
        return progress, lambda: None
    if not isinstance(progress, bool):
        raise SettingsError(f"`progress` cannot be {progress!r}", "", "give a function, True or False")
    if not progress:
        return (lambda event: None), lambda: None
    from charrnn.training.bar import Bar

    bar = Bar()
    return bar, bar.close


class Run:
    """A run as it is on disk: its folder, its name, or nothing for the one that recorded something last.

    Raises:
        MissingInputError: there is none, or it has no record.
    """

    def __init__(self, run: str | Path | None = None, *, checkpoints: str | Path = "checkpoints") -> None:
        self.path = find_run(None if run is None else str(run), Path(checkpoints))

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {len(self.metrics('evaluated'))} evaluations>"

    def metrics(self, event: str | None = None) -> list[dict[str, Any]]:
        """Everything that happened, in order, as `metrics.jsonl` has it; or one kind: `trained`, `evaluated`, ..."""
        return [each for each in RunRecord(self.path).read() if event is None or each["event"] == event]

    def model(self, device: str = "cpu") -> Model:
        """Its best model."""
        return load(self.path, device=device)

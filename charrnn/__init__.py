"""charrnn: learn a text character by character, and write more of it.

    model = charrnn.train("corpus.txt", time="60s")    model = charrnn.load("checkpoints/sonnets")
    model.sample("Shall I", temperature=0.8)    model.score("a text")    model.predict("The quick brown fo")

Importing the package loads nothing heavy: neither torch nor numpy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.notebook import LanguageModel, Model, Run, load, train

__version__ = "0.1.0"
__all__ = ["LanguageModel", "Model", "Run", "__version__", "load", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from charrnn import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'charrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

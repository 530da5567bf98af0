"""Where a model can be taken: a page, an ONNX file, a folder; by the name of what is to be written.

Another home is one function and one line in HOMES.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from charrnn.errors import OutputError, SettingsError
from charrnn.files import write_whole, writing_failed
from charrnn.language_model import LanguageModel


class Exported(NamedTuple):
    """What was written, and what is to be said of it."""

    files: dict[str, bytes]  # by name; of a single file that is ""
    notices: list[str]


def _page(model: LanguageModel, weights: str | None) -> Exported:
    from charrnn.export.desk import desk
    from charrnn.export.loss import rounding_cost

    kind = "int8" if weights is None else weights
    page, held = desk(model, kind)
    return Exported({"": page}, [rounding_cost(model, held, kind)])


def _onnx(model: LanguageModel, weights: str | None) -> Exported:
    from charrnn.export.onnx_graph import verified

    content, difference = verified(model)
    return Exported({"": content}, [f"verified with onnxruntime: logits differ by at most {difference:.1g}"])


def _folder(model: LanguageModel, weights: str | None) -> Exported:
    from charrnn.export.folder import folder

    return Exported(folder(model), ["what README.md leaves open (license, language) is yours to fill in"])


Home = Callable[[LanguageModel, str | None], Exported]
HOMES: dict[str, Home] = {".html": _page, ".onnx": _onnx, "": _folder}


def export(model: LanguageModel, place: str | Path, weights: str | None = None) -> list[str]:
    """Write `model` to `place`: a page (.html), an ONNX file (.onnx), or a folder; returns what is to be said of it.

    `weights` is how exact a page's are: int8 (where left out), float16 or float32.

    Raises:
        SettingsError: there is no such home, or it takes no `weights`.
        OutputError, StorageError: it cannot be written; a folder that holds something is left alone.
    """
    shown, path = str(place), Path(place)
    suffix = "" if shown.endswith("/") or path.is_dir() else path.suffix.lower()
    if suffix not in HOMES or not path.name:
        known = ".html (a page), .onnx, or the name of a folder"
        raise SettingsError(f"a model cannot be exported as {shown!r}", "", f"end it with {known}")
    if weights is not None and suffix != ".html":
        raise SettingsError("`weights` is how exact a page's are", f"{shown} is none", "leave it out")
    if not suffix and path.is_dir() and any(path.iterdir()):
        raise OutputError(f"{shown} holds something", "it is left as it is", "name a folder that is empty or not there")
    if suffix and model.checkpoint.config.vector_size:
        what, why = (
            f"this model cannot be exported as {shown!r}",
            "it reads vectors, which neither a page nor a graph has",
        )
        raise SettingsError(what, why, "name a folder")
    if suffix:
        model.check_one_way(f"be exported as {shown!r}")
    exported = HOMES[suffix](model, weights)
    try:
        (path.parent if suffix else path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(path, error) from error
    for name, content in exported.files.items():
        write_whole(path / name if name else path, content)
    return exported.notices

"""A trained model -> a writing desk: one HTML file that writes, offline, in any browser.

It holds the network, its vocabulary and a script that computes it. Its policy lets nothing in but its own style and its
own script, by their digests, so no request leaves it; names and symbols enter it as data, or through `markup.inert`. It
carries the digest of what it holds, and says so instead of writing nonsense where that is damaged.
"""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from charrnn import __version__
from charrnn.errors import DataError, MissingInputError
from charrnn.evaluation.properties import texts_of
from charrnn.evaluation.units import meanings
from charrnn.export.loss import held_out
from charrnn.export.rounding import Rounded, rounded
from charrnn.language_model import LanguageModel
from charrnn.report.markup import data, document, inert
from charrnn.report.study import card
from charrnn.shapes import has_residual

BEGINS = b"<!doctype html>\n<!-- charrnn desk -->"
STUDIED = 10_000  # symbols, for the meanings of units
_SCRIPTS = ("network.js", "reading.js", "desk.js")


def desk(model: LanguageModel, weights: str = "int8") -> tuple[bytes, Rounded]:
    """The page, UTF-8, and its weights as they were rounded to `weights`, one of `rounding.KINDS`.

    Raises:
        SettingsError: no such kind.
    """
    held = rounded(model.checkpoint.calibrated, weights)
    return _page(model, about(model, held), base64.b64encode(held.content).decode()).encode(), held


def about(model: LanguageModel, held: Rounded) -> dict[str, Any]:
    """Everything that the page's script needs to know, besides the weights."""
    config, v = model.checkpoint.config, model.vocabulary
    return {
        "config": {
            **{key: getattr(config, key) for key in ("cell", "layers", "hidden", "embedding", "layer_norm")},
            "residuals": [has_residual(config, index) for index in range(config.layers)],
        },
        "alphabet": {
            **{"unit": v.unit, "symbols": list(v.symbols), "texts": v.written, "folds": v.folds},
            **{"end": v.end, "endId": v.end_id, "answer": v.answer, "answerId": v.answer_id, "unwritten": v.unwritten},
        },
        "units": [[unit.unit, unit.property] for unit in named_units(model)],
        "tensors": held.listed,
    }


def named_units(model: LanguageModel) -> list[Any]:
    """The units with a meaning, where the model's text is there."""
    try:
        ids = held_out(model.own_text())[:STUDIED]
    except (MissingInputError, DataError):
        return []
    return list(meanings(model.networks.numpy, ids, texts_of(model.vocabulary, ids), model.vocabulary.end_id))


def _page(model: LanguageModel, told: dict[str, Any], weights: str) -> str:
    model_data = data("model", told)
    content = model_data[model_data.index(">") + 1 : model_data.rindex("<")]
    whole = hashlib.sha256((content + weights).encode()).hexdigest()
    name = model.path.resolve().parent.name if model.path.name == "best.safetensors" else model.path.stem
    facts = dict(card(model))
    described = inert("; ".join(facts[key] for key in ("network", "vocabulary", "validation") if key in facts))
    body = f"""<h1>{inert(name)}</h1>
<p class="quiet">{described}.</p>
<p id="status" role="status">This page computes in its own script, which does not run: scripts are off, or the page is
damaged.</p>
<main id="desk" hidden>
{_file("desk.html").strip()}
</main>
<p class="quiet">Made by charrnn {inert(__version__)}; nothing that is typed here leaves this page.</p>
{model_data}
<script type="text/plain" id="weights">{weights}</script>"""
    style, script = _file("desk.css"), "\n".join(map(_file, _SCRIPTS))
    return document(BEGINS, f"{name}: a writing desk", style, script, body, f' data-sha256="{whole}"')


def _file(name: str) -> str:
    return files("charrnn.export").joinpath(name).read_text("utf-8")

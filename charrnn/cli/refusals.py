"""What `charrnn evaluate` cannot do, or not at once: said before anything is scored."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel

NOT_DRAWN = ("as_json", "per_line", "per_char", "choices")


def check(by_piece: bool, threshold: float | None, models: int, choices: str | None) -> None:
    """Refuse what cannot be shown."""
    from charrnn.errors import SettingsError

    if by_piece and models > 1:
        raise SettingsError("--per-line, --per-char, --threshold and --heatmap show one model", "", "name one MODEL")
    if threshold is not None and not math.isfinite(threshold):
        raise SettingsError(f"--threshold cannot be {threshold}", "", "give a number of bits")
    if choices is not None and ("," not in choices or not all(choices.split(","))):
        raise SettingsError(f"--choices cannot be {choices!r}", "", "give at least two texts, as in yes,no")


def check_flags(by_piece: bool, asked: Mapping[str, Any], *, held_out: bool) -> None:
    """Refuse flags that cannot be used together."""
    from charrnn.errors import SettingsError

    others = [f"--{key.removeprefix('as_').replace('_', '-')}" for key in NOT_DRAWN if asked[key]]
    if asked["heatmap"] and others:
        raise SettingsError(f"--heatmap shows the text itself, not {others[0]}", "", "leave one of them out")
    if asked["together"] and asked["choices"]:
        raise SettingsError("--together has no --choices", "they are for one model at a time", "leave one of them out")
    if asked["adapt"] and (by_piece or asked["window"]):
        raise SettingsError("--adapt is for the score of a whole text", "the state is carried", "leave it out")
    if asked["baselines"] and (by_piece or not held_out):
        raise SettingsError("--baselines stand beside the score of one model's held-out text", "", "leave it out")


def check_model(model: "LanguageModel", baselines: bool) -> "LanguageModel":
    """The same model; refuse what a model that answers has not, before anything is scored."""
    from charrnn.errors import SettingsError

    if baselines and model.vocabulary.layout.asks:
        raise SettingsError("--baselines know no answers", "this model's score is that of answers", "leave it out")
    return model

"""Flags without effect, in every command, and what `charrnn evaluate` cannot do: said before anything is scored."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel

# By command: flags that say something of others only, and those that take the place of others.
ABOUT: dict[str, dict[str, tuple[str, ...]]] = {
    "sample": {
        "field": ("prompts",),
        "encoding": ("prompt_file", "prompts", "adapt_to"),
        "vectors_key": ("vectors",),
    },
    "predict": {"encoding": ("prompt_file",), "vectors_key": ("vectors",)},
    "evaluate": {
        **dict.fromkeys(("encoding", "field", "target", "vectors"), ("text",)),
        "vectors_key": ("vectors",),
    },
    "fill": {"most": ("gap_text",), "top": ("as_json",)},
}
APART: dict[str, tuple[tuple[str, str], ...]] = {
    "train": (("quiet", "verbose"), ("dry_run", "print_config")),
    "sample": (("prompts", "prompt"), ("prompts", "prompt_file"), ("prompt", "prompt_file")),
    "predict": (("prompt", "prompt_file"),),
    "evaluate": (("split", "text"), ("per_line", "per_char")),
    "fill": (("text", "file"),),
}
NOT_DRAWN = ("as_json", "per_line", "per_char", "choices")


def check_call(command: str, ctx: typer.Context) -> None:
    """Refuse flags without effect on a command line; what the environment says may be for many."""
    from charrnn.arguments import check_effects

    typed = {key: value for key, value in ctx.params.items() if was_typed(ctx, key)}
    check_effects(typed, ctx.params, ABOUT.get(command, {}), APART.get(command, ()))


def was_typed(ctx: typer.Context, key: str) -> bool:
    """Whether a parameter stands on the command line."""
    source = ctx.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"


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


def check_model(
    model: "LanguageModel", asked: Mapping[str, Any], scored: Sequence[Mapping[str, Any]]
) -> "LanguageModel":
    """The same model; refuse what it has not, or what is not to stand beside what was `scored` before."""
    from charrnn.cli.labels import NOT_SCORED, refuse
    from charrnn.cli.tables import TWO_SIDED
    from charrnn.errors import SettingsError

    config, baselines = model.checkpoint.config, asked["baselines"]
    if model.vocabulary.labels:
        refuse(asked, NOT_SCORED)
    elif config.bidirectional and (baselines or asked["adapt"]):
        name = "--baselines" if baselines else "--adapt"
        raise SettingsError(f"{name} stands beside the length of a code", "this model reads both ways", "leave it out")
    kinds = {bool(model.vocabulary.labels), *("label_accuracy" in each for each in scored)}
    sides = {config.bidirectional, *(f"{TWO_SIDED}bits_per_char" in each for each in scored)}
    if scored and (len(kinds) > 1 or (len(sides) > 1 and not model.vocabulary.labels)):
        what, why = "these models cannot be compared", "they read one way, or both ways, or label words"
        raise SettingsError(what, why, "name models of one kind")
    if baselines and model.vocabulary.layout.asks:
        raise SettingsError("--baselines know no answers", "this model's score is that of answers", "leave it out")
    return model

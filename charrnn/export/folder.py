"""A trained model -> a folder as model hubs show them: the model, its configuration, its vocabulary and a model card.

model.safetensors   the checkpoint, as `charrnn sample` and whoever follows `docs/format.md` read it
config.json         the network and its temperature        vocabulary.json   symbols by id
README.md           the card: what it learnt, what it scores beside baselines, how much it copies, what it writes
"""

import json
from dataclasses import asdict, replace
from typing import Any

from charrnn import __version__
from charrnn.language_model import LanguageModel
from charrnn.report.contents import Account
from charrnn.report.study import study
from charrnn.runs.checkpoint import serialized
from charrnn.runs.own_text import nameless
from charrnn.text.visible import visible

SAMPLES, LENGTH = 3, 400
SHOWN = ("cell", "layers", "hidden", "embedding", "layer_norm", "residual", "unit", "dropout", "weight_drop")
TRAINED = ("steps", "batch_size", "seq_length", "learning_rate", "seed", "precision")


def folder(model: LanguageModel) -> dict[str, bytes]:
    """Its files by name."""
    c = model.checkpoint
    shared = replace(c, config=nameless(c.config), training=None, wish=None)
    network = {key: getattr(c.config, key) for key in SHOWN[:6]} | {"temperature": c.progress.temperature}
    described = {"model_type": "charrnn", "charrnn": __version__, **network, "vocabulary_size": len(c.vocabulary)}
    return {
        "model.safetensors": serialized(shared),
        "config.json": _json(described),
        "vocabulary.json": _json(asdict(c.vocabulary)),
        "README.md": card(model).encode(),
    }


def card(model: LanguageModel) -> str:
    """The model card, in Markdown."""
    account, c = study(model), model.checkpoint
    lines = ["---", "library_name: charrnn", "pipeline_tag: text-generation", "tags: [char-rnn, rnn, text-generation]"]
    lines += [
        "# license: (fill in: also the text's own counts)",
        "# language: (fill in)",
        "---",
        "",
        f"# {_cell(account.name)}",
    ]
    lines += ["", "A recurrent network that learnt a text symbol by symbol and writes more of it."]
    lines += ["", "```sh", "pip install charrnn", 'charrnn sample model.safetensors --prompt "..."', "```"]
    lines += _table("What it is", ["", ""], [[key, value] for key, value in account.card])
    rows = [[key.replace("_", " "), str(getattr(c.config, key))] for key in (*SHOWN, *TRAINED)]
    lines += _table("Settings", ["setting", "value"], rows)
    lines += _scores(account) + _copying(account)
    lines += ["", "## What it writes", "", f"At temperature 0.8, seeds 1 to {SAMPLES}:"]
    for seed in range(1, SAMPLES + 1):
        text = visible(model.sample(length=LENGTH, temperature=0.8, seed=seed).text)
        fence = "`" * max(3, *(len(run) + 1 for run in _runs(text)))
        lines += ["", f"{fence}text", text, fence]
    lines += ["", "## Limits", ""]
    lines += [
        "It knows nothing but its text: what it writes looks like that, means nothing, and may hold passages of it."
    ]
    lines += ["", *map(visible, account.notices)]
    return "\n".join(lines).rstrip() + "\n"


def _scores(account: Account) -> list[str]:
    rows = [[each.name, each.knows, f"{each.bits_per_char:.4f}"] for each in account.baselines]
    if account.bits_per_char is not None:
        rows.append(["**this model**", "trained on the training set", f"**{account.bits_per_char:.4f}**"])
    return _table("Scores on held-out text", ["", "how", f"bits per {account.per}"], rows) if rows else []


def _copying(account: Account) -> list[str]:
    if account.copying is None:
        return []
    found, rows = account.copying, []
    for n, shares in found.shares.items():
        mine, held_out = ("-" if share is None else f"{share:.1%}" for share in shares)
        rows.append([f"{n} symbols", mine, held_out])
    rows.append(["the longest", *(f"{length:,} symbols" for length in found.longest)])
    head = ["spans that stand in the training text", "of a sample", "of as much held-out text"]
    return [*_table("How much it copies", head, rows), "", found.how]


def _table(title: str, head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["", f"## {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(map(_cell, row))} |" for row in rows]


def _cell(text: str) -> str:
    """Any text in one cell: nothing in it is markup, but for the stars of what is ours."""
    inert = visible(text).replace("\n", " ")
    return "".join(f"\\{each}" if each in "|`<>[]_\\" else each for each in inert)


def _runs(text: str) -> list[str]:
    """The runs of backquotes in a text, and one that is empty."""
    return ["", *"".join(each if each == "`" else " " for each in text).split()]


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()

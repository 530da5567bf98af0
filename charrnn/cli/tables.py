"""The tables for people: how a training run ended, what a dry run found, every setting with its source, scores."""

import json
import math
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.cli.console import table
from charrnn.cli.flags import spoken

if TYPE_CHECKING:
    from charrnn.config import RunConfig, Wish
    from charrnn.evaluation.compare import Passage
    from charrnn.evaluation.score import Score
    from charrnn.planning.preparation import Preparation
    from charrnn.runs.progress import Progress
    from charrnn.text.corpus import Corpus
    from charrnn.text.examination import Examination
    from charrnn.training.loop import Loop


ANSWERS = ("exact_match", "accuracy")  # figures of texts with answers
TWO_SIDED = "two_sided_"  # what is said of a symbol given both sides has names of its own
RAREST = 8  # symbols that a dry run shows


def closing_table(loop: "Loop", was_complete: bool, checkpoints: Path) -> str:
    """What was learnt, next to what counting learns, and what to type next."""
    p, name = loop.progress, loop.run.path.name
    place = "" if checkpoints == Path("checkpoints") else f" --checkpoints {shlex.quote(str(checkpoints))}"
    model, vocabulary = shlex.quote(name), loop.corpus.vocabulary
    how = "--temp 0.8 --records --count 10" if vocabulary.layout.records else "--temp 0.8"
    if vocabulary.layout.asks:
        how = "-t 0" + " --vectors FILE" * vocabulary.vectors + " --prompts FILE" * vocabulary.layout.answers
    rows = [
        ("trained", f"{p.step:,} steps, {p.epoch:.1f} epochs, {p.seconds:.0f} s" + (", before" if was_complete else ""))
    ]
    if p.best_nats is not None:
        rows += validation_rows(p, loop.corpus, loop.config)
    use = f"sample {model} {how}"
    if vocabulary.labels:
        use = f"sample {model} --prompts FILE"
    elif loop.config.bidirectional:
        use = f"fill {model} TEXT"
    rows += [
        ("model", str(loop.run.path / "best.safetensors")),
        ("write", f"charrnn {use}{place}"),
        ("score", f"charrnn evaluate {model}{place}"),
        ("see", f"charrnn report {model}{place}"),
    ]
    return "\n" + table(rows, title=f"{name}: complete")


def validation_rows(p: "Progress", corpus: "Corpus", config: "RunConfig") -> list[tuple[str, str]]:
    """The best score of a run, and what n-grams and compressors get on what was watched of the validation part."""
    from charrnn.evaluation.baselines import baselines, comparable
    from charrnn.evaluation.held_out import watched

    assert p.best_nats is not None
    assert p.validation_nats is not None
    part, best, last = watched(corpus), p.best_nats / math.log(2), p.validation_nats / math.log(2)
    of = "" if len(part) == len(corpus.validation) else f"; on its first {len(part):,} symbols, as all below"
    step = f"the best, at step {p.best_step:,}; last {last:.4f}{of}"
    rows = [("validation", f"{best:.4f} bits per {config.per} = {p.best_nats:.4f} nats ({step})")]
    if not comparable(corpus.vocabulary, both_ways=config.bidirectional):
        return rows
    return rows + baseline_rows(baselines(corpus.train, part, corpus.vocabulary))


def baseline_rows(found: dict[str, float]) -> list[tuple[str, str]]:
    """Bits per character by name, for people."""
    from charrnn.evaluation.baselines import KNOWING

    return [(name, f"{bits:.4f} bits per character ({KNOWING[name]})") for name, bits in found.items()]


def cost_table(preparation: "Preparation", examined: "Examination | None", as_json: bool) -> str:
    """The dry run: what was `examined` (nothing, of a pipe), what would be trained and what it costs."""
    found = costs(preparation)
    if as_json:
        return json.dumps(found | ({} if examined is None else {"text": contents(examined)}), ensure_ascii=False)
    config, left = preparation.config, found["expected_seconds"]
    rows = [("text", f"{found['train_symbols']:,} symbols to train on, {found['validation_symbols']:,} to validate on")]
    if examined is not None:
        rare = [f"{each.symbol!r} {each.count:,} (line {each.line:,})" for each in examined.symbols[:RAREST]]
        rows += [("", f"{examined.bytes:,} bytes, {examined.lines:,} lines"), ("rarest", ", ".join(rare))]
    rows += [
        ("vocabulary", f"{found['vocabulary']} symbols"),
        ("network", f"{config.layers} x {config.hidden} {config.cell}, {found['parameters']:,} parameters"),
        (
            "length",
            f"{config.steps:,} steps of {config.batch_size} x {config.seq_length}, {found['epochs']:.1f} epochs",
        ),
        ("time", f"about {left:.0f} s on {config.device}"),
    ]
    if found["memory_bytes"] is not None:
        rows.append(("memory", f"about {found['memory_bytes'] / 2**20:.0f} MiB at the peak"))
    return table(rows, title="dry run: nothing is trained")


def contents(examined: "Examination") -> dict[str, Any]:
    """What a text is made of, as numbers; the alphabet's rarest symbols first."""
    alphabet = [asdict(each) for each in examined.symbols]
    sizes = {"characters": examined.characters, "bytes": examined.bytes, "lines": examined.lines}
    return sizes | {"alphabet": alphabet}


def costs(preparation: "Preparation") -> dict[str, Any]:
    """The dry run as numbers."""
    p, config = preparation, preparation.config
    from charrnn.text.batches import windows_of

    assert p.cost is not None
    windows = windows_of(p.corpus.train, p.corpus.vocabulary, config.batch_size, config.seq_length).windows
    return {
        "train_symbols": len(p.corpus.train),
        "validation_symbols": len(p.corpus.validation),
        "vocabulary": len(p.corpus.vocabulary),
        "parameters": p.parameters,
        "steps": config.steps,
        "epochs": config.steps / windows,
        "expected_seconds": p.cost.step * config.steps,
        "memory_bytes": p.memory,
        "settings": config.model_dump(),
    }


def config_lines(wish: "Wish", preparation: "Preparation") -> str:
    """Every setting as YAML that `--config` reads, with where it came from."""
    lines = []
    for key, value in preparation.config.model_dump().items():
        if key in wish.sources:
            origin = wish.sources[key]
        elif key in preparation.choices.reasons:
            origin = f"chosen: {spoken(preparation.choices.reasons[key])}"
        else:
            origin = "default"
        lines.append(f"{key}: {json.dumps(value)}  # {origin}")
    return "\n".join(lines)


def figures(score: "Score", *, two_sided: bool = False) -> dict[str, Any]:
    """The numbers of a score, by the names that scripts rely on; given both sides it is no length of a code."""
    costs = {key: getattr(score, key) for key in ("nats_per_char", "bits_per_char", "bits_per_byte", "perplexity")}
    if two_sided:
        costs = {TWO_SIDED + key: value for key, value in costs.items() if key != "bits_per_byte"}
    counts = ("characters", "bytes", "unknown", *(ANSWERS if score.records else ()))
    return costs | {key: getattr(score, key) for key in counts}


def bits(found: dict[str, Any]) -> float:
    """By which models are compared: bits per byte, or given both sides per character."""
    return float(found[f"{TWO_SIDED}bits_per_char" if "bits_per_byte" not in found else "bits_per_byte"])


def score_table(found: dict[str, Any], how: str) -> str:
    """The same for people; `how` says how the text was read."""
    unknown = f", {found['unknown']:,} unknown" if found["unknown"] else ""
    answers = [(key.replace("_", " "), f"{found[key]:.1%}") for key in (*ANSWERS, "choice_accuracy") if key in found]
    of = TWO_SIDED if f"{TWO_SIDED}perplexity" in found else ""
    given = ", given both sides" * bool(of)
    rows = [
        *answers,
        ("nats per character", f"{found[f'{of}nats_per_char']:.4f}{given}"),
        ("bits per character", f"{found[f'{of}bits_per_char']:.4f}{given}"),
        *([] if of else [("bits per byte", f"{found['bits_per_byte']:.4f}")]),
        *([("adapting", adapting(found))] if "adapted_nats_per_char" in found else []),
        ("perplexity", f"{found[f'{of}perplexity']:.3f} per symbol"),
        *baseline_rows(found.get("baselines", {})),
        ("counted", f"{found['characters']:,} characters, {found['bytes']:,} bytes{unknown}"),
        ("how", how),
        ("text", found["text"]),
        ("model", found["model"]),
    ]
    return table(rows)


def adapting(found: dict[str, Any]) -> str:
    """The score of a network that goes on learning, in both units."""
    return f"{found['adapted_nats_per_char']:.4f} nats = {found['adapted_bits_per_char']:.4f} bits per character"


def comparison(found: list[dict[str, Any]], differing: "list[Passage]") -> str:
    """Several models on one text, the best first: fewer bits, likelier author; and where the best two differ most."""
    columns = {"bits_per_byte": ".4f", "bits_per_char": ".4f", "adapted_bits_per_char": ".4f", "perplexity": ".3f"}
    columns |= {f"{TWO_SIDED}bits_per_char": ".4f", f"{TWO_SIDED}perplexity": ".3f"}
    columns = {key: form for key, form in columns.items() if key in found[0]} | {"unknown": ","}
    heads = [key.replace("_", " ").replace("char", "character") for key in columns]
    rows = [(*heads, "more than the best (95 %)", "model")]
    for each in sorted(found, key=bits):
        numbers = [format(each[key], form) for key, form in columns.items()]
        rows.append((*numbers, interval(each["difference_bits_per_char"]), each["model"]))
    shown = table(rows, width=1000)  # a model's place stays on its line
    if not differing:
        return shown
    title = (
        "where the best two differ most: from which character, how much more the second needs, how the passage begins"
    )
    lines = [(f"{p.start:,}", f"{p.bits_per_char:+z.4f}", json.dumps(p.begins, ensure_ascii=False)) for p in differing]
    return f"{shown}\n\n{title}\n{table(lines, width=1000)}"


def interval(bounds: dict[str, float] | None) -> str:
    """A difference with its bounds; a dash where there is none, or where it is the best's from itself."""
    if bounds is None or not any(bounds.values()):
        return "-"
    return f"{bounds['mean']:z.4f} ({bounds['low']:z.4f} to {bounds['high']:z.4f})"

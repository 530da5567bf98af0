"""One run's sections of a page: its card, the ladder, the surprises, the cells, what is copied.

Each is markup that says everything without a script; `page.js` adds the slider, the hovering and the choice of a unit.
"""

import math
from collections.abc import Sequence
from urllib.parse import quote

from charrnn.report.contents import Account, Symbol
from charrnn.report.markup import cell, data, inert, laid, named, number, pre, row, table

STEPS = 9  # of surprise, each of a bit
SHOWN_UNITS = 8
LONGEST_SETTING = 300  # characters


def about(account: Account) -> str:
    """What was trained on what, for how long, and what it reached, next to what counting and compressing reach."""
    card = table((row(key, cell(value)) for key, value in account.card), name="card")
    notices = "".join(f'<p class="notice">{inert(notice)}</p>' for notice in account.notices)
    settings = table(row(key, cell(brief(value))) for key, value in account.settings.items())
    desk = f'<p><a href="{inert(quote(account.desk))}">Write with it</a>, on a page of its own.</p>' * bool(
        account.desk
    )
    return f"{card}{desk}{notices}{_standing(account)}<details><summary>All settings</summary>{settings}</details>"


def brief(value: object) -> str:
    """A setting's value; of a long list of files its beginning."""
    shown = str(value)
    return shown if len(shown) <= LONGEST_SETTING else f"{shown[:LONGEST_SETTING]} ..."


def _standing(account: Account) -> str:
    """The score as a bar among the baselines, the best first."""
    if account.bits_per_char is None or not account.baselines:
        return ""
    found = [(account.bits_per_char, account.name, "this network", ' class="ours"')]
    found += [(each.bits_per_char, each.name, each.knows, "") for each in account.baselines]
    most, lines = max(bits for bits, *_ in found), []
    for bits, name, note, kind in sorted(found):
        rectangle = f'<rect class="bar" height="10" width="{100 * bits / most:.2f}"/>'
        bar = f'<td><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{rectangle}</svg></td>'
        lines.append(row(name, number(f"{bits:.4f}"), bar, cell(note)).replace("<tr", f"<tr{kind}", 1))
    return table(lines, ["", "bits per character#", "", ""], "standing")


def ladder(account: Account) -> str:
    """What it wrote at every evaluation: the same prompt, the same seed, a longer training."""
    if not account.rungs:
        return ""
    lines = []
    for rung in account.rungs:
        score = "" if rung.bits_per_char is None else f", {rung.bits_per_char:.4f} bits per {account.per}"
        lines.append(f"<li><h4>step {rung.step:,}{score}</h4>{pre(inert(rung.text))}</li>")
    left_out = f" {account.left_out:,} others are not shown." if account.left_out else ""
    slider = f'<input type="range" min="0" max="{len(lines) - 1}" value="0" aria-label="evaluation"><output></output>'
    return f"""<section class="ladder"><h3>Samples during training</h3>
<p>Samples from each evaluation during training, always with the same prompt and the same random seed.{left_out}</p>
<div class="controls">{slider}</div>
<ol class="rungs">{"".join(lines)}</ol></section>"""


def surprisal(account: Account, place: int) -> str:
    """A passage, each symbol coloured by its bits; of a network that reads both ways once more, from the left alone."""
    if not account.from_left:
        return _surprisal(account.passage, account.where, f"passage-{place}", "Surprise")
    both = _surprisal(account.passage, account.where, f"passage-{place}", "Surprise, given both sides")
    return both + _surprisal(account.from_left, account.where, f"left-{place}", "Surprise, given the left side")


def _surprisal(passage: Sequence[Symbol], where: str, identity: str, head: str) -> str:
    """A passage, each symbol coloured by its bits; the likeliest alternatives beside it."""
    if not passage:
        return ""
    marks, found = [], []
    for symbol in passage:
        colour = 0 if symbol.bits is None else min(STEPS, int(symbol.bits))
        marks.append(f'<i class="s{colour}" title="{inert(_alternatives(symbol))}">{laid(symbol.text)}</i>')
        flat = [value for name, share in symbol.likeliest for value in (named(name), _floored(share))]
        found.append([named(symbol.text), None if symbol.bits is None else round(symbol.bits, 4), *flat])
    scale = " ".join(f'<i class="swatch s{step}"></i> {step}' for step in range(STEPS + 1))
    return f"""<section class="surprisal" data-of="{identity}"><h3>{head}</h3>
<p>{inert(where)}: {len(marks):,} symbols, each coloured by how many bits it cost. Hover, tap or use the arrow
keys to see what the network expected in its place.</p>
<p class="scale">bits, at least: {scale}</p>
{pre("".join(marks))}<div class="panel"></div>{data(identity, found)}</section>"""


def _floored(share: float) -> float:
    """Four digits, never more than it is: shares still add up to at most one."""
    return math.floor(share * 1e4) / 1e4


def _alternatives(symbol: Symbol) -> str:
    bits = "not scored" if symbol.bits is None else f"{symbol.bits:.2f} bits"
    return f"{bits}; {', '.join(f'{named(name)} {share:.1%}' for name, share in symbol.likeliest)}"


def cells(account: Account, place: int) -> str:
    """The passage coloured by a unit's activation: those that mean something, and any other."""
    found = account.cells
    if found is None:
        return ""
    length, levels = len(found.levels[0]), found.levels
    symbols = account.passage[:length]
    still, buttons = [], []
    for unit in found.units[:SHOWN_UNITS]:
        what = inert(f"{unit.meaning}, r = {unit.correlation:+.2f}")
        coloured = pre(_coloured(symbols, levels[unit.number]))
        still.append(f"<figure><figcaption>unit {unit.number + 1}: {what}</figcaption>{coloured}</figure>")
        button = f'type="button" value="{unit.number}" title="{what}" aria-pressed="false"'
        buttons.append(f"<button {button}>{inert(unit.meaning)}</button>")
    live, identity = "".join(f'<i class="u7">{laid(symbol.text)}</i>' for symbol in symbols), f"cells-{place}"
    picker = f'<label>any unit <input type="number" min="1" max="{len(levels)}" value="1"></label>'
    scale = " ".join(f'<i class="swatch u{level}"></i>' for level in "0123456789abcde")
    return f"""<section class="cells" data-of="{identity}"><h3>Hidden units</h3>
<p>{inert(found.what)} Below are the first {length:,} symbols of the passage, coloured by the activation of one unit
after each. What a unit stands for was found on one half of a text; the correlation r was measured on the other.</p>
<p class="scale">-1 {scale} 1</p>
<div class="static">{"".join(still)}</div><div class="controls">{"".join(buttons)}{picker}</div>
<figure class="live"><figcaption></figcaption>{pre(live)}</figure>
{data(identity, {"hidden": found.hidden, "levels": levels})}</section>"""


def _coloured(symbols: Sequence[Symbol], levels: str) -> str:
    """Neighbours of the same colour share an element."""
    marks, start = [], 0
    for end in range(1, len(levels) + 1):
        if end == len(levels) or levels[end] != levels[start]:
            content = "".join(laid(symbol.text) for symbol in symbols[start:end])
            marks.append(f'<i class="u{levels[start]}">{content}</i>')
            start = end
    return "".join(marks)


def copying(account: Account) -> str:
    """How much of a sample is copied from the training text, beside the same for held-out text."""
    found = account.copying
    if found is None:
        return ""
    before, copied, after = map(inert, found.sample)
    rows = [row("longest copied span, in symbols", *(number(f"{length:,}") for length in found.longest))]
    for size, shares in found.shares.items():
        numbers = (number("-" if share is None else f"{share:.1%}") for share in shares)
        rows.append(row(f"{size}-grams found in the training set", *numbers))
    return f"""<section class="copying"><h3>Novelty</h3>
<p>{inert(found.how)} How much of it is copied from the training set, next to the same amount of held-out
text, which was never seen.</p>
{table(rows, ["", "sample#", "held-out text#"])}
<p class="scale">The sample, its longest copied span <mark>marked</mark>:</p>
{pre(f"{before}<mark>{copied}</mark>{after}")}</section>"""


def confusion(account: Account) -> str:
    """How often each label is taken for which."""
    found = account.labels
    if found is None:
        return ""
    lines = []
    for name, counts in zip(found.names, found.counts, strict=True):
        if sum(counts):
            right = counts[found.names.index(name)] / sum(counts)
            cells = (number(f"{count:,}" if count else "") for count in counts)
            lines.append(row(name or "(unknown)", number(f"{right:.1%}"), *cells))
    spans = "" if found.f1 is None else f" F1 of spans {found.f1:.3f}."
    return f"""<h3>Labels</h3>
<p>{found.accuracy:.1%} of the held-out words have the right label, {found.sentences:.1%} of the sentences in every
word.{spans} A row for each label that stands there, a column for each that was said.</p>
<div class="scroll">{table(lines, ["", "right#", *(f"{name}#" for name in found.names)])}</div>"""

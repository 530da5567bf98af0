"""Accounts of runs -> one HTML page: one file, which asks for nothing from anywhere.

Its policy lets nothing in but its own style and its own script, by their digests, and it can be read without the
script. Every text in it went through `markup.inert`; there is no other way in. It stays below MOST bytes: what is long
is shown in part, and the page says so.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import get_args

from charrnn.report.answers import answers
from charrnn.report.charts import STYLE, Chart, Series, svg
from charrnn.report.contents import Account
from charrnn.report.curves import Against, charts
from charrnn.report.markup import cell, document, inert, number, row, table, tabs
from charrnn.report.sections import about, brief, cells, confusion, copying, ladder, surprisal

BEGINS = b"<!doctype html>\n<!-- charrnn report -->"
MOST = 1_000_000  # bytes
CELL_VALUES = 300_000  # activations
LADDER = 16  # times as long as the passage it stays whole
HALVINGS = 11  # until a passage is a single symbol


def page(accounts: Sequence[Account], made_by: str) -> bytes:
    """The page that shows `accounts`, UTF-8; `made_by` stands at its foot."""
    for halvings in range(HALVINGS):
        share = 0.5**halvings
        found = _page([shortened(each, share, len(accounts)) for each in accounts], made_by)
        if len(found) < MOST:
            break
    return found


def shortened(account: Account, share: float, runs: int) -> Account:
    """The same with so much of the passage and its cells, on a page of so many `runs`; at last also of the ladder.

    Of that, which is short for most runs, the first and the last rung always stay.
    """
    rungs, passage, found = account.rungs, account.passage, account.cells
    wanted = max(2, round(len(rungs) * min(1.0, LADDER * share))) - 1
    if wanted + 1 < len(rungs):
        rungs = tuple(rungs[k * (len(rungs) - 1) // wanted] for k in range(wanted + 1))
    passage = passage[: max(1, round(len(passage) * share))]
    from_left = account.from_left[: len(passage)]
    if found is not None:
        length = max(1, min(len(passage), int(share * CELL_VALUES / len(found.levels) / runs)))
        found = replace(found, levels=tuple(levels[:length] for levels in found.levels))
    left_out = account.left_out + len(account.rungs) - len(rungs)
    return replace(account, rungs=rungs, left_out=left_out, passage=passage, from_left=from_left, cells=found)


def _page(accounts: Sequence[Account], made_by: str) -> bytes:
    title = accounts[0].name if len(accounts) == 1 else f"{len(accounts)} runs: " + ", ".join(a.name for a in accounts)
    body = [f"<h1>{inert(title)}</h1>"]
    if len(accounts) > 1:
        body += [comparison(accounts), curves(accounts), reach(accounts)]
    for place, account in enumerate(accounts):
        body.append(_one(account, place, alone=len(accounts) == 1))
    body.append(f'<p class="quiet">{inert(made_by)}</p>')
    return document(BEGINS, title, STYLE + _file("page.css"), _file("page.js"), "".join(body)).encode()


def _one(account: Account, place: int, *, alone: bool) -> str:
    """Everything about one run."""
    parts = [] if alone else [f"<h2>{inert(account.name)}</h2>"]
    parts.append(about(account))
    if alone:
        parts.append(curves([account]))
    parts += [ladder(account), surprisal(account, place), cells(account, place)]
    if alone:
        parts.append(reach([account]))
    parts += [answers(account), confusion(account), copying(account)]
    return "\n".join(part for part in parts if part)


def curves(accounts: Sequence[Account]) -> str:
    """Loss and learning rate of all runs, over each other, against each measure of time."""
    known = {each.name: each.curves for each in accounts if each.curves is not None}
    if not known:
        return ""
    sheets = {f"by {each}": "".join(map(svg, charts(known, each))) for each in get_args(Against)}
    return f"<h3>Learning</h3>{tabs('against', sheets)}"


def reach(accounts: Sequence[Account]) -> str:
    """How far back the loss's gradient reaches, of all runs."""
    lines = tuple(Series(each.name, tuple(enumerate(each.reach, 1))) for each in accounts if each.reach)
    if not lines:
        return ""
    chart = Chart("Gradient", "steps back", "gradient, 1 = one step back", lines, log_y=True)
    ends = [f"{inert(line.name)}: {line.points[-1][1]:.2g} after {len(line.points)} steps" for line in lines]
    derivative = "&#8214;&#8706;L<sub>t</sub>/&#8706;s<sub>t-k</sub>&#8214;"
    return f"""<h3>Gradients</h3>
<p>How much of the gradient of the loss reaches the state <i>k</i> steps back, {derivative}, measured on this network
and averaged over the text; one step back is 1. A curve that falls to zero is a vanishing gradient, one that rises an
exploding one.
{"; ".join(ends)}.</p>
<figure class="scroll">{svg(chart)}</figure>"""


def comparison(accounts: Sequence[Account]) -> str:
    """A line for each run, the best of what is counted alike first, and the settings in which they differ."""
    lines = []
    for each in sorted(accounts, key=lambda a: (a.bits_per_char is None, a.per, a.bits_per_char or 0.0)):
        bits = "-" if each.bits_per_char is None else f"{each.bits_per_char:.4f}"
        trained = dict(each.card).get("trained", "-")
        lines.append(row(each.name, number(bits), cell(each.per), number(f"{each.parameters:,}"), cell(trained)))
    rows = []
    for key in dict.fromkeys(key for each in accounts for key in each.settings):
        values = [each.settings.get(key) for each in accounts]
        if any(value != values[0] for value in values):
            rows.append(row(key, *(cell(brief(value)) for value in values)))
    differing = table(rows, ["", *(each.name for each in accounts)]) if rows else "<p>Their settings are the same.</p>"
    shown = table(lines, ["run", "bits#", "per", "parameters#", "trained"], "runs")
    return f"<h3>Runs</h3>{shown}<h3>What differs</h3>{differing}"


def _file(name: str) -> str:
    return files("charrnn.report").joinpath(name).read_text("utf-8")

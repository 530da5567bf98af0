"""text -> markup: the one way by which anything from outside enters a page, and the few shapes a page is made of."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from charrnn.text.visible import visible

NAMES = {"\n": "\u21b5", " ": "\u2423", "\t": "\u21e5", "": "\u23ce"}  # of symbols that show nothing by themselves


def digest(content: str) -> str:
    """What a policy knows a style or a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def document(begins: bytes, title: str, style: str, script: str, body: str, attributes: str = "") -> str:
    """A whole page, of markup but for its `title`; its policy lets in nothing but its own style and its own script."""
    policy = (
        f"default-src 'none'; style-src '{digest(style)}'; script-src '{digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""{begins.decode()}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{inert(title)}</title>
<style>{style}</style>
</head>
<body{attributes}>
{body}
<script>{script}</script>
</body>
</html>
"""


def inert(content: str) -> str:
    """Any text, inert: control characters and invisible ones written out, markup escaped."""
    return escape(visible(content))


def named(symbol: str) -> str:
    """A symbol as it is spoken of, not escaped yet; the empty one ends a record."""
    return NAMES.get(symbol, visible(symbol))


def laid(symbol: str) -> str:
    """A symbol as it stands in a passage: where a line or a record ends is seen, and breaks the line."""
    return inert(symbol).replace("\n", f"{NAMES[chr(10)]}\n") if symbol else f"{NAMES['']}\n"


def pre(markup: str) -> str:
    """A text as it is laid out, in whatever language and direction it is."""
    return f'<pre dir="auto" lang="" translate="no">{markup}</pre>'


def number(value: object) -> str:
    """A cell with a number, already formatted."""
    return f'<td class="number">{value}</td>'


def cell(content: str) -> str:
    """A cell with any text."""
    return f"<td>{inert(content)}</td>"


def row(head: str, *cells: str) -> str:
    """A line of a table: what it is about, any text, and its cells."""
    return f"<tr><th>{inert(head)}</th>{''.join(cells)}</tr>"


def table(rows: Iterable[str], heads: Sequence[str] = (), name: str = "") -> str:
    """A table that scrolls where it is too wide; a head that ends with # stands over numbers."""
    over = "".join(
        f'<th class="number">{inert(h[:-1])}</th>' if h[-1:] == "#" else f"<th>{inert(h)}</th>" for h in heads
    )
    head = f"<thead><tr>{over}</tr></thead>" if heads else ""
    return f'<div class="scroll"><table class="{name}">{head}<tbody>{"".join(rows)}</tbody></table></div>'


def data(identity: str, value: Any) -> str:
    """Data for the script: no `<` in it, so that nothing in it ends its element."""
    shown = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{identity}">{shown}</script>'


def tabs(name: str, sheets: Mapping[str, str]) -> str:
    """One of several sheets, chosen without a script; the first is shown first."""
    found = []
    for place, label in enumerate(sheets):
        checked = "" if place else " checked"
        found.append(f'<input type="radio" name="{name}" id="{name}-{place}"{checked}>')
        found.append(f'<label for="{name}-{place}">{inert(label)}</label>')
    found += [f'<div class="sheet">{each}</div>' for each in sheets.values()]
    return f'<div class="tabs">{"".join(found)}</div>'

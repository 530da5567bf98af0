"""The table of docs/settings.md, from the one in the code: `python tests/settings_table.py` writes it there."""

import sys
from dataclasses import astuple
from pathlib import Path

from charrnn.planning.settings import SIZES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- table: python tests/settings_table.py writes it -->\n", "<!-- end of table -->\n"
HEADINGS = (
    *("training set, symbols", "learnt from, symbols", "hidden", "embedding", "batch size", "sequence length"),
    *("learning rate", "epochs"),
)


def table():
    """A row for each size, the largest first."""
    rows = [HEADINGS, ["---"] * len(HEADINGS)]
    rows += [[f"{value:,}" if isinstance(value, int) else f"{value:g}" for value in astuple(size)] for size in SIZES]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def written(page):
    """The page with the table of the code in its place."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.exit()

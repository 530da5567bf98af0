"""The surprise of a text as a notebook shows it: every symbol coloured by its bits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from charrnn.evaluation.costs import Cell
from charrnn.report.markup import laid

_MOST = 9  # bits from which on nothing is darker
_STYLE = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6"


@dataclass(frozen=True, repr=False)
class Surprisal:
    """Characters or words, each with its bits; not a number where it does not count. A notebook draws it."""

    cells: Sequence[Cell]

    @property
    def texts(self) -> list[str]:
        """The symbols."""
        return [cell.text for cell in self.cells]

    @property
    def bits(self) -> list[float]:
        """What each costs."""
        return [cell.bits for cell in self.cells]

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        counted = [bits for bits in self.bits if not math.isnan(bits)]
        return f"<Surprisal of {len(self):,} symbols, {math.fsum(counted) / max(1, len(counted)):.2f} bits each>"

    def _repr_html_(self) -> str:
        marks = "".join(map(_mark, self.cells))
        return f'<pre dir="auto" lang="" translate="no" style="{_STYLE}">{marks}</pre>'


def _mark(cell: Cell) -> str:
    if not cell.bits > 0:  # also where it does not count
        return laid(cell.text)
    share = 0.85 * min(cell.bits, _MOST) / _MOST
    style = f"background:rgba(232,89,12,{share:.2f})"
    return f'<span style="{style}" title="{cell.bits:.2f} bits">{laid(cell.text)}</span>'

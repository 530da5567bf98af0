"""The names of curves -> rows of a legend, in columns of a terminal, which is what a letter needs at the most.

Nothing is ever wider than it is allowed to be: what does not fit loses its middle, and too many names are counted.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size


def shortened(text: str, cells: int) -> str:
    """Text of at most so many columns, its middle left out: what tells names apart stands at their ends."""
    if cell_len(text) <= cells:
        return text
    head = set_cell_size(text, max(0, cells // 3)).rstrip()
    tail = set_cell_size(text[::-1], max(0, cells - cells // 3 - 1)).rstrip()[::-1]
    return f"{head}…{tail}"


def legend(names: Sequence[str], cells: int, around: int, most: int) -> list[list[tuple[int, int, str]]]:
    """Names in rows of so many columns, as (series, column, name), each with `around` columns for its line and space.

    Names are shortened as far as is needed for `most` rows; how many do not fit even so is said at the end.
    """
    rows = list[list[tuple[int, int, str]]]()
    for longest in (cells - around, 40, 30, 20, 14):
        rows, column = [[]], 0
        for number, name in enumerate(names):
            short = shortened(name, max(2, min(longest, cells - around)))
            if column + around + cell_len(short) > cells and rows[-1]:
                rows, column = [*rows, []], 0
            rows[-1].append((number, column, short))
            column += around + cell_len(short)
        if len(rows) <= most:
            return [row for row in rows if row]
    shown = rows[:most]
    number, column, _ = shown[-1].pop()
    while shown[-1] and column + len(f"and {len(names)} more") > cells:
        number, column, _ = shown[-1].pop()
    shown[-1].append((-1, column, f"and {len(names) - number} more"))
    return shown

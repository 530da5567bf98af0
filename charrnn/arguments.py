"""What a Python caller gives: each argument as what it must be, or one line that names it and what it can be.

The command line checks its flags itself; what is out of bounds for both, or has no effect, is refused here.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from charrnn.errors import SettingsError

UNKNOWN = ("error", "skip", "replace")
_LARGEST = 2**63 - 1


def whole(name: str, value: Any, least: int, most: int = _LARGEST) -> int:
    """A whole number from `least` to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number <= most or isinstance(value, bool):
        bounds = f"of at least {least}" if most == _LARGEST else f"from {least} to {most}"
        raise _refused(name, value, f"give a whole number {bounds}")
    return number


def number(name: str, value: Any) -> float:
    """A number; text is none."""
    try:
        found = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if math.isnan(found):
        raise _refused(name, value, "give a number")
    return found


def not_negative(name: str, value: Any) -> float:
    """A finite number from 0 on."""
    found = number(name, value)
    if not 0 <= found < math.inf:
        raise _refused(name, value, "give a number of at least 0")
    return found


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise _refused(name, value, f"choose from {', '.join(choices)}")
    return value


def text(name: str, value: Any) -> str | bytes:
    """A text, or bytes."""
    if not isinstance(value, (str, bytes)):
        raise _refused(name, value, "give a text, or bytes")
    try:
        value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"`{name}` is not valid text", f"it has a lone surrogate at {error.start}", "remove it"
        ) from None
    return value


def several(name: str, value: Any) -> Iterable[Any]:
    """Several of something; a single text is one of them, not its letters."""
    if isinstance(value, (str, bytes)):
        return [text(name, value)]
    if not isinstance(value, Iterable):
        raise _refused(name, value, "give several in a list")
    return value


def symbols(name: str, value: Any, count: int) -> Any:
    """A text, bytes, or an array of ids below `count`."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind not in ("i", "u"):
        return text(name, value)
    if value.ndim != 1 or (len(value) and not 0 <= value.min() <= value.max() < count):
        raise SettingsError(f"`{name}` has ids that the model does not know", "", f"give numbers below {count:,}")
    return value


def texts(name: str, value: Any) -> list[str | bytes]:
    """A few texts, in a list."""
    return [text(name, each) for each in several(name, value)]


def check_effects(
    asked: Mapping[str, Any],
    there: Mapping[str, Any],
    about: Mapping[str, Sequence[str]],
    apart: Iterable[Sequence[str]] = (),
) -> None:
    """Refuse what was `asked` for and changes nothing beside what is `there`.

    Names in `about` say something of others only, and need one of them; of those that are `apart`, one takes the place
    of the other. Nothing, zero and False ask for nothing.

    Raises:
        SettingsError: such a name was asked for.
    """
    for name, others in about.items():
        if _given(asked, name) and not any(_given(there, other) for other in others):
            *some, last = (f"`{other}`" for other in others)
            needed = f"{', '.join(some)} or {last}" if some else last
            raise SettingsError(f"`{name}` has no effect here", "", f"give {needed}", "leave it out")
    for name, other in apart:
        if _given(asked, name) and _given(there, other):
            raise SettingsError(f"`{name}` and `{other}` cannot be used together", "", "give one of them")


def _given(values: Mapping[str, Any], name: str) -> bool:
    return values.get(name) not in (None, 0, [], ())


def _refused(name: str, value: Any, remedy: str) -> SettingsError:
    shown = repr(value)
    return SettingsError(f"`{name}` cannot be {shown if len(shown) <= 60 else shown[:57] + '...'}", "", remedy)

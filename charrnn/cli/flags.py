"""Arguments in messages -> the flags of the command at hand.

Rooms below the door name what a caller can change as a Python caller knows it, in backticks: `batch_size`,
`unknown="skip"`. Here that becomes what a person can type: --batch-size, --unknown skip. Of several remedies those stay
that the command at hand has, so that nobody is told to use a flag that is not there.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from charrnn.errors import CharrnnError

AT_HAND: ContextVar[Mapping[str, str] | None] = ContextVar("the flags of the command at hand", default=None)
_ARGUMENT = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")


def flags_of(command: Any) -> dict[str, str]:
    """Every argument of a command, as Python names it -> the flag that sets it; `x=False` -> the one that unsets it."""
    flags = {}
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            flags[parameter.name] = (parameter.metavar or parameter.name).strip("[].").upper()
            continue
        flags[parameter.name] = next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0])
        if parameter.secondary_opts:
            flags[f"{parameter.name}=False"] = parameter.secondary_opts[0]
    return flags


def spoken(text: str) -> str:
    """`text` as a person reads it who has typed the command at hand; before a command is known, as it is."""
    flags = AT_HAND.get()
    return text if flags is None else _ARGUMENT.sub(lambda found: _flag(found, flags), text)


def spoken_error(error: CharrnnError) -> str:
    """The line that an error is, without the remedies that the command at hand does not have."""
    flags = AT_HAND.get()
    if flags is None:
        return str(error)
    able = [remedy for remedy in error.remedies if _names(remedy) <= flags.keys()]
    return spoken(error.line(able))


def _names(text: str) -> set[str]:
    return {found[1] for found in _ARGUMENT.finditer(text)}


def _flag(found: re.Match[str], flags: Mapping[str, str]) -> str:
    name, value = found[1], found[2]
    if name not in flags:
        return found[0] if value else name.replace("_", " ")
    if value is None or value == "True":
        return flags[name]
    return flags.get(f"{name}={value}") or f"{flags[name]} {value.strip(chr(34))}"

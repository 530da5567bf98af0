"""`--help` as a map: options in named groups, in the order in which a command lists them; plain text, no colours.

The groups are Typer's help panels; here they are written without rich, which would double the time that --help takes.
"""

import os
import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

from charrnn.cli.console import say, typed
from charrnn.cli.options import PLACES, READ, at_home
from charrnn.cli.refusals import check_call
from charrnn.text.places import STDIN

OTHER = "Other"  # what belongs to every command
VALUES = {"<int>": "N", "<int range>": "N", "<float>": "X", "<str>": "NAME", "<path>": "FOLDER"}  # unless it says so
_RANGE = re.compile(r"(; |  \[)[\d.<=]*x[\d.<>=]*\]$")


def row(parameter: Any, ctx: Any) -> tuple[str, str] | None:
    """A parameter with the value that it takes, and what it is for; nothing of one that is hidden."""
    record = parameter.get_help_record(ctx)
    if record is None:
        return None
    name, text = record
    if parameter.param_type_name == "argument":
        name = parameter.display_name_raw + "..." * (parameter.nargs != 1)
    name = re.sub(r"<[^>]*>", lambda found: VALUES.get(found[0], found[0][1:-1]), name)
    text = _RANGE.sub(lambda found: "]" if found[1] == "; " else "", text)  # who leaves a range is told of it
    return name, text.replace("  [", " [")


def written(command: Any, ctx: Any, formatter: Any) -> None:
    """Arguments, then a section for each group of options."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        shown = row(parameter, ctx)
        if shown is not None:
            is_argument = parameter.param_type_name == "argument"
            group = "Arguments" if is_argument else parameter.rich_help_panel or OTHER
            groups.setdefault(group, []).append(shown)
    for group, records in sorted(groups.items(), key=lambda item: item[0] == OTHER):
        with formatter.section(group):
            formatter.write_dl(records)


class GroupedCommand(TyperCommand):
    """A command whose help has groups, whose places know ~, and which says when it waits for a person."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write out the home in every argument that names a place; say so where a person is waited for."""
        rest = super().parse_args(ctx, args)
        ctx.params |= {name: at_home(value) for name, value in ctx.params.items() if name in PLACES}
        read = [*ctx.meta.get("texts", [])]
        for name in READ:
            read += value if isinstance(value := ctx.params.get(name), list) else [value]
        if STDIN in read and typed():
            say(f"waiting for standard input: {'Ctrl-Z and Enter' if os.name == 'nt' else 'Ctrl-D'} ends it")
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Carry out a line all of whose flags have an effect."""
        check_call(self.name or "", ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups."""
        written(self, ctx, formatter)


class GroupedCommands(TyperGroup):
    """The program, whose help shows its commands in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by what they are for, then the options."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            row = (name, command.get_short_help_str(formatter.width))
            groups.setdefault(command.rich_help_panel or OTHER, []).append(row)
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)
        written(self, ctx, formatter)

"""`charrnn train` as one of several processes: which one it is, and what the others do that are not the first."""

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from charrnn.planning.preparation import Request
    from charrnn.training.interruption import Interruption

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")  # that hold numbers


def place() -> tuple[int, int, int]:
    """(rank, number of processes, rank on this machine), as torchrun tells its processes; alone without it.

    Raises:
        SettingsError: the variables that should say it do not.
    """
    from charrnn.errors import SettingsError

    said = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if "WORLD_SIZE" not in said or said["WORLD_SIZE"] == "1":
        return 0, 1, 0
    for name, value in said.items():
        if not value.isdecimal():
            raise SettingsError(f"{name} cannot be {value!r}", "it is a number", _UNSET)
    absent = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if absent:
        what = f"WORLD_SIZE={said['WORLD_SIZE']} says that this is one of several processes, without {absent[0]}"
        raise SettingsError(what, "", f"set {' and '.join(absent)}", _UNSET)
    rank, size = int(said["RANK"]), int(said["WORLD_SIZE"])
    if rank >= size or not 0 < int(said["MASTER_PORT"]) < 1 << 16:
        name = "RANK" if rank >= size else "MASTER_PORT"
        raise SettingsError(f"{name} cannot be {said[name]}", f"WORLD_SIZE is {size}" if rank >= size else "", _UNSET)
    return rank, size, int(said.get("LOCAL_RANK", rank))


_UNSET = "unset WORLD_SIZE to train in one process"


def follow(request: "Request", interruption: "Interruption", where: tuple[int, int, int]) -> None:
    """Train as one of several processes that is not the first: nothing is written, and only its own loss is said."""
    from charrnn.cli.console import say
    from charrnn.errors import CharrnnError, LostProcessError
    from charrnn.learning.distributed import joined
    from charrnn.training.session import opened

    try:
        with joined(*where, say) as group, opened(request, lambda event: None, interruption, group) as loop:
            loop.go()
    except LostProcessError:
        raise
    except CharrnnError as error:  # rank 0 has it too, and says it
        raise typer.Exit(error.exit_code) from error

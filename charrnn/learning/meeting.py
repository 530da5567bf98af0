"""How the processes of one run find each other: at the address and port of rank 0, which waits there for all.

Waiting goes step by step and in Python, so that a signal ends it at once, and what is waited for is said. torch by
itself would wait in silence, and deaf to signals, until its timeout.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from charrnn.errors import LostProcessError, SettingsError

Tell = Callable[[str], None]
PATIENCE = timedelta(minutes=30)  # for the others, as torch has it
_CONNECTING = timedelta(seconds=15)
_SAID_AFTER = 3.0  # seconds, which processes that are started together need anyhow


def met(rank: int, size: int, tell: Tell) -> Any:
    """The store by which the processes of a run reach each other, when all `size` of them are there.

    Raises:
        SettingsError: the address cannot be listened at.
        LostProcessError: the others did not come.
    """
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # torchrun listens itself, and says so in a variable.
    listens = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if not listens:
        _wait_until_heard(host, port, rank, tell)
    here = "localhost" if listens else host  # what others call this machine need not be known here
    try:
        store: Any = dist.TCPStore(  # type: ignore[attr-defined]
            here, port, size, listens, _CONNECTING, wait_for_workers=False, multi_tenant=True
        )
    except RuntimeError as error:
        if not listens:
            raise LostProcessError(rank) from error
        why = str(error).splitlines()[0]
        raise SettingsError(f"cannot listen at {host}:{port}", why, "choose another MASTER_PORT") from error
    store.set_timeout(PATIENCE)
    return own_part(store, rank, size, tell)


def own_part(store: Any, rank: int, size: int, tell: Tell = lambda text: None) -> Any:
    """The part of `store` that this start of the run has to itself.

    torchrun gives every restart the same store, with the addresses that dead processes left there (pytorch issue
    135712). So all say a new name, rank 0 repeats the names, and says go when all have found theirs among them.
    """

    def said(key: str) -> str:
        return str(store.get(key).decode()) if store.check([key]) else ""

    def missing() -> str:
        absent = [each for each in range(size) if not said(f"name {each}")] if rank == 0 else []
        shown = ", ".join(map(str, absent[:8])) + " ..." * (len(absent) > 8)
        return f"{len(absent)} of {size} processes, rank {shown}" if absent else "the other processes"

    name = secrets.token_hex(8)
    store.set(f"name {rank}", name)
    for _ in _waiting(store.timeout.total_seconds(), missing, tell):
        if rank == 0:
            store.set("names", " ".join(said(f"name {each}") for each in range(size)))
        names = said("names")
        if name in names:
            store.set(f"seen {rank}", names)
            if rank == 0 and all(said(f"seen {each}") == names for each in range(size)):
                store.set("go", names)
            if said("go") == names:
                return dist.PrefixStore(names.split()[0], store)  # type: ignore[attr-defined]
    raise LostProcessError(rank)


def _wait_until_heard(host: str, port: int, rank: int, tell: Tell) -> None:
    """Wait until somebody listens there."""
    why = [""]
    for _ in _waiting(PATIENCE.total_seconds(), lambda: f"the process of rank 0 at {host}:{port}{why[0]}", tell):
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError as error:
            why[0] = f" ({(error.strerror or str(error)).lower()})"
        else:
            return
    raise LostProcessError(rank)


def _waiting(seconds: float, what: Callable[[], str], tell: Tell) -> Iterator[None]:
    """Turns of waiting, so many seconds long in all; says once what is waited for."""
    began, told = time.monotonic(), False
    while time.monotonic() - began < seconds:
        yield
        if not told and time.monotonic() - began > _SAID_AFTER:
            tell(f"waiting for {what()}")
            told = True
        time.sleep(0.01)

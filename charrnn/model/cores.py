"""How many processors this process may use: what the machine has, what its affinity leaves, what its container grants.

A container's quota is a share of time, not a set of cores: half a processor still shows all of them, and threads that
outnumber it spend their slice waiting for each other. Control groups say so in files (Linux: cgroups(7)).
"""

import contextlib
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

POOLS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")  # what libraries ask when they are loaded
_TRIED = 16  # threads; more would be felt at every start
ROOT, MINE = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def threads_can_start() -> bool:
    """Whether this process may start as many threads as libraries will, which fail badly where it may not.

    OpenBLAS, for one, sends its process a SIGINT.
    """
    gate, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(min(_TRIED, os.cpu_count() or 1)):
            started.append(threading.Thread(target=gate.wait, daemon=True))
            started[-1].start()
    except RuntimeError:
        return False
    finally:
        gate.set()
    for thread in started:
        thread.join()
    return True


def usable_cores(threads: int) -> tuple[int, str]:
    """(how many of `threads` this process can keep busy, why)."""
    least, why = threads, "the cores of this machine"
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads
    if affinity < least:
        least, why = affinity, "the cores that this process may use"
    granted = quota()
    if granted <= least - 1:
        least, why = math.ceil(granted), f"a quota of {granted:g} processors"
    return max(1, least), why


def quota(root: Path = ROOT, mine: Path = MINE) -> float:
    """Processors' worth of time that the control groups of this process grant; infinite where none is limited."""
    granted = [math.inf]
    for folder in _groups(root, mine):
        with contextlib.suppress(OSError, ValueError):  # version 2: "50000 100000", or "max 100000"
            most, period = (folder / "cpu.max").read_text().split()
            granted.append(int(most) / int(period))
        with contextlib.suppress(OSError, ValueError):  # version 1: -1 is no limit
            per_period = int((folder / "cpu.cfs_quota_us").read_text())
            granted.append(per_period / int((folder / "cpu.cfs_period_us").read_text()) if per_period > 0 else math.inf)
    return min(granted)


def _groups(root: Path, mine: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, and of all around them.

    Inside a container the path may be the one outside of it, whose folder is not there; its root then is the group.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in mine.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            top = root / controllers
            within = top / path.lstrip("/")
            yield from (within, *(folder for folder in within.parents if folder.is_relative_to(top)))

"""What training asks of the machine and of the process it runs in: a device, a precision, threads, memory."""

import contextlib
import ctypes
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from charrnn.errors import SettingsError
from charrnn.model.cells import CELLS, autocast
from charrnn.model.graph import Repeated
from charrnn.shapes import CELL_GATES

_STEPS, _GPU_STEPS, _SECONDS = 16, 128, 0.12  # of a measurement
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h


def set_up_process(threads: int) -> None:
    """Compute on so many threads, and keep freed memory for the next step.

    glibc hands large blocks back to the system when they are freed, and asks for them again a step later, page by page:
    measured, that took up to two fifths of a training step. Other C libraries have no such knob and are left alone.
    """
    torch.set_num_threads(threads)
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_TOP_PAD, 64 << 20)


def peak_memory() -> int | None:
    """The most bytes that this process has had in memory so far; None where the system does not say.

    Linux says so in /proc; what getrusage says there may be the peak of the process that started this one.
    """
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def usable_device(device: str) -> str:
    """`device`, or the fastest one for `auto`.

    Raises:
        SettingsError: unknown, or absent on this machine.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        present = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        raise SettingsError(
            f"`device={device}` cannot be used here", "", f"choose from {', '.join(present)}"
        ) from error
    return device


REFERENCE = 512, 64, 32  # units, inputs and lanes of a layer by which networks are chosen: one that is often taken
MARGIN = 1.05  # times faster than float32 must another precision be to be worth its rounding


class LayerShape(NamedTuple):
    """A recurrent layer as it is trained, by which a machine is measured."""

    cell: str
    inputs: int
    hidden: int
    lanes: int


def precisions(device: str, cell: str) -> list[str]:
    """In which precisions `cell` runs there, and may be worth it: float16 is for GPUs that have no bfloat16."""
    known = ("float32", "bfloat16", *(["float16"] if torch.device(device).type == "cuda" else []))
    return [precision for precision in known if computes(device, precision, cell)]


def training_speeds(
    device: str, wanted: Sequence[str], threads: int, shape: LayerShape, patience: float = 0.0
) -> dict[str, float]:
    """Floating-point operations a second of such a layer as it learns, in each of the precisions `wanted`.

    Each is measured for an eighth of a second, in turns, and the quickest pass counts, as what else the machine does
    only slows: threads that wait for each other and lose their cores by turns were seen to take 25 times as long. So
    where others take the cores in every turn, there are more, for `patience` seconds at most. Nothing is concluded
    from what a processor says of itself: one with instructions for bfloat16 but without tiles of matrices (AMX) is
    faster in float32.
    """
    set_up_process(threads)
    layer = CELLS[shape.cell](shape.inputs, shape.hidden).to(device)
    steps = _STEPS if torch.device(device).type == "cpu" else _GPU_STEPS
    window = torch.randn(steps, shape.lanes, shape.inputs, device=device)
    zeros = torch.zeros(shape.lanes, shape.hidden, device=device)
    state = (zeros,) * len(layer.state_names)
    times: dict[str, list[float]] = {precision: [] for precision in wanted}
    going = list(wanted)
    passes = {precision: _pass(layer, window, state, precision) for precision in wanted}
    end, alone = time.monotonic() + patience, False
    while going:
        taken = cores_taken()
        for precision in going:
            began = time.monotonic()
            passes[precision]()
            times[precision].append(time.monotonic() - began)
        alone = alone or (cores_taken() == taken and len(times[wanted[0]]) > 1)
        going = [precision for precision in wanted if len(times[precision]) < 4 or sum(times[precision]) < _SECONDS]
        if not going and not alone and time.monotonic() < end:
            going = list(wanted)
    work = 6 * CELL_GATES[shape.cell] * shape.hidden * (shape.inputs + shape.hidden) * shape.lanes * steps
    return {precision: work / min(each[1:]) for precision, each in times.items()}  # the first also sets things up


def cores_taken() -> int:
    """How often this process has lost a core to another so far; always 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


# `training_speeds`, or what it found.
Speeds = Callable[[str, Sequence[str], int, LayerShape, float], Mapping[str, float]]


@dataclass
class Machine:
    """Where a run computes, and how fast: measured for a layer when it is first asked for, and once."""

    device: str
    threads: int
    cell: str
    wanted: Sequence[str]  # precisions that may be chosen
    speeds: Speeds
    patience: float = 0.0  # seconds, where others take its cores
    found: dict[LayerShape, Mapping[str, float]] = field(default_factory=dict)

    def measured(self, hidden: int, inputs: int, lanes: int) -> Mapping[str, float]:
        """Floating-point operations a second of such a layer in each precision."""
        shape = LayerShape(self.cell, inputs, hidden, lanes)
        if shape not in self.found:
            self.found[shape] = self.speeds(self.device, self.wanted, self.threads, shape, self.patience)
        return self.found[shape]

    def speed(self) -> float:
        """Floating-point operations a second in the fastest precision, of a layer that is often chosen."""
        return max(self.measured(*REFERENCE).values())

    def best_precision(self, hidden: int, inputs: int, lanes: int) -> tuple[str, str]:
        """(precision, why) for such a layer."""
        if len(self.wanted) == 1:
            return self.wanted[0], f"the only one in which this machine runs a {self.cell}"
        found = dict(self.measured(hidden, inputs, lanes))
        fastest = max(found, key=lambda precision: found[precision] / (MARGIN if precision != "float32" else 1))
        speeds = ", ".join(f"{precision} {speed / 1e9:,.0f}" for precision, speed in found.items())
        return fastest, f"measured on such a layer, in billions of operations per second: {speeds}"


def _pass(layer: Any, window: Tensor, state: tuple[Tensor, ...], precision: str) -> Callable[[], object]:
    """Forward and backward through a layer, waited for; on a GPU captured, as training does it."""

    def work() -> Tensor:
        with autocast(window.device, precision):
            outputs, _ = layer.unroll(window, state)
        return torch.autograd.grad(outputs.float().sum(), list(layer.parameters()))[0].sum()

    if window.device.type != "cuda":
        return lambda: work().item()
    again = Repeated(work)
    return lambda: again().item()


def check_precision(device: str, precision: str, cell: str) -> None:
    """Refuse what cannot be computed.

    Raises:
        SettingsError: `cell` does not run there in `precision`.
    """
    if not computes(device, precision, cell):
        what, why = f"`precision={precision}` cannot be used here", f"this machine cannot run a {cell} in it"
        raise SettingsError(what, why, "leave it out", "use `precision=float32`")


def computes(device: str, precision: str, cell: str) -> bool:
    """Whether `cell` runs there in `precision`: tried out. An LSTM in bfloat16 needs AVX-512 on a CPU."""
    layer = CELLS[cell](1, 1).to(device)
    zeros = torch.zeros(1, 1, device=device)
    try:
        with autocast(torch.device(device), precision):
            layer.unroll(zeros[None], (zeros,) * len(layer.state_names))
    except RuntimeError:
        return False
    return True

"""What training asks of the machine and of the process it runs in: a device, a precision, threads, memory."""

import contextlib
import ctypes
import re
import resource
import statistics
import sys
import time
from pathlib import Path

import torch

from charrnn.errors import SettingsError
from charrnn.model.cells import CELLS

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


def peak_memory() -> int:
    """The most bytes that this process has had in memory so far.

    Linux says so in /proc; what getrusage says there may be the peak of the process that started this one.
    """
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
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
            f"--device {device} cannot be used here", "", f"choose from {', '.join(present)}"
        ) from error
    return device


def best_precision(device: str) -> tuple[str, str]:
    """(precision, why): bfloat16 where the device computes faster in it; detected, never assumed."""
    if torch.device(device).type == "cuda":
        return ("bfloat16", "this GPU has it") if torch.cuda.is_bf16_supported() else ("float32", "no bfloat16 here")
    if torch.device(device).type == "cpu" and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    ):
        return "bfloat16", "this CPU has instructions for it"
    return "float32", "this device is no faster in bfloat16"


def training_speed(device: str, precision: str, threads: int) -> float:
    """Floating-point operations a second of an LSTM that learns here: measured for a quarter of a second.

    The layer of 512 units is one that is chosen often; a larger one may be somewhat faster, a small one is slower.
    Where an LSTM cannot be computed in `precision`, float32 is measured.
    """
    set_up_process(threads)
    autocast = precision == "bfloat16" and computes(device, precision, "lstm")
    inputs, hidden, lanes, steps = 64, 512, 32, 16
    layer = CELLS["lstm"](inputs, hidden).to(device)
    window, zeros = torch.randn(steps, lanes, inputs, device=device), torch.zeros(lanes, hidden, device=device)
    times: list[float] = []
    while len(times) < 4 or sum(times) < 0.25:
        began = time.monotonic()
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=autocast):
            outputs, _ = layer.unroll(window, (zeros, zeros))
        torch.autograd.grad(outputs.float().sum(), list(layer.parameters()))[0].sum().item()
        times.append(time.monotonic() - began)
    return 6 * 4 * hidden * (inputs + hidden) * lanes * steps / statistics.median(times[1:])


def check_precision(device: str, precision: str, cell: str) -> None:
    """Refuse what cannot be computed.

    Raises:
        SettingsError: `cell` does not run there in `precision`.
    """
    if not computes(device, precision, cell):
        what, why = f"--precision {precision} cannot be used here", f"this machine has no {cell} in it"
        raise SettingsError(what, why, "leave it away, or use --precision float32")


def computes(device: str, precision: str, cell: str) -> bool:
    """Whether `cell` runs there in `precision`: tried out. An LSTM in bfloat16 needs AVX-512 on a CPU."""
    layer = CELLS[cell](1, 1).to(device)
    zeros = torch.zeros(1, 1, device=device)
    try:
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16"):
            layer.unroll(zeros[None], (zeros,) * len(layer.state_names))
    except RuntimeError:
        return False
    return True

"""Work that a GPU repeats, captured once: CUDA graphs.

A recurrent step is hundreds of small kernels, and launching them from Python takes longer than computing them.
Captured, they are launched together. Shapes and places are fixed: what goes in is copied to where it was captured,
what comes out is overwritten by the next repetition. The work may not look at a value, and draws no random numbers.
"""

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")
WARM = 3  # repetitions before capturing, in which libraries set themselves up


def captured(work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
    """(what repeats `work`, the result that it then overwrites).

    Raises:
        RuntimeError: it cannot be captured; nothing has changed.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()
    return graph.replay, result

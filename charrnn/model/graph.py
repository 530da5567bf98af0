"""Work that a GPU repeats, captured once: CUDA graphs.

A recurrent step is hundreds of small kernels, and launching them from Python takes longer than computing them.
Captured, they are launched together. Shapes and places are fixed: what goes in is copied to where it was captured,
what comes out is overwritten by the next repetition. The work may not look at a value, and draws no random numbers.
It may change tensors in place, if it says which: in warming up they are changed in vain, and put back.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
WARM = 3  # repetitions before capturing, in which libraries set themselves up


class Repeated(Generic[Result]):
    """`work` on a GPU, as often as it is called; `changing` is what it changes in place.

    What cannot be captured is done kernel by kernel, and `refused` says why.
    """

    def __init__(self, work: Callable[[], Result], changing: Sequence[Tensor] = ()) -> None:
        self.work, self.refused = work, ""
        self.replay: Callable[[], None] | None = None
        try:
            self.replay, self.result = captured(work, changing)
        except RuntimeError as error:
            self.refused = str(error)

    def __call__(self) -> Result:
        """Its result; what was captured overwrites the one before."""
        if self.replay is None:
            return self.work()
        self.replay()
        return self.result


def captured(work: Callable[[], Result], changing: Sequence[Tensor]) -> tuple[Callable[[], None], Result]:
    """(what repeats `work`, the result that it then overwrites); nothing has changed.

    Raises:
        RuntimeError: it cannot be captured.
    """
    before = [tensor.detach().clone() for tensor in changing]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.stream(side):
            for _ in range(WARM):
                work()
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            result = work()
    finally:
        torch.cuda.current_stream().wait_stream(side)
        with torch.no_grad():
            for tensor, kept in zip(changing, before, strict=True):
                tensor.copy_(kept)
    return graph.replay, result

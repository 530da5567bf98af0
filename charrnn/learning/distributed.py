"""One run on several processes: torchrun starts them, DistributedDataParallel averages their gradients.

Every process reads the same text and trains its own share of the lanes, so the run is the one that a single process
would make. Rank 0 alone owns the folder, writes and speaks. What a clock, a signal or a disk decides is decided once
and agreed upon, so that all processes do the same thing at the same step. A process alone agrees with itself for free.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from charrnn.errors import CharrnnError, EndedEarlyError, LostProcessError, SettingsError
from charrnn.learning.meeting import Tell, met

Result = TypeVar("Result")


@dataclass(frozen=True)
class Group:
    """The processes of one run, `size` of them; this one is number `rank`."""

    rank: int = 0
    size: int = 1

    def share(self, lanes: int) -> slice:
        """Which of the lanes this process trains: the ranks' shares are equal and in order.

        Raises:
            SettingsError: `lanes` cannot be shared out evenly.
        """
        if lanes % self.size:
            what = f"`batch_size={lanes}` cannot be divided evenly among {self.size} processes"
            raise SettingsError(what, "", f"use a multiple of {self.size}")
        each = lanes // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def first(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which rank 0 alone does; its failure is everybody's."""
        if self.size == 1:
            return work()
        found: list[Any] = [_outcome(work) if self.rank == 0 else None]
        dist.broadcast_object_list(found, src=0)
        result, error = found[0]
        if error is not None:
            raise error
        return cast(Result, result)

    def each(self, work: Callable[[], Result]) -> Result:
        """This process's result of `work`, which all do; the first failure is everybody's."""
        if self.size == 1:
            return work()
        result, failure = _outcome(work)
        errors: list[CharrnnError | None] = [None] * self.size
        dist.all_gather_object(errors, failure)
        for error in errors:
            if error is not None:
                raise error
        return cast(Result, result)

    def agree(self, *numbers: float) -> list[float]:
        """The largest value that any process has, for each of `numbers`."""
        if self.size == 1:
            return list(numbers)
        agreed = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return agreed.tolist()

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a value over the processes, which may stand on the GPU."""
        if self.size > 1:
            dist.all_reduce(value)
            value /= self.size
        return value

    def total(self, array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The sum of an array over the processes."""
        tensor = torch.from_numpy(array)
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor.numpy()

    def lanes(self, part: Tensor) -> Tensor:
        """All lanes, of which every process has its share: (B / size, ...) -> (B, ...)."""
        if self.size == 1:
            return part
        parts = [torch.empty_like(part) for _ in range(self.size)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    def replicated(self, network: nn.Module) -> nn.Module:
        """`network`, whose backward pass also averages its gradients over the processes."""
        return network if self.size == 1 else DistributedDataParallel(network)


ALONE = Group()


def _outcome(work: Callable[[], Any]) -> tuple[Any, CharrnnError | None]:
    try:
        return work(), None
    except EndedEarlyError:
        raise  # a signal reaches every process by itself
    except CharrnnError as error:
        return None, error


@contextmanager
def joined(rank: int, size: int, local_rank: int, tell: Tell = lambda text: None) -> Iterator[Group]:
    """The group that this process belongs to, for as long as the block lasts; torchrun says which process it is.

    While the others are waited for, `tell` is told.

    Raises:
        LostProcessError: another process of the run has ended, or never came.
    """
    if size == 1:
        yield ALONE
        return
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus:
        torch.cuda.set_device(local_rank % gpus)
    try:
        store = met(rank, size, tell)
        # NCCL wants a GPU for each process; gloo exchanges what lies on one that is shared, through the CPU.
        store.set(f"gpu {rank}", "own" if local_rank < gpus else "")
        own = all(store.get(f"gpu {each}") for each in range(size))
        dist.init_process_group("cpu:gloo,cuda:nccl" if own else "gloo", store=store, rank=rank, world_size=size)
        yield Group(rank, size)
        dist.barrier()  # measured without it: of ten processes that left at once, gloo's threads aborted one
    except RuntimeError as error:
        if not _means_lost(error):
            raise
        raise LostProcessError(rank) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _means_lost(error: RuntimeError) -> bool:
    """Whether a collective failed; gloo says so in words only."""
    return isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "NCCL", "peer"))

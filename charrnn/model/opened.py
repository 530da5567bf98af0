"""A network that is opened when it is first needed: without torch where that can be, else in torch."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

from charrnn.config import ModelConfig

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN
    from charrnn.model.numpy_network import NumpyNetwork
    from charrnn.model.torch_reader import TorchReader


class Networks:
    """The same network twice, for whoever reads a little on a CPU and for whoever reads much, or elsewhere."""

    def __init__(
        self,
        config: ModelConfig,
        symbols: int,
        weights: Callable[[], Mapping[str, Any]],
        device: str,
        table: Any = None,
    ) -> None:
        """`table` (R, d) is the vectors that they read, if any."""
        self.config, self.symbols, self.weights, self.device, self.table = config, symbols, weights, device, table

    def network(self, *, light: bool) -> Union["NumpyNetwork", "TorchReader"]:
        """The network itself: `light` is without torch, where that can be."""
        return self.numpy if light and self.device in ("cpu", "auto") else self.torch

    @cached_property
    def numpy(self) -> "NumpyNetwork":
        """The network without torch."""
        from charrnn.model.numpy_network import NumpyNetwork

        return NumpyNetwork(self.config, self.symbols, self.weights(), self.table)

    @cached_property
    def torch(self) -> "TorchReader":
        """The network in torch, for devices, long texts and gradients."""
        from charrnn.model.machine import usable_device
        from charrnn.model.torch_reader import open_reader

        return open_reader(self.config, self.symbols, self.weights(), usable_device(self.device), self.table)

    def learner(self) -> "CharRNN":
        """A network of its own, which may go on learning."""
        return deepcopy(self.torch.network)

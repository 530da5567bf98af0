"""What every command that takes MODEL does with it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Union

from charrnn.checkpoint import Checkpoint, read_checkpoint
from charrnn.cli.console import say
from charrnn.errors import MissingInputError
from charrnn.training.run import find_model

if TYPE_CHECKING:
    from charrnn.model.network import TorchReader
    from charrnn.model.numpy_network import NumpyNetwork

TRIES = 5  # at reading the newest file of a run that is being trained


def open_model(model: str | None, checkpoints: Path) -> tuple[Checkpoint, Path]:
    """The checkpoint that MODEL stands for, and its file; says which one was taken if nobody named one."""
    for left in reversed(range(TRIES)):
        path = find_model(model, checkpoints)
        try:
            checkpoint = read_checkpoint(path)
            break
        except MissingInputError:
            if not left or os.path.lexists(path):
                raise  # else its owner has just dropped it for a newer one
    if model is None:
        say(f"model {path}")
    return checkpoint, path


def open_network(checkpoint: Checkpoint, device: str, *, light: bool = True) -> Union["NumpyNetwork", "TorchReader"]:
    """The network of a checkpoint: with NumPy for `light` work on a CPU, so that torch is never imported."""
    symbols = len(checkpoint.vocabulary)
    if light and device in ("cpu", "auto"):
        from charrnn.model.numpy_network import NumpyNetwork

        return NumpyNetwork(checkpoint.config, symbols, checkpoint.weights)
    from charrnn.model.network import open_reader
    from charrnn.training.machine import usable_device

    return open_reader(checkpoint.config, symbols, checkpoint.weights, usable_device(device))

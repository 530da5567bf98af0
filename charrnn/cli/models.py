"""What every command that takes MODEL and a prompt does with them."""

from pathlib import Path
from typing import TYPE_CHECKING

from charrnn.cli.console import say

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel


def open_model(model: str | None, checkpoints: Path, device: str = "cpu") -> "LanguageModel":
    """The model that MODEL stands for; says which one was taken if nobody named one."""
    from charrnn.language_model import load

    found = load(model, checkpoints=checkpoints, device=device)
    if model is None:
        say(f"model {found.path}")
    return found


def read_prompt(prompt: str | None, prompt_file: str | None) -> bytes:
    """The prompt's bytes, from the argument, a file or stdin."""
    from charrnn.errors import SettingsError
    from charrnn.text.reading import read_bytes

    if prompt is not None and prompt_file is not None:
        raise SettingsError("--prompt and --prompt-file exclude each other", "", "give one of them")
    if prompt_file is not None:
        return read_bytes(prompt_file)
    return (prompt or "").encode("utf-8", "surrogateescape")

"""`charrnn sample`: write text."""

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import Checkpoints, Model, Unknown

if TYPE_CHECKING:
    from charrnn.generation.generate import Sampling, Stepper
    from charrnn.text.vocabulary import Ids, Vocabulary


def sample(
    model: Model = None,
    temperature: Annotated[
        float, typer.Option("--temp", "--temperature", "-t", help="0 is greedy; below 1 safer, above 1 wilder.")
    ] = 1.0,
    length: Annotated[int, typer.Option("--length", "-n", min=0, max=10**15, help="Characters to write.")] = 500,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="Text to continue.")] = None,
    prompt_file: Annotated[str | None, typer.Option("--prompt-file", help="File to continue; - is stdin.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many samples; the i-th uses seed + i.")] = 1,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Choose among the k likeliest.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Choose among the likeliest that sum to p.")] = None,
    min_p: Annotated[
        float | None, typer.Option("--min-p", help="Choose among those at least p times as likely as the likeliest.")
    ] = None,
    stop: Annotated[list[str] | None, typer.Option("--stop", help="End before this text; may be repeated.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Default: drawn, and printed on stderr.")
    ] = None,
    unknown: Unknown = "error",
    echo: Annotated[bool, typer.Option("--echo/--no-echo", help="Write the prompt before its continuation.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per sample.")] = False,
    device: Annotated[str, typer.Option("--device", envvar="CHARRNN_DEVICE", help="cpu, cuda, cuda:1.")] = "cpu",
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Write text with a trained model.

    \b
    charrnn sample --temp 0.8
    charrnn sample sonnets -n 2000 --prompt "Shall I compare thee" > poem.txt
    echo "O, " | charrnn sample --prompt-file - --seed 7 --json
    """
    from charrnn.cli.models import open_model, open_network

    sampling = check_sampling(length, temperature, top_k, top_p, min_p, stop or [])
    text = read_prompt(prompt, prompt_file)
    checkpoint, path = open_model(model, checkpoints)
    ids = checkpoint.vocabulary.encode(text, unknown=unknown, name="the prompt")
    network = open_network(checkpoint, device)
    if seed is None:
        from charrnn.cli.console import say

        seed = secrets.randbelow(2**32)
        say(f"seed {seed}")
    for number in range(count):
        if as_json:
            write_json(network, checkpoint.vocabulary, text, ids, sampling, seed + number, echo, str(path))
        else:
            write_text(network, checkpoint.vocabulary, text if echo else b"", ids, sampling, seed + number)


def check_sampling(
    length: int, temperature: float, top_k: int | None, top_p: float | None, min_p: float | None, stops: list[str]
) -> "Sampling":
    """The settings as one value; refuses what is out of bounds, NaN included."""
    from charrnn.errors import SettingsError
    from charrnn.generation.generate import Sampling

    if not 0 <= temperature < float("inf"):
        raise SettingsError(f"--temp cannot be {temperature:g}", "", "give a finite number of at least 0; 0 is greedy")
    for flag, share in (("--top-p", top_p), ("--min-p", min_p)):
        if share is not None and not 0 < share <= 1:
            raise SettingsError(f"{flag} cannot be {share:g}", "", "give a number above 0 and at most 1")
    if "" in stops:
        raise SettingsError("--stop cannot be empty", "", "give the text to stop at")
    encoded = tuple(stop.encode("utf-8", "surrogateescape") for stop in stops)
    return Sampling(length, temperature, top_k, top_p, min_p, encoded)


def read_prompt(prompt: str | None, prompt_file: str | None) -> bytes:
    """The prompt's bytes, from the argument, a file or stdin."""
    from charrnn.errors import SettingsError
    from charrnn.text.reading import read_bytes

    if prompt is not None and prompt_file is not None:
        raise SettingsError("--prompt and --prompt-file exclude each other", "", "give one of them")
    if prompt_file is not None:
        return read_bytes(prompt_file)
    return (prompt or "").encode("utf-8", "surrogateescape")


def write_text(
    network: "Stepper", vocabulary: "Vocabulary", shown: bytes, ids: "Ids", sampling: "Sampling", seed: int
) -> None:
    """Stream one sample to stdout, then a newline if it is a terminal that needs one."""
    from charrnn.cli.console import ResultStream
    from charrnn.generation.generate import collect, generate

    with ResultStream() as stream:
        stream.write(shown)
        collect(generate(network, vocabulary, ids, sampling, seed), stream.write)
        stream.write(b"\n" if sys.stdout is not None and sys.stdout.isatty() else b"")


def write_json(
    network: "Stepper",
    vocabulary: "Vocabulary",
    prompt: bytes,
    ids: "Ids",
    sampling: "Sampling",
    seed: int,
    echo: bool,
    model: str,
) -> None:
    """One sample as a JSON object on one line."""
    from charrnn.cli.console import print_result
    from charrnn.generation.generate import collect, generate

    text, ending = collect(generate(network, vocabulary, ids, sampling, seed))
    found = {
        "text": ((prompt if echo else b"") + text).decode("utf-8", "replace"),
        "prompt": prompt.decode("utf-8", "replace"),
        "seed": seed,
        "characters": ending.symbols,
        "log_probability": -ending.nats,
        "stop_reason": ending.reason,
        "stop": None if ending.stop is None else ending.stop.decode("utf-8", "replace"),
        "model": model,
    }
    print_result(json.dumps(found, ensure_ascii=False))

"""`charrnn sample`: write text."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.options import (
    Checkpoints,
    KeyOfPrompts,
    Model,
    OwnText,
    Prompt,
    PromptEncoding,
    PromptFile,
    ReadingDevice,
    UnknownInPrompt,
    VectorsOfPrompts,
    plain,
    unescaped,
)

if TYPE_CHECKING:
    from charrnn.cli.writers import Writer
    from charrnn.language_model import LanguageModel
    from charrnn.text.reading import Source
    from charrnn.text.vocabulary import Vocabulary


def sample(
    ctx: typer.Context,
    model: Model = None,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    prompts: Annotated[
        str | None,
        plain(
            "Prompt", "--prompts", "File with a prompt on each line, continued in order; - is stdin.", metavar="FILE"
        ),
    ] = None,
    field: Annotated[
        str | None, plain("Prompt", "--field", "Column or field of --prompts. [default: as in training]")
    ] = None,
    encoding: PromptEncoding = None,
    vectors: VectorsOfPrompts = None,
    vectors_key: KeyOfPrompts = None,
    adapt_to: Annotated[
        str | None,
        plain(
            "Prompt",
            "--adapt-to",
            "First learn from this file, for this call only, and continue it; - is stdin.",
            metavar="FILE",
        ),
    ] = None,
    unknown: UnknownInPrompt = "error",
    temperature: Annotated[
        float, plain("Sampling", "--temp", "0 is greedy, below 1 safer, above 1 wilder.", "--temperature", "-t")
    ] = 1.0,
    top_k: Annotated[int | None, plain("Sampling", "--top-k", "Choose among the N likeliest symbols.", min=1)] = None,
    top_p: Annotated[
        float | None, plain("Sampling", "--top-p", "Choose among the likeliest symbols whose probabilities reach X.")
    ] = None,
    min_p: Annotated[
        float | None, plain("Sampling", "--min-p", "Choose among symbols at least X times as likely as the likeliest.")
    ] = None,
    seed: Annotated[
        int | None,
        plain("Sampling", "--seed", "Random seed. [default: drawn, and printed on stderr]", min=0, max=2**63 - 1),
    ] = None,
    length: Annotated[int, plain("Length", "--length", "Characters to write.", "-n", min=0, max=10**15)] = 500,
    count: Annotated[
        int, plain("Length", "--count", "Samples to write for each prompt; the i-th of all uses seed + i.", min=1)
    ] = 1,
    stop: Annotated[
        list[str] | None,
        plain("Length", "--stop", "Stop before this text; \\n is a newline; may be repeated.", metavar="TEXT"),
    ] = None,
    records: Annotated[
        bool, plain("Length", "--records", "Each sample is one record, for models trained on records.")
    ] = False,
    no_repeat: Annotated[
        int | None, plain("Limits", "--no-repeat", "Write no span of N symbols twice in a sample.", min=1)
    ] = None,
    novel: Annotated[
        int | None, plain("Limits", "--novel", "Write no span of N symbols that occurs in the training text.", min=1)
    ] = None,
    echo: Annotated[bool, plain("Output", "--echo/--no-echo", "Write the prompt before its continuation.")] = True,
    separator: Annotated[
        str | None,
        plain(
            "Output",
            "--separator",
            "Written after each of several samples: \\n, \\0 or any text. [default: \\n]",
            metavar="TEXT",
        ),
    ] = None,
    as_json: Annotated[bool, plain("Output", "--json", "One JSON object per sample.")] = False,
    device: ReadingDevice = "cpu",
    corpus: OwnText = None,
    checkpoints: Checkpoints = Path("checkpoints"),
) -> None:
    """Write text with a trained model.

    \b
    charrnn sample --temp 0.8
    charrnn sample sonnets -n 2000 --prompt "Shall I compare thee" > poem.txt
    charrnn sample sonnets --adapt-to diary.txt --no-echo
    charrnn sample names --count 1000 --stop $'\\n' --json | jq -r .text
    charrnn sample --prompts - --seed 7 --separator '\\0' < questions.txt
    """
    from charrnn.cli.asked import Asked
    from charrnn.cli.console import ResultStream, say
    from charrnn.cli.labels import NOT_DRAWN, print_labels, refuse
    from charrnn.cli.models import given, open_model, read_prompt, source_for
    from charrnn.cli.writers import JsonWriter, PlainWriter
    from charrnn.generation.sample import Sampling

    stops = tuple(map(unescaped, stop or []))
    opened = given(open_model(model, checkpoints, device, corpus), vectors, vectors_key)
    single = [] if prompts is not None else [read_prompt(opened, prompt, prompt_file, encoding)]
    if opened.vocabulary.labels:
        drawn = {"temp": temperature not in (0, 1), "count": count > 1}
        refuse(ctx.params | drawn, (*drawn, *NOT_DRAWN))
        several = None if prompts is None else source_for(opened, [prompts], encoding=encoding)
        print_labels(opened, several, single, unknown, echo=echo, as_json=as_json)
        return
    opened.check_one_way("write")
    if adapt_to is not None:
        source = source_for(opened, [adapt_to], encoding=encoding)
        opened, single = adapted(opened, source, unknown, [prompt, prompt_file, prompts], single)
    one = one_record(opened.vocabulary, records)
    sampling = Sampling(length, temperature, top_k, top_p, min_p, stops, one, no_repeat, novel)
    warn_of_stops(opened.vocabulary, stops)
    several = None if prompts is None else source_for(opened, [prompts], encoding=encoding, field=field)
    asked = Asked(opened, several, single, count, seed, unknown)
    with ResultStream() as stream:
        between = PlainWriter(stream, after(separator, several=count > 1 or prompts is not None))
        writer: Writer = JsonWriter(stream, str(opened.path)) if as_json else between
        for piece in opened.write(asked.requests(), sampling):
            if asked.is_new(piece.number):
                writer.begin(*asked.shown(piece.number), echo)
            writer.write(piece.text)
            if piece.ending is not None:
                writer.end(piece.ending)
                if piece.ending.reason == "exhausted":
                    say(f"sample {piece.number + 1} ended early: --no-repeat or --novel rules out every continuation")


def warn_of_stops(vocabulary: "Vocabulary", stops: tuple[bytes, ...]) -> None:
    """Say which texts to stop at can never come."""
    from charrnn.cli.console import say
    from charrnn.generation.sample import never_written

    for stop in stops:
        if unknown := never_written(vocabulary, stop):
            shown = json.dumps(stop.decode("utf-8", "replace"), ensure_ascii=False)
            listed = ", ".join(f"U+{ord(character):04X}" for character in unknown[:5])
            say(f"warning: --stop {shown} has no effect: the model cannot write {listed}")


def one_record(vocabulary: "Vocabulary", asked: bool) -> bool:
    """Whether a sample ends with its record: where it was asked for, and always if it answers, or is a file."""
    from charrnn.errors import SettingsError

    if asked and not vocabulary.layout.records:
        raise SettingsError(
            "--records needs a model of records", "this one was trained on a single text", "leave it out"
        )
    return asked or vocabulary.layout.asks or vocabulary.end == ""


def adapted(
    model: "LanguageModel", source: "Source", unknown: str, asked: list[str | None], prompts: list[bytes]
) -> "tuple[LanguageModel, list[bytes]]":
    """The model after it has learnt from a file, and the prompts; of one text its end, where none was `asked` for."""
    from charrnn.cli.console import say
    from charrnn.cli.flags import spoken
    from charrnn.errors import DataError, SettingsError
    from charrnn.evaluation.segments import RUN_UP
    from charrnn.text.reading import stream_text

    (place,) = source.arguments
    if place == "-" and "-" in asked[1:]:
        raise SettingsError("standard input cannot be both the text to adapt to and the prompt", "", "name a file")
    notices: list[str] = []
    pieces = list(stream_text(source, notices))
    end = (b"" if model.vocabulary.unit == "byte" else "").join(pieces)[-RUN_UP:]  # type: ignore[arg-type]
    if not end:
        raise DataError(f"{place} is empty", "there is nothing to adapt to", "name a text")
    model = model.adapted(pieces, unknown=unknown, name=place)
    for notice in (*notices, f"adapted to {place}, for this call only"):
        say(spoken(notice))
    if model.vocabulary.layout.records or any(each is not None for each in asked):
        return model, prompts
    return model, [end if isinstance(end, bytes) else end.encode("utf-8", "surrogateescape")]


def after(separator: str | None, *, several: bool) -> bytes:
    """What stands after a sample: what was asked for, else a newline where there are several."""
    if separator is None:
        return b"\n" if several else b""
    return unescaped(separator)

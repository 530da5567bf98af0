"""A run as it is watched: one bar on a terminal, plain lines in a log, JSON for other programs, or nothing.

A view hears every event of a run. Whatever becomes of its stream, the run goes on.
"""

import contextlib
import json
import sys
import time
from typing import Any

from charrnn.cli.console import drop_stdout, print_result, say
from charrnn.cli.flags import spoken
from charrnn.errors import ReaderGoneError, StorageError
from charrnn.runs.events import Evaluated, Event, Notice, Planned, RolledBack, Sampled, Started, Trained
from charrnn.text.visible import visible

PLAIN_SECONDS = 10.0  # between two progress lines where nobody watches a bar


class JsonView:
    """Every event as one JSON line on stdout, as long as somebody takes it: whoever watches cannot end what learns."""

    def __init__(self) -> None:
        self.taken = True

    def __call__(self, event: Event) -> None:
        """Write `event`; a stream that fails is said once and left."""
        if not self.taken:
            return
        try:
            print_result(json.dumps(event.as_json(), ensure_ascii=False))
        except (ReaderGoneError, StorageError) as error:
            self.taken = False
            drop_stdout()
            say(f"warning: {error}; training goes on without it, and metrics.jsonl has every event")


def quiet_view(event: Event) -> None:
    """Nothing but what went wrong, which is said elsewhere."""


class PlainView:
    """`key=value` lines about every ten seconds, for logs."""

    def __init__(self) -> None:
        self.last, self.steps = 0.0, 0

    def __call__(self, event: Event) -> None:
        """Say what `event` is about."""
        if isinstance(event, (Started, Planned)):
            self.steps = event.steps
        if isinstance(event, Trained):
            if time.monotonic() - self.last < PLAIN_SECONDS:
                return
            self.last = time.monotonic()
            left = event.seconds / event.step * (self.steps - event.step)
            say(
                f"step={event.step}/{self.steps} epoch={event.epoch:.2f} loss={event.loss:.4f} "
                f"symbols_per_s={event.symbols_per_second:.0f} eta={left:.0f}s"
            )
        else:
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Everything but progress."""
        for line in lines_about(event):
            say(line)


class BarView(PlainView):
    """One tqdm bar, with evaluations and samples scrolling above it."""

    def __init__(self) -> None:
        super().__init__()
        self.bar: Any = None
        self.validation, self.speed = "", 0.0

    def __call__(self, event: Event) -> None:
        """Move the bar, or write above it."""
        from tqdm import tqdm

        if isinstance(event, Started):
            self.tell(event)
            form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}{postfix}]"
            self.bar = tqdm(
                total=event.steps,
                initial=event.step,
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format=form,
                smoothing=0.1,
            )
        elif isinstance(event, Trained) and self.bar is not None:
            self.speed += (event.symbols_per_second - self.speed) * (0.1 if self.speed else 1)
            shown = f"loss {event.loss:.3f}{self.validation}, {self.speed:,.0f} symbols/s"
            self.bar.set_postfix_str(shown, refresh=False)
            self.bar.update(event.step - self.bar.n)
        elif isinstance(event, Planned) and self.bar is not None:
            self.bar.total = event.steps
        else:
            if isinstance(event, Evaluated):
                self.validation = f", val {event.bits_per_char:.3f} bits"
            if lines_about(event):
                with tqdm.external_write_mode(file=sys.stderr) if self.bar is not None else contextlib.nullcontext():
                    self.tell(event)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()


def lines_about(event: Event) -> list[str]:
    """What a person reads about an event; progress, saves and plans go without saying."""
    if isinstance(event, Started):
        verb = f"resuming at step {event.step:,}" if event.resumed else "training"
        return [f"{event.run}: {verb}, {event.parameters:,} parameters, {event.steps:,} steps"]
    if isinstance(event, Notice):
        return [spoken(event.text)]
    if isinstance(event, RolledBack):
        rate = f"{event.learning_rate:.3g}"
        return [f"warning: {spoken(event.why)}; back at step {event.step} with half the learning rate, {rate}"]
    if isinstance(event, Evaluated):
        best = " best" if event.best else ""
        nats, bits = event.nats_per_char, event.bits_per_char
        return [
            f"step={event.step} epoch={event.epoch:.2f} validation_nats={nats:.4f} validation_bits={bits:.4f}{best}"
        ]
    if isinstance(event, Sampled):
        lines = visible(event.text).split("\n")
        return [f"sample at step {event.step}:", "", *(f"    {line}".rstrip() for line in lines), ""]
    return []

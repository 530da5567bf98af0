"""A run as a bar, on a terminal or in a notebook, for whoever trains from Python."""

import warnings
from typing import Any

from charrnn.runs.events import Evaluated, Event, Planned, Started, Trained


class Bar:
    """One tqdm bar with the loss, the validation score and the speed."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.validation = ""

    def __call__(self, event: Event) -> None:
        """Move it."""
        if isinstance(event, Started):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # without ipywidgets a notebook has tqdm's plain bar
                from tqdm.auto import tqdm

            self.bar = tqdm(total=event.steps, initial=event.step, unit="step", desc=event.run, dynamic_ncols=True)
        elif isinstance(event, Planned):
            self.bar.total = event.steps
        elif isinstance(event, Evaluated):
            self.validation = f", validation {event.bits_per_char:.3f} bits"
        elif isinstance(event, Trained):
            shown = f"loss {event.loss:.3f}{self.validation}, {event.symbols_per_second:,.0f} symbols/s"
            self.bar.set_postfix_str(shown, refresh=False)
            self.bar.update(event.step - self.bar.n)

    def close(self) -> None:
        """Leave it as it stands."""
        if self.bar is not None:
            self.bar.close()

"""Whether a model that has read some of an author continues in that voice, as `charrnn sample --adapt-to` makes it.

    python benchmarks/adapting.py MODEL [TEXT ...] [--characters 20000 50000]

Of each text the model learns the first so many characters, and as many after them are scored: by the model as it was,
and by the one that has learnt, both at a temperature of 1 and neither learning any more. Without a text it is the
documentation of Python's standard library, then its code. Characters that the model does not know are left out.
"""

import argparse
import time
from pathlib import Path

from auto import texts

import charrnn


def main() -> None:
    """Adapt, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("texts", nargs="*", type=Path)
    parser.add_argument("--characters", nargs="+", type=int, default=[20_000, 50_000])
    known = parser.parse_args()
    model, made = charrnn.load(known.model), texts()
    given = {str(path): path.read_text() for path in known.texts} or {name: made[name] for name in ("prose", "code")}
    for name, text in given.items():
        for number in known.characters:
            if len(text) < 2 * number:
                print(f"{name}: has only {len(text):,} characters", flush=True)
                continue
            read, held_out = text[:number], text[number : 2 * number]
            before, began = model.score(held_out).nats_per_char, time.monotonic()
            learnt, seconds = model.adapted([read], unknown="skip"), time.monotonic() - began
            after = learnt.score(held_out).nats_per_char
            print(f"{name}, {number:,} characters: {before:.4f} nats, then {after:.4f} ({seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    main()

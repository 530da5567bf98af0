"""Numbers in, text out: six tasks from the lectures, each made here or shipped by a package, trained and scored.

    python benchmarks/vectors.py [captions questions digits speech video series step memory] [--small] [--output FILE]

Each part writes its records and its vectors, trains with `charrnn train --vectors`, and scores what was held out (of
pictures new combinations, of speech voices that were never heard), beside the commonest text of the training set and a
linear classifier (ridge regression from the vectors to the texts of the training set). `--small` is for tests.
digits needs scikit-learn, speech needs espeak-ng; a part whose program is missing says so. `step` and `memory` measure
what vectors cost.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from charrnn.config import RunConfig
from charrnn.learning.learner import Learner
from charrnn.text.batches import windows_of
from charrnn.text.corpus import Standardised
from charrnn.text.marks import END, VECTOR
from charrnn.text.vocabulary import Vocabulary

Array = npt.NDArray[np.float32]
Generator = np.random.Generator


class Task(NamedTuple):
    """Records, of which the last `held_out` are not trained on; each begins with its vectors (n_i, d)."""

    texts: list[str]
    vectors: list[Array]
    held_out: int
    flags: list[str]  # of training
    floor: float  # share of exact answers that it must reach
    best: float | None = None  # bits of a record that nobody can do without


# Pictures -------------------------------------------------------------------------------------------------------------

SHAPES, SIZES = ("circle", "square", "triangle", "cross"), ("small", "large")
COLOURS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "pink": (1, 0, 1),
    "white": (1, 1, 1),
}
SIDES = {"left of": (0, -1), "above": (-1, 0)}  # the other two would say the same of the same picture
OTHER = {"left of": "right of", "above": "below"}
PIXELS = 16


def drawn(shape: str, size: str) -> Array:
    """A thing in black and white, at most 7 x 7."""
    radius = 2 if size == "small" else 3
    y, x = np.mgrid[-3:4, -3:4]
    masks = {
        "circle": x * x + y * y <= radius * radius + 0.5,
        "square": (abs(x) <= radius - 0.5) & (abs(y) <= radius - 0.5),
        "triangle": (abs(x) * 2 <= y + radius) & (abs(y) <= radius),
        "cross": (np.minimum(abs(x), abs(y)) == 0) & (np.maximum(abs(x), abs(y)) <= radius),
    }
    return np.asarray(masks[shape], np.float32)


def picture(things: Sequence[tuple[str, str, str]], side: str, generator: Generator) -> Array:
    """(3, PIXELS, PIXELS): the first thing on that side of the second."""
    canvas = np.zeros((3, PIXELS, PIXELS), dtype=np.float32)
    down, across = SIDES[side]
    near, far = 4, PIXELS - 5
    middle = PIXELS // 2
    for number, (size, colour, shape) in enumerate(things):
        sign = 1 if number == 0 else -1
        centre = [middle, middle]
        for axis, way in enumerate((down, across)):
            centre[axis] = (far if sign * way > 0 else near) if way else middle
        mask = drawn(shape, size)
        top, left = centre[0] - 3, centre[1] - 3
        canvas[:, top : top + 7, left : left + 7] += mask * np.array(COLOURS[colour], dtype=np.float32)[:, None, None]
    return canvas + generator.normal(size=canvas.shape).astype(np.float32) * 0.1


def scenes(
    count: int, sizes: Sequence[str], generator: Generator
) -> list[tuple[list[tuple[str, str, str]], str, Array]]:
    """Pictures of two things, and what is on them; the last fifth has combinations that the others have not."""
    things = [(size, colour, shape) for size in sizes for colour in COLOURS for shape in SHAPES]
    kinds = [(a, b, side) for a in things for b in things for side in SIDES if a[2] != b[2]]
    order = generator.permutation(len(kinds))
    known, new = order[: len(kinds) * 4 // 5], order[len(kinds) * 4 // 5 :]
    chosen = [*generator.choice(known, size=count * 4 // 5), *generator.choice(new, size=count - count * 4 // 5)]
    found = []
    for kind in chosen:
        a, b, side = kinds[kind]
        found.append(([a, b], side, picture([a, b], side, generator)))
    return found


def in_rows(image: Array) -> Array:
    """(PIXELS, 3 x PIXELS): a picture as it is read, row by row."""
    return image.transpose(1, 0, 2).reshape(PIXELS, -1)


def named(thing: tuple[str, str, str]) -> str:
    """A thing in words; small is said of what is small."""
    size, colour, shape = thing
    return f"a {'small ' if size == 'small' else ''}{colour} {shape}"


def captions(small: bool, generator: Generator) -> Task:
    """A picture -> "a red circle left of a small blue square": small is said of what is small."""
    made = scenes(2000 if small else 8000, SIZES[small:], generator)
    texts = [f"{named(things[0])} {side} {named(things[1])}" for things, side, _ in made]
    length = ["--epochs", "20" if small else "12"]
    return Task(texts, [in_rows(image) for *_, image in made], len(made) // 5, length, 0.5 if small else 0.9)


def questions(small: bool, generator: Generator) -> Task:
    """A picture and "what is left of the square?" -> "a red circle"; of each picture what is there, and two of five."""
    made, texts = scenes(2000 if small else 8000, SIZES[small:], generator), []
    for number, ((a, b), side, _) in enumerate(made):
        asked = [
            (f"what is {side} the {b[2]}?", f"a {a[1]} {a[2]}"),
            (f"what colour is the {a[2]}?", a[1]),
            (f"what is {OTHER[side]} the {a[2]}?", f"a {b[1]} {b[2]}"),
            (f"is the {b[2]} small?", "yes" if b[0] == "small" else "no"),
            (f"what colour is the {b[2]}?", b[1]),
        ]
        told = ("what is there?", f"{named(a)} {side} {named(b)}")
        texts += ["\t".join(pair) for pair in (told, asked[number % 5], asked[(number + 1) % 5])]
    pictures = [rows for *_, image in made for rows in [in_rows(image)] * 3]
    length = ["--target-after", "TAB", "--epochs", "30" if small else "15"]
    return Task(texts, pictures, len(texts) // 5, length, 0.4 if small else 0.9)


def digits(small: bool, generator: Generator) -> Task:
    """scikit-learn's handwritten digits, row by row -> "seven"."""
    from sklearn.datasets import load_digits

    found, names = load_digits(), ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    order = generator.permutation(len(found.target))[: 700 if small else None]
    texts = [names[found.target[k]] for k in order]
    vectors = [found.images[k].astype(np.float32) for k in order]
    return Task(texts, vectors, len(order) // 5, ["--epochs", "20" if small else "40"], 0.8 if small else 0.95)


# Speech ---------------------------------------------------------------------------------------------------------------

WORDS = tuple(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen twenty thirty hundred
    red green blue white black yellow orange purple brown monday tuesday wednesday thursday friday saturday sunday
    """.split()  # noqa: SIM905 - a list of so many words is no easier to read
)
HEARD = ("m1", "m2", "m3", "m4", "m6", "f1", "f2", "f3", "f5", "croak", "klatt2", "klatt4")
UNHEARD = ("m5", "m7", "f4", "klatt")


def mel(samples: Array, rate: int) -> Array:
    """(frames, 26): the logarithm of the energy in bands of equal width to the ear, every 20 milliseconds."""
    window, hop, bands = int(0.032 * rate), int(0.02 * rate), 26
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    least, most = (2595 * np.log10(1 + hertz / 700) for hertz in (80, min(8000, rate / 2)))
    edges = 700 * (10 ** (np.linspace(least, most, bands + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(window, 1 / rate)
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    found = np.log(power @ np.maximum(0, np.minimum(rising, falling)).T + 1e-3)
    return np.asarray(found - found.mean(axis=0), np.float32)  # of a voice what does not change is left out


def spoken(word: str, voice: str, speed: int, pitch: int) -> Array:
    """A word as espeak-ng speaks it, without the silence around it."""
    line = ["espeak-ng", "-v", f"en+{voice}", "-s", str(speed), "-p", str(pitch), "--stdout", word]
    with tempfile.TemporaryFile() as file:
        subprocess.run(line, stdout=file, check=True)
        file.seek(44)  # what it writes before the samples, whose number it does not know yet
        samples = np.frombuffer(file.read(), dtype="<i2").astype(np.float32) / np.float32(2**15)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return mel(samples[loud[0] : loud[-1] + 1], 22050)


def speech(small: bool, generator: Generator) -> Task:
    """Mel spectra of a word -> its letters; voices are held out."""
    words = WORDS[:10] if small else WORDS
    said = []
    for voices, times in ((HEARD, 6 if small else 14), (UNHEARD, 3 if small else 4)):
        said.append([
            (word, voice, int(generator.integers(120, 220)), int(generator.integers(25, 75)))
            for word in words for voice in voices for _ in range(times)
        ])  # fmt: skip
        generator.shuffle(said[-1])
    with ThreadPoolExecutor() as pool:
        heard = list(pool.map(lambda each: spoken(*each), said[0] + said[1]))
    texts = [word for word, *_ in said[0] + said[1]]
    return Task(texts, heard, len(said[1]), ["--epochs", "12" if small else "25"], 0.5 if small else 0.9)


# Films and series -----------------------------------------------------------------------------------------------------


def video(small: bool, generator: Generator) -> Task:
    """A ball that bounces in a box, frame by frame -> the walls that it hits, in order."""
    texts, vectors, side, frames = [], [], 8, 16
    for _ in range(1500 if small else 8000):
        place, speed = generator.integers(1, side - 1, size=2), generator.choice([-1, 1], size=2)
        events, film = [], np.zeros((frames, side, side), dtype=np.float32)
        for frame in film:
            frame[place[0], place[1]] = 1
            place = place + speed
            for axis, walls in enumerate((("top", "bottom"), ("left", "right"))):
                if not 0 < place[axis] < side - 1:
                    events.append(walls[int(place[axis] > 0)])
                    speed[axis] *= -1
        vectors.append(film.reshape(frames, -1) + generator.normal(size=(frames, side * side)).astype(np.float32) * 0.1)
        texts.append(" ".join(events))
    return Task(texts, vectors, len(texts) // 5, ["--epochs", "12" if small else "15"], 0.5 if small else 0.9)


RULE, SURE = 3, 0.85  # days that the rule looks back, and how often it holds


def series(small: bool, generator: Generator) -> Task:
    """A price that mostly goes on as it went over three days -> "up" or "down", and the last digit of its next."""
    texts, vectors, count = [], [], 2000 if small else 12_000
    for _ in range(count):
        moves = list(generator.choice([-1, 1], size=RULE))
        for _ in range(17):
            likely = np.sign(sum(moves[-RULE:]))
            moves.append(int(likely if generator.random() < SURE else -likely))
        prices = 50 + np.cumsum(moves)
        vectors.append(prices[:-1, None].astype(np.float32))
        texts.append(f"{'up' if moves[-1] > 0 else 'down'} {prices[-1] % 10}")
    entropy = -(SURE * np.log2(SURE) + (1 - SURE) * np.log2(1 - SURE))
    flags = ["--epochs", "20" if small else "12"]
    return Task(texts, vectors, count // 5, flags, SURE - 0.1 if small else SURE - 0.05, float(entropy))


PARTS: dict[str, Callable[[bool, Generator], Task]] = {
    each.__name__: each for each in (captions, questions, digits, speech, video, series)
}
NEEDS = {"speech": "espeak-ng"}


# What is measured -----------------------------------------------------------------------------------------------------


def commonest(task: Task) -> float:
    """The share of held-out records that the commonest answer answers; of questions, the commonest to the same one."""
    split = len(task.texts) - task.held_out
    pairs = [text.rpartition("\t")[::2] for text in task.texts]
    by_question: dict[str, Counter[str]] = {}
    for question, answer in pairs[:split]:
        by_question.setdefault(question, Counter())[answer] += 1
    guesses = {question: found.most_common(1)[0][0] for question, found in by_question.items()}
    return float(np.mean([guesses.get(question) == answer for question, answer in pairs[split:]]))


def linear(task: Task) -> float:
    """The share that ridge regression from vectors (and which question is asked) to the known answers gets right."""
    split = len(task.texts) - task.held_out
    pairs = [text.rpartition("\t")[::2] for text in task.texts]
    asked, answers = (sorted({pair[k] for pair in pairs[:split]}) for k in (0, 1))
    same = len({len(each) for each in task.vectors}) == 1
    features = np.stack(
        [
            each.ravel() if same else np.concatenate([p.mean(axis=0) for p in np.array_split(each, 4)])
            for each in task.vectors
        ]
    )
    features = (features - features[:split].mean(axis=0)) / (features[:split].std(axis=0) + 1e-6)
    questions_ = np.array([[question == each for each in asked] for question, _ in pairs], dtype=np.float64)
    x = np.concatenate([features, questions_, np.ones((len(features), 1))], axis=1)
    y = np.array([[answer == each for each in answers] for _, answer in pairs[:split]], dtype=np.float64)
    weights = np.linalg.solve(x[:split].T @ x[:split] + 10 * np.eye(x.shape[1]), x[:split].T @ y)
    guesses = (x[split:] @ weights).argmax(axis=1)
    return float(np.mean([answers[guess] == answer for guess, (_, answer) in zip(guesses, pairs[split:], strict=True)]))


def charrnn(folder: Path, *arguments: str) -> str:
    """What a command prints."""
    line = [sys.executable, "-m", "charrnn", *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def measured(name: str, small: bool) -> dict[str, object]:
    """One part: its data, our model, and what others get."""
    task = PARTS[name](small, np.random.default_rng(0))
    lengths = np.array([len(each) for each in task.vectors])
    network = ["--hidden", "96", "--embedding", "48"] if small else ["--hidden", "256", "--embedding", "128"]
    window = ["--batch-size", "16", "--seq-length", str(int(lengths.max()) + max(map(len, task.texts)) + 2)]
    how = [
        "--records",
        "lines",
        "--vectors",
        "vectors.npz",
        "--validation-fraction",
        str(task.held_out / len(task.texts)),
    ]
    how += ["--dropout", "0.1", "--weight-drop", "0", "--dropout-start", "0", "--learning-rate", "4e-3", "--seed", "0"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "text.txt").write_text("".join(f"{text}\n" for text in task.texts))
        np.savez(folder / "vectors.npz", vectors=np.concatenate(task.vectors), lengths=lengths)
        charrnn(folder, "train", "text.txt", "--name", "run", *how, *network, *window, *task.flags, "-q")
        score = json.loads(charrnn(folder, "evaluate", "run", "--json"))
        trained = json.loads((folder / "checkpoints" / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    found = {"part": name, "records": len(task.texts), "exact": score["exact_match"], "floor": task.floor}
    found |= {"commonest": commonest(task), "linear": linear(task), "seconds": trained["seconds"]}
    if task.best is not None:
        bits = score["nats_per_char"] * score["characters"] / np.log(2) / task.held_out
        found |= {"bits_of_a_record": bits, "bits_that_nobody_can_do_without": task.best}
    return found


def step() -> dict[str, object]:
    """How much longer a step of 16 records takes that begin with a vector of 256 numbers: medians, in turns."""
    generator, size = np.random.default_rng(0), 256
    texts = ["".join(generator.choice(list("abcdefgh"), size=60)) for _ in range(2000)]
    rows = generator.normal(size=(len(texts), size)).astype(np.float32)
    steps, times = [], [list[float](), list[float]()]
    for kind, mark in ((0, "a"), (size, VECTOR)):
        vocabulary = Vocabulary("char", tuple(sorted({END, mark, *"abcdefgh"})), end="\n", vectors=kind > 0)
        ids = vocabulary.numbered(vocabulary.encode(END + "".join(mark + text + END for text in texts)))
        values: dict[str, Any] = {
            "layers": 1,
            "hidden": 256,
            "embedding": 64,
            "dropout": 0.2,
            "weight_drop": 0,
            "dropout_start": 1,
        }
        values |= {"corpus": ["-"], "validation_fraction": 0.1, "batch_size": 16, "seq_length": 64, "steps": 10**6}
        values |= {"learning_rate": 4e-3, "warmup": 100, "eval_every": 1, "save_every": 1, "sample_every": 1}
        values |= {"device": "cpu", "precision": "float32", "threads": 1, "vector_size": kind}
        read = Standardised(rows, rows.mean(axis=0), rows.std(axis=0)) if kind else None
        learner = Learner(RunConfig.model_validate(values), len(vocabulary), vectors=read)
        steps.append((learner, windows_of(ids, vocabulary, 16, 64)))
    torch.set_num_threads(1)
    for number in range(120):
        for spent, (learner, windows) in zip(times, steps, strict=True):
            began = time.perf_counter()
            learner.step(windows.window(number), number)
            spent.append(time.perf_counter() - began)
    plain, led = (statistics.median(spent[10:]) for spent in times)
    return {"part": "step", "ms": plain * 1e3, "ms_with_a_vector": led * 1e3, "times": led / plain}


def memory() -> dict[str, object]:
    """By how much 1 GB of vectors raises the peak of a training run, beside 8 MB."""
    program = (
        "import sys; from charrnn.cli.app import run; from charrnn.model.machine import peak_memory;"
        "assert run(sys.argv[1:]) == 0; print(peak_memory())"
    )
    peaks, how = [], ["--records", "lines", "--hidden", "16", "--embedding", "8", "--batch-size", "8", "--steps", "20"]
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "text.txt").write_text("".join(f"w{number % 7}\n" for number in range(10_000)))
        for many in (2, 250):
            file = Path(place) / f"{many}.npy"
            rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(10_000, many, 100))
            for start in range(0, len(rows), 500):
                rows[start : start + 500] = np.random.default_rng(start).normal(size=(500, many, 100))
            rows.flush()
            line = [sys.executable, "-c", program, "train", "text.txt", "--vectors", file.name, *how]
            line += ["--seq-length", "256", "--precision", "float32", "--threads", "1", "-q", "--name", file.stem]
            done = subprocess.run(line, cwd=place, capture_output=True, text=True, check=True)
            peaks.append(int(done.stdout) / 2**20)
    return {"part": "memory", "MB_of_8": peaks[0], "MB_of_1000": peaks[1], "MB_more": peaks[1] - peaks[0]}


COSTS: dict[str, Callable[[], dict[str, object]]] = {"step": step, "memory": memory}


def main() -> None:
    """Measure part by part, print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[*PARTS, *COSTS])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--output", type=Path)
    known = parser.parse_args()
    rows = []
    for name in known.parts:
        if name in NEEDS and shutil.which(NEEDS[name]) is None:
            print(f"{name}: needs {NEEDS[name]}")
            continue
        rows.append(COSTS[name]() if name in COSTS else measured(name, known.small))
        print(
            "  ".join(
                f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in rows[-1].items()
            ),
            flush=True,
        )
    if known.output:
        known.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

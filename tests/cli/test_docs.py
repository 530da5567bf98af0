"""README and docs are promises: what stands there is run, every link leads somewhere, every number names its command.

The rule for fenced blocks, by the word behind the three backticks:

    sh        run line by line, top to bottom, one folder a page. Texts that a line names are small stand-ins, networks
              are small (by CHARRNN_HIDDEN and its kind), --time, --steps and --epochs give way to two steps. A line
              with a pipe or a redirection is run by bash; where a program that is not ours is missing, our part of it
              is run alone
    python    run as a script; modules that are not ours (mlflow) have a test of their own
    bash      scripts for schedulers and launchers: `test_batch_jobs.py` runs those of one machine, and here the flags
              of every charrnn line in them are parsed
    text      output; and the two commands of the README, which have no word, are run by continuous integration
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from charrnn.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = [page for page in PAGES if page.name != "CONTRIBUTING.md"]
SMALL = {
    "CHARRNN_HIDDEN": "8", "CHARRNN_EMBEDDING": "4", "CHARRNN_BATCH_SIZE": "2", "CHARRNN_SEQ_LENGTH": "8",
    "CHARRNN_PRECISION": "float32", "CHARRNN_STEPS": "2", "CHARRNN_THREADS": "1",
}  # fmt: skip
ARRAY = re.compile(r'"\$\{\w+\[@\]\}"')  # of a shell: so many words
LENGTH = re.compile(r"--(time|steps|epochs) \S+")
PROSE = (
    "It was the best of times, it was the worst of times; the quick brown fox said: CHAPTER I, in novel words.\n" * 12
)
PICTURES = np.tile(np.eye(4), (30, 4)).astype(np.float32)  # of what captions.txt and asked.tsv are about
NUMBERS = {"pictures.npy": PICTURES, "new-pictures.npy": PICTURES[:4]}
STAND_INS = {
    "captions.txt": "a red square\na blue square\na red circle\na blue circle\n" * 30,
    "new.txt": "a red square\na blue square\na red circle\na blue circle\n",
    "asked.tsv": "what is it?\tred\nwhat is it?\tblue\nwhich shape?\tcircle\nwhich shape?\tround\n" * 30,
    "what.txt": "what is it?\n" * 4,
    "names.txt": "".join(f"{name}\n" for name in ("Ada", "Grace", "Alan", "Kurt", "Emmy", "Sofia") * 20),
    "tunes.abc": "X:1\nK:Ador\nABA BAA|\n\n" * 30,
    "reviews.tsv": "good plot\tpositive\nbad plot\tnegative\n" * 30,
    "new.tsv": "good\tpositive\nbad\tnegative\n",
    "questions.txt": "good plot\nbad plot\n",
    "reviews.csv": "id,text,label\n" + '1,"good, plot",positive\n2,bad plot,negative\n' * 30,
    "new.csv": "text,label\ngood plot,positive\nbad plot,negative\n",
    "posts.jsonl": '{"id": 1, "body": "It was the best of times"}\n{"id": 2, "body": "it was the worst"}\n' * 30,
    "damaged.txt": "It was the b#st of t#mes; the qu#ck br##n fox said.\n",
    "tagged.tsv": "I like red apples\tpron verb adj noun\nwe see the best times\tpron verb det adj noun\n" * 30,
    "tagged-new.tsv": "we like red times\tpron verb adj noun\n",
    "sentences.txt": "I like the apples\nwe see red times\n",
    "src/main.py": "def main():\n    print('hello, world')\n" * 30,
}
RUNS = {"logs": "access.log", "long": "novel.txt", "novel": "novel.txt", "names": "names.txt", "reviews": "reviews.tsv"}


def blocks(page, word):
    """The fenced blocks of a page with this word behind the backticks."""
    return [
        text for found, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S) if found == word
    ]


def commands(page):
    """Every line of a page that is to be run, without its comment."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [re.sub(r"\s+# .*$", "", line) for line in lines if line.strip()]


def prepared(folder):
    """A folder with every text that the pages name."""
    texts = dict.fromkeys(
        ("novel.txt", "other.txt", "diary.txt", "opening.txt", "openings.txt", "letter.txt", "play.txt", "corpus.txt",
         "disputed.txt", "access.log", "new-names.txt"), PROSE,
    )  # fmt: skip
    for name, text in (texts | STAND_INS).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, array in NUMBERS.items():
        np.save(folder / name, array)


@pytest.fixture(scope="session")
def place(door, once):
    """Run lines in a folder of texts and small runs of the names that the pages use."""

    def make(folder):
        (folder / "work").mkdir()
        prepared(folder / "work")
        lines = []
        for name, text in RUNS.items():
            flags = {"reviews": ["--target-after", "TAB"], "names": ["--records", "lines"]}.get(name, [])
            lines.append((["train", text, "--name", name, "-q", *flags], SMALL))
        failed = [done.stderr for done in door(lines, folder) if done.code]
        assert failed == []

    return once("documented", make)


def is_plain(line):
    return line.startswith("charrnn ") and not re.search(r"[|<>]|\$'", line)


def shortened(line):
    """The line with the length of a stand-in, and no run that the page has to have named before."""
    return LENGTH.sub("--steps 2", line) if " train " in line else line


def in_bash(line, folder):
    """Run a line with pipes; of one with a program that is not here, our own part."""
    parts = [part.strip() for part in line.split("|")]
    line = "|".join(part for part in parts if shutil.which(part.split()[0]) or part.startswith("charrnn"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("CHARRNN_")}
    env = clean | SMALL | {"PATH": path}
    return subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=folder, env=env, capture_output=True, check=False)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_runs_as_it_stands(page, place, door, tmp_path):
    shutil.copytree(place / "work", tmp_path / "work")
    shutil.rmtree(tmp_path / "work" / "checkpoints" / "novel")  # the pages train it
    if page.name == "records.md":
        shutil.rmtree(tmp_path / "work" / "checkpoints" / "names")
        shutil.rmtree(tmp_path / "work" / "checkpoints" / "reviews")
    if page.name in ("README.md", "guide.md"):
        shutil.rmtree(tmp_path / "work" / "checkpoints" / "long")
    for plain, lines in groupby(map(shortened, commands(page)), is_plain):
        if plain:
            asked = [(shlex.split(line)[1:], SMALL) for line in lines]
            assert [(done.arguments, done.stderr) for done in door(asked, tmp_path) if done.code] == []
        for line in [] if plain else lines:
            finished = in_bash(line, tmp_path / "work")
            assert finished.returncode == 0, (line, finished.stderr.decode())


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_every_program_runs(page, tmp_path):
    for folder in ("corpora", "checkpoints"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    prepared(tmp_path)
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for program in blocks(page, "python"):
        if "mlflow" not in program:
            line = [sys.executable, "-c", re.sub(r'time="\w+"', "steps=2, hidden=16", program)]
            done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            assert done.stdout


def parses(arguments):
    """Whether a command line has only flags that exist, with values of their type."""
    import typer

    group = typer.main.get_command(app)
    command = group.commands[arguments[0]]
    command.make_context(arguments[0], list(arguments[1:]), resilient_parsing=False)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_flags_of_every_charrnn_line_anywhere_exist(page):
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    lines = [line for block in re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S) for line in block.splitlines()]
    lines += [each.replace("\n", " ") for each in re.findall(r"`((?:charrnn|python benchmarks)[^`]*)`", text)]
    for line in lines:
        found = re.search(r"(?<![\w/.])charrnn ([a-z]+ [^|;&]*|[a-z]+$)", line)
        if found and "COMMAND" not in line:
            plain = re.sub(
                r"\$'[^']*'|\$\([^(][^)]*\)", "x", re.sub(r"\$\(\(.*?\)\)|\$\{?\w+\}?", "1", ARRAY.sub("", found[1]))
            )
            words = shlex.split(plain.split(" > ")[0].split(" < ")[0])
            assert parses([word for word in words if word not in ("...", "...`")]), line
        elif script := re.match(r"python (benchmarks/\w+\.py)(.*)", line):
            assert (ROOT / script[1]).is_file(), line
            source, own = (ROOT / script[1]).read_text(), re.sub(r'"[^"]*"', "", script[2])  # in quotes: handed on
            assert all(f'"{flag}"' in source for flag in re.findall(r"--[a-z-]+", own) if flag not in NETWORK), line


NETWORK = ("--hidden", "--batch-size", "--dropout", "--weight-drop", "--dropout-start", "--learning-rate")  # handed on


def anchors(page):
    """What a page's headings are called in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "benchmarks" / "README.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not re.match(r"https?://", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_every_table_of_numbers_names_a_command_for_each_row():
    """In the results, a row is a number, and a number has a command in its row or in the line below the table."""
    text = (ROOT / "docs" / "results.md").read_text()
    tables = re.findall(r"((?:^\|[^\n]*\n)+)\n?(.*?)(?=\n\n|\Z)", text, re.M | re.S)
    assert len(tables) >= 3
    for table, below in tables:
        for row in table.splitlines()[2:]:
            named = re.search(r"`(charrnn|python)", row) or "printed by the same" in row
            assert named or "nanoGPT" in row or re.search(r"`(charrnn|python)", below), row


def test_the_readme_is_one_page():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60

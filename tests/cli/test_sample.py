"""`charrnn sample` as a whole command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("charrnn"))
FLOAT32 = ["--precision", "float32"]


def test_the_same_seed_writes_the_same_text(charrnn, trained):
    one, two, other = (charrnn("sample", "-n", "80", "--seed", seed, cwd=trained) for seed in (3, 3, 4))
    assert one.stdout == two.stdout != other.stdout
    assert charrnn("sample", "-n", "80", "--seed", 3, cwd=trained, fresh=True).stdout == one.stdout
    assert len(one.stdout.decode()) == 80


def test_a_seed_that_was_drawn_is_printed_and_repeats_the_text(charrnn, trained):
    drawn = charrnn("sample", "-n", "80", cwd=trained)
    seed = drawn.stderr.decode().split("seed ")[1].split()[0]
    assert charrnn("sample", "-n", "80", "--seed", seed, cwd=trained).stdout == drawn.stdout


def test_stdout_is_text_only_and_the_model_that_was_taken_is_said(charrnn, trained):
    done = charrnn("sample", "-n", "30", "--seed", "1", cwd=trained)
    assert len(done.stdout.decode()) == 30
    assert done.stderr.decode().strip().endswith("checkpoints/verses/best.safetensors")


def test_prompts_from_argument_file_and_stdin_are_the_same(charrnn, trained, tmp_path):
    (tmp_path / "prompt.txt").write_text("Shall I")
    common = ["sample", "-n", "40", "--seed", "2"]
    argument = charrnn(*common, "--prompt", "Shall I", cwd=trained).stdout
    assert argument.startswith(b"Shall I")
    assert argument == charrnn(*common, "--prompt-file", tmp_path / "prompt.txt", cwd=trained).stdout
    assert argument == charrnn(*common, "--prompt-file", "-", cwd=trained, stdin=b"Shall I").stdout
    assert argument[7:] == charrnn(*common, "--prompt", "Shall I", "--no-echo", cwd=trained).stdout


def test_a_sample_adapted_to_a_file_goes_on_as_the_file_does(charrnn, trained, tmp_path):
    """A model of verses, greedily, before and after it has read two words again and again."""
    text = "thou and day "
    (tmp_path / "voice.txt").write_text(text * 600)
    path = trained / "checkpoints" / "verses" / "best.safetensors"
    before = path.read_bytes()
    common = ["sample", "verses", "-t", "0", "-n", "52", "--seed", "1", "--no-echo"]
    done = charrnn(*common, "--adapt-to", tmp_path / "voice.txt", cwd=trained)
    assert (done.returncode, done.stdout.decode()) == (0, text * 4)
    assert done.stderr.decode().splitlines() == [f"adapted to {tmp_path / 'voice.txt'}, for this call only"]
    assert path.read_bytes() == before
    piped = charrnn(*common, "--adapt-to", "-", cwd=trained, stdin=(text * 600).encode())
    assert piped.stdout == done.stdout
    encoded = charrnn(
        *common, "--adapt-to", "-", "--encoding", "utf-16-le", cwd=trained, stdin=(text * 600).encode("utf-16-le")
    )
    assert encoded.stdout == done.stdout
    asked = charrnn(*common, "--adapt-to", tmp_path / "voice.txt", "--prompt", "day thou and", cwd=trained)
    assert asked.stdout.decode() == (text * 5)[8:60]
    assert charrnn(*common, "--prompt-file", tmp_path / "voice.txt", cwd=trained).stdout != done.stdout


def test_the_end_of_what_was_adapted_to_is_the_prompt(charrnn, trained, tmp_path):
    (tmp_path / "voice.txt").write_text("day " * 300)
    line = ["sample", "verses", "-n", "5", "--seed", "1", "--json", "--adapt-to", tmp_path / "voice.txt"]
    assert json.loads(charrnn(*line, cwd=trained).stdout)["prompt"] == "day " * 128


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        (b"", [], 65),
        ("caf\u00e9".encode(), [], 65),
        (b"\xff", [], 65),
        (None, [], 66),
        (b"May", ["--adapt-to", "-", "--prompt-file", "-"], 2),
        (b"May", ["--adapt-to", "-", "--prompts", "-"], 2),
    ],
)
def test_what_cannot_be_adapted_to_is_one_line(charrnn, trained, tmp_path, content, line, code):
    if content is not None:
        (tmp_path / "voice.txt").write_bytes(content)
    done = charrnn("sample", "verses", "--adapt-to", tmp_path / "voice.txt", *line, cwd=trained, stdin=b"May")
    assert (done.returncode, done.stdout) == (code, b"")
    assert done.stderr.startswith(b"charrnn: error: ")
    assert done.stderr.count(b"\n") == 1


def test_greedy_needs_no_luck(charrnn, trained):
    texts = {charrnn("sample", "-t", "0", "-n", "60", "--seed", seed, cwd=trained).stdout for seed in (1, 2, 3)}
    assert len(texts) == 1


def test_json_has_one_object_a_sample_and_each_repeats_alone(charrnn, trained):
    common = ["sample", "-n", "25", "--json"]
    found = [json.loads(x) for x in charrnn(*common, "--count", "3", "--seed", "7", cwd=trained).stdout.splitlines()]
    assert [sample["seed"] for sample in found] == [7, 8, 9]
    alone = json.loads(charrnn(*common, "--seed", "9", cwd=trained).stdout)
    assert alone == found[2]
    assert alone["stop_reason"] == "length"
    assert alone["log_probability"] < 0


def test_each_prompt_of_a_file_is_answered_in_order(charrnn, trained, tmp_path):
    (tmp_path / "prompts.txt").write_text("Shall I\n\nRough winds\r\nAnd")
    common = ["sample", "-n", "30", "--seed", "5"]
    lines = charrnn(*common, "--prompts", tmp_path / "prompts.txt", "--json", cwd=trained).stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [sample["prompt"] for sample in found] == ["Shall I", "", "Rough winds", "And"]
    assert [sample["seed"] for sample in found] == [5, 6, 7, 8]
    for sample in found:
        alone = charrnn("sample", "-n", "30", "--seed", str(sample["seed"]), "-p", sample["prompt"], cwd=trained)
        assert alone.stdout.decode() == sample["text"]
    piped = charrnn(
        *common, "--prompts", "-", "--separator", "\\0", cwd=trained, stdin=b"Shall I\n\nRough winds\nAnd\n"
    )
    assert piped.stdout.decode().split("\0") == [*(sample["text"] for sample in found), ""]


def test_each_prompt_is_answered_as_often_as_asked(charrnn, trained):
    done = charrnn(
        "sample",
        "-n",
        "9",
        "--seed",
        "1",
        "--prompts",
        "-",
        "--count",
        "2",
        "--json",
        cwd=trained,
        stdin=b"And\nThou\n",
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(sample["prompt"], sample["seed"]) for sample in found] == [
        ("And", 1),
        ("And", 2),
        ("Thou", 3),
        ("Thou", 4),
    ]


@pytest.mark.parametrize(
    ("flags", "end"),
    [([], "\n"), (["--separator", "\\n--\\n"], "\n--\n"), (["--separator", "\\t"], "\t"), (["--separator", ""], "")],
)
def test_a_separator_stands_after_each_of_several_samples(charrnn, trained, flags, end):
    alone = [charrnn("sample", "-n", "12", "--seed", str(seed), cwd=trained).stdout.decode() for seed in (4, 5)]
    several = charrnn("sample", "-n", "12", "--seed", "4", "--count", "2", *flags, cwd=trained).stdout.decode()
    assert several == "".join(text + end for text in alone)


def test_a_thousand_samples_are_whole_lines_and_each_repeats_alone(charrnn, trained):
    """More than there are lanes, and most end early: the 900th is the one that its seed writes."""
    done = charrnn("sample", "--count", "1000", "--stop", "\n", "--seed", "0", "--json", cwd=trained)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [sample["seed"] for sample in found] == list(range(1000))
    assert sum(sample["stop_reason"] == "stop" for sample in found) > 900
    assert all("\n" not in sample["text"] for sample in found)
    for seed in (0, 255, 256, 900):
        alone = charrnn("sample", "--stop", "\n", "--seed", str(seed), "--json", cwd=trained).stdout
        assert json.loads(alone) == found[seed]


def test_an_unknown_character_names_the_line_of_its_prompt(charrnn, trained):
    done = charrnn("sample", "--prompts", "-", "-n", "3", cwd=trained, stdin="And\nThé\n".encode())
    assert done.returncode == 65
    assert b"line 2 of the prompts" in done.stderr


def test_prompts_and_a_prompt_exclude_each_other(charrnn, trained):
    assert charrnn("sample", "--prompts", "-", "-p", "And", cwd=trained).returncode == 2


def test_json_of_a_byte_model_joins_characters_across_symbols(charrnn, tmp_path):
    (tmp_path / "fete.txt").write_text("é€" * 200)
    flags = [
        "--unit",
        "byte",
        "--hidden",
        "16",
        "--steps",
        "150",
        "--learning-rate",
        "0.02",
        "--batch-size",
        "4",
        *FLOAT32,
    ]
    assert charrnn("train", "fete.txt", *flags, "-q", cwd=tmp_path).returncode == 0
    found = json.loads(charrnn("sample", "-p", "é", "-n", "50", "-t", "0", "--json", cwd=tmp_path).stdout)
    assert found["text"].startswith("é€é€é€")
    assert found["log_probability_per_char"] == found["log_probability"] / 50


def test_a_stop_text_is_never_printed(charrnn, trained):
    done = charrnn("sample", "-n", "4000", "--seed", "1", "--stop", "ll", "--json", cwd=trained)
    found = json.loads(done.stdout)
    assert (found["stop_reason"], found["stop"]) == ("stop", "ll")
    assert "ll" not in found["text"]


def test_an_unknown_prompt_character_is_named_with_its_place(charrnn, trained):
    done = charrnn("sample", "--prompt", "Shall é", cwd=trained)
    assert done.returncode == 65
    assert b"U+00E9 at 6" in done.stderr
    skipped = charrnn("sample", "--prompt", "Shall é", "--unknown", "skip", "--seed", "1", "-n", "5", cwd=trained)
    replaced = charrnn("sample", "--prompt", "Shall é", "--unknown", "replace", "--seed", "1", "-n", "5", cwd=trained)
    as_e = charrnn("sample", "--prompt", "Shall e", "--seed", "1", "-n", "5", cwd=trained)
    assert (skipped.returncode, replaced.returncode) == (0, 0)
    assert replaced.stdout.decode()[7:] == as_e.stdout.decode()[7:]


def refused(done):
    """The one line with which a prompt was refused."""
    message = done.stderr.decode()
    assert (done.returncode, done.stdout) == (65, b""), message
    assert len(message.splitlines()) == 1, message
    return message


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ("\u00e9\u20acI\U0001f642", "U+00E9 at 0, U+20AC at 1, U+1F642 at 3; use --unknown"),
        ("e\u0301", "U+0301 at 1"),
        ("Shall I\r\n", "U+000D at 7"),
        ("aeiou" * 209_715 + "a\u2028", "U+2028 at 1048576"),
    ],
    ids=["several", "combining", "return", "megabyte"],
)
def test_a_prompt_that_the_model_cannot_read_is_refused_in_one_line(charrnn, trained, tmp_path, prompt, part):
    data = prompt if isinstance(prompt, bytes) else prompt.encode()
    (tmp_path / "prompt").write_bytes(data)
    said = [
        refused(charrnn("sample", "verses", "--prompt-file", tmp_path / "prompt", cwd=trained)),
        refused(charrnn("sample", "verses", "--prompt-file", "-", cwd=trained, stdin=data)),
    ]
    if len(data) < 1000 and b"\0" not in data:  # what an argument can hold
        said.append(refused(charrnn("sample", "verses", "--prompt", os.fsdecode(data), cwd=trained)))
    assert len(set(said)) == 1
    assert part in said[0]


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        (b"caf\xe9", "byte 0xe9 at offset 3"),
        (b"Shall \xed\xa0\x80", "byte 0xed at offset 6"),
        (b"Shall I\0", "NUL at character 7"),
    ],
)
def test_a_prompt_that_is_no_text_is_refused_in_one_line(charrnn, trained, tmp_path, prompt, part):
    (tmp_path / "prompt").write_bytes(prompt)
    assert part in refused(charrnn("sample", "verses", "--prompt-file", tmp_path / "prompt", cwd=trained))
    assert part in refused(charrnn("sample", "verses", "--prompts", "-", "--seed", "1", cwd=trained, stdin=prompt))


def test_prompts_are_read_as_the_text_was(door, tmp_path):
    """In its encoding, where no other is named; a byte order mark is no part of them."""
    (tmp_path / "work").mkdir()
    word = "\u0131\u015f\u0131k"  # Turkish: light
    text, tiny = (
        f"a\u011f {word} \xe7\xf6l \u015f\xfcphe\n" * 30,
        ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--steps", "2", "-q"],
    )
    for name, content in {
        "text.txt": text.encode("cp1254"),
        "prompt": word.encode("cp1254"),
        "marked": f"\ufeff{word}".encode(),
        "wide": word.encode("utf-16"),
    }.items():
        (tmp_path / "work" / name).write_bytes(content)
    ask, utf8 = ["sample", "text", "--seed", "1", "-n", "9"], ["--encoding", "utf-8"]
    lines = [
        ["train", "text.txt", "--encoding", "cp1254", *tiny],
        [*ask, "-p", word],
        [*ask, "--prompt-file", "prompt"],
        [*ask, "--prompts", "prompt", "--separator", ""],
        [*ask, "--prompts", "marked", "--separator", "", *utf8],
        [*ask, "--prompt-file", "marked", *utf8],
        [*ask, "--prompt-file", "wide", *utf8],
        ["predict", "text", "--json", "-p", word],
        ["predict", "text", "--json", "--prompt-file", "prompt"],
    ]
    done = door([(line, {}) for line in lines], tmp_path)
    assert [each.code for each in done] == [0] * len(lines), [each.stderr for each in done]
    assert len({each.stdout for each in done[1:7]}) == 1
    assert done[7].stdout == done[8].stdout


def test_an_empty_prompt_is_none(charrnn, trained):
    common = ["sample", "verses", "-n", "20", "--seed", "1"]
    plain = charrnn(*common, cwd=trained).stdout
    assert len(plain) == 20
    assert charrnn(*common, "-p", "", cwd=trained).stdout == plain
    assert charrnn(*common, "--prompt-file", "-", cwd=trained, stdin=b"").stdout == plain


def test_what_is_skipped_of_a_prompt_changes_nothing_but_its_echo(charrnn, trained):
    """A combining mark, and a megabyte that the model does not know."""
    common = ["sample", "verses", "-n", "20", "--seed", "1", "--unknown", "skip"]
    plain = charrnn(*common, "-p", "Shall e", cwd=trained).stdout
    marked = charrnn(*common, "-p", "Shall e\u0301", cwd=trained).stdout
    assert marked == "Shall e\u0301".encode() + plain[7:]
    long = b"Shall e" + "\u20ac".encode() * 350_000
    assert charrnn(*common, "--prompt-file", "-", cwd=trained, stdin=long).stdout == long + plain[7:]


@pytest.mark.parametrize("words", [["-p", "-"], ["-p", "--"], ["-p", "-n"], ["--prompt", "--seed"], ["--prompt=-p"]])
def test_a_prompt_may_begin_with_a_dash(charrnn, trained, words):
    prompt = words[-1].removeprefix("--prompt=").encode()
    done = charrnn("sample", "verses", "-n", "9", "--seed", "1", "--unknown", "skip", *words, cwd=trained)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(prompt)
    assert len(done.stdout) == len(prompt) + 9


def test_bytes_that_are_no_text_go_through_a_byte_model_as_they_are(charrnn, tmp_path):
    """As an argument, from a file and as a stop text."""
    (tmp_path / "noise").write_bytes(b"\xe9\xff" * 50)
    flags = [
        "--unit",
        "byte",
        "--hidden",
        "8",
        "--batch-size",
        "2",
        "--seq-length",
        "8",
        "--steps",
        "1",
        "-q",
        *FLOAT32,
    ]
    assert charrnn("train", "noise", *flags, "--name", "bytes", cwd=tmp_path).returncode == 0
    common = ["sample", "bytes", "-n", "30", "--seed", "1"]
    given = charrnn(*common, "-p", os.fsdecode(b"caf\xe9"), cwd=tmp_path).stdout
    assert given.startswith(b"caf\xe9")
    assert len(given) == 34
    assert charrnn(*common, "--prompt-file", "-", cwd=tmp_path, stdin=b"caf\xe9").stdout == given
    last = given[-1:]
    stopped = charrnn(*common, "-p", os.fsdecode(b"caf\xe9"), "--stop", os.fsdecode(last), cwd=tmp_path).stdout
    assert stopped == given[:4] + given[4:].split(last)[0]


@pytest.mark.parametrize("reader", ["head -c 10", "true"])
def test_a_reader_that_leaves_ends_the_writer_silently(trained, reader):
    script = f'"{COMMAND}" sample verses -n 1000000 --seed 1 | {reader}; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], cwd=trained, capture_output=True, timeout=30, check=False)
    assert done.stdout.splitlines()[-1].endswith(b"0")
    assert done.stderr == b""


def test_help_into_a_closed_pipe_is_silent(trained):
    script = f'"{COMMAND}" train --help | true; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], cwd=trained, capture_output=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == (b"0\n", b"")


@pytest.mark.parametrize("line", ["sample verses --seed 1", "sample --help", "--version", "info verses"])
def test_a_full_disk_is_said_in_one_line(trained, line):
    script = f'"{COMMAND}" {line} > /dev/full'
    done = subprocess.run(["bash", "-c", script], cwd=trained, capture_output=True, timeout=30, check=False)
    assert done.returncode == 74
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_stdout_is_no_bug(trained):
    script = f'"{COMMAND}" sample verses --seed 1 >&-'
    done = subprocess.run(["bash", "-c", script], cwd=trained, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"TERM": "dumb", "COLUMNS": "1"},
    ],
    ids=str,
)
def test_bytes_are_utf8_whatever_the_locale(charrnn, tmp_path_factory, env, unicode_model):
    plain = charrnn("sample", "-n", "50", "--seed", "1", "-p", "é", cwd=unicode_model)
    other = charrnn(
        "sample", "-n", "50", "--seed", "1", "--prompt-file", "-", cwd=unicode_model, env=env, stdin="é".encode()
    )
    assert other.stdout == plain.stdout
    assert "é" in other.stdout.decode("utf-8")
    for command in (["info"], ["evaluate"]):
        assert charrnn(*command, cwd=unicode_model, env=env).returncode == 0


@pytest.fixture(scope="module")
def unicode_model(charrnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unicode")
    (folder / "fete.txt").write_text("l'été à la fête, ça ira \N{GRINNING FACE}\n" * 40)
    flags = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "4", *FLOAT32]
    assert charrnn("train", "fete.txt", *flags, cwd=folder, env={"LC_ALL": "C"}).returncode == 0
    return folder


def test_a_terminal_never_sees_control_characters(charrnn, tmp_path):
    """Text that holds escape sequences reaches a pipe exactly and a terminal visibly."""
    (tmp_path / "evil.txt").write_text("\x1b]0;owned\x07\x1b[31m\u202e\x9b" * 60)
    flags = ["--hidden", "8", "--embedding", "4", "--batch-size", "2", "--seq-length", "8", "--steps", "3", *FLOAT32]
    trained = in_terminal([COMMAND, "train", "evil.txt", *flags], tmp_path)
    written = in_terminal([COMMAND, "sample", "evil", "--seed", "1", "-n", "60"], tmp_path)
    piped = charrnn("sample", "evil", "--seed", "1", "-n", "60", cwd=tmp_path).stdout.decode()
    assert "\x1b" in piped or "\x07" in piped
    for screen in (trained, written):
        assert "\x1b]" not in screen
        assert not set(screen) & {"\x07", "\u202e", "\x9b"}
    assert "\\x1b" in written or "\\x07" in written


def in_terminal(command, folder):
    """What a terminal receives from `command`."""
    import os
    import pty

    pid, master = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(command[0], command)  # noqa: S606
    received = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        received += piece
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, received
    return received.decode("utf-8", "replace")


def test_a_stop_text_is_written_as_a_separator_is(charrnn, trained):
    line = ["sample", "verses", "-n", "300", "--seed", "1", "--no-echo", "--json", "-p", "Shall"]
    typed, shell = (charrnn(*line, "--stop", text, cwd=trained) for text in ("\\n", "\n"))
    assert typed.stdout == shell.stdout
    assert json.loads(typed.stdout)["stop"] == "\n"
    assert charrnn(*line, "--stop", "\\\\n", cwd=trained).stderr.decode().count("U+005C") == 1  # a backslash


def test_a_stop_text_that_can_never_come_is_said(charrnn, trained):
    done = charrnn("sample", "verses", "-n", "3", "--seed", "1", "--stop", "\u20ac!\u20ac", "--stop", "S", cwd=trained)
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.decode().splitlines() if "warning" in line]
    assert line.startswith('warning: --stop "\u20ac!\u20ac" has no effect: the model cannot write U+20AC')

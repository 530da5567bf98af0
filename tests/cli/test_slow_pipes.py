"""Whoever writes slowly into a pipe is answered at once; the pipe stays open meanwhile."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("charrnn"))


def answer(process):
    """The next line on stdout; none if it takes half a minute."""
    assert select.select([process.stdout], [], [], 30)[0], "no answer while the pipe is open"
    return process.stdout.readline()


@pytest.mark.parametrize("line", [["evaluate", "verses", "-", "--per-line"], ["sample", "verses", "--prompts", "-"]])
def test_a_line_is_answered_before_the_next_one_is_written(trained, line):
    options = ["--json", "--no-echo", "-n", "5", "--seed", "1"] if line[0] == "sample" else []
    flowing = {"cwd": trained, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen([COMMAND, *line, *options], **flowing) as process:
        for text in ("Rough winds\n", "do shake\n", "And summer\n"):
            os.write(process.stdin.fileno(), text.encode())
            found = json.loads(answer(process))
            assert found.get("prompt", found["text"]) == text.rstrip("\n")
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait() == 0

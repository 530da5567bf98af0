"""What a shell is offered when Tab is pressed, by the protocol of each shell, without torch."""

import os
import subprocess
import sys

import pytest

PROGRAM = (
    "import sys\nfrom charrnn.cli.app import run\nsys.argv[0] = 'charrnn'\n"
    "try:\n    run([])\nfinally:\n    print('torch' in sys.modules, file=sys.stderr)"
)


def offered(shell, line, folder):
    """The words that `shell` is given for the last word of `line`."""
    words = line.split(" ")
    protocol = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    env = os.environ | protocol | {"_CHARRNN_COMPLETE": f"complete_{shell}"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "False", done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_flags_and_runs_are_offered(shell, trained):
    assert "evaluate" in offered(shell, "charrnn ev", trained)
    assert "--temperature" in offered(shell, "charrnn sample --temper", trained)
    assert "verses" in offered(shell, "charrnn sample ve", trained)


def test_what_is_offered_is_what_can_stand_there(trained):
    shell = "bash"
    assert "checkpoints/verses/best.safetensors" in offered(shell, "charrnn info checkpoints/verses/b", trained)
    assert "verses" in offered(shell, "charrnn plot ve", trained)
    assert "verses.txt" in offered(shell, "charrnn train ve", trained)
    assert "verses.txt" not in offered(shell, "charrnn sample ve", trained)
    assert "nothing" not in offered(shell, "charrnn sample nothing", trained)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(charrnn, tmp_path, shell):
    done = charrnn("--show-completion", shell, cwd=tmp_path)
    assert done.returncode == 0
    assert b"_CHARRNN_COMPLETE" in done.stdout

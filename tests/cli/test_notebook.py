"""The command line inside a process that is somebody else's: a notebook, a thread."""

import io
import json
import shutil
import threading
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from charrnn.cli.app import run
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[2]


class OutStream(io.StringIO):
    """A stdout as a notebook has it: text, and nothing below it."""

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


def test_results_reach_a_stdout_that_takes_only_text(trained, monkeypatch):
    monkeypatch.chdir(trained)
    for line, shown in (
        (["sample", "verses", "-n", "20", "--seed", "1", "-p", "Shall"], "Shall"),
        (["sample", "verses", "-n", "20", "--seed", "1", "-p", "Shall", "--json"], '"text": "Shall'),
        (["predict", "verses", "-p", "Shall"], "0."),
        (["evaluate", "verses", "--json"], "bits_per_char"),
        (["info", "verses"], "lstm"),
        (["plot", "verses"], "validation"),
        (["--version"], "charrnn "),
        (["sample", "--help"], "--temp"),
    ):
        with redirect_stdout(OutStream()) as stdout:
            assert run(line) == 0
        assert shown in stdout.getvalue(), line


def test_a_character_in_two_pieces_is_one_on_a_stdout_of_text():
    from charrnn.cli.console import ResultStream

    with redirect_stdout(OutStream()) as stdout, ResultStream() as stream:
        for piece in (b"a\xd0", b"\xb0\xff", b"b"):
            stream.write(piece)
    assert stdout.getvalue() == "a\u0430\\xffb"


def test_a_run_is_trained_and_sampled_in_a_thread(tmp_path, corpus, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    codes = []

    def work():
        codes.append(run(["train", "verses.txt", "-q", "--steps", "3", *TINY]))
        codes.append(run(["sample", "verses", "-n", "5", "--json", "--seed", "1"]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    captured = capsys.readouterr()
    assert codes == [0, 0], captured.err
    assert json.loads(captured.out)["characters"] == 5


def test_the_notebook_of_the_documentation_runs_from_training_to_picture(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace('time="60s"', "steps=4, hidden=16")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any(output.get("name") == "stdout" and len(output["text"]) > 250 for output in shown)
    assert any("<span style" in output.get("data", {}).get("text/html", "") for output in shown)
    assert (tmp_path / "notebook-report.html").stat().st_size > 10_000
    assert (tmp_path / "notebook-desk.html").stat().st_size > 10_000

"""The house's rules, held: who may import whom, how large rooms are, what start-up may load, what never appears."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "charrnn"
FILES = sorted(PACKAGE.rglob("*.py"))
ARCHITECTURE = ROOT / "docs" / "architecture.md"

# Every room, from the ground up, and the rooms it may import from. A room may always import from itself.
FLOOR_1 = {"charrnn", "errors", "arguments", "files", "config", "shapes"}
FLOOR_2 = {*FLOOR_1, "config_file", "text", "model"}
FLOOR_3 = {*FLOOR_2, "generation", "evaluation", "runs"}
FLOOR_5 = {*FLOOR_3, "language_model", "learning", "planning", "report", "export"}
MAY_IMPORT = {
    "errors": set(),
    "arguments": {"errors"},
    "files": {"errors"},
    "config": {"errors", "arguments"},
    "shapes": {"config"},
    "config_file": FLOOR_1,
    "text": FLOOR_1,
    "model": {"errors", "config", "files", "shapes"},
    "generation": {*FLOOR_1, "text", "model"},
    "evaluation": {*FLOOR_1, "text", "model"},
    "runs": {*FLOOR_1, "config_file", "text"},
    "scoring_model": FLOOR_3,
    "filling_model": {*FLOOR_3, "scoring_model"},
    "language_model": {*FLOOR_3, "scoring_model", "filling_model"},
    "together": {*FLOOR_3, "scoring_model"},
    "learning": {*FLOOR_1, "text", "model", "generation", "evaluation"},
    "report": {*FLOOR_3, "language_model"},
    "export": {*FLOOR_3, "language_model", "report"},
    "planning": {*FLOOR_3, "learning"},
    "training": {*FLOOR_3, "learning", "planning"},
    "cli": {*FLOOR_5, "training", "together"},
    "notebook": {*FLOOR_5, "training", "scoring_model"},
    "charrnn": {"notebook"},  # when it is asked for
    "__main__": {"cli"},
}
MAY_IMPORT_TORCH = {
    f"model/{name}.py"
    for name in ("cells", "graph", "gru_window", "network", "machine", "torch_reader", "vector_input")
}
LEARNS = ("learning/", "planning/", "training/")  # rooms where torch may be imported anywhere
# Their functions, which only a network of torch's calls.
MAY_IMPORT_TORCH_INSIDE = {"evaluation/adapt.py", "evaluation/gradients.py"}


def room_of(path):
    return (
        "charrnn"
        if path.name == "__init__.py" and path.parent == PACKAGE
        else path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    )


def imports_of(path):
    """Every imported module of a file, with whether the import stands at the top level."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module, top


def functions():
    """Every function with the number of its lines, parameters not counted."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.body[0].lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down_a_floor(path):
    room = room_of(path)
    for module, _ in imports_of(path):
        parts = module.split(".")
        if parts[0] == "charrnn":
            imported = parts[1] if len(parts) > 1 else "charrnn"
            assert imported == room or imported in MAY_IMPORT[room], f"{room} imports {module}"


def test_no_two_modules_import_each_other():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
    graph = {name: {module for module, _ in imports_of(path) if module in names} for name, path in names.items()}
    for start in graph:
        seen, ahead = set(), list(graph[start])
        while ahead:
            module = ahead.pop()
            assert module != start, f"{start} imports itself in a circle"
            if module not in seen:
                seen.add(module)
                ahead += graph[module]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_torch_stays_where_it_is_needed(path):
    relative = path.relative_to(PACKAGE).as_posix()
    if relative not in MAY_IMPORT_TORCH and not relative.startswith(LEARNS):
        found = [top for module, top in imports_of(path) if module.split(".")[0] == "torch"]
        assert not any(found)
        assert not found or relative in MAY_IMPORT_TORCH_INSIDE


@pytest.mark.parametrize(
    "command",
    [
        ["--version"],
        ["--help"],
        ["train", "--help"],
        ["sample", "--help"],
        ["evaluate", "--help"],
        ["info", "nothing-here"],
        ["plot", "nothing-here"],
        ["report", "nothing-here"],
        ["sample", "nothing-here"],
        ["evaluate", "nothing-here"],
        ["train", "--no-such-flag"],
        ["train", "nothing-here"],
        ["train", "-", "--validation", "nothing-here"],
    ],
    ids=" ".join,
)
def test_commands_that_do_not_train_start_without_torch(command, tmp_path):
    script = "import sys\nfrom charrnn.cli.app import run\ncode = run(sys.argv[1:])\n"
    script += "print('torch' in sys.modules, file=sys.stderr)\nsys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "False", done.stderr


def test_functions_are_short():
    sizes = dict(functions())
    assert statistics.median(sizes.values()) <= 12
    assert statistics.quantiles(sizes.values(), n=10)[-1] <= 35
    assert {name: size for name, size in sizes.items() if size > 60} == {}


def test_files_are_short():
    assert {str(path): n for path in FILES if (n := len(path.read_text().splitlines())) > 250} == {}


@pytest.mark.parametrize("path", [p for p in FILES if p.read_text()], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_begins_with_what_it_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, path
    assert len(docstring.splitlines()) <= 20


def test_nothing_loads_code_from_data():
    forbidden = re.compile(r"\bpickle\b|torch\.load|\beval\(|\bexec\(|yaml\.load\(|shell=True|os\.system|import click")
    for path in FILES:
        assert not forbidden.search(path.read_text().replace(".eval()", "")), path


def test_the_tree_in_the_documentation_is_the_tree():
    """Every module by its place, and nothing that is not there."""
    shown, folder = set(), ""
    for line in re.search(r"```text\ncharrnn/\n(.*?)```", ARCHITECTURE.read_text(), re.DOTALL)[1].splitlines():
        name, indent = line.split()[0], len(line) - len(line.lstrip())
        if indent == 2:
            folder = name if name.endswith("/") else ""
        if indent and not name.endswith("/"):
            shown.add((folder if indent == 4 else "") + name)
    files = [path for kind in ("*.py", "*.css", "*.html", "*.js") for path in PACKAGE.rglob(kind)]
    there = {str(path.relative_to(PACKAGE)) for path in files if path.name != "__init__.py" or path.parent == PACKAGE}
    assert shown == there


def test_every_setting_has_a_flag_and_every_flag_a_setting():
    import inspect

    from charrnn.cli.train import NOT_SETTINGS, train
    from charrnn.config import keys

    own = {"legs", "raised", "teachers", "vector_size"}  # which a run writes down itself
    assert set(inspect.signature(train).parameters) - NOT_SETTINGS == set(keys()) - own

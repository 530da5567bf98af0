"""Every string of the package that a user may come to see; `python tests/messages.py` prints them, to be read aloud."""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "charrnn"
SCRIPT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')  # its strings


def messages(folder=PACKAGE):
    """(file, line, text) of every string that is no docstring but a command's; what is filled in stands as {}."""
    for path in sorted(folder.rglob("*.py")):
        tree, skipped = ast.parse(path.read_text()), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                skipped.update(map(id, node.values))
            elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                described = ast.get_docstring(node)
                if described and "\b" not in described:  # what --help shows keeps its lines by this character
                    skipped.add(id(node.body[0].value))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                yield path.relative_to(PACKAGE), node.lineno, "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                yield path.relative_to(PACKAGE), node.lineno, node.value
    for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.css")]):
        yield path.relative_to(PACKAGE), 1, path.read_text()
    for path in sorted(folder.rglob("*.js")):
        for found in SCRIPT.finditer(re.sub(r"(^|\s)//.*", "", path.read_text())):
            yield path.relative_to(PACKAGE), 1, re.sub(r"\$\{[^}]*\}", "{}", found[1] or found[2] or "")


if __name__ == "__main__":
    for path, line, text in messages():
        if " " in text.strip():
            print(f"{path}:{line}: {text}")  # noqa: T201

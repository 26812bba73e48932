"""The size of functions: what grows beyond it is to be divided, or to be given an object for what belongs together."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import LONGEST

ROOT = Path(__file__).parent.parent
TOPS = ("drumscribe", "training", "benchmarks", "scripts", "pages")
LINES, PARAMETERS = 80, 8


def too_large(source: str) -> list[str]:
    """Functions of ``source`` that are too long or have too many parameters; a command's ``main`` may be."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name == "main":
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        given = node.args
        parameters = len(given.posonlyargs + given.args + given.kwonlyargs) + bool(given.vararg) + bool(given.kwarg)
        if lines > LINES:
            found.append(f"{node.name}: {lines} lines")
        if parameters > PARAMETERS:
            found.append(f"{node.name}: {parameters} parameters")
    return found


@pytest.mark.parametrize("top", TOPS)
def test_functions_are_short_and_ask_for_little(top: str) -> None:
    files = sorted((ROOT / top).rglob("*.py"))
    assert files
    wrong = {str(file.relative_to(ROOT)): found for file in files if (found := too_large(file.read_text()))}
    assert not wrong


def test_what_is_too_large_would_be_found() -> None:
    long = "def long():\n" + "    pass\n" * LINES
    assert too_large(long) == ["long: 81 lines"]
    assert too_large(long.replace("long", "main")) == []
    assert too_large("class A:\n    async def many(self, a, b, c, /, d, e, *f, g): ...") == []
    assert too_large("class A:\n    async def many(self, a, b, c, /, d, e, *f, g, **h): ...") == ["many: 9 parameters"]


def test_the_order_of_the_tests_names_files_that_are_there() -> None:
    assert {path.stem for path in (ROOT / "tests").glob("test_*.py")} >= set(LONGEST)

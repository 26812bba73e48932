"""The plan of the house: imports point down, never in a circle, and what starts quickly loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from drumscribe import pipeline

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "drumscribe"
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "kit", "types", "mapped", "anchor", "errors", "extras", "choices", "options", "settings", "runtime",
        "confinement", "_version",
    ),
    ("storage", "observability", "client"),
    ("weights",),
    ("audio", "hits", "rhythm", "notation"),
    ("song",),
    ("pipeline",),
    ("live",),
    ("jobs",),
    ("cli", "api", "ui"),
)  # fmt: skip
"""From the ground up. A room imports from floors below its own and from itself; rooms of one floor do not know each
other, except for the words of the ground floor."""
FACES = ("__init__", "__main__")
"""Modules of the package itself that hand on public names."""
WEB = {"streamlit", "fastapi", "celery", "starlette", "uvicorn", "streamlit_webrtc"}
MAY_USE = {
    "streamlit": ("ui",), "streamlit_webrtc": ("ui",), "fastapi": ("api",), "starlette": ("api", "ui"),
    "uvicorn": ("api", "ui"), "celery": ("jobs",),
}  # fmt: skip
HEAVY = (
    "numpy", "scipy", "tensorflow", "torch", "keras", "librosa", "madmom", "numba", "sqlalchemy", "verovio", "lxml",
    "av", "streamlit", "fastapi", "celery", "pydantic", "rich", "msgspec", "diskcache", "fsspec", "yt_dlp",
)  # fmt: skip


def modules(*tops: str) -> dict[str, Path]:
    """Every module below the folders, by its dotted name."""
    found = {}
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_by(path: Path, known: dict[str, Path]) -> set[str]:
    """What a file imports, at its head or inside a function; a name out of a package is that package's module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: a relative import"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (full & known.keys()) | ({node.module} if full - known.keys() else set())
    return names


def graph(*tops: str) -> dict[str, set[str]]:
    """Module to the modules of the same folders that it imports."""
    known = modules(*tops)
    return {name: (imported_by(path, known) & known.keys()) - {name} for name, path in known.items()}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, in order; empty where there are none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        for other in sorted(edges[name]):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in edges if (found := walk(name, []))), [])


def room(module: str) -> str:
    return [*module.split("."), "__init__"][1]


@pytest.mark.parametrize(
    "tops", [("drumscribe",), ("training", "drumscribe"), ("benchmarks", "training", "drumscribe")]
)
def test_no_imports_in_a_circle(tops):
    edges = graph(*tops)
    assert len(edges) > 100
    assert not circle(edges)


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_imports_point_down():
    floor = {name: height for height, names in enumerate(FLOORS) for name in names}
    wrong = []
    for module, others in graph("drumscribe").items():
        here = room(module)
        assert here in floor or here in FACES, f"{module} has no place in the plan"
        for other in others:
            there = room(other)
            if here == there or here in FACES:
                continue
            if there in FACES or floor[there] > floor[here] or (floor[there] == floor[here] != 0):
                wrong.append(f"{module} -> {other}")
    assert not wrong


def test_nothing_of_the_product_imports_training_benchmarks_or_tests():
    for module, path in modules("drumscribe").items():
        tops = {name.split(".")[0] for name in imported_by(path, {})}
        assert not tops & {"training", "benchmarks", "tests", "pages"}, module


def test_web_frameworks_stay_in_their_rooms():
    known = modules("drumscribe")
    for module, path in known.items():
        for name in {name.split(".")[0] for name in imported_by(path, known)} & WEB:
            assert room(module) in MAY_USE[name], f"{module} imports {name}"


@pytest.mark.parametrize(
    ("program", "forbidden"),
    [
        ("import drumscribe", HEAVY),
        ("from drumscribe.cli import cli; cli(['transcribe', '--help'], standalone_mode=False)", HEAVY),
        ("import drumscribe.client", tuple(set(HEAVY) - {"rich"})),  # which httpx brings
        ("import drumscribe.jobs.runner", ("tensorflow", "torch", "librosa", "madmom", "streamlit", "sqlalchemy")),
        ("import drumscribe.jobs.local", ("tensorflow", "torch", "librosa", "madmom", "streamlit", "verovio", "av")),
        ("import drumscribe.pipeline", ("tensorflow", "torch", "librosa", "madmom", "streamlit", "verovio", "av")),
    ],
)
def test_what_starts_quickly_imports_nothing_heavy(program, forbidden):
    check = f"{program}\nimport sys\nprint('LOADED', *(set(sys.modules) & set({forbidden!r})))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().splitlines()[-1] == "LOADED"


def test_decoded_recordings_are_known_by_all_code_that_decodes() -> None:
    """Else the cache gives what the code of today would not."""
    named, edges = pipeline._CODE["ingest"][0], graph("drumscribe")
    reached, left = set[str](), list(named)
    while left:
        if (module := left.pop()) not in reached and room(module) == "audio":
            reached.add(module)
            left += edges[module]
    assert reached - {"drumscribe.audio"} == set(named)

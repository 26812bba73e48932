"""The layers: the core knows no web framework, and the command line starts without anything heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "drumscribe"
SHELLS = {"ui", "api", "observability"}
WEB = {"streamlit", "fastapi", "celery", "starlette", "uvicorn"}
HEAVY = (
    "numpy", "scipy", "tensorflow", "torch", "keras", "librosa", "madmom", "numba", "sqlalchemy", "verovio", "lxml",
    "av", "streamlit", "fastapi", "celery", "pydantic", "rich", "msgspec", "diskcache", "fsspec", "yt_dlp",
)  # fmt: skip


def imported_by(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def core_files() -> list[Path]:
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in SHELLS]
    queue = {PACKAGE / "jobs" / f"{name}.py" for name in ("celery_app", "celery_runner", "tasks", "work_queue")}
    return [path for path in files if path not in queue and "migrations" not in path.parts]


def test_the_core_imports_no_web_framework():
    files = core_files()
    assert len(files) > 30
    for path in files:
        found = {name.split(".")[0] for name in imported_by(path)}
        assert not found & WEB, f"{path} imports {found & WEB}"


def test_stages_do_not_import_each_other():
    stages = {
        "sources": ("separation", "hits", "rhythm", "notation"),
        "audio": ("separation", "hits", "rhythm", "notation"),
        "separation": ("hits", "rhythm", "notation", "sources"),
        "hits": ("separation", "rhythm", "notation", "sources"),
        "rhythm": ("separation", "hits", "notation", "sources"),
        "notation": ("separation", "hits", "sources"),
    }
    above = ("pipeline", "transcription", "jobs", "ui", "api", "cli")
    for stage, others in stages.items():
        where = PACKAGE / stage
        for path in where.rglob("*.py") if where.is_dir() else [where.with_suffix(".py")]:
            for name in imported_by(path):
                for other in (*others, *above):
                    wrong = name == f"drumscribe.{other}" or name.startswith(f"drumscribe.{other}.")
                    assert not wrong, f"{path} imports {name}"


@pytest.mark.parametrize(
    ("program", "forbidden"),
    [
        ("import drumscribe", HEAVY),
        ("from drumscribe.cli import cli; cli(['transcribe', '--help'], standalone_mode=False)", HEAVY),
        ("import drumscribe.jobs.runner", ("tensorflow", "torch", "librosa", "madmom", "streamlit", "sqlalchemy")),
        ("import drumscribe.jobs.local", ("tensorflow", "torch", "librosa", "madmom", "streamlit", "verovio", "av")),
        ("import drumscribe.pipeline", ("tensorflow", "torch", "librosa", "madmom", "streamlit", "verovio", "av")),
    ],
)
def test_what_starts_quickly_imports_nothing_heavy(program, forbidden):
    check = f"{program}\nimport sys\nprint('LOADED', *(set(sys.modules) & set({forbidden!r})))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().splitlines()[-1] == "LOADED"

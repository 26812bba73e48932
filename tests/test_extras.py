"""What is installed only where it is wanted: named, found missing without being imported, and the same everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from drumscribe import extras
from drumscribe.errors import MissingExtraError
from drumscribe.rhythm import track
from drumscribe.types import Audio

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match.group()).lower() for match in found if match}


def test_the_table_and_the_package_name_the_same_extras() -> None:
    assert extras.EXTRAS.keys() | {"engraving", "all"} == PROJECT["optional-dependencies"].keys()
    for extra, (modules, _) in extras.EXTRAS.items():
        listed = names(PROJECT["optional-dependencies"][extra])
        for module in modules:
            assert any(module.replace("_", "-") in name for name in listed), f"{extra}: {module}"


def test_what_the_package_may_need_is_tested() -> None:
    """Every library of a range or an extra is one whose version is pinned for the tests."""
    lines = [
        line for name in ("requirements.txt", "constraints.txt") for line in (ROOT / name).read_text().splitlines()
    ]
    optional = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    wanted = names([*PROJECT["dependencies"], *optional])
    assert wanted - names(lines) == {"drumscribe"}


def test_all_means_all() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    inside = set(re.findall(r"[a-z0-9]+", everything.partition("[")[2]))
    assert inside == PROJECT["optional-dependencies"].keys() - {"all"}


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_a_missing_extra_names_the_command(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extras.need(extra)
    absent = extras.EXTRAS[extra][0][0]
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=re.escape(absent)) as caught:
        extras.need(extra)
    assert f"pip install 'drumscribe[{extra}]'" in caught.value.todo
    assert caught.value.exit_code == 7


def test_beats_without_any_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "madmom", None)
    monkeypatch.setitem(sys.modules, "librosa", None)
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 44_100)).astype(np.float32)
    with pytest.raises(MissingExtraError, match=r"drumscribe\[librosa\]"):
        track(Audio(noise, 44_100, "noise"))


def test_the_studio_says_what_it_needs() -> None:
    program = (
        "import sys; sys.modules['streamlit'] = None; sys.argv = ['drumscribe', 'serve']\n"
        "from drumscribe.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 7
    assert "pip install 'drumscribe[studio]'" in ran.stderr

"""What ``drumscribe doctor`` finds, here and on installations with less."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest

from drumscribe.cli import doctor
from drumscribe.settings import Settings


def _by_name(settings: Settings) -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.examine(settings)}


def test_this_installation(tmp_path: Path) -> None:
    found = _by_name(Settings(data_dir=tmp_path / "data"))
    for name in ("python", "decoding", "hit network", "notation", "app", "separation", "data folder"):
        assert found[name].state == "ok", found[name]
    assert metadata.version("av") in found["decoding"].found
    assert "LilyPond" not in found["pdf"].todo
    assert all(check.todo for check in found.values() if check.state != "ok")
    assert not list((tmp_path / "data").iterdir())  # the probe is gone


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from drumscribe.cli.doctor import examine; from drumscribe.settings import Settings; "
        "examine(Settings(data_dir=sys.argv[1])); "
        "print([name for name in ('torch', 'tensorflow', 'librosa', 'yt_dlp', 'demucs', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    found = _by_name(Settings(data_dir=tmp_path))["model htdemucs"]
    assert found.state == "note"
    assert "models fetch htdemucs" in found.todo and "whole mix" in found.todo
    assert "model htdemucs" not in _by_name(Settings(data_dir=tmp_path, separator="none"))


def test_a_missing_hit_model_is_bad(tmp_path: Path) -> None:
    assert _by_name(Settings(data_dir=tmp_path, model_uri=str(tmp_path / "none.keras")))["model hits"].state == "bad"


def test_non_commercial_models_are_named(tmp_path: Path) -> None:
    assert "non-commercial" in _by_name(Settings(data_dir=tmp_path))["model madmom"].todo
    assert "model madmom" not in _by_name(Settings(data_dir=tmp_path, beat_tracker="librosa"))


def test_missing_packages() -> None:
    needed = doctor._libraries("x", ("av", "no-such-package"), "bad", "Install it.")
    assert (needed.state, needed.todo) == ("bad", "Install it.")
    assert "no-such-package" in needed.found


def test_yt_dlp_grows_old() -> None:
    year, month, day = (int(part) for part in metadata.version("yt-dlp").split(".")[:3])
    assert doctor._links(date(year, month, day)).state == "ok"
    old = doctor._links(date(year + 1, month, day))
    assert old.state == "note" and "days old" in old.found
    assert old.todo.endswith("-m pip install --upgrade --no-deps yt-dlp yt-dlp-ejs deno")


def test_who_may_open_the_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    alone = _by_name(Settings(data_dir=tmp_path))["studio"]
    assert alone.state == "ok" and "this computer alone" in alone.found
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('[auth]\ncookie_secret = "x"\n')
    assert "people sign in" in _by_name(Settings(data_dir=tmp_path))["studio"].found
    everybody = _by_name(Settings(data_dir=tmp_path, sign_in="none"))["studio"]
    assert everybody.state == "note" and "SIGN_IN=none" in everybody.found


def test_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    found = _by_name(Settings(data_dir=blocked / "data"))["data folder"]
    assert found.state == "bad" and found.todo


@pytest.mark.parametrize("backend", ["none", "auto"])
def test_pdf_engines(tmp_path: Path, backend: str) -> None:
    found = _by_name(Settings(data_dir=tmp_path, pdf_backend=backend))["pdf"]
    assert found.state == ("note" if backend == "none" else "ok")

"""Decoders and engravers of strangers' files: what they cannot do, and what one costs that does wrong."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import media
import pytest

from drumscribe import audio, confinement, errors
from drumscribe.audio import boxed
from drumscribe.cli import doctor
from drumscribe.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines")
ROOT = Path(__file__).resolve().parents[1]
FULL = not confinement.missing(confinement.in_force())

TRIES = """
import os, signal, socket, sys, threading
from drumscribe.confinement import confine
found = confine(20, 300, 1, computes=True)
def refused(*call):
    try:
        call[0](*call[1:])
    except (OSError, MemoryError):
        return True
assert refused(open, "/etc/passwd")
assert refused(open, f"/proc/{os.getppid()}/environ")
assert refused(os.unlink, sys.argv[1])
assert refused(os.listdir, "/")
assert refused(socket.socket, socket.AF_INET)
assert refused(socket.socket, socket.AF_UNIX)
assert refused(os.fork)
assert refused(os.execv, "/bin/true", ["true"])
assert refused(os.kill, os.getppid(), 0)
assert refused(bytearray, 2**29)
thread = threading.Thread(target=os.getpid)
thread.start(); thread.join()
print(*found, sep="; ", flush=True)  # abort() writes out nothing
os.abort()
"""


@pytest.mark.skipif(not FULL, reason="this system does not let a process be confined")
def test_a_confined_process_has_what_is_open_and_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.touch(0o666)
    ran = subprocess.run([sys.executable, "-c", TRIES, mine], capture_output=True, text=True, cwd=ROOT)
    assert ran.stderr == ""
    assert set(confinement.NEEDED) <= set(ran.stdout.strip().split("; "))
    assert ran.returncode == -6  # abort() reaches the process itself
    assert mine.exists()


@pytest.mark.skipif(not FULL, reason="this system does not let a process be confined")
def test_an_engravers_program_reads_and_writes_files_and_reaches_nobody(tmp_path: Path) -> None:
    code = (
        "import socket; open('out', 'w').write('x'); socket.socket(socket.AF_UNIX)\n"
        "try: socket.socket(socket.AF_INET)\nexcept OSError as error: print(error.errno)"
    )
    program = [sys.executable, "-c", code]
    command = confinement.command(program, cpu_s=20, memory_mb=500, file_mb=1, require=True)
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("1\n", "", 0)
    assert (tmp_path / "out").read_text() == "x"


def served(folder: Path, **more: object) -> Settings:
    return Settings(_env_file=None, data_dir=folder, public=True, require_confinement=FULL, **more)


@pytest.mark.parametrize("ending", ["mp3", "m4a"])
def test_a_confined_decoder_gives_the_same_recording(tmp_path: Path, ending: str) -> None:
    path = media.encode(tmp_path / f"song.{ending}", media.clicks(3.0, 48_000), 48_000, title="Größe", artist="Å")
    seen: list[float] = []
    inside = audio.decode(path, settings=served(tmp_path), on_progress=lambda fraction, _: seen.append(fraction))
    plain = audio.decode(path, settings=Settings(_env_file=None, data_dir=tmp_path))
    assert (inside.samples == plain.samples).all() and not inside.samples.flags.writeable
    assert (inside.sha256, inside.title, inside.artist) == (plain.sha256, "Größe", "Å")
    assert seen == sorted(seen) and seen[-1] == 1


MISBEHAVES = """
import os, sys, time, av
plain = av.open
def opened(file, *more, **named):
    head = file.read(64)
    file.seek(0)
    if b"ABORT" in head:
        os.abort()
    if b"SLEEP" in head:
        time.sleep(600)
    if b"EATS" in head:
        eaten = [bytearray(2**24) for _ in range(10_000)]
    if b"LIES" in head:
        os.write(1, b'{"channels": 7, "warnings": []}\\n')
        time.sleep(600)
    if b"RAVES" in head:
        os.write(1, b'{"at": "noon"}\\n')
        time.sleep(600)
    if b"SHUTS" in head:
        os.close(1)
        time.sleep(600)
    return plain(file, *more, **named)
av.open = opened
"""
"""No file is known that makes FFmpeg do so, so the decoder's opener does at a mark; all else is real."""


@pytest.mark.parametrize(
    ("mark", "limit_s", "says"),
    [
        ("SLEEP", 2, "not come to an end within 2 s"),
        ("LIES", 300, "no whole recording"),
        ("RAVES", 300, "nothing that makes sense"),
        ("SHUTS", 300, "crashed"),
    ],
)
def test_a_decoder_is_waited_for_as_long_as_is_set_and_what_it_says_is_only_a_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, limit_s: float, says: str
) -> None:
    """The other marks are tried in a job (tests/test_jobs.py)."""
    monkeypatch.setattr(boxed, "_END_S", 0.2, raising=False)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(MISBEHAVES)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "crafted.mp3").write_bytes(b"ID3\x04" + mark.encode() + bytes(4000))
    with pytest.raises(errors.DecoderDiedError, match=says) as caught:
        audio.decode(tmp_path / "crafted.mp3", settings=served(tmp_path, decode_timeout_s=limit_s))
    assert "WAV" in caught.value.todo


def test_a_machine_that_stands_still_costs_a_decoder_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = media.encode(tmp_path / "song.wav", media.clicks(3.0, 44_100))
    clock = count(0, 1000)
    monkeypatch.setattr(boxed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    assert audio.decode(path, settings=served(tmp_path)).duration_s == pytest.approx(3, abs=0.05)


def test_what_is_asked_for_and_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert confinement.missing((confinement.LIMITS, confinement.PRIVILEGES)) == confinement.CALLS
    monkeypatch.setattr(confinement, "in_force", lambda: (confinement.LIMITS,))
    for require, state in ((False, "note"), (True, "bad")):
        check = doctor._confinement(Settings(_env_file=None, require_confinement=require))
        assert (check.state, check.found) == (state, confinement.LIMITS)
        assert "seccomp" in check.todo


def test_only_strangers_files_are_worth_a_process_of_their_own() -> None:
    assert boxed.wanted(Settings(_env_file=None, public=True))
    assert not boxed.wanted(Settings(_env_file=None))

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass

import disks
import numpy as np
import pytest

from drumscribe.errors import StorageError
from drumscribe.settings import Settings
from drumscribe.storage.cache import StageCache, make_key, version_of
from drumscribe.storage.shared_cache import OptionalCache
from drumscribe.types import Activations, Audio


@pytest.fixture
def cache(tmp_path):
    cache = StageCache(Settings(data_dir=tmp_path))
    yield cache
    cache.close()


def values_on_disk(tmp_path) -> int:
    return len(list(tmp_path.rglob("*.val")))


def test_values_with_arrays_come_back_equal(cache, tmp_path):
    rng = np.random.default_rng(0)
    audio = Audio(rng.normal(size=(2, 50_001)).astype(np.float32), 44100, "ab" * 32, "Title", warnings=("w",))
    cache.put("audio", audio)
    again = cache.get("audio")
    assert np.array_equal(again.samples, audio.samples) and again.title == "Title" and again.warnings == ("w",)
    odd = Activations(
        onset=np.asfortranarray(rng.random((7, 3)).astype(np.float32)),
        velocity=np.zeros((0, 3), np.float32),
        embedding=rng.normal(size=(7, 5)).astype(np.float16)[:, ::2],
        labels=("kick", "snare", "ride"),
        fps=100.0,
        model="m",
    )
    cache.put("odd", odd)
    again = cache.get("odd")
    for name in ("onset", "velocity", "embedding"):
        assert np.array_equal(getattr(again, name), getattr(odd, name))
    assert values_on_disk(tmp_path) == 2


def test_what_is_read_can_be_written_without_changing_the_file(cache):
    cache.put("x", np.zeros(100_000, np.float32))
    cache.get("x")[:] = 1  # numba and torch refuse arrays that are read-only
    assert not cache.get("x").any()


def test_a_value_outlives_its_eviction(cache):
    cache.put("x", np.arange(100_000))
    mapped = cache.get("x")
    cache.put("x", np.zeros(1))
    assert mapped[-1] == 99_999


def test_misses_and_damaged_files(cache, tmp_path):
    assert cache.get("nothing") is None
    cache.put("x", np.arange(100_000))
    (path,) = tmp_path.rglob("*.val")
    whole = path.read_bytes()
    for data in (whole[:1000], b"", b"DSstage1", b"x" * 100, whole + b"more"):
        path.write_bytes(data)
        assert cache.get("x") is None
    path.write_bytes(whole)
    assert cache.get("x")[-1] == 99_999
    path.unlink()
    assert cache.get("x") is None


def test_the_size_is_bounded(tmp_path):
    cache = StageCache(Settings(data_dir=tmp_path, cache_size_gb=0.002))
    for index in range(12):
        cache.put(str(index), np.full(50_000, index, np.float64))
    assert cache.get("11")[0] == 11
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.val")) < 3e6


def test_who_can_do_without_goes_on_where_the_cache_cannot(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    nowhere = OptionalCache(Settings(data_dir=tmp_path / "file"))
    nowhere.put("a", 1)
    assert nowhere.get("a") is None and nowhere.lost is not None
    with disks.small_disk(tmp_path / "disk") as folder:
        small = OptionalCache(Settings(data_dir=folder))
        small.put("a", np.arange(1000))
        assert small.get("a")[-1] == 999 and small.lost is None
        small.put("b", np.zeros(2**20))
        assert "full" in str(small.lost) and small.get("a") is None


def test_a_killed_writer_leaves_no_entry_and_repair_no_file(tmp_path):
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        import numpy as np
        from drumscribe.storage.cache import StageCache
        from drumscribe.settings import Settings
        cache = StageCache(Settings(data_dir=Path({str(tmp_path)!r})))
        cache.put("whole", np.arange(1000))
        print("ready", flush=True)
        cache.put("x", np.ones(2**30, np.uint8))
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout.readline()
    until = time.monotonic() + 120
    while values_on_disk(tmp_path) < 2 and time.monotonic() < until:
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert values_on_disk(tmp_path) == 2
    cache = StageCache(Settings(data_dir=tmp_path))
    assert cache.get("x") is None
    cache.repair()
    assert values_on_disk(tmp_path) == 1 and cache.get("whole")[-1] == 999


def test_a_broken_index_says_what_to_delete(tmp_path):
    folder = tmp_path / "cache" / "stages"
    folder.mkdir(parents=True)
    (folder / "cache.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(StorageError, match="delete the folder"):
        StageCache(Settings(data_dir=tmp_path))


def test_keys_tell_everything_apart():
    key = make_key("beats", audio="a", tracker="madmom")
    assert key.startswith("beats:") and key == make_key("beats", tracker="madmom", audio="a")
    assert (
        len({key, make_key("beats", audio="b", tracker="madmom"), make_key("detect", audio="a", tracker="madmom")}) == 3
    )


def test_versions_follow_the_code(tmp_path, monkeypatch):
    package = tmp_path / "somestage"
    package.mkdir()
    (package / "__init__.py").write_text("x = 1")
    (package / "weights.bin").write_bytes(b"1")
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = [version_of("somestage")]
    for change in (
        lambda: (package / "weights.bin").write_bytes(b"2"),
        lambda: (package / "__init__.py").write_text("x = 2"),
    ):
        change()
        version_of.cache_clear()
        seen.append(version_of("somestage"))
    assert len(set(seen)) == 3
    assert version_of("somestage", libraries=("numpy",)) != version_of("somestage", libraries=("no-such-library",))
    with pytest.raises(ModuleNotFoundError):
        version_of("no_such_module_here")


@dataclass(frozen=True)
class _Gone:
    x: int


def test_values_of_a_class_that_is_gone_are_misses(cache, monkeypatch):
    cache.put("x", _Gone(1))
    monkeypatch.delattr(sys.modules[__name__], "_Gone")
    assert cache.get("x") is None


def test_a_full_disk_is_said_and_leaves_no_half_value(tmp_path):
    with disks.small_disk(tmp_path / "disk") as folder:
        cache = StageCache(Settings(data_dir=folder))
        cache.put("small", np.arange(1000))
        with pytest.raises(StorageError, match="full"):
            cache.put("large", np.zeros(2**21, np.uint8))
        assert cache.get("large") is None and cache.get("small")[-1] == 999
        assert values_on_disk(folder) == 1
        cache.close()

import hashlib
import io
import os
import pickle
import time
from pathlib import Path

import disks
import numpy as np
import pytest

from drumscribe.errors import EmptyAudioError, StorageError, TooLargeError, UnreadableFileError
from drumscribe.settings import Settings
from drumscribe.song import recordings
from drumscribe.storage.files import STALE_S, Store
from drumscribe.storage.writing import atomic_path, write_atomic
from drumscribe.types import Audio, Stem

JOB = "0123456789abcdef" * 2


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path) -> Store:
    """The store over a folder, and over a fsspec file system that is not the local one."""
    url = "" if request.param == "folder" else f"memory://{tmp_path.name}"
    return Store(Settings(data_dir=tmp_path / "data", storage_url=url, public=True, max_file_size_mb=1))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_upload_is_kept_by_content(store, tmp_path):
    first = store.put_upload(io.BytesIO(b"song"), "My song.MP3")
    path = tmp_path / "other name.mp3"
    path.write_bytes(b"song")
    assert store.put_upload(path) == first
    assert first.key == f"uploads/{hashlib.sha256(b'song').hexdigest()}.mp3" and first.size == 4
    with store.fetched(first.key) as local:
        assert local.read_bytes() == b"song" and local.suffix == ".mp3"
    assert files(tmp_path / "data" / "incoming") == []


@pytest.mark.parametrize("name", ["../../x.sh/..", "x.<b>", "x", "..", "x.toolongending"])
def test_odd_names_never_reach_the_path(store, name):
    key = store.put_upload(io.BytesIO(b"a"), name).key
    assert key == f"uploads/{hashlib.sha256(b'a').hexdigest()}"


def test_uploads_are_bounded_and_leave_nothing_behind(store, tmp_path):
    with pytest.raises(TooLargeError):
        store.put_upload(io.BytesIO(bytes(2**20 + 1)), "a.wav")
    with pytest.raises(EmptyAudioError):
        store.put_upload(io.BytesIO(b""), "a.wav")
    assert files(tmp_path) == []


def test_an_upload_that_breaks_off_leaves_nothing_behind(store, tmp_path):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 0:
                raise ConnectionResetError("gone")
            return super().read(10)

    with pytest.raises((StorageError, ConnectionResetError)):
        store.put_upload(Broken(bytes(100)), "a.wav")
    assert files(tmp_path) == []


def test_only_regular_files_are_taken(store, tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", tmp_path, tmp_path / "missing.wav"):
        with pytest.raises(UnreadableFileError):
            store.put_upload(path)


def test_a_jobs_folder(store):
    folder = store.folder(JOB)
    assert not folder.exists("project.json")
    folder.write("project.json", b"{}")
    with folder.writing("audio.flac") as path:
        path.write_bytes(b"flac")
    assert folder.read("project.json") == b"{}" and folder.path("audio.flac").read_bytes() == b"flac"
    assert store.listing("jobs")[f"jobs/{JOB}"][0] == 6
    assert pickle.loads(pickle.dumps(folder)).read("audio.flac") == b"flac"
    folder.remove()
    folder.remove()
    assert not folder.exists("audio.flac")
    with pytest.raises(StorageError):
        folder.read("project.json")


def test_a_failed_write_keeps_the_old_file(store):
    folder = store.folder(JOB)
    folder.write("audio.flac", b"old")
    with pytest.raises(ValueError, match="stop"), folder.writing("audio.flac") as path:
        path.write_bytes(b"half of the ne")
        raise ValueError("stop")
    assert folder.read("audio.flac") == b"old"


@pytest.mark.parametrize(
    "key",
    ["jobs/../secret", "/etc/passwd", "jobs/x/../../y", "uploads", "other/x", "jobs//x", "uploads/.part", "jobs/a/b/c"],
)
def test_keys_from_elsewhere_are_refused(store, key):
    with pytest.raises(StorageError):
        store.read(key)
    with pytest.raises(StorageError):
        store.remove(key)


@pytest.mark.parametrize("job_id", ["", "..", "0" * 31, "G" * 32, f"{JOB}/x"])
def test_job_ids_from_elsewhere_are_refused(store, job_id):
    with pytest.raises(StorageError):
        store.folder(job_id)


def test_sweep_removes_only_what_is_stale_and_unknown(tmp_path):
    store = Store(Settings(data_dir=tmp_path))
    known, orphan, fresh = "a" * 32, "b" * 32, "c" * 32
    for job_id in (known, orphan, fresh):
        store.folder(job_id).write("project.json", b"{}")
    kept, lost = (store.put_upload(io.BytesIO(data), "x.wav").key for data in (b"1", b"2"))
    half = tmp_path / "incoming" / "dead.part"
    half.write_bytes(b"x")
    old = time.time() - STALE_S - 60
    for path in [*tmp_path.rglob("*")]:
        if fresh not in str(path):
            os.utime(path, (old, old))
    assert store.sweep(jobs=[known], uploads=[kept]) == 3
    assert store.folder(known).exists("project.json") and store.folder(fresh).exists("project.json")
    assert not store.folder(orphan).exists("project.json")
    assert store.exists(kept) and not store.exists(lost) and not half.exists()


def test_write_atomic_replaces_whole_files_only(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_bytes(b"thr")
        raise RuntimeError
    assert path.read_bytes() == b"two" and files(tmp_path) == ["deep/file.txt"]


def test_write_atomic_takes_the_longest_names(tmp_path):
    path = tmp_path / ("ü" * 127)
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"


def test_errors_of_the_disk_are_typed(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        write_atomic(tmp_path / "file" / "below", b"x")
    assert caught.value.what and caught.value.todo


@pytest.fixture
def small_disk(tmp_path):
    with disks.small_disk(tmp_path / "disk") as folder:
        yield folder


def test_full_disk(small_disk):
    write_atomic(small_disk / "score.pdf", b"old")
    with pytest.raises(StorageError, match="full"):
        write_atomic(small_disk / "score.pdf", bytes(2 * 2**20))
    assert (small_disk / "score.pdf").read_bytes() == b"old" and files(small_disk) == ["score.pdf"]
    store = Store(Settings(data_dir=small_disk))
    with pytest.raises(StorageError, match="full"):
        store.put_upload(io.BytesIO(bytes(2 * 2**20)), "a.wav")
    assert files(small_disk) == ["score.pdf"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # libsndfile's callback tells of it so
def test_a_disk_that_fills_up_while_audio_is_saved_is_an_error_that_may_pass(small_disk):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 44_100 * 8)).astype(np.float32)
    folder = Store(Settings(data_dir=small_disk)).folder("0" * 32)
    with pytest.raises(StorageError, match="disk"):
        recordings.save(folder, Audio(noise, 44_100, sha256=""), Stem(noise, 44_100, "none"))
    assert not folder.exists("audio.flac")

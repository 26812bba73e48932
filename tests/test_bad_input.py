"""Input that is not what it should be: each gets the error that says so, or a right result."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import media
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from local_http import serving
from properties import examples

from drumscribe import audio, errors, transcribe
from drumscribe.audio import sources
from drumscribe.settings import Settings

SONG = media.clicks(3.0, 44100, 2)


def _write(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def _cut(extension: str, share: float, extra: str = "") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = media.encode(folder / f"whole.{extension}", SONG, extra=extra)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        return path

    return make


def _float(samples: np.ndarray) -> Callable[[Path], Path]:
    return lambda folder: media.float_wav(folder / "float.wav", samples)


def _three_hours(folder: Path) -> Path:
    """Three hours by its header, and in fact: a sparse file of 8 kHz, 8 bit."""
    count = 3 * 3600 * 8000
    head = media.wav_bytes(np.zeros((1, 1), np.float32), 8000)[:44]
    head = head[:4] + (36 + count).to_bytes(4, "little") + head[8:28] + (8000).to_bytes(4, "little")
    head += (1).to_bytes(2, "little") + (8).to_bytes(2, "little") + b"data" + count.to_bytes(4, "little")
    path = folder / "three hours.wav"
    path.write_bytes(head)
    os.truncate(path, len(head) + count)
    return path


def _no_length(folder: Path) -> Path:
    """A WAV as programs write it to a pipe: its length is left open. Seventy seconds of 8 kHz noise."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 70 * 8000)).astype(np.float32)
    data = bytearray(media.wav_bytes(noise, 8000))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    return _write("pipe.wav", bytes(data))(folder)


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


def _folder(folder: Path) -> Path:
    (folder / "folder.wav").mkdir()
    return folder / "folder.wav"


def _dangling(folder: Path) -> Path:
    (folder / "link.wav").symlink_to(folder / "nowhere.wav")
    return folder / "link.wav"


def _loop(folder: Path) -> Path:
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    return folder / "loop.wav"


def _picture_only(folder: Path) -> Path:
    import imageio_ffmpeg

    path = folder / "silent film.mp4"
    made = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1", "-c:v", "mpeg4", str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *made], check=True)
    return path


def _playlist(name: str, text: str) -> Callable[[Path], Path]:
    """A file that names another one, which must not be opened for it."""

    def make(folder: Path) -> Path:
        secret = media.encode(folder / "secret.wav", SONG)
        path = folder / name
        path.write_text(text.format(secret=secret, folder=folder))
        return path

    return make


PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + bytes(range(256)) * 64 + b"\n%%EOF\n"
NAN = SONG.copy()
NAN[:, ::3] = np.nan
MOSTLY_NAN = np.full((1, 44100), np.nan, np.float32)
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-VERSION:3\n#EXTINF:3,\n{secret}\n#EXT-X-ENDLIST\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'contentType="audio"><Representation id="1" bandwidth="1"><BaseURL>file://{secret}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>"
)

REFUSED: dict[str, tuple[Callable[[Path], Path], type[errors.DrumScribeError]]] = {
    "pdf named wav": (_write("report.wav", PDF), errors.NotAudioError),
    "pdf named mp3": (_write("report.mp3", PDF), errors.NotAudioError),
    "text": (_write("song.mp3", b"la la la " * 5000), errors.NotAudioError),
    "html": (_write("song.m4a", b"<!DOCTYPE html><html><body>Sign in</body></html>" * 50), errors.NotAudioError),
    "zip": (_write("song.flac", b"PK\x03\x04" + bytes(5000)), errors.NotAudioError),
    "noise bytes": (_write("song.ogg", np.random.default_rng(3).bytes(100_000)), errors.NotAudioError),
    "zero bytes": (_write("empty.wav", b""), errors.EmptyAudioError),
    "one byte": (_write("one.wav", b"R"), errors.NotAudioError),
    "only a header": (_write("header.wav", media.wav_bytes(np.zeros((1, 0), np.float32))), errors.EmptyAudioError),
    "0.1 s": (_write("short.wav", media.wav_bytes(media.clicks(0.1, times=(0.01,)))), errors.EmptyAudioError),
    "digital silence": (_write("silence.wav", media.wav_bytes(np.zeros((2, 44100)))), errors.SilentAudioError),
    "constant offset": (_write("dc.wav", media.wav_bytes(np.full((1, 44100), 0.3))), errors.SilentAudioError),
    "mostly nan": (_float(MOSTLY_NAN), errors.NotAudioError),
    "truncated mp3": (_cut("mp3", 0.5), errors.TruncatedAudioError),
    "truncated m4a": (_cut("m4a", 0.5), errors.TruncatedAudioError),
    "truncated m4a, index first": (_cut("m4a", 0.5, "-movflags faststart"), errors.TruncatedAudioError),
    "truncated in the index": (_cut("m4a", 0.02, "-movflags faststart"), errors.TruncatedAudioError),
    "truncated flac": (_cut("flac", 0.5), errors.TruncatedAudioError),
    "truncated ogg": (_cut("ogg", 0.6), errors.TruncatedAudioError),
    "truncated webm": (_cut("webm", 0.5), errors.TruncatedAudioError),
    "truncated aiff": (_cut("aiff", 0.5), errors.TruncatedAudioError),
    "3 hours": (_three_hours, errors.TooLongError),
    "endless header": (_no_length, errors.TooLongError),
    "missing": (lambda folder: folder / "missing.wav", errors.UnreadableFileError),
    "missing folder": (lambda folder: folder / "no" / "song.wav", errors.UnreadableFileError),
    "a directory": (_folder, errors.UnreadableFileError),
    "a fifo": (_fifo, errors.UnreadableFileError),
    "a device": (lambda folder: Path("/dev/zero"), errors.UnreadableFileError),
    "dangling link": (_dangling, errors.UnreadableFileError),
    "link to itself": (_loop, errors.UnreadableFileError),
    "name too long": (lambda folder: folder / ("x" * 300 + ".wav"), errors.UnreadableFileError),
    "path too long": (lambda folder: folder.joinpath(*["x" * 200] * 30), errors.UnreadableFileError),
    "nul in the name": (lambda folder: folder / "a\x00b.wav", errors.UnreadableFileError),
    "rate of 10 Hz": (_write("slow.wav", media.wav_bytes(media.clicks(3.0, 44100)[:, :60], 10)), errors.NotAudioError),
    "no sound track": (_picture_only, errors.NotAudioError),
    "m3u8": (_playlist("list.m3u8", HLS), errors.NotAudioError),
    "m3u8 named mp3": (_playlist("list.mp3", HLS), errors.NotAudioError),
    "concat": (_playlist("list.ffconcat", "ffconcat version 1.0\nfile '{secret}'\n"), errors.NotAudioError),
    "concat named wav": (_playlist("list.wav", "ffconcat version 1.0\nfile secret.wav\n"), errors.NotAudioError),
    "dash": (_playlist("list.mpd", DASH), errors.NotAudioError),
    "sdp": (_playlist("a.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n"), errors.NotAudioError),
}
SETTINGS = {
    "3 hours": {"public": True, "max_file_size_mb": 200},
    "endless header": {"public": True, "max_duration_s": 60},
}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices")
@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    make, error = REFUSED[case]
    path = make(tmp_path)
    settings = Settings(data_dir=tmp_path / "data", **SETTINGS.get(case, {}))
    with pytest.raises(error):
        transcribe(path, settings=settings)
    with pytest.raises(error) as caught:
        sources.load(path, settings=settings)
    assert type(caught.value) is error
    for sentence in (caught.value.what, caught.value.todo):
        assert sentence[0].isupper() or sentence[0] in "“"
        assert sentence.endswith(".")
        assert len(sentence) < 200
        assert str(tmp_path) not in sentence


def _named(name: str) -> Callable[[Path], Path]:
    return lambda folder: media.encode(folder / name, SONG)


ACCEPTED: dict[str, Callable[[Path], Path]] = {
    "8 kHz mono": lambda folder: media.encode(folder / "a.wav", media.clicks(3.0, 8000), 8000),
    "192 kHz": lambda folder: media.encode(folder / "a.flac", media.clicks(3.0, 192000), 192000),
    "some nan": _float(NAN),
    "infinite": _float(np.where(np.arange(SONG.shape[1]) % 1000 == 0, np.inf, SONG).astype(np.float32)),
    "integers as floats": _float(SONG * 32768),
    "length left open": lambda folder: _opened(folder, b"\xff\xff\xff\xff"),
    "length never written": lambda folder: _opened(folder, bytes(4)),
    "odd bytes at the end": lambda folder: _write("a.wav", media.wav_bytes(SONG) + b"\x00\x01\x02")(folder),
    "wrong extension": lambda folder: media.encode(folder / "a.wav", SONG, kind="mp3"),
    "no extension": lambda folder: media.encode(folder / "song", SONG, kind="flac"),
    "unicode name": _named("Müsik 鼓 🥁 — “take 2”.wav"),
    "leading dash": _named("-i song.wav"),
    "shell in the name": _named("$(touch pwned); rm -rf `x` & %s.wav"),
    "name of 255 bytes": _named("x" * 251 + ".wav"),
    "colon like a protocol": _named("concat:secret.wav"),
    "undecodable name": lambda folder: _bytes_name(folder),
    "a link to a file": lambda folder: _link(folder),
}


def _opened(folder: Path, length: bytes) -> Path:
    data = bytearray(media.wav_bytes(SONG))
    data[4:8] = data[40:44] = length
    return _write("a.wav", bytes(data))(folder)


def _bytes_name(folder: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9 \xff.wav"))
    path.write_bytes(media.wav_bytes(SONG))
    return path


def _link(folder: Path) -> Path:
    (folder / "link").symlink_to(media.encode(folder / "a.wav", SONG))
    return folder / "link"


@pytest.mark.skipif(sys.platform != "linux", reason="names that other systems do not allow")
@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(tmp_path: Path, case: str) -> None:
    loaded = sources.load(ACCEPTED[case](tmp_path))
    assert loaded.duration_s == pytest.approx(3.0, abs=0.05)
    assert np.isfinite(loaded.samples).all()
    assert 0.05 < np.abs(loaded.samples).max() <= 8
    loaded.title.encode()
    assert "\n" not in loaded.title and len(loaded.title) <= 200
    # The first click is where it was put.
    assert np.argmax(np.abs(loaded.samples[0]) > 0.3 * np.abs(loaded.samples).max()) / 44100 == pytest.approx(
        0.5, abs=0.01
    )
    mended = case in ("some nan", "infinite", "integers as floats", "8 kHz mono")
    assert bool(loaded.warnings) == mended


@pytest.mark.parametrize("text", [HLS, "ffconcat version 1.0\nfile {secret}\n", DASH.replace("file://", "")])
def test_no_file_makes_the_decoder_call_a_server(tmp_path: Path, text: str) -> None:
    with serving() as server:
        server.files["/secret.wav"] = media.wav_bytes(SONG)
        for name in ("a.m3u8", "a.mp4", "a.wav"):
            (tmp_path / name).write_text(text.format(secret=f"{server.url}/secret.wav"))
            with pytest.raises(errors.NotAudioError):
                audio.decode(tmp_path / name)
        assert server.requested == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_fifo_with_a_writer_is_refused_too(tmp_path: Path) -> None:
    path = _fifo(tmp_path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # without one, the writer would wait
    writer = os.open(path, os.O_WRONLY)
    try:
        with pytest.raises(errors.UnreadableFileError, match="pipe"):
            audio.decode(path)
    finally:
        os.close(writer)
        os.close(reader)


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix permissions")
def test_no_permission(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.wav", SONG)
    path.chmod(0)
    with _as_nobody(path), pytest.raises(errors.UnreadableFileError, match="may not be read"):
        audio.decode(path)


class _as_nobody:  # noqa: N801 - reads as a verb
    """Give up root's right to read everything, for a moment; does nothing for other users."""

    def __init__(self, path: Path) -> None:
        for parent in path.parents:
            if parent.owner() == "root" and parent.is_relative_to(Path(tempfile.gettempdir())):
                parent.chmod(0o755)

    def __enter__(self) -> None:
        if os.geteuid() == 0:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if os.getuid() == 0:
            os.seteuid(0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform != "linux" or libc.mount(b"none", bytes(folder), b"tmpfs", 0, b"size=256k") != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    libc.umount2(bytes(folder), 2)


def test_full_disk_while_fetching_weights(small_disk: Path) -> None:
    from drumscribe.weights import registry

    registry._failures.clear()
    with serving() as server:
        server.files["/model.keras"] = bytes(2**20)
        settings = Settings(data_dir=small_disk, model_uri=f"{server.url}/model.keras")
        with pytest.raises(errors.StorageError, match="full"):
            registry.resolve("hits", settings)
    assert not list(small_disk.rglob("model.keras"))


def test_full_disk_does_not_stop_a_song(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where separation is not insisted on, weights that cannot be stored are weights that cannot be had."""
    from drumscribe.audio import separation
    from drumscribe.weights import registry

    monkeypatch.setitem(registry.DEMUCS, "tiny", registry.DemucsModel("tiny", "0a1b2c3d-11111111.th", "for tests"))
    registry._failures.clear()
    with serving() as server:
        server.files["/0a1b2c3d-11111111.th"] = bytes(2**20)
        settings = Settings(data_dir=small_disk, demucs_url=server.url, demucs_model="tiny")
        song = audio.from_samples(SONG, 44100)
        for _ in range(2):
            assert "disk is full" in separation.separate(song, settings=settings).note
        assert len(server.requested) == 1


def test_full_disk_while_downloading_a_video(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    from yt_dlp.extractor.common import InfoExtractor

    from drumscribe.audio import youtube

    with serving() as server:
        server.files["/sound.m4a"] = bytes(2**20)
        link = server.url + "/sound.m4a"

        class LocalIE(InfoExtractor):
            IE_NAME = "youtube"
            _VALID_URL = r"https://www\.youtube\.com/watch\?v=(?P<id>[\w-]{11})$"

            def _real_extract(self, url: str) -> dict:
                return {"id": self._match_id(url), "title": "x", "formats": [{"url": link, "ext": "m4a"}]}

        monkeypatch.setattr(youtube, "extractor", LocalIE)
        monkeypatch.setattr(sources, "ALLOWED_URL", re.compile(re.escape(server.url)))
        with pytest.raises(errors.StorageError) as caught:
            sources.load("https://youtu.be/abcDEF12345", settings=Settings(data_dir=small_disk))
    assert "space" in caught.value.todo.lower()
    shutil.rmtree(small_disk / "tmp")


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix permissions")
def test_data_folder_that_may_not_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.mkdir(mode=0o500)
    with _as_nobody(blocked), pytest.raises(errors.StorageError):
        sources.load("https://youtu.be/abcDEF12345", settings=Settings(data_dir=blocked))


HEADS = [
    media.wav_bytes(SONG[:, :4410]),
    b"RIFF",
    b"fLaC\x00\x00\x00\x22",
    b"OggS\x00\x02",
    b"ID3\x04\x00\x00\x00\x00\x7f\x7f",
    b"\xff\xfb\x90\x64",
    b"\x00\x00\x00\x20ftypM4A ",
    b"\x1aE\xdf\xa3",
    b"FORM\x00\x00\x01\x00AIFF",
]


@examples(100, HealthCheck.function_scoped_fixture)
@given(head=st.sampled_from(HEADS), tail=st.binary(max_size=600), at=st.integers(0, 80), change=st.binary(max_size=12))
def test_any_bytes_at_all(tmp_path: Path, head: bytes, tail: bytes, at: int, change: bytes) -> None:
    """Whatever the bytes: audio, or one of our errors."""
    data = bytearray(head + tail)
    data[at : at + len(change)] = change
    path = tmp_path / "any"
    path.write_bytes(data)
    try:
        audio.decode(path)
    except errors.SourceError as error:
        assert error.what and error.todo

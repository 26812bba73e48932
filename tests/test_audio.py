"""Decoding: right samples, in the right place, from every format; and the memory it takes."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from pathlib import Path

import imageio_ffmpeg
import media
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drumscribe import audio, errors
from drumscribe.audio import collector as collecting
from drumscribe.audio.collector import Collector
from drumscribe.settings import Settings


def _lag(reference: np.ndarray, found: np.ndarray) -> int:
    """Samples by which ``found`` comes later, by cross-correlation."""
    n = max(len(reference), len(found))
    product = np.fft.rfft(found, 2 * n) * np.conj(np.fft.rfft(reference, 2 * n))
    lag = int(np.fft.irfft(product).argmax())
    return lag - 2 * n if lag > n else lag


@pytest.mark.parametrize("extension", ["wav", "flac", "aiff", "mp3", "m4a", "ogg", "opus", "webm", "mkv"])
@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1)])
def test_formats_keep_time(tmp_path: Path, extension: str, rate: int, channels: int) -> None:
    original = media.clicks(2.5, rate, channels)
    decoded = audio.decode(media.encode(tmp_path / f"a.{extension}", original, rate))
    assert decoded.sample_rate == audio.SAMPLE_RATE
    assert decoded.samples.shape[0] == channels
    assert decoded.samples.dtype == np.float32 and decoded.samples.flags.f_contiguous
    assert decoded.duration_s == pytest.approx(2.5, abs=0.05)
    reference = audio.from_samples(original, rate).samples
    assert abs(_lag(reference[0], decoded.samples[0])) <= 2


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 96000, 192000])
def test_any_rate_keeps_time(tmp_path: Path, rate: int) -> None:
    times = (0.5, 1.0, 1.75)
    decoded = audio.decode(media.encode(tmp_path / "a.flac", media.clicks(2.5, rate, 1, times), rate))
    assert decoded.duration_s == pytest.approx(2.5, abs=1e-3)
    envelope = np.abs(decoded.samples[0])
    for time in times:
        window = envelope[int((time - 0.02) * 44100) : int((time + 0.02) * 44100)]
        rise = np.argmax(window > 0.25 * window.max()) / 44100 - 0.02
        assert abs(rise) < 0.002
    assert any("sample rate" in warning for warning in decoded.warnings) == (rate < 22050)


def test_lossless_is_exact(tmp_path: Path) -> None:
    original = np.round(media.clicks(1.0, 44100, 2) * 32767) / 32768
    decoded = audio.decode(media.encode(tmp_path / "a.flac", original * 32768 / 32767))
    np.testing.assert_allclose(decoded.samples, original, atol=1e-7)


def test_wav_of_the_standard_library_and_unknown_extension(tmp_path: Path) -> None:
    path = tmp_path / "recording.bin"
    path.write_bytes(media.wav_bytes(media.clicks(1.0)))
    assert audio.decode(path).duration_s == 1


def test_file_and_samples_agree(tmp_path: Path) -> None:
    original = np.round(media.clicks(2.0, 48000, 2) * 32767) / 32767
    path = tmp_path / "a.wav"
    path.write_bytes(media.wav_bytes(original, 48000))
    as_integers = (original * 32767).astype(np.int16)
    taken = audio.from_samples(as_integers, 48000)
    decoded = audio.decode(path)
    np.testing.assert_allclose(decoded.samples, taken.samples, atol=1e-6)


@pytest.mark.parametrize("bits", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "adpcm_ms"])
def test_sample_formats(tmp_path: Path, bits: str) -> None:
    original = media.clicks(1.0, 44100, 2)
    path = media.encode(tmp_path / "a.wav", original, extra=f"-c:a {bits}")
    difference = audio.decode(path).samples[:, :44100] - original
    assert np.abs(difference).mean() < 0.004


@pytest.mark.parametrize(("layout", "expected"), [("5.1", 2), ("quad", 2), ("7.1", 2)])
def test_surround_is_mixed_down(tmp_path: Path, layout: str, expected: int) -> None:
    path = tmp_path / "surround.wav"
    source = tmp_path / "a.wav"
    source.write_bytes(media.wav_bytes(media.clicks(1.0, 44100, 2)))
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(source), "-af", f"aformat=channel_layouts={layout}",
         "-c:a", "pcm_s16le", str(path)],
        check=True,
    )  # fmt: skip
    decoded = audio.decode(path)
    assert decoded.samples.shape[0] == expected
    assert np.abs(decoded.samples).max() > 0.02


def test_channels_without_names_become_mono(tmp_path: Path) -> None:
    path = tmp_path / "stems.wav"
    path.write_bytes(media.wav_bytes(np.repeat(media.clicks(1.0), 12, axis=0)))
    decoded = audio.decode(path)
    assert decoded.samples.shape == (1, 44100)
    np.testing.assert_allclose(decoded.samples, media.clicks(1.0), atol=1e-4)


def test_sound_of_a_video(tmp_path: Path) -> None:
    sound = tmp_path / "a.wav"
    sound.write_bytes(media.wav_bytes(media.clicks(1.5, 44100, 2)))
    path = tmp_path / "clip.mp4"
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1.5",
         "-i", str(sound), "-c:v", "mpeg4", "-c:a", "aac", str(path)],
        check=True,
    )  # fmt: skip
    assert audio.decode(path).duration_s == pytest.approx(1.5, abs=0.05)


def test_tags(tmp_path: Path) -> None:
    for extension in ("mp3", "flac", "m4a", "ogg", "opus"):
        path = media.encode(tmp_path / f"file.{extension}", media.clicks(1.0, 48000), 48000, title="Tïtle", artist="A")
        decoded = audio.decode(path)
        assert (decoded.title, decoded.artist, decoded.origin) == ("Tïtle", "A", path.name)
    plain = audio.decode(media.encode(tmp_path / "My_song.wav", media.clicks(1.0)))
    assert (plain.title, plain.artist) == ("My song", "")


@given(st.text(max_size=500))
def test_names_become_one_safe_line(text: str) -> None:
    name = audio.clean_name(text)
    assert len(name) <= 200
    assert name == " ".join(name.split())
    assert all(char.isprintable() or ord(char) > 127 for char in name)
    name.encode()


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    samples = media.clicks(1.0, 44100, 2)
    first = audio.decode(media.encode(tmp_path / "a.flac", samples, title="One"))
    second = audio.decode(media.encode(tmp_path / "b.wav", samples, title="Two"))
    mono = audio.from_samples(samples[0], 44100)
    assert first.sha256 == second.sha256 != mono.sha256


@pytest.mark.parametrize(
    "samples",
    [
        np.ones(44100) * np.sin(np.arange(44100)),
        np.sin(np.arange(44100))[None],
        np.stack([np.sin(np.arange(44100))] * 2),
        np.stack([np.sin(np.arange(44100))] * 2).T,
        (np.sin(np.arange(44100)) * 32767).astype(np.int16),
        (np.sin(np.arange(44100)) * 2147483647).astype(np.int32),
        (np.sin(np.arange(44100)) * 127 + 128).astype(np.uint8),
        np.sin(np.arange(44100)).astype(np.float16),
        list(np.sin(np.arange(44100))),
    ],
)
def test_samples_in_any_shape_and_type(samples: object) -> None:
    taken = audio.from_samples(samples, 44100, title="x")
    assert taken.samples.shape[1] == 44100
    assert 0.95 < np.abs(taken.samples).max() <= 1.001
    np.testing.assert_allclose(taken.samples[0, :100], np.sin(np.arange(100)), atol=0.02)


@pytest.mark.parametrize("samples", [np.zeros((2, 2, 2)), np.array(["a", "b"]), np.ones(5, complex), None])
def test_arrays_that_are_not_audio(samples: object) -> None:
    with pytest.raises(errors.NotAudioError):
        audio.from_samples(samples, 44100)


@pytest.mark.parametrize("rate", [0, -1, 10, 1e9, float("nan")])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(errors.NotAudioError):
        audio.from_samples(np.ones(44100), rate)


def test_samples_are_not_written_to_and_not_shared() -> None:
    given_samples = media.clicks(1.0)
    taken = audio.from_samples(given_samples, 44100)
    given_samples[:] = 0
    assert np.abs(taken.samples).max() > 0.1
    with pytest.raises(ValueError, match="read-only"):
        taken.samples[0, 0] = 1


def test_progress_and_cancel(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.mp3", media.clicks(20.0))
    seen: list[float] = []
    audio.decode(path, on_progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen) and seen[-1] == 1 and len(seen) > 5
    cancel = threading.Event()
    with pytest.raises(errors.Cancelled):
        audio.decode(path, on_progress=lambda *_: cancel.set(), cancel=cancel)


@pytest.mark.parametrize("extension", ["m4a", "ogg", "opus", "mkv"])
def test_a_damaged_stretch_keeps_time(tmp_path: Path, extension: str) -> None:
    """What cannot be decoded becomes silence of its length, so that the hits after it stay where they were."""
    noise = 0.02 * np.random.default_rng(0).standard_normal((1, 8 * 48000)).astype(np.float32)
    original = media.clicks(8.0, 48000, 1, (1.0, 7.0)) + noise
    data = bytearray(media.encode(tmp_path / f"a.{extension}", original, 48000).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "b").write_bytes(data)
    decoded = audio.decode(tmp_path / "b")
    late = np.abs(decoded.samples[0, int(6.8 * 44100) :])
    assert np.argmax(late > 0.15) / 44100 + 6.8 == pytest.approx(7.0, abs=0.01)
    assert any("replaced by silence" in warning for warning in decoded.warnings)


MEASURE = """
import resource, sys
from pathlib import Path
from drumscribe import audio
from drumscribe.hits import network, features
from drumscribe.settings import Settings
from drumscribe.storage.cache import StageCache

settings = Settings(data_dir=Path(sys.argv[1]))
cache = StageCache(settings)

def use(path):
    decoded = audio.decode(path, settings=settings)
    cache.put(path, decoded)
    for known in (decoded, cache.get(path)):
        features.level(network._mono(known.samples))
    return decoded

use(sys.argv[2])  # a short one first: libraries are loaded
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decoded = use(sys.argv[3])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / decoded.samples.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="units of ru_maxrss")
def test_memory_holds_a_block_of_a_long_recording(tmp_path: Path) -> None:
    short = media.encode(tmp_path / "short.mp3", media.clicks(1.0, 48000, 2), 48000)
    long = media.encode(tmp_path / "long.mp3", media.clicks(240.0, 48000, 2), 48000)
    command = [sys.executable, "-c", MEASURE, str(tmp_path), str(short), str(long)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.5


def test_limits_come_from_settings(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.wav", media.clicks(4.0))
    with pytest.raises(errors.TooLongError, match=r"0:04 min; the limit is 0:03"):
        audio.decode(path, settings=Settings(public=True, max_duration_s=3))
    with pytest.raises(errors.TooLargeError):
        audio.decode(path, settings=Settings(public=True, max_file_size_mb=0.1))
    with pytest.raises(errors.TooLongError):
        audio.from_samples(media.clicks(4.0), 44100, settings=Settings(public=True, max_duration_s=3))
    assert audio.decode(path, settings=Settings(public=True, max_duration_s=4)).duration_s == 4


def test_what_is_not_served_has_no_limits(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "a.wav", media.clicks(4.0))
    own = Settings(max_duration_s=3, max_file_size_mb=0.1)
    assert audio.decode(path, settings=own).duration_s == 4
    assert audio.from_samples(media.clicks(4.0), 44100, settings=own).duration_s == 4


def test_a_long_one_is_taken_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    assert collecting.LONG_S == 3600
    monkeypatch.setattr(collecting, "LONG_S", 3)
    assert any("lasts 0:04 min" in warning for warning in audio.from_samples(media.clicks(4.0), 44100).warnings)
    assert not audio.from_samples(media.clicks(3.0), 44100).warnings


def test_a_wav_that_promises_more_is_read_to_its_end(tmp_path: Path) -> None:
    data = media.wav_bytes(media.clicks(6.0, times=(1.0, 2.0)))
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    taken = audio.decode(tmp_path / "cut.wav")
    assert taken.duration_s == pytest.approx(3.0, abs=0.01)
    assert any("promises 6.0 s" in warning for warning in taken.warnings)


@pytest.mark.parametrize("in_file", [False, True])
def test_block_after_block(tmp_path: Path, in_file: bool) -> None:
    collector = Collector(math.inf, tmp_path if in_file else None)
    for _ in range(70):
        collector.push(media.clicks(2.0, 44100, 2, (1.0,)), 44100)
    taken = collector.finish(title="", artist="", origin="")
    assert taken.duration_s == 140
    assert taken.samples[:, 44100 * 3 - 100 : 44100 * 3 + 100].any()


# left and right


@pytest.fixture(scope="module")
def stereo() -> np.ndarray:
    """Twelve seconds of the packaged example, whose sides differ."""
    samples = audio.decode(Path(audio.__file__).parents[1] / "assets" / "example.ogg").samples[:, : 12 * 44100]
    assert len(samples) == 2 and not np.array_equal(*samples)
    return samples


def late(samples: np.ndarray, side: int, ms: float) -> np.ndarray:
    by = round(44.1 * ms)
    moved = [np.pad(row, (by, 0) if number == side else (0, by)) for number, row in enumerate(samples)]
    return np.stack(moved)


def test_sides_that_do_not_cancel_are_left_alone(stereo):
    rng = np.random.default_rng(0)
    wide = stereo + rng.normal(0, stereo.std(), stereo.shape).astype(np.float32)
    for samples in (stereo, stereo[:1], wide, stereo * np.array([[1], [0]], np.float32), stereo[[0, 0]]):
        taken = audio.from_samples(samples, 44100)
        assert taken.warnings == ()
        np.testing.assert_array_equal(taken.samples, samples)


@pytest.mark.parametrize("loud", [1.0, 0.5])
def test_an_inverted_side_is_turned(stereo, loud):
    level = np.array([[1], [loud]], np.float32)
    taken = audio.from_samples(stereo * level * np.array([[1], [-1]], np.float32), 44100)
    assert len(taken.warnings) == 1 and "right side is inverted" in taken.warnings[0]
    np.testing.assert_allclose(taken.samples, stereo * level, atol=1e-6)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("ms", [1, 2, 5, 10, 20])
def test_a_late_side_is_moved(stereo, side, ms):
    taken = audio.from_samples(late(stereo, side, ms), 44100)
    assert f"the {('left', 'right')[side]} side is {ms}.0 ms late" in taken.warnings[0]
    np.testing.assert_allclose(taken.samples[:, : stereo.shape[1]], stereo, atol=1e-6)


def test_a_side_may_be_late_and_inverted(stereo):
    taken = audio.from_samples(late(stereo * np.array([[1], [-1]], np.float32), 1, 5), 44100)
    assert "inverted and the right side is 5.0 ms late" in taken.warnings[0]
    np.testing.assert_allclose(taken.samples[:, : stereo.shape[1]], stereo, atol=1e-6)


def test_a_file_name_becomes_a_title_where_no_tag_says_more(tmp_path):
    samples = media.clicks(1.0, 44100)
    plain = audio.decode(media.encode(tmp_path / "Escape_from_chaosland.flac", samples))
    assert plain.title == "Escape from chaosland"
    assert audio.decode(media.encode(tmp_path / "b_side.flac", samples, title="A_B")).title == "A_B"

"""Separation through the real Demucs code, with a small Hybrid Transformer Demucs made here and served over HTTP."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import media
import numpy as np
import pytest
import tiny_demucs
from local_http import Server, serving

from drumscribe import audio, errors
from drumscribe.audio import separation
from drumscribe.options import SeparateOptions
from drumscribe.settings import Settings
from drumscribe.weights import registry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_demucs.save(tmp_path_factory.mktemp("demucs"))


@pytest.fixture(scope="module")
def song() -> audio.Audio:
    return audio.from_samples(media.clicks(3.6, 44100, 2), 44100)


@pytest.fixture
def server(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    row = registry.DemucsModel("tiny", checkpoint.name, "for tests")
    monkeypatch.setitem(registry.DEMUCS, "tiny", row)
    registry._failures.clear()
    with serving() as running:
        running.files[f"/{row.file}"] = checkpoint.read_bytes()
        yield running


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, demucs_model="tiny", demucs_url=server.url)


DEMUCS = SeparateOptions(separator="demucs")
AUTO = SeparateOptions(separator="auto")


def test_none_gives_the_mix_itself(song: audio.Audio, settings: Settings, server: Server) -> None:
    stem = separation.separate(song, SeparateOptions(separator="none"), settings=settings)
    assert stem.samples is song.samples
    assert (stem.method, stem.note, stem.accompaniment) == ("none", "", None)
    assert server.requested == []


@pytest.mark.parametrize("options", [DEMUCS, AUTO, SeparateOptions(), None])
def test_drums_and_the_rest_add_up(
    song: audio.Audio, settings: Settings, server: Server, options: SeparateOptions | None
) -> None:
    seen: list[float] = []
    stem = separation.separate(song, options, settings=settings, on_progress=lambda fraction, _: seen.append(fraction))
    assert (stem.method, stem.model, stem.note) == ("demucs", "tiny", "")
    assert stem.samples.shape == song.samples.shape and stem.samples.dtype == np.float32
    assert stem.accompaniment is not None
    np.testing.assert_allclose(stem.samples + stem.accompaniment, song.samples, atol=1e-6)
    assert 0 < np.abs(stem.samples).max() < 1
    assert seen == sorted(seen) and seen[-1] == 1 and len(seen) > 4
    separation.separate(song, options, settings=settings)
    assert len(server.requested) == 1


def test_same_as_demucs_itself(song: audio.Audio, settings: Settings, checkpoint: Path) -> None:
    """Segment by segment gives what ``apply_model`` gives for the whole; only the tail has another context there."""
    import torch
    from demucs.apply import apply_model
    from demucs.states import load_model

    stem = separation.separate(song, DEMUCS, settings=settings)
    model = load_model(checkpoint).eval()
    mono = song.mono()
    scaled = (song.samples - mono.mean()) / (mono.std() + 1e-8)
    whole = apply_model(model, torch.from_numpy(scaled)[None], shifts=0, overlap=settings.demucs_overlap)
    expected = whole[0, 0].numpy() * mono.std()
    settled = song.samples.shape[1] - 2 * 44100
    np.testing.assert_allclose(stem.samples[:, :settled], expected[:, :settled], atol=1e-5)


def test_mono_and_shorter_than_a_segment(settings: Settings) -> None:
    short = audio.from_samples(media.clicks(0.7), 44100)
    stem = separation.separate(short, DEMUCS, settings=settings)
    assert stem.samples.shape == short.samples.shape == (1, 30870)
    assert np.isfinite(stem.samples).all()


def test_repeatable(song: audio.Audio, settings: Settings) -> None:
    first, second = (separation.separate(song, DEMUCS, settings=settings).samples for _ in range(2))
    np.testing.assert_array_equal(first, second)


def _down(server: Server, settings: Settings) -> Settings:
    server.status = 503
    return settings


def _offline(server: Server, settings: Settings) -> Settings:
    return settings.model_copy(update={"offline": True})


def _wrong(server: Server, settings: Settings) -> Settings:
    path, body = next(iter(server.files.items()))
    server.files[path] = body[:-1] + b"?"
    return settings


@pytest.mark.parametrize(
    ("trouble", "error", "says"),
    [
        (_down, errors.WeightsUnavailableError, "503"),
        (_offline, errors.WeightsUnavailableError, "offline"),
        (_wrong, errors.ChecksumError, "SHA-256"),
    ],
)
def test_without_weights(
    song: audio.Audio,
    server: Server,
    settings: Settings,
    trouble: Callable[[Server, Settings], Settings],
    error: type[errors.DrumScribeError],
    says: str,
) -> None:
    """``demucs`` insists; ``auto`` takes the mix and says why, and does not try again for every song."""
    settings = trouble(server, settings)
    with pytest.raises(error, match=says):
        separation.separate(song, DEMUCS, settings=settings)
    asked = len(server.requested)
    for _ in range(2):
        stem = separation.separate(song, AUTO, settings=settings)
        assert (stem.method, stem.samples is song.samples) == ("none", True)
        assert stem.note.startswith("Transcribed from the whole mix") and says in stem.note
        assert "://" not in stem.note
    assert len(server.requested) == asked


def test_without_the_package(song: audio.Audio, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "demucs", None)  # as if it were not installed
    with pytest.raises(errors.MissingExtraError, match=r"demucs, which is not installed.*drumscribe\[separation\]"):
        separation.separate(song, DEMUCS, settings=settings)
    assert "not installed" in separation.separate(song, AUTO, settings=settings).note


def test_a_broken_download_goes_on(song: audio.Audio, server: Server, settings: Settings) -> None:
    server.break_after = [200_000]
    assert separation.separate(song, DEMUCS, settings=settings).method == "demucs"
    assert [ranged for _, ranged in server.requested] == ["", "bytes=200000-"]


def test_damaged_weights_on_disk_are_fetched_anew(song: audio.Audio, server: Server, settings: Settings) -> None:
    separation.separate(song, DEMUCS, settings=settings)
    path = next(settings.weights_dir.rglob("*.th"))
    data = bytearray(path.read_bytes())
    data[1000:2000] = bytes(1000)
    path.write_bytes(data)
    separation._load.cache_clear()
    assert separation.separate(song, DEMUCS, settings=settings).method == "demucs"
    assert len(server.requested) == 2


def test_a_local_folder(song: audio.Audio, checkpoint: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, demucs_model=str(checkpoint.parent), offline=True)
    stem = separation.separate(song, DEMUCS, settings=settings)
    assert (stem.method, stem.model) == ("demucs", checkpoint.parent.name)


def test_a_bag_uses_the_members_that_know_drums(song: audio.Audio, tmp_path: Path) -> None:
    """As in htdemucs_ft: a member without a share in the drums costs nothing and changes nothing."""
    tiny_demucs.save(tmp_path / "bag", "aaaaaaaa", seed=1)
    tiny_demucs.save(tmp_path / "bag", "bbbbbbbb", seed=2)
    tiny_demucs.save(tmp_path / "one", "aaaaaaaa", seed=1)
    (tmp_path / "bag" / "both.yaml").write_text("models: [aaaaaaaa, bbbbbbbb]\nweights: [[1,0,0,0],[0,1,1,1]]\n")
    bag, one = (
        separation.separate(song, DEMUCS, settings=Settings(demucs_model=str(tmp_path / name))).samples
        for name in ("bag", "one")
    )
    np.testing.assert_array_equal(bag, one)


def _not_a_pickle(folder: Path) -> None:
    (folder / "aaaa.th").write_bytes(b"This is not a checkpoint.")


def _empty(folder: Path) -> None:
    (folder / "aaaa.th").touch()


def _wrong_name(folder: Path) -> None:
    tiny_demucs.save(folder).rename(folder / "0a1b2c3d-00000000.th")


def _bad_bag(folder: Path) -> None:
    tiny_demucs.save(folder)
    (folder / "bag.yaml").write_text("models: [nothere]")


def _no_drums(folder: Path) -> None:
    tiny_demucs.save(folder, sources=["bass", "vocals"])


def _other_pickle(folder: Path) -> None:
    import torch

    torch.save({"state": 1}, folder / "aaaa.th")


@pytest.mark.parametrize("make", [_not_a_pickle, _empty, _wrong_name, _bad_bag, _no_drums, _other_pickle])
def test_folders_that_hold_no_usable_model(song: audio.Audio, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path)
    settings = Settings(demucs_model=str(tmp_path))
    with pytest.raises(errors.BadWeightsError) as caught:
        separation.separate(song, DEMUCS, settings=settings)
    assert caught.value.todo
    assert separation.separate(song, AUTO, settings=settings).note


def test_cancel_before_and_inside_a_segment(song: audio.Audio, settings: Settings) -> None:
    class AfterLooks:
        """Set after it has been looked at so many times: layers look far more often than segments begin."""

        def __init__(self, looks: int) -> None:
            self.left = looks

        def is_set(self) -> bool:
            self.left -= 1
            return self.left < 0

    separation.separate(song, DEMUCS, settings=settings)
    whole = AfterLooks(10**9)
    separation.separate(song, DEMUCS, settings=settings, cancel=whole)
    looks = 10**9 - whole.left
    assert looks > 200
    for at in (0, looks // 2, looks - 1):
        with pytest.raises(errors.Cancelled):
            separation.separate(song, DEMUCS, settings=settings, cancel=AfterLooks(at))
    set_before = threading.Event()
    set_before.set()
    with pytest.raises(errors.Cancelled):
        separation.separate(song, DEMUCS, settings=settings, cancel=set_before)
    assert separation.separate(song, DEMUCS, settings=settings).method == "demucs"  # nothing is left behind


def test_the_model_is_kept_between_songs(song: audio.Audio, settings: Settings) -> None:
    separation._load.cache_clear()
    for _ in range(3):
        separation.separate(song, DEMUCS, settings=settings)
    assert separation._load.cache_info().misses == 1


def test_a_gpu_without_enough_memory(song: audio.Audio, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second segment fails as PyTorch fails; cpu:0 stands for a GPU, so that all else is real."""
    import torch
    from demucs import apply

    run, tried = apply.apply_model, []

    def small(model: object, mix: torch.Tensor, **options: object) -> torch.Tensor:
        tried.append(options["device"])
        if tried == ["cpu:0", "cpu:0"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return run(model, mix, **options)

    plain = separation.separate(song, DEMUCS, settings=settings)
    assert plain.device == "cpu" and not plain.note
    choose = separation._device
    monkeypatch.setattr(separation, "_device", lambda s: choose(s) if s.device == "cpu" else "cpu:0")
    monkeypatch.setattr(apply, "apply_model", small)
    stem = separation.separate(song, DEMUCS, settings=settings)
    assert tried[:3] == ["cpu:0", "cpu:0", "cpu"] and set(tried[2:]) == {"cpu"}
    assert stem.device == "cpu" and "separated on the processor" in stem.note
    np.testing.assert_array_equal(stem.samples, plain.samples)


def test_a_gpu_that_is_not_here(song: audio.Audio, settings: Settings) -> None:
    import torch

    absent = "mps" if torch.cuda.is_available() or not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(errors.OptionsError, match=f"DEVICE={absent}"):
        separation.separate(song, DEMUCS, settings=settings.model_copy(update={"device": absent}))

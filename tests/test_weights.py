"""The registry and its downloads, against a real server on the loopback that misbehaves on demand."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from local_http import Server, serving

from drumscribe import errors
from drumscribe.settings import Settings
from drumscribe.weights import deadline, downloads, registry
from drumscribe.weights.registry import DemucsModel

BODY = bytes(range(256)) * 4000  # about a megabyte
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.files["/model.keras"] = BODY
        yield running


@pytest.fixture
def row(server: Server, monkeypatch: pytest.MonkeyPatch) -> DemucsModel:
    """A Demucs model that the local server offers under its checksum, as the official one does."""
    made = DemucsModel("tiny", f"0a1b2c3d-{DIGEST[:8]}.th", "for tests")
    server.files[f"/demucs/{made.file}"] = BODY
    monkeypatch.setitem(registry.DEMUCS, "tiny", made)
    return made


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, demucs_url=f"{server.url}/demucs/", demucs_model="tiny")


@pytest.fixture(autouse=True)
def _forget() -> None:
    registry._failures.clear()
    registry._seen.clear()


def _leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.part*")]


def test_the_table_is_that_of_the_installed_demucs() -> None:
    spec = find_spec("demucs")
    assert spec is not None and spec.origin is not None
    remote = Path(spec.origin).parent / "remote"
    official = (remote / "files.txt").read_text().split("# Hybrid Transformer models")[1].split()
    for row in registry.DEMUCS.values():
        assert row.file in official
        bag = yaml.safe_load((remote / f"{row.name}.yaml").read_text())
        shares = bag.get("weights") or [[1.0]] * len(bag["models"])
        drums = [signature for signature, share in zip(bag["models"], shares, strict=True) if share[0]]
        assert drums == [row.signature]


def test_fetch_once(server: Server, row: DemucsModel, settings: Settings) -> None:
    seen: list[float] = []
    folder = registry.resolve("tiny", settings, on_progress=lambda fraction, _: seen.append(fraction))
    assert (folder / row.file).read_bytes() == BODY
    assert seen == sorted(seen) and seen[-1] == 1
    noted = json.loads((folder / "manifest.json").read_text())[row.file]
    assert noted["sha256"] == DIGEST
    assert yaml.safe_load((folder / "tiny.yaml").read_text()) == {"models": ["0a1b2c3d"]}
    assert registry.demucs_name(folder) == "tiny"
    assert registry.resolve("tiny", settings) == folder
    assert server.paths == [f"/demucs/{row.file}"]
    assert not _leftovers(settings.data_dir)


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Server, row: DemucsModel, settings: Settings) -> None:
    server.break_after = [300_000, 400_000]
    folder = registry.resolve("tiny", settings)
    assert (folder / row.file).read_bytes() == BODY
    assert [ranged for _, ranged in server.requested] == ["", "bytes=300000-", "bytes=700000-"]


def test_what_came_is_kept_for_the_next_try(server: Server, row: DemucsModel, settings: Settings) -> None:
    server.break_after = [300_000, 0]
    with pytest.raises(errors.WeightsUnavailableError, match=r"broke off after 0\.3 MB"):
        registry.resolve("tiny", settings)
    assert not (settings.weights_dir / "demucs" / "tiny" / row.file).exists()
    folder = registry.resolve("tiny", settings)
    assert (folder / row.file).read_bytes() == BODY
    assert server.requested[-1][1] == "bytes=300000-"


def test_a_server_that_ignores_ranges_starts_over(server: Server, row: DemucsModel, settings: Settings) -> None:
    server.break_after, server.honours_ranges = [300_000], False
    folder = registry.resolve("tiny", settings)
    assert (folder / row.file).read_bytes() == BODY


def test_a_file_that_changed_meanwhile_starts_over(server: Server, tmp_path: Path) -> None:
    server.break_after = [300_000, 0]
    target = tmp_path / "model.keras"
    with pytest.raises(errors.WeightsUnavailableError):
        downloads.download(f"{server.url}/model.keras", target)
    server.etag, server.files["/model.keras"] = '"v2"', BODY[::-1]
    downloads.download(f"{server.url}/model.keras", target)
    assert target.read_bytes() == BODY[::-1]


def test_without_validator_and_checksum_halves_are_never_joined(server: Server, tmp_path: Path) -> None:
    server.etag, server.break_after = "", [300_000, 0]
    with pytest.raises(errors.WeightsUnavailableError):
        downloads.download(f"{server.url}/model.keras", tmp_path / "model.keras")
    downloads.download(f"{server.url}/model.keras", tmp_path / "model.keras")
    assert [ranged for _, ranged in server.requested] == ["", "", ""]
    assert (tmp_path / "model.keras").read_bytes() == BODY


@pytest.mark.parametrize("kept", [b"rubbish" * 1000, BODY + b"too long"])
def test_a_bad_part_is_thrown_away(server: Server, row: DemucsModel, settings: Settings, kept: bytes) -> None:
    folder = settings.weights_dir / "demucs" / "tiny"
    folder.mkdir(parents=True)
    (folder / f"{row.file}.part").write_bytes(kept)
    registry.resolve("tiny", settings)
    assert (folder / row.file).read_bytes() == BODY


def test_wrong_checksum(server: Server, row: DemucsModel, settings: Settings) -> None:
    server.files[f"/demucs/{row.file}"] = BODY[:-1] + b"?"
    with pytest.raises(errors.ChecksumError, match=row.sha256):
        registry.resolve("tiny", settings)
    assert not list((settings.weights_dir / "demucs" / "tiny").glob("*.th"))
    assert not _leftovers(settings.data_dir)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_server_that_refuses(server: Server, row: DemucsModel, settings: Settings, status: int) -> None:
    server.status = status
    with pytest.raises(errors.WeightsUnavailableError, match=f"HTTP {status}") as caught:
        registry.resolve("tiny", settings)
    assert caught.value.todo
    assert len(server.requested) == 1


def test_a_dead_server_costs_one_time_out(row: DemucsModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    within = downloads.within
    monkeypatch.setattr(downloads, "within", lambda seconds, call: waits.append(seconds) or within(seconds, call))
    with socket.socket() as silent:  # accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        settings = Settings(data_dir=tmp_path, demucs_url=url, network_timeout_s=0.5)
        with pytest.raises(errors.WeightsUnavailableError, match="cannot be reached"):
            registry.resolve("tiny", settings)
        assert 0 < sum(waits) <= 2  # twice the time-out at most, each with its grace; not a round of retries
    waits.clear()
    with pytest.raises(errors.WeightsUnavailableError, match="cannot be reached"):
        registry.resolve("tiny", settings)  # now the port is closed
    assert sum(waits) <= 2


def test_a_call_without_end_is_left_alone() -> None:
    with pytest.raises(TimeoutError):
        deadline.within(0.05, threading.Event().wait)
    with pytest.raises(ZeroDivisionError):
        deadline.within(120, lambda: 1 / 0)


def test_a_failure_is_remembered_for_a_while(server: Server, row: DemucsModel, settings: Settings) -> None:
    server.status = 503
    for _ in range(3):
        with pytest.raises(errors.WeightsUnavailableError):
            registry.resolve("tiny", settings, patience_s=60)
    assert len(server.requested) == 1
    server.status = 0
    assert (registry.resolve("tiny", settings) / row.file).is_file()  # who insists is not made to wait
    registry.resolve("tiny", settings, patience_s=60)


def test_offline(server: Server, row: DemucsModel, settings: Settings) -> None:
    offline = settings.model_copy(update={"offline": True})
    with pytest.raises(errors.WeightsUnavailableError, match="offline"):
        registry.resolve("tiny", offline)
    registry.resolve("tiny", settings)
    assert registry.resolve("tiny", offline).is_dir()
    assert len(server.requested) == 1


def test_put_there_by_hand(server: Server, row: DemucsModel, settings: Settings) -> None:
    folder = settings.weights_dir / "demucs" / "tiny"
    folder.mkdir(parents=True)
    (folder / row.file).write_bytes(BODY)
    assert registry.resolve("tiny", settings) == folder
    assert server.requested == []


def test_a_damaged_file_is_found_and_fetched_anew(server: Server, row: DemucsModel, settings: Settings) -> None:
    path = registry.resolve("tiny", settings) / row.file
    path.write_bytes(BODY[:-1] + b"?")  # same size: only the content tells
    assert registry.verify("tiny", settings).state == "damaged"
    assert registry.discard_damaged("tiny", settings)
    assert registry.resolve("tiny", settings) == path.parent
    assert registry.verify("tiny", settings).state == "ready"
    assert not registry.discard_damaged("tiny", settings)


def test_a_file_of_another_size_or_version_is_fetched_anew(
    server: Server, row: DemucsModel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = registry.resolve("tiny", settings) / row.file
    path.write_bytes(BODY[:1000])
    registry.resolve("tiny", settings)
    assert path.read_bytes() == BODY
    other = hashlib.sha256(BODY[::-1]).hexdigest()
    newer = DemucsModel("tiny", f"0a1b2c3d-{other[:8]}.th", "newer")
    monkeypatch.setitem(registry.DEMUCS, "tiny", newer)
    server.files[f"/demucs/{newer.file}"] = BODY[::-1]
    assert (registry.resolve("tiny", settings) / newer.file).read_bytes() == BODY[::-1]
    assert not path.exists()


def test_cancel_keeps_what_came(server: Server, row: DemucsModel, settings: Settings) -> None:
    cancel = threading.Event()
    with pytest.raises(errors.Cancelled):
        registry.resolve("tiny", settings, on_progress=lambda *_: cancel.set(), cancel=cancel)
    assert registry.resolve("tiny", settings).is_dir()
    assert server.requested[-1][1].startswith("bytes=")


def test_two_processes_fetch_once(server: Server, tmp_path: Path) -> None:
    program = (
        "import sys; from drumscribe.weights import registry; from drumscribe.settings import Settings; "
        "data, uri, digest = sys.argv[1:]; "
        "print(registry.resolve('hits', Settings(data_dir=data, model_uri=uri, model_sha256=digest)))"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path), f"{server.url}/model.keras", DIGEST]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = {process.communicate(timeout=120)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(printed) == 1
    assert server.paths == ["/model.keras"]


def _hits(settings: Settings, **changes: object) -> Path:
    return registry.resolve("hits", settings.model_copy(update=changes))


def test_hit_model_from_a_path(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "own.keras"
    with pytest.raises(errors.WeightsUnavailableError, match="does not exist"):
        _hits(settings, model_uri=str(path))
    path.write_bytes(BODY)
    assert _hits(settings, model_uri=str(path)) == path
    assert _hits(settings, model_uri=str(path), model_sha256=DIGEST.upper()) == path
    with pytest.raises(errors.ChecksumError):
        _hits(settings, model_uri=str(path), model_sha256="0" * 64)


def test_hit_model_from_a_server(server: Server, settings: Settings) -> None:
    uri = f"{server.url}/model.keras"
    first = _hits(settings, model_uri=uri)
    assert first.read_bytes() == BODY
    server.files["/model.keras"], server.etag = BODY[::-1], '"v2"'
    assert _hits(settings, model_uri=uri).read_bytes() == BODY  # asked once in a process only
    registry._seen.clear()
    assert _hits(settings, model_uri=uri).read_bytes() == BODY[::-1]
    registry._seen.clear()
    assert _hits(settings, model_uri=uri).read_bytes() == BODY[::-1]
    assert server.paths == ["/model.keras"] * 2


def test_hit_model_is_fetched_again_when_the_expected_checksum_changes(server: Server, settings: Settings) -> None:
    uri = f"{server.url}/model.keras"
    assert _hits(settings, model_uri=uri, model_sha256=DIGEST).read_bytes() == BODY
    server.files["/model.keras"] = BODY[::-1]
    newer = hashlib.sha256(BODY[::-1]).hexdigest()
    assert _hits(settings, model_uri=uri, model_sha256=newer).read_bytes() == BODY[::-1]


def test_hit_model_of_yesterday_serves_while_the_server_is_down(settings: Settings) -> None:
    with serving() as other:
        other.files["/model.keras"] = BODY
        uri = f"{other.url}/model.keras"
        path = _hits(settings, model_uri=uri)
    registry._seen.clear()
    assert _hits(settings, model_uri=uri) == path


def test_addresses_are_shown_without_secrets(server: Server, settings: Settings) -> None:
    uri = server.url.replace("//", "//name:secret@") + "/missing.keras?token=secret"
    with pytest.raises(errors.WeightsUnavailableError) as caught:
        _hits(settings, model_uri=uri)
    assert "secret" not in str(caught.value)
    assert "missing.keras" in str(caught.value)


@pytest.mark.parametrize("uri", ["nothing://x/y", "s3://"])
def test_addresses_that_are_none(settings: Settings, uri: str) -> None:
    with pytest.raises(errors.WeightsUnavailableError):
        _hits(settings, model_uri=uri)


@pytest.mark.service
def test_hit_model_from_s3(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    server_module = pytest.importorskip("moto.server")
    import boto3

    bucket_server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    bucket_server.start()
    try:
        host, port = bucket_server.get_host_and_port()
        for key, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(key, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        client.put_object(Bucket="models", Key="v1/hits.keras", Body=BODY)
        uri = "s3://models/v1/hits.keras"
        assert _hits(settings, model_uri=uri, model_sha256=DIGEST).read_bytes() == BODY
        with pytest.raises(errors.WeightsUnavailableError):
            _hits(settings, model_uri="s3://models/missing.keras")
        with pytest.raises(errors.ChecksumError):
            _hits(settings, model_uri=uri, model_sha256="0" * 64)
    finally:
        bucket_server.stop()


def test_unknown_model(settings: Settings) -> None:
    with pytest.raises(errors.OptionsError, match="no-such"):
        registry.resolve("no-such", settings)
    with pytest.raises(errors.OptionsError, match="no-such"):
        registry.verify("no-such", settings)


def test_local_folder(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(errors.BadWeightsError, match="no Demucs model"):
        registry.resolve(str(tmp_path), settings)
    (tmp_path / "aaaa-11111111.th").touch()
    assert registry.resolve(str(tmp_path), settings) == tmp_path
    assert registry.demucs_name(tmp_path) == "aaaa"
    (tmp_path / "bbbb-22222222.th").touch()
    with pytest.raises(errors.BadWeightsError, match="2 models"):
        registry.resolve(str(tmp_path), settings)
    (tmp_path / "bag.yaml").write_text("models: [aaaa, bbbb]")
    assert registry.demucs_name(tmp_path) == "bag"


def test_catalogue(server: Server, row: DemucsModel, settings: Settings) -> None:
    before = {info.name: info for info in registry.catalogue(settings)}
    assert {"hits", "htdemucs", "htdemucs_ft", "tiny"} <= set(before)
    assert before["tiny"].state == "missing" and before["tiny"].used
    assert before["htdemucs"].state == "missing" and not before["htdemucs"].used
    registry.resolve("tiny", settings)
    after = {info.name: info for info in registry.catalogue(settings)}
    assert (after["tiny"].state, after["tiny"].size) == ("ready", len(BODY))
    assert len(server.requested) == 1


def test_the_packaged_hit_model_is_the_one_its_card_describes(tmp_path: Path) -> None:
    for engine, suffix in (("auto", ".tflite"), ("litert", ".tflite"), ("keras", ".keras")):
        settings = Settings(data_dir=tmp_path, hit_engine=engine)
        assert registry.resolve("hits", settings) == (registry.PACKAGED_HITS / "hits").with_suffix(suffix)
        assert registry.verify("hits", settings).state == "packaged"


def test_a_broken_manifest_is_no_obstacle(server: Server, row: DemucsModel, settings: Settings) -> None:
    folder = registry.resolve("tiny", settings)
    for text in ("{", "[]", '{"x": 1}', "\x00"):
        (folder / "manifest.json").write_text(text)
        assert registry.resolve("tiny", settings) == folder
    assert len(server.requested) == 1

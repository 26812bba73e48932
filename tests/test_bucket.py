"""Results in a bucket, on a real S3 server: what a browser is given, and what asking for health costs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import s3fs
import services
import test_api
import ui_songs
import yaml
from fastapi.testclient import TestClient

from drumscribe.api import files
from drumscribe.api.app import create_app
from drumscribe.errors import OptionsError
from drumscribe.jobs.model import JobStatus
from drumscribe.settings import Settings
from drumscribe.storage.files import Store

pytestmark = pytest.mark.service
TITLE = "Trommelstück 太鼓"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.S3]:
    with services.S3(tmp_path_factory.mktemp("s3")) as s3, services.environment(s3.env_for_clients):
        yield s3


def answers(settings: Settings, job_id: str) -> dict[str, httpx.Response]:
    """The answer to each kind of download of a job, redirects not followed."""
    with TestClient(create_app(settings), follow_redirects=False) as client:
        return {kind: client.get(f"{test_api.API}/jobs/{job_id}/download/{kind}") for kind in files.KINDS}


def test_a_browser_gets_the_same_from_a_folder_the_api_and_the_bucket(tmp_path: Path, s3: services.S3) -> None:
    public = s3.endpoint.replace("127.0.0.1", "localhost")
    song = ui_songs.song(2).rescore(None, notate={"title": TITLE})
    folder = test_api.make_settings(tmp_path / "a")
    bucket = test_api.make_settings(tmp_path / "b", storage_backend="s3", storage_bucket="drumscribe")
    plain = answers(folder, test_api.put(folder, "local", JobStatus.DONE, song))
    job_id = test_api.put(bucket, "local", JobStatus.DONE, song)
    passed = answers(bucket, job_id)
    sent = answers(bucket.model_copy(update={"storage_public_url": public}), job_id)
    for kind, (ending, media_type) in files.KINDS.items():
        address = sent[kind].headers["location"]
        assert sent[kind].status_code == 307 and address.startswith(public)
        assert parse_qs(urlsplit(address).query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        for other in (passed[kind], httpx.get(address)):
            assert other.status_code == 200, other.text
            for name in ("content-type", "content-disposition"):
                assert other.headers[name] == plain[kind].headers[name]
            assert other.content[:4] == plain[kind].content[:4]
        assert plain[kind].headers["content-type"].startswith(media_type)
        assert plain[kind].headers["content-disposition"] == files.disposition(
            f"{TITLE}{ending}", inline=kind in files.INLINE
        )


def test_what_compose_asks_for_is_all_that_a_bucket_needs(tmp_path: Path, s3: services.S3) -> None:
    """The variables that the compose file names, without a region, and the bucket that its profile makes."""
    text = (Path(__file__).parents[1] / "docker-compose.yml").read_text()
    told = dict(
        re.findall(r"\b(STORAGE_URL|AWS_ENDPOINT_URL|STORAGE_PUBLIC_URL)=([\w:/]+)", text.partition("\nname:")[0])
    )
    minio, maker = (yaml.safe_load(text)["services"][name] for name in ("minio", "minio-bucket"))
    assert minio["environment"].keys() >= {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}
    assert all("${AWS_" in minio["environment"][name] for name in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"))
    for address in (told["AWS_ENDPOINT_URL"].replace("minio", "127.0.0.1"), told["STORAGE_PUBLIC_URL"]):
        assert minio["ports"] == [f"127.0.0.1:{urlsplit(address).port}:9000"]
    assert maker["command"][0].endswith(f"own/{urlsplit(told['STORAGE_URL']).netloc}")

    public = s3.endpoint.replace("127.0.0.1", "localhost")  # as told, at the port that is free here
    with services.environment({"AWS_DEFAULT_REGION": ""}):
        del os.environ["AWS_DEFAULT_REGION"]
        s3fs.S3FileSystem.clear_instance_cache()
        settings = test_api.make_settings(tmp_path, storage_url=told["STORAGE_URL"])
        job_id = test_api.put(settings, "local", JobStatus.DONE, ui_songs.song(2))
        passed = answers(settings, job_id)["midi"]
        sent = answers(settings.model_copy(update={"storage_public_url": public}), job_id)["midi"]
        assert passed.status_code == 200 and passed.content[:4] == b"MThd"
        assert sent.headers["location"].startswith(public)
        assert httpx.get(sent.headers["location"]).content == passed.content


def test_health_costs_the_bucket_one_request(tmp_path: Path, s3: services.S3) -> None:
    store = Store(test_api.make_settings(tmp_path, storage_url=s3.url))
    store.check()
    before = len(s3.tail(10_000).splitlines())
    assert store.check() == "bucket"
    assert len(s3.tail(10_000).splitlines()) == before + 1


def test_amazons_own_addresses_need_no_other_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    s3fs.S3FileSystem.clear_instance_cache()  # clients keep the environment that they were made in
    url = Store(test_api.make_settings(tmp_path, storage_url="s3://songs")).url("uploads/x", "attachment", "audio/midi")
    assert url is not None and "X-Amz-Signature" in url and "eu-west-3" in url


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({}, ""),
        ({"storage_backend": "local"}, ""),
        ({"storage_backend": "s3", "storage_bucket": "b"}, "s3://b"),
        ({"storage_backend": "s3", "storage_bucket": "b", "storage_prefix": "/p/q/"}, "s3://b/p/q"),
        ({"storage_backend": "s3", "storage_url": "s3://b/p"}, "s3://b/p"),
        ({"storage_bucket": "b", "storage_url": "s3://b/"}, "s3://b"),
        ({"storage_backend": "s3"}, None),
        ({"storage_backend": "s3", "storage_url": "gs://b"}, None),
        ({"storage_backend": "local", "storage_url": "s3://b"}, None),
        ({"storage_backend": "local", "storage_bucket": "b"}, None),
        ({"storage_bucket": "b", "storage_url": "s3://c"}, None),
    ],
)
def test_the_place_has_two_names_that_agree(values: dict[str, str], place: str | None) -> None:
    if place is None:
        with pytest.raises(OptionsError, match="STORAGE_"):
            Settings(_env_file=None, **values)
    else:
        assert Settings(_env_file=None, **values).storage_url == place

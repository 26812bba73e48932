"""Links are tested through the real yt-dlp code path: its YoutubeDL, format choice, HTTP stack and downloader run.

Only the extractor, which needs YouTube itself, is replaced by one that names files on a local server; and that
server's address is added to what may be connected to.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import media
import numpy as np
import pytest
from local_http import Server, serving
from pydantic import SecretStr
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError

from drumscribe import audio, errors
from drumscribe.audio import sources, youtube
from drumscribe.jobs import queues, work_queue
from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.work import Share, Workplace, perform
from drumscribe.options import Options
from drumscribe.settings import Settings
from drumscribe.storage.files import Store
from drumscribe.weights import registry

VIDEO = "https://youtu.be/abcDEF12345"


@pytest.mark.parametrize(
    "link",
    [
        "https://www.youtube.com/watch?v=abcDEF12345",
        "http://youtube.com/watch?v=abcDEF12345&t=43s",
        "https://www.youtube.com/watch?list=PL0123456789&v=abcDEF12345&index=2",
        "https://m.youtube.com/watch?v=abcDEF12345#t=10",
        "https://music.youtube.com/watch?v=abcDEF12345&feature=share",
        "https://youtu.be/abcDEF12345?si=xyz&t=1m2s",
        "youtu.be/abcDEF12345",
        "www.youtube.com/shorts/abcDEF12345",
        "https://www.youtube.com/shorts/abcDEF12345?feature=share",
        "https://www.youtube.com/live/abcDEF12345",
        "https://www.youtube.com/embed/abcDEF12345",
        "https://www.youtube.com/e/abcDEF12345",
        "https://www.youtube-nocookie.com/embed/abcDEF12345?rel=0",
        "youtube-nocookie.com/embed/abcDEF12345",
        "  https://YOUTU.BE/abcDEF12345  ",
    ],
)
def test_forms_of_one_video(link: str) -> None:
    assert sources.is_link(link)
    assert sources.video_id(link) == "abcDEF12345"


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("https://www.youtube.com/playlist?list=PL0123456789", "playlist"),
        ("https://www.youtube.com/watch?list=PL0123456789", "playlist"),
        ("https://www.youtube.com/@someone/videos", "channel"),
        ("https://www.youtube.com/channel/UC0123456789", "channel"),
        ("https://www.youtube.com/c/someone", "channel"),
        ("https://www.youtube.com/results?search_query=drums", "search"),
        ("https://www.youtube.com/", "does not name a video"),
        ("https://www.youtube.com/watch?v=short", "does not name a video"),
        ("https://www.youtube.com/watch?v=../../etc/pas", "does not name a video"),
        ("https://youtu.be/abcDEF12345/../x", "does not name a video"),
        ("https://vimeo.com/12345", "Only links to YouTube"),
        ("https://youtube.com@evil.example/watch?v=abcDEF12345", "Only links to YouTube"),
        ("https://www.youtube.com:pass@evil.example/watch?v=abcDEF12345", "Only links to YouTube"),
        ("https://user@www.youtube.com/watch?v=abcDEF12345", "Only links to YouTube"),
        ("https://www.youtube.com.evil.example/watch?v=abcDEF12345", "Only links to YouTube"),
        ("https://notyoutube.com/watch?v=abcDEF12345", "Only links to YouTube"),
        ("https://www.youtube.com:8080/watch?v=abcDEF12345", "port"),
        ("https://www.youtube.com:99999/watch?v=abcDEF12345", "not a valid link"),
        ("https://[::1/watch?v=abcDEF12345", "not a valid link"),
        ("https://www.yоutube.com/watch?v=abcDEF12345", "Only links to YouTube"),  # a Cyrillic o
        ("https://www.youtube.com\\@evil.example/watch?v=abcDEF12345", "Only links to YouTube"),
        ("http://127.0.0.1/watch?v=abcDEF12345", "Only links to YouTube"),
        ("file:///etc/passwd", "Only links to YouTube"),
        ("ytsearch://drums", "Only links to YouTube"),
    ],
)
def test_refused_links(link: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(errors.UnsupportedLinkError) as caught:
        sources.load(link, settings=Settings(data_dir=tmp_path))
    assert says in caught.value.what
    assert caught.value.todo


@pytest.mark.parametrize(
    "name", ["song.mp3", "youtube.mp3", "a/b/watch.wav", "C:/music/song.wav", "what? - a song.ogg"]
)
def test_files_are_not_links(name: str) -> None:
    assert not sources.is_link(name)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://rr3---sn-abc.googlevideo.com/videoplayback?x=1", True),
        ("https://www.youtube.com/youtubei/v1/player", True),
        ("https://googlevideo.com.evil.example/", False),
        ("https://evilgooglevideo.com/", False),
        ("http://www.youtube.com/", False),
        ("https://www.youtube.com:22/", False),
        ("https://www.youtube.com@127.0.0.1/", False),
        ("https://169.254.169.254/latest/meta-data", False),
        ("file:///etc/passwd", False),
    ],
)
def test_addresses_that_may_be_connected_to(address: str, allowed: bool) -> None:
    assert (sources.ALLOWED_URL.match(address) is not None) == allowed


def test_audio_passes_through_and_a_path_is_decoded(tmp_path: Path) -> None:
    path = media.encode(tmp_path / "song.flac", media.clicks())
    decoded = sources.load(str(path))
    assert sources.load(decoded) is decoded
    assert decoded.title == "song"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", public=True, max_duration_s=60, max_file_size_mb=1)


@pytest.fixture
def serve(server: Server, monkeypatch: pytest.MonkeyPatch):
    """Make a link lead to the local server; returns what to change about the video."""
    about: dict = {"title": "A song", "uploader": "A band - Topic", "duration": 3, "error": None, "page": "/sound.m4a"}

    class LocalIE(InfoExtractor):
        IE_NAME = "youtube"
        _VALID_URL = r"https://www\.youtube\.com/watch\?v=(?P<id>[\w-]{11})$"

        def _real_extract(self, url: str) -> dict:
            if about["error"]:
                raise ExtractorError(about["error"], expected=True)
            sound = {
                "format_id": "140",
                "url": server.url + about["page"],
                "ext": "m4a",
                "acodec": "aac",
                "vcodec": "none",
            }
            known = {key: about[key] for key in ("title", "uploader", "duration", "is_live") if key in about}
            return {"id": self._match_id(url), "formats": [sound], **known}

    monkeypatch.setattr(youtube, "extractor", LocalIE)
    monkeypatch.setattr(sources, "ALLOWED_URL", re.compile(rf"http://127\.0\.0\.1:{server.server_port}/"))
    return about


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    return media.encode(tmp_path / "sound.m4a", media.clicks(), title="Not this one").read_bytes()


def test_a_video_becomes_audio(serve: dict, server: Server, settings: Settings, sound: bytes) -> None:
    server.files["/sound.m4a"] = sound
    seen: list[float] = []
    loaded = sources.load(VIDEO + "?t=30", settings=settings, on_progress=lambda fraction, _: seen.append(fraction))
    assert (loaded.title, loaded.artist) == ("A song", "A band")
    assert loaded.origin == "https://www.youtube.com/watch?v=abcDEF12345"
    assert loaded.duration_s == pytest.approx(3, abs=0.05)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert not list((settings.data_dir / "tmp").iterdir())


def test_fetch_names_the_file_after_the_id(
    serve: dict, server: Server, settings: Settings, sound: bytes, tmp_path: Path
) -> None:
    serve["title"] = "../../../evil $(rm -rf) %(id)s"
    server.files["/sound.m4a"] = sound
    assert sources.fetch(VIDEO, tmp_path / "here", settings=settings) == tmp_path / "here" / "abcDEF12345.m4a"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"is_live": True}, errors.UnsupportedLinkError),
        ({"duration": 61}, errors.TooLongError),
        ({"error": "Private video. Sign in if you've been granted access to this video"}, errors.VideoUnavailableError),
        ({"error": "Video unavailable. This video has been removed by the uploader"}, errors.VideoUnavailableError),
        ({"error": "Sign in to confirm your age. This video may be inappropriate"}, errors.VideoUnavailableError),
        ({"error": "The uploader has not made this video available in your country"}, errors.VideoUnavailableError),
        ({"error": "Sign in to confirm you’re not a bot."}, errors.VideoUnavailableError),
        ({"error": "Something nobody has seen before"}, errors.VideoUnavailableError),
        ({"page": "/forbidden"}, errors.VideoUnavailableError),
    ],
)
def test_refused_videos(serve: dict, server: Server, settings: Settings, change: dict, error: type) -> None:
    serve.update(change)
    with pytest.raises(error) as caught:
        sources.load(VIDEO, settings=settings)
    assert caught.value.what.endswith(".")
    assert caught.value.todo.endswith(".")
    assert "/sound.m4a" not in server.paths


@pytest.mark.parametrize(
    ("reason", "says"),
    [("Private video", "private"), ("removed by the uploader", "removed"), ("confirm your age", "age"),
     ("not available in your country", "country"), ("confirm you’re not a bot", "robot")],
)  # fmt: skip
def test_reasons_are_told_apart(serve: dict, settings: Settings, reason: str, says: str) -> None:
    serve["error"] = reason
    with pytest.raises(errors.VideoUnavailableError, match=says):
        sources.load(VIDEO, settings=settings)


COOKIE = ".youtube.com\tTRUE\t/\tTRUE\t4102444800\tSID\ts3cret"


@pytest.fixture
def cookies(tmp_path: Path) -> Path:
    path = tmp_path / "cookies.txt"
    path.write_text(f"# Netscape HTTP Cookie File\n{COOKIE}\n.example.com\tTRUE\t/\tTRUE\t4102444800\tID\tother\n")
    return path


@pytest.mark.parametrize(
    ("reason", "given", "says"),
    [
        ("confirm you’re not a bot", {}, "YOUTUBE_COOKIES, or set YOUTUBE_PROXY"),
        ("confirm you’re not a bot", {"public": False}, "--cookies-from-browser firefox"),
        ("confirm you’re not a bot", {"youtube_cookies": "here"}, "export them anew, or set YOUTUBE_PROXY"),
        ("confirm you’re not a bot", {"youtube_proxy": "http://proxy:1"}, "can set YOUTUBE_COOKIES."),
        ("Private video", {}, "YOUTUBE_COOKIES"),
        ("not available in your country", {}, "YOUTUBE_PROXY"),
        ("The current session has been rate-limited by YouTube", {}, "YOUTUBE_PROXY"),
        ("nsig extraction failed: Some formats may be missing", {}, "days old here; whoever"),
        ("Unable to extract yt initial data", {"public": False}, "-m pip install --upgrade --no-deps yt-dlp"),
        ("Requested format is not available", {}, "days old here"),
        ("Something nobody has seen before", {}, "days old here"),
    ],
)
def test_an_error_names_what_helps(
    serve: dict, settings: Settings, cookies: Path, reason: str, given: dict, says: str
) -> None:
    serve["error"] = reason
    if "youtube_cookies" in given:
        given = {"youtube_cookies": str(cookies)}
    settings = Settings.model_validate(settings.model_dump() | given)
    with pytest.raises(errors.VideoUnavailableError) as caught:
        sources.load(VIDEO, settings=settings)
    assert says in caught.value.todo


def test_refused_by_a_server_it_says_how_old_yt_dlp_is(serve: dict, settings: Settings) -> None:
    serve["page"] = "/forbidden"
    with pytest.raises(errors.VideoUnavailableError, match=r"HTTP 403.*days old"):
        sources.load(VIDEO, settings=settings)


def test_only_youtubes_cookies_are_taken(settings: Settings, cookies: Path, tmp_path: Path) -> None:
    before = cookies.read_bytes()
    settings = settings.model_copy(update={"youtube_cookies": str(cookies)})
    with youtube.downloader(tmp_path, settings, sources.ALLOWED_URL, lambda _: None) as ydl:
        assert [(cookie.domain, cookie.value) for cookie in ydl.cookiejar] == [(".youtube.com", "s3cret")]
    assert cookies.read_bytes() == before
    assert str(cookies) not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("youtube_cookies", "none.txt"),
        ("youtube_cookies", "json.txt"),
        ("youtube_cookies_from_browser", "lynx"),
        ("youtube_proxy", SecretStr("gopher://x")),
    ],
)
def test_cookies_and_proxies_that_cannot_be_used(settings: Settings, tmp_path: Path, name: str, value: object) -> None:
    (tmp_path / "json.txt").write_text('[{"domain": ".youtube.com", "value": "s3cret"}]')
    value = str(tmp_path / value) if str(value).endswith(".txt") else value
    own = settings.model_copy(update={name: value, "public": False})
    with pytest.raises(errors.OptionsError) as caught:
        sources.load(VIDEO, settings=own)
    assert caught.value.todo and "s3cret" not in str(caught.value)


def test_a_proxy_for_youtube_alone(serve: dict, server: Server, settings: Settings, sound: bytes) -> None:
    with serving() as proxy:
        proxy.files[f"{server.url}/sound.m4a"] = sound
        address = SecretStr(f"http://me:s3cret@127.0.0.1:{proxy.server_port}")
        assert sources.load(VIDEO, settings=settings.model_copy(update={"youtube_proxy": address})).title == "A song"
        assert proxy.paths == [f"{server.url}/sound.m4a"] and server.requested == []


def test_too_large_is_noticed_at_the_first_block(serve: dict, server: Server, settings: Settings) -> None:
    server.files["/sound.m4a"] = bytes(3 * 2**20)
    with pytest.raises(errors.TooLargeError):
        sources.load(VIDEO, settings=settings)
    assert not list((settings.data_dir / "tmp").iterdir())


def test_redirect_to_another_host_is_not_followed(serve: dict, server: Server, settings: Settings) -> None:
    with serving() as other:
        other.files["/secret"] = b"secret"
        server.redirects["/sound.m4a"] = other.url + "/secret"
        with pytest.raises(errors.UnsupportedLinkError, match="not its own"):
            sources.load(VIDEO, settings=settings)
        assert server.paths == ["/sound.m4a"]
        assert other.requested == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://localhost/x"])
def test_redirect_to_another_scheme_or_name(serve: dict, server: Server, settings: Settings, target: str) -> None:
    server.redirects["/sound.m4a"] = target
    with pytest.raises(errors.SourceError):
        sources.load(VIDEO, settings=settings)


def test_redirect_within_the_allowed_is_followed(serve: dict, server: Server, settings: Settings, sound: bytes) -> None:
    server.redirects["/sound.m4a"] = server.url + "/elsewhere"
    server.files["/elsewhere"] = sound
    assert sources.load(VIDEO, settings=settings).title == "A song"


def test_a_download_that_breaks_off_goes_on(serve: dict, server: Server, settings: Settings, sound: bytes) -> None:
    server.files["/sound.m4a"], server.break_after = sound, [2000, 3000]
    assert sources.load(VIDEO, settings=settings).duration_s == pytest.approx(3, abs=0.05)
    assert [ranged for _, ranged in server.requested][1:] == ["bytes=2000-", "bytes=5000-"]


def test_a_server_that_dies_in_the_middle(serve: dict, server: Server, settings: Settings, sound: bytes) -> None:
    server.files["/sound.m4a"], server.break_after = sound, [2000] + [0] * 20
    with pytest.raises(errors.NetworkError):
        sources.load(VIDEO, settings=settings)
    assert not list((settings.data_dir / "tmp").iterdir())


def test_cancel_reaches_the_download(serve: dict, server: Server, settings: Settings, sound: bytes) -> None:
    server.files["/sound.m4a"] = sound
    cancel = threading.Event()
    with pytest.raises(errors.Cancelled):
        sources.load(VIDEO, settings=settings, cancel=cancel, on_progress=lambda *_: cancel.set())


def test_network_down_is_told_within_seconds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """YouTube's own extractor behind a proxy that accepts and never answers: the slowest way to be down."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{silent.getsockname()[1]}")
        waits: list[float] = []
        within = youtube.within
        monkeypatch.setattr(youtube, "within", lambda seconds, call: waits.append(seconds) or within(seconds, call))
        with pytest.raises(errors.NetworkError):
            sources.load(VIDEO, settings=settings.model_copy(update={"network_timeout_s": 0.5}))
        assert waits == [0.5]  # one time-out, not a round of retries with pauses between them


def test_offline_never_tries(serve: dict, server: Server, tmp_path: Path) -> None:
    with pytest.raises(errors.NetworkError, match="offline"):
        sources.load(VIDEO, settings=Settings(data_dir=tmp_path, offline=True))
    assert server.requested == []


def test_who_fetches_decodes_nothing_and_who_decodes_needs_no_network(
    serve: dict, server: Server, settings: Settings, sound: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server.files["/sound.m4a"] = sound
    shut = settings.model_copy(update={"offline": True})
    database = Database(settings)
    database.create()
    job = database.insert(new_job("me", VIDEO, title=VIDEO, options=Options(), priority=1))
    caplog.set_level("INFO", "drumscribe.runtime")

    def does(step: str, queue: str, settings: Settings) -> list[str]:
        """Do a step as whoever serves a queue; what it came to that is for others."""
        taken, lacking = database.take(job.id, "w", 1), []
        share = Share(until=step, elsewhere=queues.elsewhere(queue), lacks=lacking.append)
        place = Workplace("w", settings, database, Store(settings), give_up=lambda: None)
        assert taken is not None and perform(taken, place, share) is JobStatus.RUNNING
        return lacking

    assert does("ingest", "default", shut) == ["fetch"]  # a message of 0.1.0, which fetched and read in one step
    assert server.requested == []
    assert does("fetch", "fetch", settings) == ["ingest"]
    assert {(record.purpose, record.host) for record in caplog.records if record.msg == "egress"} == {
        ("link", "127.0.0.1")
    }
    fetched = list(server.requested)
    assert does("fetch", "fetch", settings) == ["ingest"]  # delivered twice
    assert does("ingest", "default", shut) == []
    assert server.requested == fetched
    found = database.get(job.id)
    assert (found.title, found.artist, found.stage) == ("A song", "A band", "ingest")
    assert found.duration_s == pytest.approx(3, abs=0.05)
    database.close()


def test_the_worker_that_may_gets_the_weights_for_those_that_may_not(server: Server, settings: Settings) -> None:
    server.files["/hits.keras"] = b"weights"
    wanted = settings.model_copy(update={"model_uri": f"{server.url}/hits.keras", "separator": "none"})
    work_queue._weights(wanted)
    path = registry.resolve("hits", wanted.model_copy(update={"offline": True}))
    assert path.read_bytes() == b"weights"


def test_every_error_of_the_module_crosses_the_wire() -> None:
    error = errors.UnsupportedLinkError("What happened.", "What to do.")
    assert isinstance(errors.from_dict(error.to_dict()), errors.UnsupportedLinkError)


def test_the_real_extractor_is_the_only_one(tmp_path: Path) -> None:
    ydl = youtube.downloader(tmp_path, Settings(), sources.ALLOWED_URL, lambda _: None)
    assert list(ydl._ies) == ["Youtube"]
    assert list(ydl._request_director.handlers) == ["Fenced"]


def test_samples_of_a_microphone() -> None:
    loaded = sources.load(audio.from_samples(np.asarray(media.clicks())[0], 44100, title="Take 1"))
    assert loaded.title == "Take 1"


def test_youtube_scripts_can_be_run(tmp_path: Path) -> None:
    """Without a JavaScript runtime and its solver, YouTube gives few formats or none."""
    import yt_dlp_ejs

    ydl = youtube.downloader(tmp_path, Settings(), sources.ALLOWED_URL, lambda _: None)
    assert ydl._js_runtimes["deno"].info.supported
    assert yt_dlp_ejs.version

"""Where recordings come from: a file, a YouTube link, or samples that are already here.

A link never reaches the downloader as given: the eleven characters of the video's id are taken out of it and a fresh
address is made from them. yt-dlp runs with one extractor, options that no user can reach, and a request handler that
checks every address, redirects included, before it connects.

>>> video_id("https://youtu.be/dQw4w9WgXcQ?t=43")
'dQw4w9WgXcQ'
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from drumscribe import extras
from drumscribe.audio import decoding
from drumscribe.audio.collector import too_long
from drumscribe.errors import (
    Cancelled,
    NetworkError,
    TooLargeError,
    UnsupportedLinkError,
    VideoUnavailableError,
)
from drumscribe.settings import Settings, get_settings
from drumscribe.storage.writing import storing
from drumscribe.types import Audio, CancelToken, OnFraction, part_of

ALLOWED_URL = re.compile(
    r"https://(?:[a-z0-9-]+\.)*(?:youtube\.com|youtube-nocookie\.com|googlevideo\.com|ytimg\.com"
    r"|youtubei\.googleapis\.com)(?::443)?(?:[/?#]|\Z)",
    re.IGNORECASE,
)
"""What the downloader may connect to."""

_HOSTS = {
    "youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be", "www.youtu.be",
    "youtube-nocookie.com", "www.youtube-nocookie.com",
}  # fmt: skip
_LINK = re.compile(
    r"\s*(?:[a-z][a-z0-9+.-]*://|(?:www\.|m\.|music\.)?(?:youtube(?:-nocookie)?\.com|youtu\.be)(?:/|$))",
    re.IGNORECASE,
)
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_ONE_VIDEO = "Give the link of one video, such as https://youtu.be/ followed by its eleven characters."


def is_link(text: str) -> bool:
    """Whether ``text`` is meant as an address rather than a file (which sort it is, :func:`video_id` says)."""
    return _LINK.match(text) is not None


@dataclass(frozen=True, slots=True)
class Download:
    """The sound of a video as it came, not decoded yet: what is handed on to who has no network.

    Attributes:
        data: the whole file.
        name: its name, made from the video's id.
        title, artist: as YouTube gives them; ``origin`` is the video's address.
    """

    data: bytes
    name: str
    title: str
    artist: str
    origin: str


def load(
    source: str | Path | Audio | Download,
    *,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Audio:
    """Return the recording behind a path, a YouTube link, or a download; an :class:`Audio` passes through.

    Raises:
        SourceError: one of its kinds, see :mod:`drumscribe.errors`.
        Cancelled: ``cancel`` was set.
    """
    settings = settings or get_settings()
    if isinstance(source, Audio):
        return source
    if not isinstance(source, Download) and not (isinstance(source, str) and is_link(source)):
        return decoding.decode(source, settings=settings, on_progress=on_progress, cancel=cancel)
    with ExitStack() as stack:
        folder = stack.enter_context(_scratch(settings))
        if isinstance(source, Download):
            path, title, artist, origin = Path(folder, source.name), source.title, source.artist, source.origin
            with storing("The download"):
                path.write_bytes(source.data)
        else:
            path, title, artist = _download(source, folder, settings, part_of(on_progress, 0.0, 0.8), cancel)
            origin, on_progress = watch_url(video_id(source)), part_of(on_progress, 0.8, 1.0)
        decoded = decoding.decode(path, settings=settings, on_progress=on_progress, cancel=cancel)
    return replace(decoded, title=title, artist=artist, origin=origin)


def download(
    url: str,
    *,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Download:
    """Fetch the sound of one YouTube video, to be decoded later by :func:`load`. Raises what :func:`fetch` raises."""
    settings = settings or get_settings()
    with _scratch(settings) as folder:
        path, title, artist = _download(url, folder, settings, on_progress, cancel)
        with storing("The download"):
            return Download(path.read_bytes(), path.name, title, artist, watch_url(video_id(url)))


def fetch(
    url: str,
    folder: Path,
    *,
    settings: Settings | None = None,
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Download the sound of one YouTube video into ``folder`` and return the file, named after the video's id.

    Raises:
        UnsupportedLinkError: not a link to one YouTube video, or a live stream.
        VideoUnavailableError: private, removed, or blocked.
        OptionsError: cookies or proxy that cannot be used.
        TooLongError, TooLargeError: over the limits, found out before the download where YouTube says so.
        NetworkError: YouTube could not be reached.
        MissingExtraError: yt-dlp is not installed.
        Cancelled: ``cancel`` was set.
    """
    return _download(url, folder, settings or get_settings(), on_progress, cancel)[0]


def watch_url(video: str) -> str:
    """The one form of link that is handed on."""
    return f"https://www.youtube.com/watch?v={video}"


def video_id(url: str) -> str:
    """The id in a watch, shorts, live, embed or youtu.be link; a time stamp or a list around it is dropped.

    Raises:
        UnsupportedLinkError: a playlist, channel or search, another site, or not a link.
    """
    text = url.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise UnsupportedLinkError("This is not a valid link.", _ONE_VIDEO) from error
    if parts.scheme not in ("http", "https") or host not in _HOSTS or parts.username is not None:
        raise UnsupportedLinkError("Only links to YouTube are supported.", _ONE_VIDEO)
    if port not in (None, 80, 443):
        raise UnsupportedLinkError("The link names a port that YouTube does not use.", _ONE_VIDEO)
    found = _find_id(parts, host)
    if _ID.fullmatch(found):
        return found
    raise UnsupportedLinkError(_not_a_video(parts), _ONE_VIDEO)


def _find_id(parts: SplitResult, host: str) -> str:
    steps = [step for step in parts.path.split("/") if step]
    if host.endswith("youtu.be"):
        return steps[0] if len(steps) == 1 else ""
    if steps == ["watch"]:
        return parse_qs(parts.query).get("v", [""])[0]
    if len(steps) == 2 and steps[0] in ("shorts", "live", "embed", "v", "e"):
        return steps[1]
    return ""


def _not_a_video(parts: SplitResult) -> str:
    first = next((step for step in parts.path.split("/") if step), "")
    if first in ("playlist", "watch", "watch_videos") and "list=" in parts.query:
        return "This is a link to a playlist; playlists are not supported."
    if first.startswith("@") or first in ("channel", "c", "user"):
        return "This is a link to a channel; channels are not supported."
    if first in ("results", "search", "hashtag"):
        return "This is a link to a search; searches are not supported."
    return "This link does not name a video."


def _scratch(settings: Settings) -> tempfile.TemporaryDirectory[str]:
    with storing("The download"):
        parent = settings.data_dir / "tmp"
        parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="link-", dir=parent, ignore_cleanup_errors=True)


def _download(
    url: str, folder: str | Path, settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None
) -> tuple[Path, str, str]:
    """The file, and title and artist as YouTube gives them."""
    video = video_id(url)
    if settings.offline:
        raise NetworkError("A link cannot be opened: this installation is set to stay offline.",
                           "Give a file, or unset OFFLINE.")  # fmt: skip
    extras.need("links")
    from yt_dlp.utils import YoutubeDLError

    from drumscribe.audio import youtube

    progress = _progress_hook(settings, on_progress, cancel)
    try:
        with youtube.downloader(Path(folder), settings, ALLOWED_URL, progress) as ydl:
            if on_progress is not None:
                on_progress(0.0, "Asking YouTube about the video")
            info = ydl.extract_info(watch_url(video), download=False)
            _check_info(info, settings)
            info = ydl.process_ie_result(info, download=True)
    except YoutubeDLError as error:
        raise youtube.typed(error, settings) from error
    path = Path((info.get("requested_downloads") or [{}])[0].get("filepath", ""))
    if not path.is_file():
        raise VideoUnavailableError("YouTube gave no sound for this video.", "Try another video, or give a file.")
    title = info.get("track") or info.get("title") or ""
    artist = info.get("artist") or info.get("uploader") or ""
    return path, decoding.clean_name(title), decoding.clean_name(artist.removesuffix(" - Topic"))


def _check_info(info: dict[str, Any] | None, settings: Settings) -> None:
    if not info or info.get("_type", "video") != "video":
        raise UnsupportedLinkError("This link does not lead to one video.", _ONE_VIDEO)
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
        raise UnsupportedLinkError(
            "This is a live stream; it has no end yet.", "Wait until its recording is published."
        )
    if (duration := float(info.get("duration") or 0)) > settings.longest_s:
        raise too_long(duration, settings)
    _check_size(info.get("filesize") or 0, settings)


def _check_size(size: float, settings: Settings) -> None:
    if size > settings.largest_mb * 2**20:
        raise TooLargeError(
            f"The sound of this video has over {size / 2**20:.0f} MB; the limit is {settings.largest_mb:g} MB.",
            "Choose a shorter video, or raise MAX_FILE_SIZE_MB.",
        )


def _progress_hook(
    settings: Settings, on_progress: OnFraction | None, cancel: CancelToken | None
) -> Callable[[dict[str, Any]], None]:
    def hook(state: dict[str, Any]) -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled("The download was stopped.")
        done = state.get("downloaded_bytes") or 0
        total = state.get("total_bytes") or 0
        _check_size(max(done, total), settings)
        if on_progress is not None:
            expected = total or state.get("total_bytes_estimate") or 0
            on_progress(min(1.0, done / expected) if expected else 0.0, "Downloading the sound")

    return hook

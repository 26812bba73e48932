"""yt-dlp within fixed limits: one extractor, fixed options, one request handler that checks every address.

Only :mod:`drumscribe.audio.sources` uses this module, and only when a link is opened: importing yt-dlp takes a while.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from yt_dlp import YoutubeDL
from yt_dlp.extractor import get_info_extractor
from yt_dlp.globals import all_plugins_loaded
from yt_dlp.networking._urllib import UrllibRH
from yt_dlp.networking.exceptions import HTTPError, NoSupportingHandlers, TransportError
from yt_dlp.utils import GeoRestrictedError, UnavailableVideoError, UnsupportedError, YoutubeDLError

from drumscribe.errors import (
    DrumScribeError,
    NetworkError,
    StorageError,
    UnsupportedLinkError,
    VideoUnavailableError,
)
from drumscribe.settings import Settings
from drumscribe.weights.deadline import within

_AGAIN = "Check the connection, and try again in a while."
_OTHER = "Choose another video, or download the recording yourself and give the file."


class _Silent:
    """yt-dlp prints to the terminal unless it is given a logger; what matters comes as an exception."""

    def debug(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...


class _AddressCheck(urllib.request.BaseHandler):
    """Runs before each connection, also before one that a redirect asks for."""

    handler_order = 1

    def __init__(self, allowed: re.Pattern[str]) -> None:
        self._allowed = allowed

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        if not self._allowed.match(request.full_url):
            raise UnsupportedLinkError("YouTube sent the download to an address that is not its own.", _OTHER)
        return request

    https_request = ftp_request = data_request = http_request


class _Downloader(YoutubeDL):  # type: ignore[misc]
    def __init__(self, params: dict[str, Any], allowed: re.Pattern[str], first_answer_s: float) -> None:
        self._allowed = allowed
        self._first_answer_s = first_answer_s
        self._reached = False
        all_plugins_loaded.value = True  # none wanted: they could bring extractors and request handlers of their own
        super().__init__(params, auto_init=False)

    def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
        allowed = self._allowed

        class FencedRH(UrllibRH):  # type: ignore[misc]
            def _create_instance(self, **kwargs: Any) -> Any:
                opener = super()._create_instance(**kwargs)
                opener.add_handler(_AddressCheck(allowed))
                return opener

        return super().build_request_director([FencedRH], preferences)

    def urlopen(self, request: Any) -> Any:
        """As yt-dlp's, but a first request that fails ends it all: no round of retries against a dead network."""
        send = super().urlopen
        try:
            if self._reached:
                return send(request)
            response = within(self._first_answer_s, lambda: send(request))
        except NoSupportingHandlers as error:
            ours = next((cause for cause in error.unexpected_errors if isinstance(cause, DrumScribeError)), None)
            raise ours or error from error
        except (TransportError, TimeoutError) as error:
            if self._reached:
                raise
            raise NetworkError("YouTube cannot be reached.", _AGAIN) from error
        self._reached = True
        return response


def _deno() -> str | None:
    """The packaged Deno; None leaves yt-dlp to look for one on the PATH."""
    try:
        from deno import find_deno_bin

        return str(find_deno_bin())
    except (ImportError, FileNotFoundError):
        return None


def extractor() -> Any:
    """The one extractor that is ever registered."""
    return get_info_extractor("Youtube")()


def downloader(
    folder: Path, settings: Settings, allowed: re.Pattern[str], on_state: Callable[[dict[str, Any]], None]
) -> YoutubeDL:
    """A ready :class:`yt_dlp.YoutubeDL` that writes ``<id>.<ext>`` into ``folder``.

    Args:
        allowed: what every address must match before a connection to it is made.
        on_state: yt-dlp's progress hook; what it raises ends the download.
    """
    options: dict[str, Any] = {
        # Plain http first: one file, whose size is known. PyAV reads either without a change of container.
        "format": "bestaudio[ext=m4a][protocol^=http]/bestaudio[protocol^=http]/bestaudio/best",
        "outtmpl": {"default": "%(id)s.%(ext)s"},
        "paths": {"home": str(folder)},
        "ffmpeg_location": imageio_ffmpeg.get_ffmpeg_exe(),
        "fixup": "never",
        "hls_prefer_native": True,
        "noplaylist": True,
        "cachedir": False,
        "socket_timeout": 3 * settings.network_timeout_s,  # a pause in a transfer is not yet its end
        "retries": 4,
        "fragment_retries": 4,
        "extractor_retries": 1,
        "file_access_retries": 1,
        "skip_unavailable_fragments": False,
        # YouTube hides its addresses behind a script; Deno runs it without access to files or network.
        "js_runtimes": {"deno": {"path": _deno()}},
        "logger": _Silent(),
        "quiet": True,
        "noprogress": True,
        "progress_hooks": [on_state],
    }
    ydl = _Downloader(options, allowed, settings.network_timeout_s)
    ydl.add_info_extractor(extractor())
    return ydl


_REASONS: tuple[tuple[str, str, str], ...] = (
    ("not a bot|confirm you.?re not", "YouTube asks this server to prove that it is not a robot.",
     "Download the recording yourself and give the file."),
    ("private", "This video is private.", _OTHER),
    ("confirm your age|age.?restricted|inappropriate", "This video is restricted by age.", _OTHER),
    ("members.only|join this channel|payment|purchase|rental", "This video is for paying members only.", _OTHER),
    ("removed|terminated|deleted|no longer available", "This video has been removed.", _OTHER),
    ("country|location|region", "This video is blocked in the country of this server.", _OTHER),
    ("live event|premieres?|will begin", "This video has not been published yet.", "Wait until it is."),
    ("drm", "This video is copy-protected.", _OTHER),
)  # fmt: skip


def typed(error: YoutubeDLError) -> DrumScribeError:
    """Our error for one of yt-dlp's: by the type of its causes, then by the reason that YouTube gave."""
    text = str(error)
    chain: list[BaseException] = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    for cause in chain:
        if isinstance(cause, DrumScribeError):
            return cause
        if isinstance(cause, OSError) and re.search("unable to (write|open|rename)", text):
            return StorageError(
                f"The download could not be written: {cause.strerror}.",
                "Free some space in the data folder, and try again.",
            )
        if isinstance(cause, HTTPError):
            if cause.status in (403, 404, 410):
                return VideoUnavailableError(f"YouTube refused the video (HTTP {cause.status}).", _OTHER)
            return NetworkError(f"YouTube answered with an error (HTTP {cause.status}).", _AGAIN)
        if isinstance(cause, TransportError | OSError):
            return NetworkError("The connection to YouTube broke off.", _AGAIN)
        if isinstance(cause, UnsupportedError):
            return UnsupportedLinkError("This link does not lead to one video.", _OTHER)
        if isinstance(cause, GeoRestrictedError):
            return VideoUnavailableError("This video is blocked in the country of this server.", _OTHER)
    if re.search("giving up after|bytes read|any data blocks", text, re.IGNORECASE):
        return NetworkError("The connection to YouTube broke off.", _AGAIN)
    for pattern, what, todo in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return VideoUnavailableError(what, todo)
    if isinstance(error, UnavailableVideoError) or re.search("unavailable|not available", text, re.IGNORECASE):
        return VideoUnavailableError("This video is not available.", _OTHER)
    return VideoUnavailableError("YouTube did not give this video.", "Update yt-dlp, or give a file instead.")


def _inner(error: BaseException) -> BaseException | None:
    """What lies behind an exception: yt-dlp keeps it in ``cause`` or ``exc_info``."""
    kept = getattr(error, "cause", None)
    if not isinstance(kept, BaseException):
        kept = (getattr(error, "exc_info", None) or (None, None))[1]
    return kept if isinstance(kept, BaseException) else error.__cause__

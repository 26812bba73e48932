"""yt-dlp within fixed limits: one extractor, fixed options, one request handler that checks every address.

Only :mod:`drumscribe.audio.sources` uses this module, and only when a link is opened: importing yt-dlp takes a while.
"""

from __future__ import annotations

import io
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from yt_dlp import YoutubeDL
from yt_dlp.cookies import SUPPORTED_BROWSERS, CookieLoadError
from yt_dlp.extractor import get_info_extractor
from yt_dlp.globals import all_plugins_loaded
from yt_dlp.networking._urllib import UrllibRH
from yt_dlp.networking.exceptions import HTTPError, NoSupportingHandlers, TransportError
from yt_dlp.utils import GeoRestrictedError, UnavailableVideoError, UnsupportedError, YoutubeDLError

from drumscribe import extras
from drumscribe.errors import (
    DrumScribeError,
    NetworkError,
    OptionsError,
    StorageError,
    UnsupportedLinkError,
    VideoUnavailableError,
)
from drumscribe.runtime import going_out
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
        going_out("link", request.full_url)
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

    Raises:
        OptionsError: cookies or proxy of ``settings`` that cannot be used.
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
        **_as_whom(settings),
    }
    ydl = _Downloader(options, allowed, settings.network_timeout_s)
    ydl.add_info_extractor(extractor())
    return ydl


def _as_whom(settings: Settings) -> dict[str, Any]:
    """yt-dlp's options for cookies and proxy."""
    options: dict[str, Any] = {}
    if settings.youtube_cookies:
        # From memory: yt-dlp writes its file anew at the end, which may be read by others and be read-only for us.
        options["cookiefile"] = io.StringIO(_youtube_cookies(Path(settings.youtube_cookies)))
    elif settings.youtube_cookies_from_browser and not settings.public:
        browser, _, profile = settings.youtube_cookies_from_browser.partition(":")
        if browser.lower() not in SUPPORTED_BROWSERS:
            known = ", ".join(sorted(SUPPORTED_BROWSERS))
            raise OptionsError(f"Cookies cannot be taken from {browser!r}.", f"Name one of {known}.")
        options["cookiesfrombrowser"] = (browser.lower(), profile or None, None, None)
    if proxy := settings.youtube_proxy.get_secret_value():
        if not re.match(r"(?:http|socks4a?|socks5h?)://[^/\s]+/?\Z", proxy):
            raise OptionsError(
                "YOUTUBE_PROXY is no proxy's address.", "Write it as http://host:port or socks5h://host:port."
            )
        options["proxy"] = proxy
    return options


def _youtube_cookies(path: Path) -> str:
    """The lines of a cookies.txt that belong to YouTube: an export often holds those of all sites."""
    todo = "Export it from a browser that is signed in to YouTube, as cookies.txt in Netscape's form."
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise OptionsError(f"The file of YOUTUBE_COOKIES cannot be read: {why}.", todo) from error
    rows = [line for line in lines if re.match(r"(?:#HttpOnly_)?\.?(?:[\w-]+\.)*youtube\.com\t(?:[^\t]*\t){5}", line)]
    if not rows:
        raise OptionsError("The file of YOUTUBE_COOKIES holds no cookie of YouTube.", todo)
    return "\n".join(["# Netscape HTTP Cookie File", *rows, ""])


_REASONS: tuple[tuple[str, str, str], ...] = (
    ("not a bot|confirm you.?re not", "YouTube asks this server to prove that it is not a robot.", "cookies or proxy"),
    ("rate.?limited|try again later", "YouTube has had too many requests from this address.", "proxy"),
    ("private", "This video is private.", "cookies"),
    ("confirm your age|age.?restricted|inappropriate", "This video is restricted by age.", "cookies"),
    ("members.only|join this channel|payment|purchase|rental", "This video is for paying members only.", "cookies"),
    ("removed|terminated|deleted|no longer available", "This video has been removed.", ""),
    ("country|location|region", "This video is blocked in the country of this server.", "proxy"),
    ("live event|premieres?|will begin", "This video has not been published yet.", "wait"),
    ("drm", "This video is copy-protected.", ""),
    ("unable to extract|nsig|signature|player response|format is not available|only images",
     "YouTube has changed something that the installed yt-dlp does not know.", "update"),
)  # fmt: skip
"""What YouTube's or yt-dlp's words mean, and what helps."""


def _help(what: str, settings: Settings) -> str:
    """What to do: the one setting that helps and is not set yet goes first."""
    if what == "wait":
        return "Wait until it is."
    if what == "update":
        return f"{extras.ytdlp_advice(public=settings.public)} Or {_OTHER[0].lower()}{_OTHER[1:]}"
    ways = []
    if "cookies" in what:
        cookies = settings.youtube_cookies or settings.youtube_cookies_from_browser
        if cookies:
            ways.append("its cookies may have expired or be of an account that may not see it: export them anew")
        elif settings.public:
            ways.append("whoever runs this server can set YOUTUBE_COOKIES")
        else:
            ways.append("add --cookies-from-browser firefox (or chrome, ...), signed in to YouTube there")
    if "proxy" in what and not settings.youtube_proxy.get_secret_value():
        ways.append("set YOUTUBE_PROXY to a proxy elsewhere")
    return f"{_OTHER[:-1]}; or {', or '.join(ways)}." if ways else _OTHER


def typed(error: YoutubeDLError, settings: Settings) -> DrumScribeError:
    """Our error for one of yt-dlp's: by the type of its causes, then by the reason that YouTube gave.

    Where cookies, a proxy, or a newer yt-dlp may help, it says which.
    """
    text = str(error)
    chain: list[BaseException] = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    for cause in chain:
        if isinstance(cause, DrumScribeError):
            return cause
        if (found := _by_type(cause, text, settings)) is not None:
            return found
    if re.search("giving up after|bytes read|any data blocks", text, re.IGNORECASE):
        return NetworkError("The connection to YouTube broke off.", _AGAIN)
    for pattern, what, helps in _REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return VideoUnavailableError(what, _help(helps, settings))
    if isinstance(error, UnavailableVideoError) or re.search("unavailable|not available", text, re.IGNORECASE):
        return VideoUnavailableError("This video is not available.", _OTHER)
    return VideoUnavailableError("YouTube did not give this video.", _help("update", settings))


def _by_type(cause: BaseException, text: str, settings: Settings) -> DrumScribeError | None:
    if isinstance(cause, CookieLoadError):
        return OptionsError(
            "The browser's cookies cannot be read.", "Close the browser and try again, or name another one."
        )
    if isinstance(cause, OSError) and re.search("unable to (write|open|rename)", text):
        return StorageError(
            f"The download could not be written: {cause.strerror}.",
            "Free some space in the data folder, and try again.",
        )
    if isinstance(cause, HTTPError):
        if cause.status == 429:
            return VideoUnavailableError(
                "YouTube has had too many requests from this address.", _help("proxy", settings)
            )
        if cause.status in (403, 404, 410):
            helps = _help("update", settings) if cause.status == 403 else _OTHER
            return VideoUnavailableError(f"YouTube refused the video (HTTP {cause.status}).", helps)
        return NetworkError(f"YouTube answered with an error (HTTP {cause.status}).", _AGAIN)
    if isinstance(cause, TransportError | OSError):
        return NetworkError("The connection to YouTube broke off.", _AGAIN)
    if isinstance(cause, UnsupportedError):
        return UnsupportedLinkError("This link does not lead to one video.", _OTHER)
    if isinstance(cause, GeoRestrictedError):
        return VideoUnavailableError("This video is blocked in the country of this server.", _help("proxy", settings))
    return None


def _inner(error: BaseException) -> BaseException | None:
    """What lies behind an exception: yt-dlp keeps it in ``cause`` or ``exc_info``."""
    kept = getattr(error, "cause", None)
    if not isinstance(kept, BaseException):
        kept = (getattr(error, "exc_info", None) or (None, None))[1]
    return kept if isinstance(kept, BaseException) else error.__cause__

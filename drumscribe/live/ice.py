"""Servers that help a browser's sound through routers: STUN finds an address, TURN passes the sound on (RFC 8445)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from typing import Any

from drumscribe.errors import OptionsError
from drumscribe.settings import Settings

_URL = re.compile(r"(?:stuns?:[^\s?]+|turns?:[^\s?]+(?:\?transport=(?:udp|tcp))?)")
_VALID_S = 12 * 3600


def ice_servers(settings: Settings, now: float | None = None) -> list[dict[str, Any]]:
    """``iceServers`` as WebRTC wants them, for the browser and for this end.

    With ``ice_user`` the secret is that user's password. Without, it is what the TURN server shares with this one
    (coturn's ``static-auth-secret``): each call makes a name and a password that hold for twelve hours, so that a
    browser never sees a lasting one (TURN REST API, draft-uberti-behave-turn-rest). Raises OptionsError.
    """
    found: list[dict[str, Any]] = []
    for url in filter(None, (part.strip() for part in settings.ice_servers.split(","))):
        if not _URL.fullmatch(url):
            raise OptionsError(
                f"ICE_SERVERS names {url!r}, which is no STUN or TURN server.",
                "Write stun:host:3478 or turn:host:3478?transport=udp, comma separated.",
            )
        found.append({"urls": url} | (_login(settings, now) if url.startswith("turn") else {}))
    return found


def _login(settings: Settings, now: float | None) -> dict[str, str]:
    secret = settings.ice_secret.get_secret_value()
    if not secret:
        raise OptionsError("ICE_SERVERS names a TURN server, but ICE_SECRET is empty.", "Set it, and perhaps ICE_USER.")
    if settings.ice_user:
        return {"username": settings.ice_user, "credential": secret}
    user = f"{int(time.time() if now is None else now) + _VALID_S}:drumscribe"
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()  # the draft's, and coturn's
    return {"username": user, "credential": base64.b64encode(digest).decode()}

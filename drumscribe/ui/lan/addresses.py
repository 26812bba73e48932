"""What this computer is called in the local network, and the addresses it is reached by."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): nothing is sent, but the system says from where it would."""


def addresses() -> list[str]:
    """Addresses of this computer that others may reach, the likeliest first; empty without a network."""
    found: list[str] = []
    for family, elsewhere in _ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            found.append(str(probe.getsockname()[0]))
    with suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    return [one for one in dict.fromkeys(found) if _reachable(one)]


def names() -> list[str]:
    """Names of this computer, as its browsers and, by mDNS, others may know it."""
    host = socket.gethostname().partition(".")[0].lower()
    return list(dict.fromkeys(["localhost", host, f"{host}.local"]))


def _reachable(address: str) -> bool:
    known = ipaddress.ip_address(address.partition("%")[0])
    if known.is_loopback or known.is_link_local or known.is_unspecified:
        return False
    return known.version == 4 or known.is_private  # a public one of version 6 is another tomorrow

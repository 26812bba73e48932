"""Requests to addresses that users gave, which must not lead into our own network.

The name is resolved once, every address it has is checked, and the connection goes to the checked address itself,
so that a second answer of the name server (DNS rebinding) changes nothing. No redirects, no proxies from the
environment; of the answer only the status is read.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Self
from urllib.parse import urlsplit

import httpx

from drumscribe.errors import NetworkError, OptionsError
from drumscribe.runtime import going_out
from drumscribe.settings import Settings
from drumscribe.weights.deadline import within

Resolver = Callable[[str, int], list[str]]
PORTS = (80, 443, 8080, 8443)
RESOLVE_S = 5.0
"""A name server of the user's own may take its time; nobody else waits for it longer than this."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""What is given out of IPv6 for the internet. All else is ours, or a way to write an IPv4 address."""
_RESERVED = tuple(map(ipaddress.ip_network, ("192.88.99.0/24", "3fff::/20")))
"""The relay of 6to4 (RFC 7526) and documentation (RFC 9637), which Python's registry takes for public."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of ``host``. Raises NetworkError."""
    try:
        found = within(RESOLVE_S, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:  # TimeoutError is one of them
        raise NetworkError(f"The host {host} cannot be found.", "Check the webhook's URL.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet (also behind IPv4-mapped, 6to4 and NAT64 forms).

    >>> is_public("192.0.43.8"), is_public("10.0.0.1"), is_public("::ffff:127.0.0.1"), is_public("64:ff9b::a00:1")
    (True, False, False, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found not in _UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _RESERVED)


class SafePoster:
    """Posts to public addresses only, or to the hosts in ``private_hosts`` (``host`` or ``host:port``)."""

    def __init__(
        self, private_hosts: Collection[str] = (), *, timeout_s: float = 10, resolver: Resolver = resolve
    ) -> None:
        self._private = frozenset(host.lower() for host in private_hosts)
        self._resolver = resolver
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that ``webhook_private_hosts`` calls for."""
        return cls([part.strip() for part in settings.webhook_private_hosts.split(",") if part.strip()])

    def check(self, url: str) -> tuple[httpx.URL, str]:
        """Return the parsed URL and the address to connect to.

        Raises OptionsError where the URL is of another kind or leads into a private network, NetworkError where its
        name has no address.
        """
        todo = "Give a public https address."
        try:
            parts = urlsplit(url)
            target = httpx.URL(url)
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        except (ValueError, httpx.InvalidURL) as error:
            raise OptionsError("The webhook's URL cannot be read.", todo) from error
        host = (parts.hostname or "").rstrip(".").lower()
        if parts.scheme not in ("http", "https") or not host or target.host.rstrip(".").lower() != host:
            raise OptionsError("A webhook must be an http or https URL.", todo)
        if parts.username is not None or parts.password is not None:
            raise OptionsError("A webhook's URL must not hold a user name or password.", todo)
        allowed = host in self._private or f"{host}:{port}" in self._private
        if not allowed and port not in PORTS:
            raise OptionsError(f"A webhook cannot use port {port}.", f"Use one of {', '.join(map(str, PORTS))}.")
        addresses = self._resolver(host, port)
        if not addresses or not (allowed or all(is_public(address) for address in addresses)):
            raise OptionsError("The webhook's address is not on the public internet.", todo)
        return target, addresses[0]

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """Post ``body`` and return the status. Raises OptionsError (see :meth:`check`) or NetworkError."""
        target, address = await asyncio.to_thread(self.check, url)
        going_out("webhook", url)
        request = self._client.build_request(
            "POST",
            target.copy_with(host=address),
            content=body,
            headers={**headers, "Host": target.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host},
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.send(request, stream=True)
                await response.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            raise NetworkError(f"The webhook was not delivered ({type(error).__name__}).", "Check its URL.") from error
        return response.status_code

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

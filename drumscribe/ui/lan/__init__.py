"""The studio for a tablet or phone in the same network: HTTPS, because browsers give the microphone and the wake lock
only to secure pages, and a pairing code, so that not everybody in the network gets in.

    addresses    what this computer is called and reached by
    certificate  made here once, kept in the data folder
    gate         lets paired devices in
    __main__     serves, and shows the link as a QR code
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shared:
    """How others get in while the studio is shared: the whole link, its code, and its QR code as SVG."""

    link: str
    code: str
    picture: str


shared: Shared | None = None
"""Set in the process that serves to the local network."""

"""Health check of a container without curl: ``python -m drumscribe.api.probe URL``, status 0 where URL answers 2xx."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request


def main(url: str, timeout_s: float = 4) -> int:
    """Ask once. Returns the exit status."""
    if not url.startswith(("http://", "https://")):
        print("usage: python -m drumscribe.api.probe http://127.0.0.1:8000/api/v1/live", file=sys.stderr)
        return 2
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - http(s) only, see above
            return 0 if 200 <= answer.status < 300 else 1
    except (urllib.error.URLError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))

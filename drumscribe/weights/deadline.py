"""A bound on calls that have none of their own, such as name look-ups and connecting to many addresses in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return ``call()``, or raise TimeoutError after ``seconds``; the call is then left to end by itself.

    A socket's time-out counts for each address of a host and not at all for the look-up of its name, so a network
    that swallows packets can cost minutes where the time-out says five seconds.

    >>> within(1, lambda: 42)
    42
    """
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread, whatever it is
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return result[0]

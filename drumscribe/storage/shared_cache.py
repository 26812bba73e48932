"""The stage cache of a deployment: on disk, and behind that in the bucket of ``STORAGE_URL`` for all workers.

What one worker computed, the next step of the same job finds on another machine, and a worker that comes in the
place of a killed one repeats nothing. Entries are content-addressed (the key is a digest of all that the result
depends on), so two workers writing the same one write the same thing. Whoever can write to the bucket can run code
on the workers (entries are pickles): it must be the deployment's own.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import time
from collections.abc import Callable
from typing import Any

from drumscribe.errors import StorageError
from drumscribe.settings import Settings
from drumscribe.storage.cache import StageCache
from drumscribe.storage.files import Store

log = logging.getLogger(__name__)

_DAMAGED = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError)
"""What reading a damaged entry, or one of a class that has changed, may raise."""


def connect(settings: Settings) -> StageCache:
    """The stage cache that ``settings`` call for. Raises StorageError."""
    return SharedCache(settings) if settings.storage_url else StageCache(settings)


class SharedCache(StageCache):
    """A local :class:`~drumscribe.storage.cache.StageCache` in front of the bucket. Raises StorageError, too."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._store = Store(settings)

    def get(self, key: str) -> Any | None:
        """The local result, or the bucket's, which is then kept locally too; ``None`` where neither has it."""
        value = super().get(key)
        if value is not None:
            return value
        place = _place(key)
        if not self._store.exists(place):
            return None
        try:
            value = pickle.loads(self._store.read(place))  # noqa: S301 - see the module's last sentence
        except _DAMAGED as error:
            log.warning("%s is damaged and computed anew: %s", place, error)
            return None
        super().put(key, value)
        return value

    def put(self, key: str, value: Any) -> None:
        """Store a result in both places. Raises StorageError."""
        super().put(key, value)
        self._store.write(_place(key), pickle.dumps(value, protocol=5))


def expire(settings: Settings) -> int:
    """Remove results from the bucket that are older than ``artifact_ttl_hours``. Raises StorageError."""
    if not settings.storage_url:
        return 0
    store = Store(settings)
    oldest = time.time() - 3600 * settings.artifact_ttl_hours
    old = [key for key, (_, modified) in store.listing("stages").items() if modified < oldest]
    for key in old:
        store.remove(key)
    return len(old)


class OptionalCache:
    """The cache of somebody who computes the song to its end: where it cannot be used, it is done without.

    ``lost`` is the reason from then on, else ``None``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache: StageCache | None = None
        self.lost: StorageError | None = None

    def get(self, key: str) -> Any | None:
        """The result, or ``None`` where there is none or the cache does not work."""
        return self._ask(lambda cache: cache.get(key))

    def put(self, key: str, value: Any) -> None:
        """Store a result if that is possible."""
        self._ask(lambda cache: cache.put(key, value))

    def _ask(self, question: Callable[[StageCache], Any]) -> Any | None:
        if self.lost is not None:
            return None
        try:
            self._cache = self._cache or connect(self._settings)
            return question(self._cache)
        except StorageError as error:
            log.warning("going on without the stage cache: %s", error)
            self.lost = error
            return None


def _place(key: str) -> str:
    return f"stages/{hashlib.sha256(key.encode()).hexdigest()}"

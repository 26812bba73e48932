"""One take: sound as it arrives from the browser, kept in a file, listened to, and followed bar by bar."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np
import soundfile

from drumscribe.audio.collector import SAMPLE_RATE
from drumscribe.errors import DetectionError, StorageError
from drumscribe.live.engine import LiveEngine, LiveStream
from drumscribe.live.follow import Follower
from drumscribe.notation.model import Score
from drumscribe.options import NotateOptions, QuantiseOptions
from drumscribe.types import Hit, Hits, Meter

SHORTEST_S = 1.5
"""A shorter take is no take."""
SHOWN_BARS = 4
"""Bars of the running score."""


class Take:
    """Feed it audio frames from any thread; ask it for hits and bars from another.

    Args:
        engine: who listens.
        bpm: tempo to begin with, in pulses a minute.
        meter: of all bars.
        longest_s: what comes later is not kept.
    """

    def __init__(self, engine: LiveEngine, *, bpm: float, meter: Meter, longest_s: float) -> None:
        self.meter = meter
        self.follower = Follower(bpm, meter)
        self.hits: list[Hit] = []
        self.error: DetectionError | StorageError | None = None
        self.full = False
        self._longest = round(longest_s * SAMPLE_RATE)
        self._engine = engine
        self._stream: LiveStream = engine.open()
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        self._lock = threading.Lock()
        self._frames = 0
        self._last_frame = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="drumscribe-take-")
        self.path = Path(self._folder.name) / "take.flac"
        self._file: soundfile.SoundFile | None = soundfile.SoundFile(
            self.path, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC"
        )

    @property
    def duration_s(self) -> float:
        """How much sound was kept."""
        return self._frames / SAMPLE_RATE

    @property
    def now_s(self) -> float:
        """Where the sound is by now: what was kept, and the time since."""
        since = time.monotonic() - self._last_frame if self._frames and self._file else 0.0
        return self.duration_s + min(since, 0.2)

    @property
    def delay_s(self) -> float | None:
        """Median time from the arrival of a stroke's sound to its being told, of late; ``None`` before the first."""
        delays = list(self._stream.delays_s)[-16:]  # those before had waited for the listener
        return float(np.median(delays)) if delays else None

    def feed(self, frame: av.AudioFrame) -> None:
        """Take one frame of any format. Never raises: it runs on the connection's own thread."""
        with self._lock:
            if self._file is None:
                return
            for piece in self._resampler.resample(frame):
                samples = piece.to_ndarray()[0].astype(np.float32)
                samples = samples[: max(0, self._longest - self._frames)]
                self.full = self.full or self._frames + len(samples) >= self._longest
                if not len(samples):
                    continue
                try:
                    self._file.write(samples)
                except (soundfile.LibsndfileError, OSError) as error:
                    self.error = StorageError(
                        f"The take could not be written ({error}).", "Check that the disk is not full."
                    )
                    return
                self._frames += len(samples)
                self._last_frame = time.monotonic()
                self._stream.push(samples)

    @property
    def early(self) -> list[Hit]:
        """Guesses about strokes that are not decided yet."""
        return self._stream.early

    def listen(self, timeout_s: float) -> list[Hit]:
        """New hits, waiting up to ``timeout_s`` for news; they are in :attr:`hits`, too."""
        try:
            fresh = self._stream.take(timeout_s)
        except DetectionError as error:
            self.error = error
            time.sleep(timeout_s)
            return []
        self.hits += fresh
        self.follower.hear(fresh)
        return fresh

    def bars(self) -> int:
        """Bars whose hits have all been decided."""
        return self.follower.bars_done(self._stream.heard_s - 60 / self.follower.bpm / 8)

    def score(self) -> Score | None:
        """The last finished bars as a chart; ``None`` before the first. Raises RhythmError, NotationError."""
        from drumscribe.notation import notate
        from drumscribe.rhythm import quantise

        done = self.bars()
        if not done:
            return None
        first = max(0, done - SHOWN_BARS)
        hits, grid = self.follower.window(Hits.of(self.hits), first, done - first)
        rhythm = quantise(hits, grid, QuantiseOptions.model_validate({"swing": "off"}))
        style = NotateOptions.model_validate({"legend": False, "simile": False, "repeats": False, "sections": False})
        return notate(rhythm, style)

    def finish(self) -> Path | None:
        """End the take; its file, or ``None`` if there is too little. May be called again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
                self._stream.close()
        # Listening may fail where recording did not: the take can still be transcribed.
        whole = self.duration_s >= SHORTEST_S and not isinstance(self.error, StorageError)
        return self.path if whole else None

    def discard(self) -> None:
        """Forget it, file and all."""
        self.finish()
        self._folder.cleanup()

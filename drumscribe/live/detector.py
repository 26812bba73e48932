"""Finding hits in sound that is still coming in.

The hit network looks 2.6 s ahead when it may. Live, a hit is reported twice. :attr:`StreamDetector.early` guesses
within some 50 ms, the network being shown the sound so far and its mirror image in place of the future. After
:data:`AHEAD` frames more, with silence after them as at the end of a recording, it is decided. Both cost accuracy,
which is why a finished take is transcribed anew. How soon a stroke is on the screen is measured by
``benchmarks/live.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drumscribe.hits import pick
from drumscribe.hits.features import BANDS, FFT, FPS, HOP, TARGET_RMS, WINDOWS, compress, mel_magnitudes
from drumscribe.kit import LABELS
from drumscribe.options import DetectOptions
from drumscribe.types import Activations, FloatArray, Hit

STEP = 2
"""Frames between guesses."""
EARLY = 2
"""Frames after a peak that a guess needs."""
AHEAD = 12
"""Frames after a peak that a decision needs: 120 ms."""
PAST = 268
"""Frames before, at least the network's reach."""
WINDOW = 288
"""Frames of one run: the past, and what stands for the future."""

_POOL = 4  # windows begin on multiples of the network's pooling, as in training
_KEPT = 120  # frames of activations in which peaks are looked for
_REFRACTORY_S = 0.03
_LEVEL_S = 8.0
_MOST_GAIN = 20.0
_AUDIBLE = 0.004  # RMS of the loudest 10 ms below which there is only noise

Run = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


class StreamDetector:
    """Push samples in, take hits out.

    Args:
        run: the network for :data:`WINDOW` frames, as :func:`drumscribe.hits.engines.load` gives it.
        options: sensitivity and thresholds.
        model: title of the model, for its thresholds and timing.

    Attributes:
        early: guesses that are not decided yet; anew after every push.
    """

    def __init__(self, run: Run, options: DetectOptions | None = None, *, model: str = "") -> None:
        self._run, self._options, self._model = run, options or DetectOptions.model_validate({}), model
        self._samples = np.zeros(FFT // 2, dtype=np.float32)  # from half a window before the next frame's centre
        self._next = 0  # frame to come
        self._magnitudes = np.zeros((0, BANDS, len(WINDOWS)), dtype=np.float32)  # of the last frames
        self._powers = np.zeros(0, dtype=np.float32)  # of the last frames, for the level
        self._onset = np.zeros((0, len(LABELS)), dtype=np.float32)  # of the last decided frames
        self._velocity = np.zeros((0, len(LABELS)), dtype=np.float32)
        self._decided = 0  # first frame that is not decided
        self._told = -1  # last frame of which hits have been told
        self._last: dict[str, float] = {}
        self._count = 0
        self.early: list[Hit] = []

    @property
    def heard_s(self) -> float:
        """How far hits have been decided."""
        return max(0, self._told) / FPS

    def push(self, samples: FloatArray) -> list[Hit]:
        """Take ``(n,)`` mono float32 samples at 44.1 kHz; return the hits that are now certain, in order of time."""
        self._samples = np.concatenate([self._samples, samples])
        frames = (len(self._samples) - FFT) // HOP + 1
        if frames < STEP:
            return []
        found: list[Hit] = []
        while frames > 0:
            # As many as fit into one run: whoever falls behind catches up.
            count = min(frames, WINDOW - PAST)
            self._listen(count)
            frames -= count
            if self._next - AHEAD - self._decided >= _POOL:
                found += self._decide(self._next - AHEAD)
        self._guess()
        return found

    def flush(self) -> list[Hit]:
        """The hits of the last moment, once nothing more comes."""
        found = self.push(np.zeros(FFT, dtype=np.float32))
        found += self._decide(self._next, last=True)
        self.early = []
        return found

    def _listen(self, frames: int) -> None:
        """Take the features of the next frames."""
        used = (frames - 1) * HOP + FFT
        fresh = mel_magnitudes(self._samples[:used], frames)
        centre = self._samples[(FFT - HOP) // 2 :][: frames * HOP].reshape(frames, HOP)
        self._samples = self._samples[frames * HOP :]
        self._next += frames
        self._magnitudes = np.concatenate([self._magnitudes, fresh])[-WINDOW:]
        self._powers = np.concatenate([self._powers, np.square(centre).mean(axis=1)])[-round(_LEVEL_S * FPS) :]

    def _activations(self, *, mirror: bool) -> tuple[int, FloatArray, FloatArray]:
        """First frame, onset, and velocity of the window that ends now."""
        start = -(-max(0, self._next - WINDOW + AHEAD) // _POOL) * _POOL
        known = self._magnitudes[len(self._magnitudes) - (self._next - start) :]
        loudest = float(self._powers.max())
        if loudest < _AUDIBLE**2:
            quiet = np.zeros((len(known), len(LABELS)), dtype=np.float32)
            return start, quiet, quiet
        # As features.level, over the last seconds: loud frames only.
        loud = self._powers[self._powers > 1e-3 * loudest]
        gain = min(_MOST_GAIN, TARGET_RMS / float(np.sqrt(loud.mean())))
        features = np.zeros((WINDOW, BANDS, len(WINDOWS)), dtype=np.float32)
        features[: len(known)] = compress(known * np.float32(gain))
        if mirror:
            room = min(WINDOW - len(known), len(known) - 1)
            features[len(known) : len(known) + room] = features[len(known) - 1 - room : len(known) - 1][::-1]
        onset, velocity, _ = self._run(features)
        return start, onset[: len(known)], velocity[: len(known)]

    def _decide(self, until: int, *, last: bool = False) -> list[Hit]:
        """Decide all frames before ``until`` and return their hits."""
        start, onset, velocity = self._activations(mirror=False)
        fresh = slice(self._decided - start, until - start)
        self._onset = np.concatenate([self._onset, onset[fresh]])[-_KEPT:]
        self._velocity = np.concatenate([self._velocity, velocity[fresh]])[-_KEPT:]
        self._decided = until
        found = []
        # The newest frame may yet turn out to be the flank of a peak.
        for hit in self._peaks(self._onset, self._velocity, until - len(self._onset)):
            frame = round(hit.time_s * FPS)
            if not self._told < frame <= until - (1 if last else 2):
                continue
            if hit.time_s - self._last.get(hit.drum, -1.0) < _REFRACTORY_S:
                continue
            self._last[hit.drum] = hit.time_s
            found.append(Hit(self._count, hit.time_s, hit.drum, hit.confidence, hit.velocity))
            self._count += 1
        self._told = max(self._told, until - 2)
        return found

    def _guess(self) -> None:
        start, onset, velocity = self._activations(mirror=True)
        fresh = slice(self._decided - start, None)
        known = min(len(self._onset), 20)
        first = self._decided - known
        peaks = self._peaks(
            np.concatenate([self._onset[len(self._onset) - known :], onset[fresh]]),
            np.concatenate([self._velocity[len(self._velocity) - known :], velocity[fresh]]),
            first,
        )
        latest = self._next - 1 - EARLY
        self.early = [
            hit
            for hit in peaks
            if self._told < round(hit.time_s * FPS) <= latest
            and hit.time_s - self._last.get(hit.drum, -1.0) >= _REFRACTORY_S
        ]

    def _peaks(self, onset: FloatArray, velocity: FloatArray, first: int) -> list[Hit]:
        nothing = np.zeros((len(onset), 0), dtype=np.float16)
        if not len(onset):
            return []
        window = Activations(onset, velocity, nothing, LABELS, float(FPS), self._model)
        return [
            Hit(hit.id, max(0.0, first / FPS + hit.time_s), hit.drum, hit.confidence, hit.velocity)
            for hit in pick(window, self._options)
        ]

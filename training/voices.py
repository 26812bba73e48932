"""Material that sounds like singing: a source-filter voice that follows a melody.

No recordings of singers are at hand, and voices are what a drum transcriber meets most: their consonants look like
hats and snares. A glottal saw-tooth with vibrato and glides is shaped by moving vowel formants, and syllables begin
with bursts and hisses of noise (G. Fant, *Acoustic Theory of Speech Production*, 1960).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

VOWELS = np.array([
    (730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410), (490, 1350, 1690),
], dtype=np.float64)  # fmt: skip
"""First three formants in hertz (G. Peterson and H. Barney, 1952)."""
_WINDOW, _HOP = 1024, 256


def sing(
    notes: list[tuple[float, float, int]], seconds: float, rate: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Sing a melody.

    Args:
        notes: start and end in seconds and MIDI pitch; overlaps are cut.
        seconds: length of the result.
        rate: samples per second.
        rng: source of every choice.

    Returns:
        ``(n,)`` samples, peak 1 (silence where there are no notes).
    """
    n = int(seconds * rate)
    frames = n // _HOP + 8
    pitch = np.full(frames, np.nan)
    level = np.zeros(frames)
    hiss = np.zeros((frames, _WINDOW // 2 + 1), dtype=np.float32)
    vowel = np.zeros((frames, 3))
    hz = np.fft.rfftfreq(_WINDOW, 1 / rate)
    shift = rng.uniform(0.85, 1.25)
    hop_s = _HOP / rate
    for start, end, note in notes:
        a, b = int(start / hop_s), min(int(min(end, seconds) / hop_s) + 1, frames)
        if b - a < 6:
            continue
        pitch[a:b] = note + 0.25 * np.sin(np.arange(b - a) * hop_s * 2 * np.pi * rng.uniform(4.5, 6.5))
        pitch[a : a + 4] -= np.linspace(rng.uniform(0, 2), 0, 4)
        envelope = np.minimum(1, np.arange(b - a) / 6) * np.minimum(1, np.arange(b - a)[::-1] / 8)
        level[a:b] = envelope * rng.uniform(0.5, 1)
        vowel[a:b] = shift * VOWELS[rng.integers(len(VOWELS))]
        if rng.random() < 0.7:
            # s, sh, f hiss for 60-160 ms before the vowel; t, k, p burst for one or two frames
            hissing = rng.random() < 0.5
            length = int(rng.uniform(0.05, 0.16) / hop_s) if hissing else int(rng.integers(1, 4))
            centre = rng.uniform(3500, 9000) if hissing else rng.uniform(1200, 6000)
            first = max(0, a - length + 2)
            shape = np.exp(-0.5 * ((hz - centre) / (centre * rng.uniform(0.2, 0.5))) ** 2)
            hiss[first : a + 2] += (rng.uniform(0.05, 0.5) * shape).astype(np.float32)
    known = np.flatnonzero(~np.isnan(pitch))
    if not len(known):
        return np.zeros(n, dtype=np.float32)
    f0 = 440 * 2 ** ((np.interp(np.arange(frames), known, pitch[known]) - 69) / 12)
    smooth = np.hanning(7) / np.hanning(7).sum()
    vowel = np.stack([np.convolve(column, smooth, "same") for column in vowel.T], axis=1)
    phase = np.cumsum(np.interp(np.arange(n) / _HOP, np.arange(frames), f0)) / rate
    source = (2 * (phase % 1) - 1).astype(np.float32)
    _, _, spectrum = signal.stft(source, rate, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    count = min(spectrum.shape[1], frames)
    bandwidth = np.array([90.0, 120.0, 180.0]) * rng.uniform(0.8, 1.6)
    gains = np.array([1.0, 0.6, 0.35])
    shape = sum(
        gains[i] / (1 + ((hz[None] - vowel[:count, i, None]) / bandwidth[i]) ** 2) for i in range(3)
    ) + 0.02 * rng.uniform(0.2, 2)
    noise = rng.standard_normal((count, len(hz), 2)).astype(np.float32)
    breath = hiss[:count] + 0.01 * level[:count, None]
    voiced = spectrum[:, :count].T * shape * level[:count, None]
    mixed = voiced + 0.03 * breath * (noise[..., 0] + 1j * noise[..., 1])
    _, out = signal.istft(mixed.T, rate, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    out = np.pad(out, (0, max(0, n - len(out))))[:n].astype(np.float32)
    return out / max(1e-6, float(np.abs(out).max()))

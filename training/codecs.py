"""Lossy coding as records meet it: AAC, MP3, Opus, Vorbis and WMA through PyAV, in memory and in time."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy import signal

from training.sounds import RATE

FloatArray = NDArray[np.float32]
CODECS: dict[str, tuple[str, str, int]] = {
    "aac": ("mp4", "aac", 44100), "mp3": ("mp3", "libmp3lame", 44100), "opus": ("ogg", "libopus", 48000),
    "wma": ("asf", "wmav2", 44100),
}  # fmt: skip
"""Container, encoder, and samples per second by name; Vorbis is libsndfile's."""
SHARES = {"aac": 0.25, "mp3": 0.1, "opus": 0.2, "vorbis": 0.15, "wma": 0.3}
"""How often each is drawn; the slow ones less often."""


def encode(x: FloatArray, name: str, bit_rate: int, file: Any) -> None:
    """Write ``(n,)`` or ``(channels, n)`` samples, at the codec's own rate (:data:`CODECS`), as a stereo file.

    Args:
        x: samples; mono is written as two equal channels.
        name: one of :data:`CODECS`.
        bit_rate: bits per second.
        file: path or a file that can be written and sought in.
    """
    container, encoder, rate = CODECS[name]
    sides = np.ascontiguousarray(np.broadcast_to(x, (2, x.shape[-1])), dtype=np.float32)
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(encoder, rate=rate)
        stream.bit_rate, stream.layout, stream.format = bit_rate, "stereo", stream.codec.audio_formats[0]
        if name == "aac":
            stream.options = {"aac_coder": "fast"}
        frame = av.AudioFrame.from_ndarray(sides, format="fltp", layout="stereo")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format, "stereo", rate, stream.codec_context.frame_size or 1024)
        for given in (frame, None):
            for part in resampler.resample(given):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))


def _round_trip(x: FloatArray, name: str, bit_rate: int) -> FloatArray:
    """Encode mono samples, decode, and mix down again; as late as the codec makes it."""
    file = io.BytesIO()
    encode(x, name, bit_rate, file)
    file.seek(0)
    with av.open(file) as back:
        to_float = av.AudioResampler("fltp", "stereo", CODECS[name][2])
        parts = [part.to_ndarray().mean(axis=0) for frame in back.decode(audio=0) for part in to_float.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


@lru_cache(maxsize=64)
def _delay(name: str, bit_rate: int) -> int:
    """Samples by which a codec is late, found with noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 30000).astype(np.float32)
    noise[:8000] = noise[-8000:] = 0
    noise = signal.lfilter([0.2], [1, -0.8], noise).astype(np.float32)
    heard = _round_trip(noise, name, bit_rate)
    return int(np.argmax(signal.correlate(heard, noise, "full"))) - len(noise) + 1


def coded(x: FloatArray, name: str, bit_rate: int) -> FloatArray:
    """What is left of ``x`` (mono, 44.1 kHz) after a codec, in time with it and as long.

    Args:
        x: samples.
        name: one of :data:`SHARES`.
        bit_rate: bits per second for two channels.
    """
    if name == "vorbis":
        return _vorbis(x, bit_rate)
    rate = CODECS[name][2]
    scale = 1.05 * max(1e-5, float(np.abs(x).max()))
    source = x / scale if rate == RATE else soxr.resample(x / scale, RATE, rate)
    late = _delay(name, bit_rate)
    heard = _round_trip(np.pad(source, (0, 4096)), name, bit_rate)
    heard = heard[late:] if late >= 0 else np.pad(heard, (-late, 0))
    if rate != RATE:
        heard = soxr.resample(heard, rate, RATE)
    return np.asarray(scale * np.pad(heard, (0, max(0, len(x) - len(heard))))[: len(x)], dtype=np.float32)


def _vorbis(x: FloatArray, bit_rate: int) -> FloatArray:
    file = io.BytesIO()
    quality = float(np.interp(bit_rate, (48e3, 192e3), (1.0, 0.4)))  # libsndfile counts what is saved
    soundfile.write(file, x, RATE, format="OGG", subtype="VORBIS", compression_level=quality)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32")
    return np.pad(heard, (0, max(0, len(x) - len(heard))))[: len(x)]


def any_codec(x: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Through one codec, or for one in five through two, at 48 to 192 kbit/s."""
    for _ in range(2 if rng.random() < 0.2 else 1):
        name = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        x = coded(x, name, int(rng.choice([64, 96, 128, 160, 192])) * 1000)
    return x

"""Makes test recordings at run time: nothing binary is kept for tests."""

from __future__ import annotations

import io
import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg
import numpy as np

CODECS = {
    "wav": "wav -c:a pcm_s16le",
    "flac": "flac",
    "aiff": "aiff",
    "mp3": "mp3 -b:a 128k",
    "m4a": "ipod -c:a aac -b:a 128k",
    "aac": "adts -c:a aac",
    "ogg": "ogg -c:a libvorbis",
    "opus": "opus -c:a libopus",
    "webm": "webm -c:a libopus",
    "mkv": "matroska -c:a aac",
}
"""Extension → container and encoder, as the ffmpeg program names them."""


def clicks(seconds: float = 3.0, rate: int = 44100, channels: int = 1, times: tuple[float, ...] = ()) -> np.ndarray:
    """``(channels, n)`` float32: decaying noise bursts at ``times`` (default every half second from 0.5 s)."""
    rng = np.random.default_rng(1)
    n = round(seconds * rate)
    out = np.zeros(n, np.float32)
    burst = (rng.standard_normal(rate // 20) * np.exp(-np.arange(rate // 20) / (rate / 150))).astype(np.float32)
    for time in times or np.arange(0.5, seconds - 0.1, 0.5):
        at = round(time * rate)
        out[at : at + len(burst)] += 0.2 * burst[: n - at]
    return np.stack([out * (1 - 0.3 * channel) for channel in range(channels)]).astype(np.float32)


def encode(path: Path, samples: np.ndarray, rate: int = 44100, *, kind: str = "", extra: str = "", **tags: str) -> Path:
    """Write ``(channels, n)`` float32 samples in the format of the extension (or ``kind``) with tags.

    By the ffmpeg program, so that the encoder shares nothing with the decoder under test.
    """
    if path.suffix == ".wav" and not (kind or extra or tags):
        path.write_bytes(wav_bytes(samples, rate))
        return path
    arguments = f"-f {CODECS[kind or path.suffix[1:]]} {extra}".split()
    for key, value in tags.items():
        arguments += ["-metadata", f"{key}={value}"]
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", "-", *arguments, str(path)],
        input=wav_bytes(samples, rate),
        check=True,
    )
    return path


def wav_bytes(samples: np.ndarray, rate: int = 44100) -> bytes:
    """16-bit WAV of ``(channels, n)`` float32, by the standard library: independent of the code under test."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1).T * 32767).astype("<i2").tobytes())
    return data.getvalue()


def float_wav(path: Path, samples: np.ndarray, rate: int = 44100) -> Path:
    """32-bit float WAV, which can hold NaN and values beyond ±1."""
    channels = samples.shape[0]
    body = np.ascontiguousarray(samples.T, "<f4").tobytes()
    head = b"".join(
        part
        for part in (
            b"RIFF", (36 + len(body)).to_bytes(4, "little"), b"WAVEfmt ", (16).to_bytes(4, "little"),
            (3).to_bytes(2, "little"), channels.to_bytes(2, "little"), rate.to_bytes(4, "little"),
            (rate * channels * 4).to_bytes(4, "little"), (channels * 4).to_bytes(2, "little"),
            (32).to_bytes(2, "little"), b"data", len(body).to_bytes(4, "little"),
        )
    )  # fmt: skip
    path.write_bytes(head + body)
    return path

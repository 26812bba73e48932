"""Beat tracking: madmom's recurrent networks with a dynamic Bayesian network, or librosa's dynamic programming.

S. Böck, F. Krebs, G. Widmer, *Joint beat and downbeat tracking with recurrent neural networks*, ISMIR 2016;
F. Krebs, S. Böck, G. Widmer, *An efficient state-space model for joint tempo and meter tracking*, ISMIR 2015;
D. Ellis, *Beat tracking by dynamic programming*, J. New Music Research 36(1), 2007.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from drumscribe import extras
from drumscribe.anchor import anchor
from drumscribe.choices import Tracker
from drumscribe.errors import Cancelled, RhythmError
from drumscribe.mapped import Mono
from drumscribe.rhythm import dbn
from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.types import Audio, CancelToken, FloatArray, OnFraction

FPS = 100
MIN_BPM, MAX_BPM = 55.0, 215.0
"""Range of tempo that a pulse is looked for in where the user gave none (madmom's own)."""
_LIBROSA_RATE = 22_050


def track(
    audio: Audio,
    *,
    tracker: Tracker = "auto",
    on_progress: OnFraction | None = None,
    cancel: CancelToken | None = None,
) -> BeatEvidence:
    """Listen for beats and downbeats.

    Args:
        audio: the mix (or the drums); any length from 0.1 s.
        tracker: ``"auto"`` takes madmom where it is installed and librosa elsewhere.

    Raises:
        RhythmError: madmom was asked for and is not installed.
        MissingExtraError: neither is.
        Cancelled: ``cancel`` was set.
    """
    if tracker == "auto":
        tracker = "madmom" if find_spec("madmom") else "librosa"

    def step(fraction: float, message: str = f"Listening for beats with {tracker}") -> None:
        if cancel is not None and cancel.is_set():
            raise Cancelled("Stopped while listening for beats.")
        if on_progress is not None:
            on_progress(fraction, message)

    step(0.0)
    silence = -anchor(Mono(audio.samples)) % (audio.sample_rate // FPS) if tracker == "madmom" else 0
    activations = _networks(audio, silence, step) if tracker == "madmom" else _onset_strength(audio)
    step(0.9, "Following the beat")
    evidence = BeatEvidence(activations, float(FPS), tracker, np.zeros(0), -silence / audio.sample_rate)
    beats = decode(evidence, MIN_BPM, MAX_BPM)
    step(1.0, f"{len(beats)} beats")
    return replace(evidence, beats=beats)


def decode(evidence: BeatEvidence, min_bpm: float, max_bpm: float) -> NDArray[np.float64]:
    """Follow the beat through the activations within a range of tempo. Return ``(n,)`` times in seconds."""
    activations = evidence.activations
    if len(activations) < FPS // 2 or not activations.any():
        return np.zeros(0)
    if evidence.tracker in ("madmom", "strokes"):
        return evidence.start_s + dbn.follow(activations.sum(axis=1), evidence.fps, min_bpm, max_bpm)
    extras.need("librosa")
    from librosa.beat import beat_track

    start = float(np.clip(120.0, min_bpm, max_bpm))
    narrow = max_bpm < 1.5 * min_bpm
    _, beats = beat_track(
        onset_envelope=activations[:, 0], sr=FPS * 512, hop_length=512, units="frames",
        start_bpm=start, bpm=np.sqrt(min_bpm * max_bpm) if narrow else None,
    )  # fmt: skip
    return np.asarray(beats, dtype=np.float64) / FPS


def _networks(audio: Audio, silence: int, step: Callable[[float], None]) -> FloatArray:
    """Mean of madmom's eight networks, ``(frames, 2)``, with some samples of silence in front."""
    from drumscribe.rhythm import networks

    try:
        return networks.activations(audio.samples, lambda fraction: step(0.9 * fraction), silence)
    except ImportError as error:
        raise RhythmError(
            "madmom is not installed, so its beat tracker cannot run.",
            "Install it, or choose the librosa tracker (BEAT_TRACKER=librosa).",
        ) from error


def _onset_strength(audio: Audio) -> FloatArray:
    """Spectral flux over mel bands at 100 frames a second, ``(frames, 1)``."""
    extras.need("librosa")
    from librosa.onset import onset_strength
    from soxr import resample

    mono = resample(audio.mono(), audio.sample_rate, _LIBROSA_RATE)
    hop = _LIBROSA_RATE / FPS
    strength = onset_strength(y=mono, sr=_LIBROSA_RATE, hop_length=round(hop), n_fft=1024, n_mels=96, fmax=11_000)
    # 220 samples a frame are 100.23 frames a second: put the frames on the common clock
    times = np.arange(int(np.ceil(audio.duration_s * FPS))) / FPS
    at = np.interp(times, np.arange(len(strength)) * round(hop) / _LIBROSA_RATE, strength)
    strength_at: FloatArray = at[:, None].astype(np.float32)
    return strength_at

"""Pulses: the beats as tracked, at the speed that the user or the meter asks for, and their tempo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.readings import tempo
from drumscribe.rhythm.tracking import decode
from drumscribe.types import Hits, Meter, TempoCandidate

Times = NDArray[np.float64]

_DEFAULT_BPM = 120.0
_WORTH_OFFERING = 0.02
"""Chance from which on a speed beside half and double is offered."""
_RATIOS = {1.0: 0.04, 2.0: 0.04, 0.5: 0.04, 3.0: 0.04, 1 / 3: 0.04, 4.0: 0.04, 0.25: 0.04, 1.5: 0.02, 2 / 3: 0.02}
"""Pulses per tracked beat, and how far (as a natural logarithm) a tempo that is asked for may be off to mean it."""
_NEAR = 0.03
"""How far the beats followed near a tempo that is asked for may be off it, likewise."""


def pulses_of(evidence: BeatEvidence, hits: Hits, bpm: float | None, meter: Meter | None, duration_s: float) -> Times:
    """Return at least two pulse times.

    Args:
        evidence: what the tracker heard.
        hits: all hits.
        bpm: pulses of the meter a minute; ``None`` follows the tracker. Within 4 % of the tracked tempo, or of its
            half, double, third (2 % of its two thirds), it means the pulses of the recording: these follow its drift,
            and the score prints their own tempo, 98.6 where 100 was asked for. Any other tempo is followed where the
            evidence holds such a beat; where it does not, a steady click at exactly ``bpm`` from the first hit is laid.
        meter: as the user gave it.
        duration_s: length of the recording.
    """
    beats = evidence.beats
    if len(beats) < 2:
        return _from_hits(hits, bpm, duration_s)
    if bpm is None:
        return _rescaled(beats, _ratio_for(meter, tempo(beats)), evidence, hits)
    ratio = bpm / tempo(beats)
    simple = min(_RATIOS, key=lambda value: abs(np.log(ratio / value)))
    if abs(np.log(ratio / simple)) < _RATIOS[simple]:
        return _rescaled(beats, simple, evidence, hits)
    beats = decode(evidence, bpm / 1.1, bpm * 1.1)
    near = len(beats) >= 2 and abs(np.log(tempo(beats) / bpm)) < _NEAR
    return beats if near else _from_hits(hits, bpm, duration_s)


def candidates(times: Times, speeds: dict[float, float]) -> tuple[TempoCandidate, ...]:
    """The tempo of ``times`` (factor 1) with its half, its double, and what else may be, most likely first.

    Args:
        times: pulses.
        speeds: chance of each number of pulses to one of ``times`` (:class:`drumscribe.rhythm.readings.Choice`).
    """
    bpm = tempo(times)
    if len(speeds) == 1:
        # how often music is counted at a tempo: log-normal around 115 with half an octave of spread
        common = {factor: float(np.exp(-2.0 * np.log2(bpm * factor / 115.0) ** 2)) for factor in (1.0, 0.5, 2.0)}
        speeds = {factor: chance / sum(common.values()) for factor, chance in common.items()}
    offered = {factor: speeds.get(factor, 0.0) for factor in (1.0, 0.5, 2.0)}
    offered |= {factor: chance for factor, chance in speeds.items() if chance >= _WORTH_OFFERING}
    found = [
        TempoCandidate(bpm=float(bpm * factor), factor=factor, confidence=chance)
        for factor, chance in offered.items() if factor == 1.0 or 20 <= bpm * factor <= 400
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda candidate: -candidate.confidence))


def _moments(hits: Hits) -> Times:
    return np.array([hit.time_s for hit in hits], dtype=np.float64)


def smoothed(times: Times, stiffness: float = 3.0) -> Times:
    """Take the frames' rounding out of beat times.

    Minimises the squared way that each beat is moved plus ``stiffness`` times the squared change of the period from
    beat to beat (Whittaker's smoother): beats jitter by about 8 ms, a drifting period changes by about 5 ms a beat.
    """
    count = len(times)
    if count < 4:
        return times
    bands = np.zeros((3, count))  # upper form of 1 + stiffness * D'D, D the second difference
    bands[2] = 1.0
    for k, weight in enumerate((1.0, 4.0, 1.0)):
        bands[2, k : count - 2 + k] += stiffness * weight
    bands[1, 1:-1] -= 2.0 * stiffness
    bands[1, 2:] -= 2.0 * stiffness
    bands[0, 2:] += stiffness
    return np.asarray(solveh_banded(bands, times), dtype=np.float64)


def aligned(times: Times, hits: Hits) -> Times:
    """Move all pulses together to where the strokes on them are: trackers see a beat up to two frames off."""
    if len(hits) < 8 or len(times) < 4:
        return times
    moments = _moments(hits)
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    nearest = np.where(moments - times[after - 1] < times[after] - moments, after - 1, after)
    off = moments - times[nearest]
    near = off[np.abs(off) < 0.04]
    return times + float(np.median(near)) if len(near) >= 8 else times


def _ratio_for(meter: Meter | None, bpm: float) -> float:
    """Pulses of ``meter`` per tracked beat: tracked beats are mostly quarters, at 55 to 215 a minute."""
    if meter is None or meter.unit == 4:
        return 1.0
    if meter.unit == 2:
        return 0.5 if bpm > 110 else 1.0
    if meter.compound:  # dotted quarters, unless the tracker went along with the eighths
        return 1 / 3 if bpm > 150 else 1.0
    return 1.0 if bpm > 170 else 2.0


def _rescaled(beats: Times, ratio: float, evidence: BeatEvidence, hits: Hits) -> Times:
    """Interpolate to ``ratio`` pulses per beat; of fewer pulses than beats, keep those on which most falls."""
    if ratio == 1.0:
        return beats
    step = 1.0 / ratio
    phases = np.arange(0, step - 1e-9, 1.0) if step > 1 else np.zeros(1)
    index = np.arange(len(beats), dtype=np.float64)
    strength = _strength(beats, evidence, hits)
    best = max(
        phases, key=lambda phase: float(np.interp(np.arange(phase, len(beats) - 1 + 1e-9, step), index, strength).sum())
    )
    times: Times = np.interp(np.arange(best, len(beats) - 1 + 1e-9, step), index, beats)
    return times if len(times) >= 2 else beats


def _strength(beats: Times, evidence: BeatEvidence, hits: Hits) -> Times:
    """How strong each beat is: downbeat activation and the kicks and crashes on it."""
    strength = evidence.downbeat_odds(beats) * 0.5
    for hit in hits:
        nearest = int(np.argmin(np.abs(beats - hit.time_s)))
        if hit.drum in ("kick", "crash", "snare") and abs(beats[nearest] - hit.time_s) < 0.06:
            strength[nearest] += {"kick": 1.0, "crash": 1.0, "snare": 0.5}[hit.drum]
    return strength


def _from_hits(hits: Hits, bpm: float | None, duration_s: float) -> Times:
    """A steady pulse through the hits where no beat could be tracked."""
    times = _moments(hits)
    start = float(times[0]) if len(times) else 0.0
    if bpm is None:
        bpm = _tempo_of(times)
    period = 60.0 / bpm
    count = max(2, int(np.ceil((max(duration_s, start) - start) / period)) + 1)
    return np.asarray(start + period * np.arange(count), dtype=np.float64)


def _tempo_of(times: Times) -> float:
    """Tempo whose sixteenths the hits fit best, near 120; 120 where there are too few to tell."""
    if len(times) < 3 or times[-1] - times[0] < 0.2:
        return _DEFAULT_BPM
    tempi = np.geomspace(70, 180, 400)
    phase = np.outer(4 * tempi / 60.0, times - times[0])
    fit = np.cos(2 * np.pi * phase).mean(axis=1) + 0.5 * np.cos(np.pi * phase).mean(axis=1)
    fit += 0.25 * np.cos(0.5 * np.pi * phase).mean(axis=1) - 0.3 * np.log2(tempi / _DEFAULT_BPM) ** 2
    return float(tempi[np.argmax(fit)])

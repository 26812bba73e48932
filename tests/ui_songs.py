"""Finished jobs for the studio's tests: a synthetic song put through the real cheap stages, store, and job table."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from drumscribe.jobs.db import Database, new_job
from drumscribe.jobs.model import JobStatus
from drumscribe.kit import LABELS
from drumscribe.options import Options
from drumscribe.rhythm import BeatEvidence
from drumscribe.settings import Settings
from drumscribe.song.edits import History
from drumscribe.song.project import Heard, Song, canonical
from drumscribe.song.recordings import InMemory, save
from drumscribe.song.stages import laid, notated, picked, written
from drumscribe.song.transcription import Transcription
from drumscribe.storage.files import Store
from drumscribe.types import Activations, Audio, Stem

FPS, RATE = 100, 44_100
_PITCH = {"kick": 60.0, "snare": 220.0, "closed_hihat": 7000.0, "crash": 5000.0, "mid_tom": 130.0}


def pattern(bars: int, bpm: float = 120.0) -> list[tuple[float, str, float, float]]:
    """A rock beat as ``(time_s, drum, strength, velocity)``, with some doubtful hits; the first beat is at 0.5 s."""
    beat = 60 / bpm
    rows: list[tuple[float, str, float, float]] = []
    for bar in range(bars):
        start = 0.5 + 4 * beat * bar
        for eighth in range(8):
            doubt = 0.55 if (bar + eighth) % 7 == 3 else 0.95
            rows.append((start + eighth * beat / 2, "closed_hihat", doubt, 0.6 + 0.2 * (eighth % 2 == 0)))
        rows += [(start + offset * beat, "kick", 0.97, 0.9) for offset in (0, 1.5, 2)]
        rows += [(start + offset * beat, "snare", 0.96, 0.85) for offset in (1, 3)]
        rows.append((start + float(Fraction(7, 4)) * beat, "snare", 0.25, 0.25))
        if bar % 4 == 0:
            rows.append((start, "crash", 0.9, 0.95))
        if bar % 4 == 3:
            rows += [(start + 3 * beat + i * beat / 4, "mid_tom", 0.6, 0.7) for i in range(4)]
    return sorted(rows)


def doubtful(bars: int, bpm: float = 120.0) -> list[tuple[float, str, float, float]]:
    """:func:`pattern` with a stroke too many here and there, and some that were hardly heard."""
    sixteenth = 15 / bpm
    odd = [(0.5 + (16 * bar + 11) * sixteenth, "snare", 0.5, 0.6) for bar in (1, 5) if bar < bars]
    odd += [(0.5 + (16 * bar + 3) * sixteenth, "kick", 0.5, 0.6) for bar in (2, 6) if bar < bars]
    weak = {round(0.5 + (16 * bar + 4 * beat) * sixteenth, 6) for bar in (1, 6) for beat in (0, 2)}
    return sorted(odd + [
        (time_s, drum, 0.4 if drum == "closed_hihat" and round(time_s, 6) in weak else strength, loud)
        for time_s, drum, strength, loud in pattern(bars, bpm)
    ])  # fmt: skip


def song(
    bars: int = 16, bpm: float = 120.0, *, title: str = "Test beat", separated: bool = False, doubts: bool = False
) -> Transcription:
    """A transcription made from known activations and clicks at known beats."""
    rows = (doubtful if doubts else pattern)(bars, bpm)
    duration = 0.5 + bars * 240 / bpm + 0.5
    frames = round(duration * FPS)
    onset = np.full((frames, len(LABELS)), 0.01, np.float32)
    velocity = np.zeros((frames, len(LABELS)), np.float32)
    embedding = np.zeros((frames, 8), np.float16)
    rng = np.random.default_rng(1)
    samples = 0.001 * rng.standard_normal((1, round(duration * RATE))).astype(np.float32)
    for time_s, drum, strength, loud in rows:
        frame, column = round(time_s * FPS), LABELS.index(drum)
        for offset, share in ((-1, 0.4), (0, 1.0), (1, 0.4)):
            if 0 <= frame + offset < frames:
                onset[frame + offset, column] = max(onset[frame + offset, column], strength * share)
        velocity[max(0, frame - 2) : frame + 3, column] = loud
        embedding[max(0, frame - 2) : frame + 3, column % 8] += 1
        first = round(time_s * RATE)
        length = min(round(0.08 * RATE), samples.shape[1] - first)
        ticks = np.arange(length) / RATE
        burst = np.sin(2 * np.pi * _PITCH[drum] * ticks) * np.exp(-ticks * 40)
        samples[0, first : first + length] += (0.3 * loud * burst).astype(np.float32)
    activations = canonical(Activations(onset, velocity, embedding, LABELS, float(FPS), "test"))
    beats = np.arange(0.5, duration, 60 / bpm)
    curve = np.full((frames, 2), 0.001, np.float32)
    for number, time_s in enumerate(beats):
        curve[min(frames - 1, round(time_s * FPS)), 1 if number % 4 == 0 else 0] = 0.9
    evidence = BeatEvidence(curve, float(FPS), "madmom", beats)
    options = Options()
    audio = Audio(samples, RATE, "0" * 64, title, "", f"{title}.wav")
    stem = Stem(samples * 0.9, RATE, "demucs", "test") if separated else Stem(samples, RATE, "none")
    about = Song(audio.sha256, audio.duration_s, title, "", audio.origin)
    history = History(picked(activations, options.detect))
    grid = laid(evidence, history, options, audio.duration_s)
    rhythm = written(history, activations, grid, options)
    return Transcription(
        song=about, heard=Heard(stem.method, stem.model, "", "mix"), options=options, activations=activations,
        history=history, evidence=evidence, grid=grid, rhythm=rhythm, score=notated(rhythm, options, about),
        media=InMemory(audio, stem),
    )  # fmt: skip


_ENCODED: dict[int, tuple[Transcription, dict[str, bytes]]] = {}


def _files(made: Transcription) -> dict[str, bytes]:
    """What a finished job of ``made`` has in its folder, player recordings included; encoded once."""
    from drumscribe.ui.player import recordings as playable

    if id(made) in _ENCODED:
        return _ENCODED[id(made)][1]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Store(Settings(data_dir=Path(scratch))).folder("0" * 32)
        save(folder, made.audio, made.stem)
        made.keep(folder)
        playable.recordings(Transcription.reopen(folder))
        files = {path.name: path.read_bytes() for path in (Path(scratch) / "jobs" / ("0" * 32)).iterdir()}
    _ENCODED[id(made)] = (made, files)
    return files


def put(settings: Settings, owner: str, made: Transcription) -> str:
    """Store ``made`` as a finished job of ``owner``; returns its id."""
    files = _files(made)
    database, store = Database(settings), Store(settings)
    database.create()
    job = new_job(owner, "uploads/" + "0" * 64, title=made.song.title, options=made.options, priority=0)
    for name, data in files.items():
        store.folder(job.id).write(name, data)
    done = replace(
        job, status=JobStatus.DONE, duration_s=made.song.duration_s, progress=1.0, finished_at=job.created_at
    )
    database.insert(done)  # never queued: a running server's worker would take it
    database.close()
    return job.id


def put_state(settings: Settings, owner: str, status: JobStatus, *, title: str = "Some song", **columns: object) -> str:
    """Store a job without a result in any state."""
    database = Database(settings)
    database.create()
    job = database.insert(new_job(owner, "uploads/" + "1" * 64, title=title, options=Options(), priority=0))
    if status is not JobStatus.QUEUED:
        database.move(job.id, JobStatus.RUNNING)
    if status.finished:
        database.move(job.id, status, **columns)
    database.close()
    return job.id

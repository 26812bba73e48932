"""What the workers' JSON logs tell of a run: every step and every new child, and from these what a step costs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Span:
    """One step of a job, or the start of a child (``step`` is then ``"start"``). Times in seconds since the epoch."""

    queue: str
    step: str
    job_id: str
    begun: float
    ended: float
    processor_s: float
    peak_mb: int = 0
    first: bool = False
    """The first step of its kind in its process, which loads networks and libraries."""


def read(logs: Mapping[str, Path]) -> list[Span]:
    """Spans of the workers whose logs these are, by queue; in order of their ends."""
    found: list[Span] = []
    for queue, log in logs.items():
        met: set[tuple[str, str]] = set()
        for text in log.read_text().splitlines():
            line = json.loads(text) if text.startswith("{") else {}
            if line.get("event") not in ("step_ends", "child_ready"):
                continue
            ended = datetime.fromisoformat(line["timestamp"]).timestamp()
            step, worker = line.get("step", "start"), line.get("worker", "")
            first = (step, worker) not in met
            met.add((step, worker))
            found.append(
                Span(queue, step, line.get("job_id", ""), ended - line["seconds"], ended, line["processor_s"],
                     line.get("peak_mb", 0), first)
            )  # fmt: skip
    return sorted(found, key=lambda span: span.ended)


def around(spans: list[Span], worked: float) -> float:
    """Processor seconds of the workers outside of steps and of new children, spread over the steps: the messages."""
    return (worked - sum(span.processor_s for span in spans)) / sum(span.step != "start" for span in spans)


def fit(spans: Iterable[Span], lengths: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Processor seconds of each step: ``fixed_s`` + ``rate`` x length of the song, + ``first_s`` in a fresh process.

    Least squares over the steps of a run whose songs have different lengths (s, by job).
    """
    kinds: dict[str, list[Span]] = {}
    for span in spans:
        if span.job_id in lengths:
            kinds.setdefault(span.step, []).append(span)
    found = {}
    for step, own in kinds.items():
        table = np.array([[1.0, lengths[span.job_id], span.first] for span in own])
        used = np.array([span.processor_s for span in own])
        values, *_ = np.linalg.lstsq(table, used, rcond=None)
        found[step] = {
            name: round(max(0.0, float(x)), 5) for name, x in zip(("fixed_s", "rate", "first_s"), values, strict=True)
        }
    return found


def summary(spans: list[Span]) -> dict[str, float]:
    """Where the time of the heavy pool (one place) went, in seconds on the clock, and what its children cost."""
    heavy = [span for span in spans if span.queue == "heavy"]
    steps = [span for span in heavy if span.step != "start"]
    starts = [span for span in heavy if span.step == "start"]
    idle = [max(0.0, after.begun - before.ended) for before, after in pairwise(heavy)]
    found = {
        "heavy pool in steps, s": sum(span.ended - span.begun for span in steps),
        "of these in the first of their kind in a child, s": sum(s.ended - s.begun for s in steps if s.first),
        "heavy pool starting children, s": sum(span.ended - span.begun for span in starts),
        "heavy pool between steps, s": sum(idle),
        "median pause between two heavy steps, s": float(np.median(idle)) if idle else 0.0,
        "processor s in heavy steps": sum(span.processor_s for span in steps),
        "processor s in default steps": sum(s.processor_s for s in spans if s.queue == "default" and s.step != "start"),
    }
    rounded = {name: round(value, 3) for name, value in found.items()}
    return {"heavy children started": len(starts), **rounded}

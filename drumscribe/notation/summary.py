"""The summary of a song: the bars that occur most often in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from drumscribe.notation.model import Measure, Score

SUMMARY_TITLE = "Grooves in this chart"
MOST = 8
"""Grooves shown at most."""


@dataclass(frozen=True, slots=True)
class Groove:
    """A bar that is played several times: ``measure`` without the marks of its place, and how often it is heard."""

    measure: Measure
    times: int
    numbers: tuple[int, ...]


def _look(measure: Measure) -> tuple[object, ...]:
    events = tuple(
        tuple((event.onset, event.duration, event.accent, event.slashes, len(event.graces),
               tuple((head.drum, head.ghost) for head in event.heads)) for event in voice if event.heads)
        for voice in measure.voices)  # fmt: skip
    return (measure.meter, measure.length, events)


def grooves(score: Score, most: int = MOST) -> tuple[Groove, ...]:
    """Return the bars heard at least twice, most frequent first (at most ``most``); ``numbers`` are printed ones."""
    heard: dict[tuple[object, ...], int] = {}
    shown: dict[tuple[object, ...], list[Measure]] = {}
    for index in score.play_order():
        measure = score.measures[index]
        if not measure.silent:
            heard[_look(measure)] = heard.get(_look(measure), 0) + 1
    for measure in score.measures:
        shown.setdefault(_look(measure), []).append(measure)
    found: list[Groove] = []
    common = [(look, times) for look, times in sorted(heard.items(), key=lambda item: -item[1])[:most] if times > 1]
    most_on_line = 4 if score.style.screen_mm is None else max(1, int(score.style.screen_mm / 50))
    on_line = ceil(len(common) / max(1, ceil(len(common) / most_on_line)))
    for look, times in common:
        first = shown[look][0]
        bare = replace(first, show_meter=False, tempo=None, swing="", rehearsal="", dynamic="", text=f"{times}×",
                       simile=0, repeat_start=False, repeat_end=0, ending=(), rest_run=0,
                       new_system=len(found) % on_line == 0 and bool(found))  # fmt: skip
        found.append(Groove(bare, times, tuple(measure.number for measure in shown[look])))
    if found:
        measure = found[0].measure
        found[0] = replace(found[0], measure=replace(measure, show_meter=True))
    for i in range(1, len(found)):
        if found[i].measure.meter != found[i - 1].measure.meter:
            found[i] = replace(found[i], measure=replace(found[i].measure, show_meter=True))
    return tuple(found)


def summary_score(score: Score) -> Score:
    """Return the grooves as a chart of their own."""
    measures = tuple(replace(groove.measure, number=i + 1) for i, groove in enumerate(grooves(score)))
    return Score(SUMMARY_TITLE, "", measures, replace(score.style, summary=False, legend=False))

"""Repeats and endings of written bars: which endings belong together; repeats out of other programs made valid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from drumscribe.notation.model import Measure


def brackets(measures: Sequence[Measure]) -> list[range]:
    """Return the bars (indices) under each bracket of an ending."""
    found: list[range] = []
    for index, measure in enumerate(measures):
        before = measures[index - 1] if index else None
        if before and measure.ending and before.ending == measure.ending and not before.repeat_end:
            found[-1] = range(found[-1].start, index + 1)
        elif measure.ending:
            found.append(range(index, index + 1))
    return found


def passes_text(passes: Sequence[int]) -> str:
    """Return what stands in a bracket: each pass, three and more in a row as a range."""
    runs: list[list[int]] = []
    for number in passes:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(
        f"{run[0]}.–{run[-1]}." if len(run) > 2 else " ".join(f"{number}." for number in run) for run in runs
    )


def turns(measures: Sequence[Measure]) -> frozenset[int]:
    """Return the bars (indices) before which a passage or an ending begins or is over."""
    edges = {edge for bars in brackets(measures) for edge in (bars.start, bars.stop)}
    starts = {i for i, measure in enumerate(measures) if measure.repeat_start}
    return frozenset(edges | starts | {i + 1 for i, measure in enumerate(measures) if measure.repeat_end})


def sound_form(measures: Sequence[Measure]) -> list[Measure]:
    """Return the bars with everything closed that is open: our own as they are, a stranger's as nearly as can be told.

    Repeats begin and end in pairs; endings follow each other to the last pass; rests over bars are that long, and
    neither they nor similes reach over a turn of the form.
    """
    out = list(measures)
    chains = _sound_endings(out)
    _pair_repeats(out, chains)
    begins = {bars.start for chain in chains for bars in chain} | {i for i, bar in enumerate(out) if bar.repeat_start}
    closed = turns(out)
    for i, measure in enumerate(out):
        if measure.rest_run:
            over = (k for k in range(i, len(out)) if not out[k].silent or (k > i and k in closed))
            run = min(measure.rest_run, next(over, len(out)) - i)
            out[i] = replace(measure, rest_run=run if run > 1 else 0)
        elif measure.simile and (i == 0 or i in begins):
            out[i] = replace(measure, simile=0)
    for i, measure in enumerate(out):
        pair = measure.simile == 2 and i + 1 < len(out) and out[i + 1].simile == 2
        second = i > 0 and measure.simile == 2 and out[i - 1].simile == 2
        if measure.simile and not (measure.simile == 1 or pair or second):
            out[i] = replace(measure, simile=0)
    return out


def with_pickup(measures: Sequence[Measure]) -> list[Measure]:
    """Return the bars; a first one that is shorter than the second, with a meter of its own, as a pickup."""
    out = list(measures)
    if len(out) > 1 and out[0].meter.unit == out[1].meter.unit and out[0].length < out[1].meter.quarter_length:
        out[0] = replace(out[0], meter=out[1].meter)
    return out


def _sound_endings(measures: list[Measure]) -> list[list[range]]:
    """Drop brackets that do not tell each pass what to play; return the others, those of one passage together."""
    chains: list[list[range]] = []
    for bars in brackets(measures):
        if chains and chains[-1][-1].stop == bars.start and measures[bars.start - 1].repeat_end:
            chains[-1].append(bars)
        else:
            chains.append([bars])
    sound = []
    for chain in chains:
        start = chain[0].start
        passes = sorted(number for bars in chain for number in measures[bars.start].ending)
        follows = start > 0 and not (measures[start - 1].ending or measures[start - 1].repeat_end)
        closed = all(measures[bars.stop - 1].repeat_end for bars in chain[:-1] or chain)
        whole = not any(measures[i].repeat_start for i in range(start, chain[-1].stop))
        if follows and closed and whole and passes == list(range(1, len(passes) + 1)):
            sound.append(chain)
            total = len(passes) + (len(chain) == 1)  # the last ending may stand there without a bracket
            for bar in (bars.stop - 1 for bars in chain if measures[bars.stop - 1].repeat_end):
                measures[bar] = replace(measures[bar], repeat_end=total)
        else:
            for bar in range(start, chain[-1].stop):
                measures[bar] = replace(measures[bar], ending=())
    return sound


def _pair_repeats(measures: list[Measure], chains: Sequence[Sequence[range]]) -> None:
    later = {bars.stop - 1 for chain in chains for bars in chain[1:]}
    start = 0
    opened: int | None = None
    for i, measure in enumerate(measures):
        if measure.repeat_start:
            if opened is not None:
                measures[opened] = replace(measures[opened], repeat_start=False)
            opened = i
        if measure.repeat_end and i not in later:
            if opened is None:
                measures[start] = replace(measures[start], repeat_start=True)
            opened = None
        if measure.repeat_end or i in later:
            start = i + 1
    if opened is not None:
        measures[opened] = replace(measures[opened], repeat_start=False)

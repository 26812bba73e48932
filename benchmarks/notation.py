"""How long a score takes: python -m benchmarks.notation [--hits 2000] [--repeat 5] [--pdf]

Random fills over a groove, so that no page can be saved by repeats; best of ``--repeat`` runs, in milliseconds. The
processor time beside the wall time says how busy the machine was (LilyPond's process counted).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from drumscribe.notation import engrave, notate, to_lilypond, to_midi, to_musicxml, to_pdf, to_svg
from drumscribe.options import NotateOptions
from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Placement, Rhythm


def song(hits: int, seed: int = 0) -> Rhythm:
    """Bars of eighths on the hi-hat, backbeat, and kicks and ghosts at random, until there are ``hits`` hits."""
    random = np.random.default_rng(seed)
    meter, seconds = Meter(4, 4), 2.0
    bars: list[Bar] = []
    placements: list[Placement] = []
    while len(placements) < hits:
        index = len(bars)
        strokes = [(Fraction(i, 2), "closed_hihat", 70) for i in range(8)]
        strokes += [(Fraction(1), "snare", 100), (Fraction(3), "snare", 100), (Fraction(0), "kick", 100)]
        strokes += [(Fraction(int(i), 4), "kick", 90) for i in random.choice(np.arange(1, 16), 3, replace=False)]
        strokes += [(Fraction(int(i), 4), "snare", 30) for i in random.choice([1, 3, 5, 7, 9, 11, 13, 15], 3, False)]
        if index % 8 == 7:
            strokes = [(Fraction(i, 6), str(random.choice(["snare", "high_tom", "floor_tom"])), 90) for i in range(24)]
        for onset, drum, velocity in sorted(strokes, key=lambda stroke: (stroke[0], stroke[1])):
            placements.append(Placement(len(placements), index, onset, drum, velocity, 0.9, 0.0))
        bars.append(Bar(index, index + 1, meter, Fraction(4), index * seconds, (index + 1) * seconds, 120, (4,) * 4))
    return Rhythm(tuple(bars), tuple(placements), 120)


def _processor_s() -> float:
    """Processor time of this process and of the programs it has run."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def best(task: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Shortest (wall, processor) milliseconds of ``task``."""
    walls, works = [], []
    for _ in range(repeat):
        wall, work = time.perf_counter(), _processor_s()
        task()
        walls.append(time.perf_counter() - wall)
        works.append(_processor_s() - work)
    return 1000 * min(walls), 1000 * min(works)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hits", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--pdf", action="store_true", help="PDF too (some seconds a run)")
    arguments = parser.parse_args()
    rhythm = song(arguments.hits)
    options = NotateOptions(title="Benchmark")
    score = notate(rhythm, options)
    document = to_musicxml(score)
    to_svg(score, [0])  # load the engine
    times = np.arange(len(rhythm.bars) * 4 + 1) * 0.5
    grid = BeatGrid(times, np.arange(len(times)) % 4 + 1, tuple(bar.meter for bar in rhythm.bars), 120, "user")
    hits = Hits.of(Hit(p.hit_id, 2 * p.bar + float(p.onset) / 2, p.drum, 0.9, p.velocity) for p in rhythm.placements)

    def first_page() -> None:
        engrave.clear_cache()
        to_svg(score, [0])

    def every_page() -> None:
        engrave.clear_cache()
        to_svg(score)

    tasks: dict[str, Callable[[], Any]] = {
        "notate": lambda: notate(rhythm, options),
        "to_musicxml": lambda: to_musicxml(score),
        "hits → score → MusicXML": lambda: to_musicxml(notate(rhythm, options)),
        "first SVG page": first_page,
        f"all {engrave.page_count(score)} SVG pages": every_page,
        "LilyPond source": lambda: to_lilypond(score),
        "MIDI": lambda: to_midi(hits, grid),
    }
    print(f"{len(rhythm.placements)} hits, {len(rhythm.bars)} bars, {len(document) / 1024:.0f} KiB of MusicXML")
    print(f"{'':28}{'wall ms':>10}{'CPU ms':>10}")
    for name, task in tasks.items():
        wall, work = best(task, arguments.repeat)
        print(f"{name:28}{wall:10.1f}{work:10.1f}")
    if arguments.pdf:
        for backend in ("verovio", "lilypond"):
            wall, work = best(lambda backend=backend: to_pdf(score, backend=backend), 2)  # type: ignore[misc]
            print(f"{'PDF by ' + backend:28}{wall:10.1f}{work:10.1f}")


if __name__ == "__main__":
    main()

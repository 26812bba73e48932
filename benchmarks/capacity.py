"""How many songs: ``python -m benchmarks.capacity`` prints songs an hour per core, per GPU and per GB, what fills up
first at 10, 1,000 and 100,000 songs a day, and a simulation of the two queues.

The costs per stage are processor seconds per second of song. ``--measure SONG`` measures them here (one process, one
thread, cold cache); without it the table below is used, which is such a measurement. ``--check load.json`` gives
the simulation the steps' costs and the free cores of a run of benchmarks/load.py and compares the ends.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import simpy

from drumscribe.jobs.queues import DEFAULT, HEAVY, STEPS


@dataclass(frozen=True)
class Costs:
    """What one song takes. Rates are processor seconds per second of song; ``fixed_s`` is per step of the chain."""

    ingest: float = 0.0025
    separate: float = 1.2  # Demucs, real size: 0.58 s on two cores
    detect: float = 0.0096
    beats: float = 0.0205
    finish: float = 0.0155
    fixed_s: float = 0.3  # assumed: taking and letting go of a job, reading what came before from the cache
    gpu_separate: float = 0.02  # seconds of GPU; assumed, not measured
    heavy_gb: float = 2.5  # memory of a heavy worker with both networks loaded: 1.1 measured without, 1.4 for Demucs
    default_gb: float = 0.2  # of one of the four default processes
    stored_mb_per_s: float = 0.19  # FLAC and previews kept, per second of song
    cached_mb_per_s: float = 1.1  # stage cache


SONG_S = 240.0
PEAK = 3.0
"""Busiest hour over the mean hour of a day."""


def measure(song: Path) -> Costs:
    """Processor seconds per second of song, stage by stage, in this process. Demucs is left out unless it is there."""
    os.environ["OMP_NUM_THREADS"] = "1"
    from drumscribe import media
    from drumscribe.options import Options
    from drumscribe.pipeline import Run
    from drumscribe.settings import Settings
    from drumscribe.store import Store

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), separator="none", offline=True, threads=1)
        spent: dict[str, float] = {}
        for _ in range(2):  # the first pass loads the networks
            spent = {}
            with tempfile.TemporaryDirectory() as fresh:
                run = Run(settings.model_copy(update={"data_dir": Path(fresh)}), None, None)

                def timed(name: str, act: Any, into: dict[str, float] = spent) -> Any:
                    begun = time.process_time()
                    value = act()
                    into[name] = time.process_time() - begun
                    return value

                options = Options()
                audio = timed("ingest", lambda: run.ingest(song, ""))  # noqa: B023 - called at once
                stem = run.separate(audio, options)
                activations = timed("detect", lambda: run.detect(audio, stem, options))  # noqa: B023
                evidence = timed("beats", lambda: run.beats(audio, options))  # noqa: B023

                def finish() -> None:
                    result = run.finish(audio, stem, activations, evidence, options)  # noqa: B023
                    folder = Store(run.settings).folder("0" * 32)  # noqa: B023
                    media.save(folder, audio, stem)  # noqa: B023
                    result.keep(folder)

                timed("finish", finish)
    length = audio.duration_s
    return replace(Costs(), **{name: round(seconds / length, 4) for name, seconds in spent.items()})


def model(costs: Costs, *, separate: bool) -> Iterator[tuple[str, str]]:
    """Songs an hour of one core, one GPU, one GB of memory; what a day of so many songs needs."""
    heavy = costs.detect + costs.beats + (costs.separate if separate else 0.0)
    light = costs.ingest + costs.finish
    per_song = SONG_S * (heavy + light) + 5 * costs.fixed_s
    yield "processor seconds a song of 4 min", f"{per_song:.0f}"
    yield "songs an hour and core", f"{3600 / per_song:.0f}"
    if separate:
        gpu_song = SONG_S * costs.gpu_separate
        core_song = SONG_S * (costs.detect + costs.beats + light) + 5 * costs.fixed_s
        yield "songs an hour and GPU", f"{3600 / max(gpu_song, core_song / 4):.0f} (four cores beside it)"
    hourly = 3600 / (SONG_S * heavy / 2 + 3 * costs.fixed_s)
    yield "songs an hour and GB of memory", f"{hourly / costs.heavy_gb:.0f} (heavy worker, two cores)"
    for songs in (10, 1_000, 100_000):
        busiest = songs / 24 * PEAK
        cores = busiest * per_song / 3600
        workers = max(1, math.ceil(busiest / hourly / 0.8))
        disk = songs * SONG_S * costs.stored_mb_per_s / 1e3 * 7
        first = (
            "nothing: one machine idles"
            if cores < 1.5
            else "the heavy queue (processor); then the bucket's traffic"
            if songs < 50_000
            else f"the heavy queue, then storage; PostgreSQL takes {4 * workers:.0f} small writes a second"
        )
        yield (
            f"{songs:,} songs a day",
            f"{cores:.1f} cores in the busiest hour, {workers} heavy workers, {disk:.0f} GB kept for a week; "
            f"fills first: {first}",
        )


class Processor:
    """Cores that everybody shares evenly: a step alone gets one core for each of its threads, in a crowd its share."""

    def __init__(self, world: simpy.Environment, cores: float) -> None:
        self._world, self._cores, self._running = world, cores, 0
        self._changed = world.event()

    def work(self, seconds: float, threads: int = 1) -> Iterator[Any]:
        """Spend so many processor seconds."""
        self._change(threads)
        while seconds > 1e-6:
            rate = threads * min(1.0, self._cores / self._running)
            begun = self._world.now
            yield self._world.timeout(seconds / rate) | self._changed
            seconds -= (self._world.now - begun) * rate
        self._change(-threads)

    def _change(self, threads: int) -> None:
        self._running += threads
        self._changed.succeed()
        self._changed = self._world.event()


def simulate(steps: dict[str, Callable[[float], float]], arrivals: list[tuple[float, float]], *, heavy: int,
             default: int, cores: float, threads: int = 1, seed: int = 1) -> list[float]:  # fmt: skip
    """Seconds from submission to end of each song, in order of arrival, through the two queues of the workers.

    Args:
        steps: processor seconds of each step of the chain, by the length of the song.
        arrivals: (time of submission, length of the song) in seconds.
        heavy: heavy workers, one step at a time each.
        default: places of the default workers together.
        cores: what all these workers share.
        threads: of a heavy step.
    """
    chance = random.Random(seed)
    world = simpy.Environment()
    processor = Processor(world, cores)
    queues = {DEFAULT: simpy.PriorityResource(world, default), HEAVY: simpy.PriorityResource(world, heavy)}
    waited = [0.0] * len(arrivals)

    def song(number: int, at: float, length: float) -> Iterator[Any]:
        yield world.timeout(at)
        for step, cost in steps.items():
            with queues[STEPS[step]].request(priority=min(9, int(length // 120))) as place:
                yield place
                seconds = cost(length) * chance.uniform(0.95, 1.05)
                yield from processor.work(seconds, threads if STEPS[step] == HEAVY else 1)
        waited[number] = world.now - at

    for number, (at, length) in enumerate(arrivals):
        world.process(song(number, at, length))
    world.run()
    return waited


def chain(costs: Costs, *, separate: bool) -> dict[str, Callable[[float], float]]:
    """Processor seconds of each step by the length of the song."""
    rates = {step: getattr(costs, step) for step in STEPS}
    if not separate:
        rates["separate"] = 0.0
    return {step: lambda length, rate=rate: rate * length + costs.fixed_s for step, rate in rates.items()}


def day(songs: int, seed: int = 1) -> list[tuple[float, float]]:
    """One busiest hour of a day with so many songs: Poisson arrivals, lengths around four minutes."""
    chance = random.Random(seed)
    found, now = [], 0.0
    while now < 3600:
        now += chance.expovariate(songs * PEAK / 24 / 3600)
        found.append((now, min(900.0, max(30.0, chance.gauss(SONG_S, 60)))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", type=Path, help="a recording to measure the costs with")
    parser.add_argument("--check", type=Path, help="numbers of benchmarks.load --json")
    wanted = parser.parse_args()
    costs = measure(wanted.measure) if wanted.measure else Costs()
    print("costs (processor seconds per second of song):", costs, "\n")
    for separate in (False, True):
        print(f"| {'with Demucs' if separate else 'without separation'} | |\n|---|---|")
        for row in model(costs, separate=separate):
            print(f"| {row[0]} | {row[1]} |")
        print()
    print("| busiest hour of a day | heavy workers | median wait, s | 95 % |\n|---|---|---|---|")
    for songs, workers in ((10, 1), (1_000, 2), (1_000, 6), (1_000, 8), (10_000, 60)):
        default = max(1, workers // 4)
        waits = sorted(
            simulate(
                chain(costs, separate=True), day(songs), heavy=workers, default=4 * default,
                cores=2 * (workers + default), threads=2,
            )
        )  # fmt: skip
        middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
        print(f"| {songs:,} songs, Demucs on two cores | {workers} | {middle:.0f} | {late:.0f} |")
    if wanted.check:
        check(json.loads(wanted.check.read_text()))


def check(load: dict[str, Any]) -> None:
    """Give the simulation the processor seconds of a load test's steps, and compare when its last song was done."""
    around = load["processor s around a step"]
    steps = {step: lambda _length, cost=load[f"processor s of {step}"] + around: cost for step in STEPS}
    jobs = load["jobs done"] + load["jobs lost"]
    arrivals = [(number * load["submitting them took s"] / jobs, 0.0) for number in range(jobs)]
    waits = simulate(steps, arrivals, heavy=1, default=4, cores=load["cores left for the workers"])
    measured = load["all done after s"]
    simulated = max(at + wait for (at, _), wait in zip(arrivals, waits, strict=True))
    error = simulated / measured - 1
    print(f"\nload test: all done after {measured} s; simulated: {simulated:.1f} s ({error:+.0%})")


if __name__ == "__main__":
    main()

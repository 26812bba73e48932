"""How many songs: ``python -m benchmarks.capacity`` prints songs an hour per core, per GPU and per GB, what fills up
first at 10, 1,000 and 100,000 songs a day, a simulation of the two queues, a whole day of 100,000 songs with heavy
workers that are scaled as KEDA scales them, and what 1,000 songs cost on each kind of machine.

What a step costs is measured by a run of ``benchmarks.load`` with songs of several lengths, from the workers' own
logs: ``--costs load.json`` takes it from there; without it the table below is used, which is such a measurement.
``--check other.json ...`` lets the simulation predict other load runs, of which it is told nothing but when which song
came and how many cores were left for the workers, and compares the ends.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import simpy

from drumscribe.jobs.queues import DEFAULT, HEAVY, STEPS


class Step(NamedTuple):
    """Processor seconds of one step: ``fixed`` + ``rate`` x seconds of song, + ``first`` in a fresh process."""

    fixed: float
    rate: float
    first: float = 0.0

    def of(self, length: float) -> float:
        """For a song of that length, in seconds."""
        return self.fixed + self.rate * length


def _measured() -> dict[str, Step]:
    return {
        "ingest": Step(0.041, 0.00096, 0.071),
        "separate": Step(0.010, 0.00008, 0.019),
        "detect": Step(0.080, 0.00413),
        "beats": Step(0.0, 0.01085, 0.032),
        "finish": Step(0.007, 0.00991, 0.451),
    }


@dataclass(frozen=True)
class Costs:
    """What songs take, in processor seconds, and what they keep."""

    steps: dict[str, Step] = field(default_factory=_measured)
    around_s: float = 0.024  # of each step: its messages, in the worker's main process and between two steps
    start_s: float = 4.26  # a new heavy child: libraries and networks
    per_child: int = 300  # heavy steps of a child (WORKER_JOBS_PER_CHILD)
    demucs: float = 1.2  # real size, per second of song: 0.58 s on two cores
    gpu_separate: float = 0.02  # seconds of GPU per second of song; assumed, not measured
    heavy_gb: float = 2.5  # memory of a heavy worker with both networks loaded: 1.1 measured without, 1.4 for Demucs
    stored_mb_per_s: float = 0.19  # FLAC and previews kept, per second of song

    def with_demucs(self) -> Costs:
        """Songs whose drums are separated."""
        return replace(self, steps={**self.steps, "separate": Step(self.steps["separate"].fixed, self.demucs)})

    def of(self, queue: str, length: float) -> float:
        """Processor seconds of a song of that length (s) in one queue, new children included."""
        own = [step.of(length) + self.around_s for name, step in self.steps.items() if STEPS[name] == queue]
        return sum(own) + (len(own) * self.start_s / self.per_child if queue == HEAVY else 0.0)


SONG_S = 240.0
PEAK = 3.0
"""Busiest hour over the mean hour of a day."""


def read(load: dict[str, Any]) -> Costs:
    """What a run of benchmarks/load.py measured."""
    steps = {name: Step(**{key[:-2] if key.endswith("_s") else key: x for key, x in own.items()})
             for name, own in load["costs"].items()}  # fmt: skip
    return replace(
        Costs(),
        steps={name: steps[name] for name in Costs().steps},
        around_s=load["processor s around a step"],
        start_s=load["processor s of a heavy child's start"],
        per_child=load["stages of a heavy child"],
    )


def model(costs: Costs, *, separate: bool) -> Iterator[tuple[str, str]]:
    """Songs an hour of one core, one GPU, one GB of memory; what a day of so many songs needs."""
    alone = costs
    costs = costs.with_demucs() if separate else costs
    per_song = costs.of(HEAVY, SONG_S) + costs.of(DEFAULT, SONG_S)
    yield "processor seconds a song of 4 min", f"{per_song:.1f}"
    yield "songs an hour and core", f"{3600 / per_song:.0f}"
    if separate:
        gpu_song = SONG_S * costs.gpu_separate
        core_song = alone.of(HEAVY, SONG_S) + alone.of(DEFAULT, SONG_S)
        yield "songs an hour and GPU", f"{3600 / max(gpu_song, core_song / 4):.0f} (four cores beside it)"
    # Demucs spreads over two cores, the rest does not gain by them
    hourly = 3600 / (costs.of(HEAVY, SONG_S) / 2 if separate else costs.of(HEAVY, SONG_S))
    cores = "two cores" if separate else "one core"
    yield "songs an hour and GB of memory", f"{hourly / costs.heavy_gb:.0f} (heavy worker, {cores})"
    for songs in (10, 1_000, 100_000):
        busiest = songs / 24 * PEAK
        needed = busiest * per_song / 3600
        workers = max(1, math.ceil(busiest / hourly / 0.8))
        disk = songs * SONG_S * costs.stored_mb_per_s / 1e3 * 7
        first = (
            "nothing: one machine idles"
            if needed < 1.5
            else "the heavy queue (processor); then the bucket's traffic"
            if songs < 50_000
            else f"the heavy queue, then storage; PostgreSQL takes {4 * workers:.0f} small writes a second"
        )
        yield (
            f"{songs:,} songs a day",
            f"{needed:.1f} cores in the busiest hour, {workers} heavy worker{'s' if workers > 1 else ''}, "
            f"{disk:,.0f} GB kept for a week; fills first: {first}",
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


def simulate(costs: Costs, arrivals: list[tuple[float, float]], *, heavy: int, default: int, cores: float,
             threads: int = 1, fresh: bool = True, seed: int = 1) -> list[float]:  # fmt: skip
    """Seconds from submission to end of each song, in order of arrival, through the two queues of the workers.

    Args:
        arrivals: (time of submission, length of the song) in seconds.
        heavy: heavy workers, one step at a time each, ready when the first song comes.
        default: places of the default workers together.
        cores: what all these workers share.
        threads: of a heavy step.
        fresh: the workers have done nothing yet, so each loads its libraries with its first step of a kind.
    """
    chance = random.Random(seed)
    world = simpy.Environment()
    processor = Processor(world, cores)
    places = {DEFAULT: default, HEAVY: heavy}
    queues = {queue: simpy.PriorityResource(world, count) for queue, count in places.items()}
    unused = {step: places[STEPS[step]] if fresh else 0 for step in costs.steps}
    waited = [0.0] * len(arrivals)
    heavy_steps = 0

    def song(number: int, at: float, length: float) -> Iterator[Any]:
        nonlocal heavy_steps
        yield world.timeout(at)
        for name, step in costs.steps.items():
            queue = STEPS[name]
            with queues[queue].request(priority=min(9, int(length // 120))) as place:
                yield place
                seconds = step.of(length) * chance.uniform(0.95, 1.05) + (step.first if unused[name] > 0 else 0.0)
                unused[name] -= 1
                yield from processor.work(seconds, threads if queue == HEAVY else 1)
                alone = costs.around_s
                if queue == HEAVY:
                    heavy_steps += 1
                    alone += costs.start_s if heavy_steps % (costs.per_child * heavy) == 0 else 0.0
                yield from processor.work(alone)
        waited[number] = world.now - at

    for number, (at, length) in enumerate(arrivals):
        world.process(song(number, at, length))
    world.run()
    return waited


class Rule(NamedTuple):
    """How many heavy workers there should be: one for each ``target`` songs that wait, and, with ``busy``, that are
    at work (``threshold`` and ``query`` of a ScaledObject in deploy/kubernetes/workers.yaml)."""

    target: float
    busy: bool
    most: int


POLL_S, STEADY_S, READY_S = 15.0, 300.0, 60.0
"""A ScaledObject asks so often; fewer workers are wanted only after as long (Kubernetes' default); a new pod takes so
long until it works (assumed)."""


class Day(NamedTuple):
    """A simulated day."""

    waits: list[float]
    """Seconds from a song's arrival to its first heavy step, in order."""
    peak: int
    worker_hours: float
    busy: float
    """Part of the workers' time in which they worked."""


def scaled_day(costs: Costs, songs: int, rule: Rule, *, threads: int, seed: int = 1) -> Day:
    """A day of so many songs and the heavy workers that come and go with it. A song keeps one of them from its first
    heavy step to its last; nobody else keeps it waiting, and a worker that is to go ends its song before."""
    chance = random.Random(seed)
    arrivals, now, least = [], 0.0, (1 - PEAK / 4) / 0.75  # the mean of the curve below is 1
    while (now := now + chance.expovariate(songs * PEAK / 86_400)) < 86_400:
        wave = max(0.0, math.sin(math.pi * (now / 43_200 - 0.5))) ** 2  # quiet until six in the morning
        if chance.random() < (least + (PEAK - least) * wave) / PEAK:
            arrivals.append(now)
    lengths = [min(900.0, max(30.0, chance.gauss(SONG_S, 60))) for _ in arrivals]
    events = [(at, 0, number) for number, at in enumerate(arrivals)]
    events += [(POLL_S * number, 1, 0) for number in range(1, round(2 * 86_400 / POLL_S))]
    heapq.heapify(events)
    waiting: deque[int] = deque()
    wanted: deque[tuple[float, int]] = deque()
    waits, ready, at_work, coming, last, paid, worked, peak = [0.0] * len(arrivals), 1, 0, 0, 0.0, 0.0, 0.0, 1
    begun = 0
    while events and begun < len(arrivals):
        now, kind, number = heapq.heappop(events)
        paid += (ready + coming) * (now - last)
        worked += at_work * (now - last)
        last = now
        if kind == 0:
            waiting.append(number)
        elif kind == 2:
            at_work -= 1
        elif kind == 3:
            coming, ready = coming - number, ready + number
        else:
            asked = (len(waiting) + (at_work if rule.busy else 0)) / rule.target
            wanted.append((now, min(rule.most, max(1, math.ceil(asked)))))
            while wanted[0][0] < now - STEADY_S:
                wanted.popleft()
            aim, there = max(count for _, count in wanted), ready + coming
            if aim > there:
                more = min(aim - there, max(4, there))  # twice as many, or four more, a round
                coming += more
                heapq.heappush(events, (now + READY_S + costs.start_s, 3, more))
            elif aim < ready:
                ready = max(aim, at_work)
        while waiting and at_work < ready:
            song = waiting.popleft()
            waits[song] = now - arrivals[song]
            at_work, begun = at_work + 1, begun + 1
            took = costs.of(HEAVY, lengths[song]) / threads * chance.uniform(0.95, 1.05)
            heapq.heappush(events, (now + took, 2, song))
        peak = max(peak, ready + coming)
    return Day(sorted(waits), peak, paid / 3600, worked / paid)


RULES = {
    "three that wait": Rule(3, busy=False, most=1000),
    "1.25 that wait or are at work": Rule(1.25, busy=True, most=1000),  # as in deploy/kubernetes/workers.yaml
}


def machines(costs: Costs, core_price: float, gpu_price: float) -> Iterator[tuple[str, str, str]]:
    """Kind of machine; hours of it for 1,000 songs of four minutes; what these cost, workers four fifths busy."""
    heavy, default = (costs.of(queue, SONG_S) for queue in (HEAVY, DEFAULT))
    with_demucs = costs.with_demucs().of(HEAVY, SONG_S)
    for name, cores, gpus, seconds in (
        ("one core, no separation", 1, 0, heavy + default),
        ("two cores, Demucs", 2, 0, (with_demucs + default) / 2),
        ("four cores and a GPU, Demucs (assumed speed)", 4, 1, max(SONG_S * costs.gpu_separate, (heavy + default) / 4)),
    ):
        hours = 1000 * seconds / 3600 / 0.8
        yield name, f"{hours:.2f}", f"{hours * (cores * core_price + gpus * gpu_price):.2f}"


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
    parser.add_argument("--costs", type=Path, help="numbers of benchmarks.load --json, of songs of several lengths")
    parser.add_argument("--core-price", type=float, default=0.05, help="of a core with 4 GB, an hour (assumed)")
    parser.add_argument("--gpu-price", type=float, default=0.60, help="of a small GPU, an hour (assumed)")
    parser.add_argument("--check", type=Path, nargs="+", default=[], help="numbers of other load runs, to be predicted")
    wanted = parser.parse_args()
    costs = read(json.loads(wanted.costs.read_text())) if wanted.costs else Costs()
    print("| step | fixed, s | per second of song | first in a process, s |\n|---|---|---|---|")
    for name, step in costs.steps.items():
        print(f"| {name} | {step.fixed:.3f} | {step.rate:.4f} | {step.first:.2f} |")
    print(f"\naround a step {costs.around_s:.3f} s, a new heavy child {costs.start_s:.1f} s, Demucs {costs.demucs}\n")
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
                costs.with_demucs(), day(songs), heavy=workers, default=4 * default,
                cores=2 * (workers + default), threads=2, fresh=False,
            )
        )  # fmt: skip
        middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
        print(f"| {songs:,} songs, Demucs on two cores | {workers} | {middle:.0f} | {late:.0f} |")
    print("\n| a day of 100,000 songs | one more for | heavy workers at most | worker hours | busy | wait: median, s "
          "| 95 % | 99 % |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for separate, kind in ((False, "no separation"), (True, "Demucs on two cores")):
        for name, rule in RULES.items():
            found = scaled_day(costs.with_demucs() if separate else costs, 100_000, rule, threads=1 + separate)
            waits = " | ".join(f"{found.waits[int(len(found.waits) * part)]:.0f}" for part in (0.5, 0.95, 0.99))
            print(f"| {kind} | {name} | {found.peak} | {found.worker_hours:,.0f} | {found.busy:.0%} | {waits} |")
    print("\n| machine | hours for 1,000 songs | cost |\n|---|---|---|")
    for row in machines(costs, wanted.core_price, wanted.gpu_price):
        print("| " + " | ".join(row) + " |")
    if wanted.check:
        print("\n| load run | cores left | all done after, s | simulated, s | | processor s | predicted, s | |")
        print("|---|---|---|---|---|---|---|---|")
    for path in wanted.check:
        check(path, costs)


def check(path: Path, costs: Costs) -> None:
    """Predict a load run and print the comparison."""
    load = json.loads(path.read_text())
    lengths = load["songs s"]
    apart = load["submitting them took s"] / len(lengths)
    arrivals = [((number + 1) * apart, length) for number, length in enumerate(lengths)]
    waits = simulate(costs, arrivals, heavy=1, default=4, cores=load["cores left for the workers"])
    measured, used = load["all done after s"], load["processor s of all workers"]
    simulated = max(at + wait for (at, _), wait in zip(arrivals, waits, strict=True))
    predicted = sum(costs.of(queue, length) for length in lengths for queue in (DEFAULT, HEAVY))
    predicted += sum(step.first * min(len(lengths), 4) for name, step in costs.steps.items() if STEPS[name] == DEFAULT)
    kinds = ", ".join(map(str, sorted({round(length) for length in lengths})))
    print(
        f"| {len(lengths)} songs of {kinds} s | {load['cores left for the workers']} | {measured} | "
        f"{simulated:.1f} | {simulated / measured - 1:+.0%} | {used} | {predicted:.1f} | {predicted / used - 1:+.0%} |"
    )


if __name__ == "__main__":
    main()

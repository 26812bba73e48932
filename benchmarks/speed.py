"""How fast each stage is and how much memory it takes, on a 60 s and a 240 s song.

    python -m benchmarks.speed [--demucs] [--seconds 60 240] [--speeds 94 100 106] [--json FILE]

``HIT_ENGINE=keras`` and ``--speeds 100`` give what version 0.1.0 did.

The song is the packaged example, repeated. Each length runs in a fresh process with an empty cache. ``--demucs`` adds
runs with a Hybrid Transformer Demucs of the official size and random weights: the time is that of the real one. The
last table shows what a user feels: the same song again, a moved slider, a reopened project.

``x RT`` is seconds of work per second of music (less is faster), ``CPU s`` counts all threads and is what to compare on
a busy machine. ``above`` is the peak of resident memory during the stage over what the process held when it began.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.separation import make

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "drumscribe" / "assets" / "example.ogg"
TARGET_S = {("none", 240.0): 60.0}


class Peak(threading.Thread):
    """Samples this process's resident memory; :meth:`take` gives the peak since the last call, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._page = os.sysconf("SC_PAGE_SIZE") / 2**20
        self._peak = 0.0
        self.start()

    def now(self) -> float:
        """Resident memory without mapped files, in MB (a cached array that was mapped can be dropped any time)."""
        _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
        return (int(resident) - int(shared)) * self._page

    def run(self) -> None:
        """Sample for as long as the process lives."""
        while True:
            self._peak = max(self._peak, self.now())
            time.sleep(0.02)

    def take(self) -> float:
        """Peak since the last call, in MB."""
        peak, self._peak = max(self._peak, self.now()), self.now()
        return peak


def make_song(path: Path, seconds: float) -> None:
    """The example over and over, as 16-bit WAV."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(EXAMPLE, always_2d=True)
    times = int(np.ceil(seconds * rate / len(samples)))
    soundfile.write(path, np.tile(samples, (times, 1))[: round(seconds * rate)], rate)


def measure(seconds: float, separator: str, place: Path, speeds: list[int]) -> dict[str, Any]:
    """Run every stage once in this process."""
    from drumscribe.runtime import prepare
    from drumscribe.settings import Settings

    model = {"demucs_model": str(place / "demucs")} if separator == "demucs" else {}
    settings = Settings(data_dir=place / f"data-{separator}-{seconds:g}", separator=separator, offline=True, **model)
    prepare(settings)
    from drumscribe.options import Options
    from drumscribe.pipeline import Run
    from drumscribe.song.transcription import Transcription

    peak, rows, options = Peak(), [], Options().updated(detect={"speeds": speeds})

    def timed(stage: str, work: Any) -> Any:
        before = peak.now()
        peak.take()
        wall, cpu = time.perf_counter(), time.process_time()
        value = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rows.append({"stage": stage, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak.take(), "above_mb": 0.0})
        rows[-1]["above_mb"] = rows[-1]["peak_mb"] - before
        return value

    run = Run(settings, None, None)
    song = place / f"song-{seconds:g}.wav"
    audio = timed("ingest", lambda: run.ingest(song, ""))
    stem = timed("separate", lambda: run.separate(audio, options))
    activations = timed("detect", lambda: run.detect(audio, stem, options))
    evidence = timed("beats", lambda: run.beats(audio, options))
    result = timed("quantise+notate", lambda: run.finish(audio, stem, activations, evidence, options))
    files = place / "files"
    for kind in ("musicxml", "midi", "json", "pdf"):
        timed(f"export {kind}", lambda kind=kind: result.export(files, [kind], settings=settings))
    feels = {}

    def felt(what: str, work: Any) -> None:
        start = time.process_time()
        work()
        feels[what] = time.process_time() - start

    again = Run(settings, None, None)

    def from_cache() -> None:
        known = again.ingest(song, "")
        stem_again = again.separate(known, options)
        again.finish(known, stem_again, again.detect(known, stem_again, options), again.beats(known, options), options)

    felt("the same song again", from_cache)
    felt("rescore: other tempo", lambda: result.rescore(beats={"bpm": round(result.grid.bpm) + 1}))
    felt("rescore: finest 32", lambda: result.rescore(quantise={"finest": 32}))
    felt("rescore: sensitivity", lambda: result.rescore(detect={"sensitivity": 0.6}))
    felt("rescore: title", lambda: result.rescore(notate={"title": "x"}))
    path = next(files.glob("*.json"))
    felt("reopen the project", lambda: Transcription.load(path))
    return {
        "seconds": seconds,
        "separator": separator,
        "audio_mb": audio.samples.nbytes / 2**20,
        "hits": len(result.hits),
        "rows": rows,
        "feels": feels,
    }


def show(result: dict[str, Any]) -> None:
    seconds = result["seconds"]
    print(
        f"\n{seconds:g} s, separator {result['separator']}: {result['audio_mb']:.0f} MB of audio, {result['hits']} hits"
    )
    print(f"{'stage':<18}{'wall s':>9}{'x RT':>8}{'CPU s':>9}{'x RT':>8}{'peak MB':>9}{'above':>8}")
    total = {"wall_s": 0.0, "cpu_s": 0.0}
    for row in result["rows"]:
        for key in total:
            total[key] += row[key]
        print(line(row["stage"], row, seconds) + f"{row['peak_mb']:>9.0f}{row['above_mb']:>8.0f}")
    print(line("all", total, seconds) + f"{max(row['peak_mb'] for row in result['rows']):>9.0f}")
    target = TARGET_S.get((result["separator"], seconds))
    if target is not None:
        print(f"target: {target:g} s; {'met' if total['wall_s'] < target else 'not met'} by the clock, "
              f"{'met' if total['cpu_s'] < target else 'not met'} by processor time")  # fmt: skip


def line(name: str, row: dict[str, float], seconds: float) -> str:
    wall, cpu = row["wall_s"], row["cpu_s"]
    return f"{name:<18}{wall:>9.2f}{wall / seconds:>8.3f}{cpu:>9.2f}{cpu / seconds:>8.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0, 240.0])
    parser.add_argument("--demucs", action="store_true", help="also with Demucs, random weights of the real size")
    parser.add_argument("--speeds", type=int, nargs="+", default=[94, 100, 106], help="in per cent; 100: heard once")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--one", nargs=3, metavar=("SECONDS", "SEPARATOR", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        seconds, separator, folder = chosen.one
        print(json.dumps(measure(float(seconds), separator, Path(folder), chosen.speeds)))
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if chosen.demucs:
            (place / "demucs").mkdir()
            make("htdemucs", place / "demucs")
        for seconds in chosen.seconds:
            make_song(place / f"song-{seconds:g}.wav", seconds)
            for separator in ("none", "demucs") if chosen.demucs else ("none",):
                command = [sys.executable, "-m", "benchmarks.speed", "--one", f"{seconds:g}", separator, folder]
                command += ["--speeds", *map(str, chosen.speeds)]
                done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
                results.append(json.loads(done.stdout.splitlines()[-1]))
                show(results[-1])
    print("\nprocessor seconds of what a user waits for")
    names = list(results[0]["feels"])
    print(f"{'':<26}" + "".join(f"{r['seconds']:>8g} s {r['separator']:<7}" for r in results))
    for name in names:
        print(f"{name:<26}" + "".join(f"{r['feels'][name]:>10.3f}{'':<8}" for r in results))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

"""Peak memory and time of the whole cold command on a stereo MP3: ``python -m benchmarks.memory --seconds 288 3600``.

The example song is repeated to the length asked for; nothing is separated; every default file is written. Peak is
the resident set of the process as the kernel counts it (Linux), of which what lies in mapped files is a part. CPU is
processor time of all threads and programs, which a busy machine stretches less than the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

EXAMPLE = Path(__file__).parent.parent / "drumscribe" / "assets" / "example.ogg"


def mp3(path: Path, seconds: float) -> Path:
    """The example, repeated, as a stereo MP3 of 192 kbit/s."""
    from drumscribe.audio import decode

    sound = decode(EXAMPLE).samples
    stereo = np.repeat(sound, 2 // len(sound), axis=0)
    left = round(seconds * 44_100)
    with av.open(str(path), "w", format="mp3") as out:
        stream = out.add_stream("mp3", rate=44_100, layout="stereo", bit_rate=192_000)
        while left > 0:
            for start in range(0, min(left, stereo.shape[1]), 1152):
                block = np.ascontiguousarray(stereo[:, start : start + min(1152, left - start)])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                frame.rate = 44_100
                out.mux(stream.encode(frame))
            left -= stereo.shape[1]
        out.mux(stream.encode(None))
    return path


def measure(song: Path, folder: Path) -> tuple[float, float, float]:
    """Peak in MB, seconds, and processor seconds of one cold command."""
    environment = {**os.environ, "DATA_DIR": str(folder / "data"), "SEPARATOR": "none", "OFFLINE": "1"}
    command = [sys.executable, "-m", "drumscribe", "transcribe", str(song), "-o", str(folder), "-q"]
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the command failed with status {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return used.ru_maxrss * unit / 1e6, time.perf_counter() - start, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[288.0, 3600.0])
    arguments = parser.parse_args()
    print(f"this process, before anything: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    print(f"{'song':>8}  {'samples':>8}  {'peak':>8}  {'time':>8}  {'CPU':>8}")
    for seconds in arguments.seconds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            peak, took, cpu = measure(mp3(folder / "song.mp3", seconds), folder)
        size = seconds * 2 * 44_100 * 4 / 1e6
        print(f"{seconds:6.0f} s  {size:5.0f} MB  {peak:5.0f} MB  {took:6.1f} s  {cpu:6.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""Cost of separation: real-time factor and peak memory of Demucs at its real size, with random weights.

    python benchmarks/separation.py [--seconds 30] [--threads 0] [--device cpu]

Time and memory do not depend on what the weights are, so none need to be fetched. Each row runs in a process of its
own. The rows of the small network show how memory grows with the length of the song, apart from the network itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIZES = {
    # As htdemucs was trained; everything else at its default. 42 million parameters.
    "htdemucs": {"bottom_channels": 512, "segment": Fraction(39, 5)},
    "small": {"channels": 8, "t_layers": 1, "t_heads": 2, "bottom_channels": 16, "segment": Fraction(39, 5)},
}


def make(size: str, folder: Path) -> None:
    """A Hybrid Transformer Demucs of a size with random weights."""
    import torch
    from demucs.htdemucs import HTDemucs
    from demucs.states import save_with_checksum

    torch.manual_seed(0)
    model = HTDemucs(["drums", "bass", "other", "vocals"], **SIZES[size])
    args, kwargs = model._init_args_kwargs
    state = {key: value.half() for key, value in model.state_dict().items()}
    save_with_checksum(
        {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": state, "training_args": {}}, folder / "random00.th"
    )


def measure(folder: str, seconds: float, threads: int, device: str) -> dict[str, float]:
    import resource
    import time

    import numpy as np
    import torch

    from drumscribe import audio
    from drumscribe.audio import separation
    from drumscribe.options import SeparateOptions
    from drumscribe.settings import Settings

    settings = Settings(demucs_model=folder, threads=threads, device=device)
    options = SeparateOptions(separator="demucs")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, round(seconds * 44100))).astype(np.float32)
    separation.separate(audio.from_samples(noise[:, :44100], 44100), options, settings=settings)  # loads it all
    song = audio.from_samples(noise, 44100, settings=settings)
    del noise
    start, worked = time.perf_counter(), time.process_time()
    separation.separate(song, options, settings=settings)
    spent, worked = time.perf_counter() - start, time.process_time() - worked
    return {
        "real": spent / seconds,
        "worked": worked / seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "song_mb": song.samples.nbytes / 2**20,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Real-time factor and peak memory of separation.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        folder, seconds = arguments.measure
        print(json.dumps(measure(folder, float(seconds), arguments.threads, arguments.device)))
        return
    print(
        "| network | song | threads | real-time factor | processor time / song | peak memory | of it the song itself |"
    )
    print("|---|---|---|---|---|---|---|")
    for size, seconds in (("htdemucs", arguments.seconds), ("small", 30.0), ("small", 120.0)):
        with tempfile.TemporaryDirectory() as folder:
            make(size, Path(folder))
            options = ["--threads", str(arguments.threads), "--device", arguments.device]
            command = [sys.executable, __file__, "--measure", folder, str(seconds), *options]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        numbers = f"{row['real']:.2f} | {row['worked']:.2f} | {row['peak_mb']:.0f} MB | {row['song_mb']:.0f} MB"
        print(f"| {size} | {seconds:.0f} s | {row['threads']} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()

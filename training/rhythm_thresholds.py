"""What the threshold of each kind of drum does to the bars of a chart, on what ``training.rhythm_reader`` made.

    python -m training.rhythm_thresholds --kept FOLDER [--drums snare] [--at 0.5 0.54 0.58 0.62 0.66]

Thresholds of the network's card are where F is greatest over all drums together; a bar is right only if all of it is.
Printed are the bars more, and the F more, than with the card's, for pieces of the training and the validation split.
"""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path

import numpy as np

from drumscribe import hits
from drumscribe.options import DetectOptions, Options
from drumscribe.rhythm import reader
from drumscribe.song.stages import shown
from training.rhythm_reader import Clip, Floats, bars_right


def written(clips: list[Clip], limits: dict[str, float]) -> Floats:
    """For each clip what :func:`training.rhythm_reader.bars_right` counts under own thresholds."""
    options = DetectOptions(thresholds=limits)
    return np.array([bars_right(clip, shown(hits.pick(clip.activations, options), Options())) for clip in clips])


def more(names: list[str], now: Floats, before: Floats) -> str:
    """Bars and F gained, and how many pieces gained and lost bars."""
    (right, bars, both, there, said), old = now.sum(axis=0), before.sum(axis=0)
    f1, was = 2 * both / (there + said), 2 * old[2] / (old[3] + old[4])
    by_piece = [int((now - before)[[name == each for each in names], 0].sum()) for name in sorted(set(names))]
    won, lost = sum(gain > 0 for gain in by_piece), sum(gain < 0 for gain in by_piece)
    return f"{right - old[0]:+4.0f} of {old[0]:.0f} right in {bars:.0f}, F {f1 - was:+.4f}, pieces +{won} -{lost}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kept", type=Path, required=True, help="what training.rhythm_reader kept")
    parser.add_argument("--drums", nargs="+", default=[kind[0] for kind in reader.KINDS])
    parser.add_argument("--at", type=float, nargs="+", default=[0.36, 0.5, 0.54, 0.58, 0.62, 0.66])
    args = parser.parse_args()
    for split in ("train", "validation"):
        files = sorted(args.kept.glob(f"{split}_*.pickle"))
        clips: list[Clip] = [clip for file in files for clip in pickle.loads(file.read_bytes())]
        names = [clip.name for clip in clips]
        before = written(clips, {})
        for drum in args.drums:
            for limit in args.at:
                print(
                    f"{split:10s} {drum} {limit:.2f}: {more(names, written(clips, {drum: limit}), before)}", flush=True
                )


if __name__ == "__main__":
    main()

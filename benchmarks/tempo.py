"""Does the tempo decide which drum is heard? One groove, one kit, many tempi; a table.

    python -m benchmarks.tempo [--bpm 60:220:4] [--fonts FluidR3_GM TimGM6mb] [--grooves NAME ...] [--json FILE]

For each soundfont and groove: the median F over the tempi (14 drums, 50 ms), the lowest and its tempo, at how many
tempi F is more than .05 below the median, strokes of the hi-hat foot that nobody played, and how many of those that
were played are found.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.accuracy import match
from benchmarks.rendered import FONTS, GROOVES, f_measure, hear, pairs, play, strokes

FALL = 0.05


def sweep(font: Path, groove: str, tempi: list[int], bars: int) -> dict[str, float]:
    """One row: the groove at every tempo."""
    scores, false, found, there, hits = [], 0, 0, 0, 0
    for bpm in tempi:
        played = strokes(groove, bpm, bars)
        heard = pairs(hear(play(played, font)))
        scores.append(f_measure([(t, drum) for t, drum, _ in played], heard))
        feet = [t for t, drum, _ in played if drum == "pedal_hihat"]
        said = [t for t, drum in heard if drum == "pedal_hihat"]
        right = len(match(feet, said, 0.05))
        false, found, there, hits = false + len(said) - right, found + right, there + len(feet), hits + len(heard)
    middle = float(np.median(scores))
    return {
        "median": round(middle, 3), "lowest": round(min(scores), 3), "at": tempi[int(np.argmin(scores))],
        "falls": sum(score < middle - FALL for score in scores), "false_feet": false, "hits": hits,
        "feet_found": found, "feet": there,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="One groove at many tempi.")
    parser.add_argument("--bpm", default="60:220:4", help="lowest:highest:step")
    parser.add_argument("--fonts", nargs="+", default=["FluidR3_GM", "TimGM6mb"], help=f"names in {FONTS}, or files")
    parser.add_argument("--grooves", nargs="+", default=list(GROOVES), choices=list(GROOVES))
    parser.add_argument("--bars", type=int, default=8)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    low, high, step = map(int, args.bpm.split(":"))
    tempi = list(range(low, high + 1, step))
    rows = {}
    print(f"{'font':12s} {'groove':22s} median lowest  at BPM  falls of {len(tempi)}  false feet  feet found")
    for name in args.fonts:
        font = Path(name) if Path(name).exists() else FONTS / f"{name}.sf2"
        for groove in args.grooves:
            row = rows[f"{font.stem} {groove}"] = sweep(font, groove, tempi, args.bars)
            found = f"{row['feet_found']} of {row['feet']}" if row["feet"] else ""
            print(f"{font.stem[:12]:12s} {groove:22s} {row['median']:.3f}  {row['lowest']:.3f} {row['at']:6d} "
                  f"{row['falls']:8d} {row['false_feet']:14d}  {found}", flush=True)  # fmt: skip
    hits, false = sum(row["hits"] for row in rows.values()), sum(row["false_feet"] for row in rows.values())
    print(f"all: {sum(row['falls'] for row in rows.values())} falls, {false} false feet in {hits} hits "
          f"({100 * false / max(1, hits):.2f} %)")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

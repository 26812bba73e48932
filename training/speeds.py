"""Learn how sure the mean over several speeds is, and write it into the card.

    python -m training.testset --data DATA --work WORK --out WORK/valid --count 110 --split valid --natural
    python -m training.speeds --valid WORK/valid [--speeds 94 100 106]

What is heard three times is surer than the mean of three log-odds says. So they are calibrated as those of one run are
(:mod:`training.calibrate`), by two numbers for all drums: a drum's own would come from a handful of kits. Repetition,
threshold and timing, which rest on calibrated log-odds, stay as they were learnt. It listens as the product does, with
both packaged networks, to recordings of kits, grooves and songs that were held out from training.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from scipy.special import expit

from drumscribe.anchor import anchor
from drumscribe.hits.card import ASIDE, DEFAULT, FOLDER, Averaged
from drumscribe.hits.engines import LIGHT, load
from drumscribe.hits.features import HOP, SAMPLE_RATE
from drumscribe.hits.network import BLOCK, CONTEXT, Listening, hear, span
from drumscribe.hits.speeds import log_odds
from drumscribe.kit import LABELS
from drumscribe.options import SPEEDS
from training.calibrate import Clip, match, platt
from training.held_out import amend, recordings


def listen(folder: Path, speeds: tuple[int, ...]) -> list[Clip]:
    """Hear the recordings that :mod:`training.testset` wrote, drums alone and in the mix."""
    one, other = (partial(load, FOLDER / f"{name}{LIGHT}", 1, BLOCK + 2 * CONTEXT) for name in (DEFAULT, ASIDE))
    clips = []
    for samples, notes, kind in recordings(folder):
        origin = anchor(samples)
        onset, velocity, _ = hear(Listening(one, aside=other), [samples], speeds, origin)
        start_s = (origin + span(len(samples), 100, origin)[0] * HOP) / SAMPLE_RATE
        shifted = [(time - start_s, LABELS.index(drum), loud) for time, drum, loud in notes]
        clips.append(Clip(log_odds(onset), log_odds(velocity), shifted, kind == "mix"))
    return clips


def learn(clips: list[Clip], speeds: tuple[int, ...]) -> Averaged:
    """Calibration (J. Platt, 1999) of what was heard at these speeds."""
    heard = match(clips, (expit(clip.logits) for clip in clips))
    scale, shift = (round(value, 3) for value in platt(heard.logit, heard.right, (1.0, 0.0), 1.0))
    return Averaged(speeds, dict.fromkeys(LABELS, scale), dict.fromkeys(LABELS, shift))


def main() -> None:
    parser = argparse.ArgumentParser(description="Calibrate hearing at several speeds.")
    parser.add_argument("--valid", type=Path, required=True, help="folder of recordings to learn from")
    parser.add_argument("--speeds", type=int, nargs="+", default=list(SPEEDS))
    parser.add_argument("--card", type=Path, default=FOLDER / f"{DEFAULT}.json")
    args = parser.parse_args()
    speeds = tuple(sorted(set(args.speeds)))
    learnt = learn(listen(args.valid, speeds), speeds)
    amend(args.card, speeds=asdict(learnt))
    print(learnt)


if __name__ == "__main__":
    main()

"""What each part of the network is worth: variants trained alike, a line each.

    python -m training.ablations --work WORK [--steps 1500] [--only NAME ...] [--recordings DIR]

Every variant sees the same batches in the same order, drawn once into ``WORK/ablations``, with the same schedule and
seed. Printed: parameters, processor time per step, and the micro F of 14 drums on the ``valid`` side at the best common
threshold, drums alone and in mixes. ``--recordings`` (a folder with ``drum_only``, ``mix``, ``subclass``) adds the F of
five classes there at the same threshold, for information; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.accuracy import classes, match, read_truth
from drumscribe.audio.decoding import decode
from drumscribe.hits.features import BANDS, FPS, compress, frame_count, level, log_mel
from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS
from training.batches import FRAMES, Mixer, targets
from training.network import POOL, HitNetwork
from training.scores import Tally, tally
from training.train import BATCH, losses

Array = NDArray[np.float32]
Losses = Callable[..., dict[str, Tensor]]
"""From heads and targets (onset, velocity, where it is known; drums' share, drums here, ring and where known)."""
THRESHOLDS = np.arange(0.15, 0.75, 0.05)


class Gated(nn.Module):
    """A bidirectional gated recurrent unit over the slow frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.unit = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, width, frames)`` to the same shape."""
        return x + self.unit(x.transpose(1, 2).float())[0].transpose(1, 2)


class Attending(nn.Module):
    """Two transformer layers over the slow frames; positions by a wide depthwise convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.place = nn.Conv1d(width, width, 31, padding=15, groups=width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, width, frames)`` to the same shape."""
        return self.layers((x + self.place(x)).transpose(1, 2)).transpose(1, 2)


class OneWindow(HitNetwork):
    """Hears the spectrogram of one window only (0: long, 1: short)."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """As :meth:`HitNetwork.forward`."""
        return super().forward(x[..., self.window : self.window + 1].expand_as(x))


class WithHeads(HitNetwork):
    """More heads: the drums' share of each band, whether drums play at all, how long an open hat rings."""

    def __init__(self) -> None:
        super().__init__()
        width = self.onset.in_channels
        self.more = nn.ModuleDict({name: nn.Conv1d(width, size, 1) for name, size in MORE.items()})
        self.late.register_forward_hook(lambda module, inputs, out: setattr(self, "_last", out))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """As :meth:`HitNetwork.forward`, and the heads of :data:`MORE`."""
        heads = super().forward(x)
        last = functional.relu(self._last)
        return heads | {name: head(last).transpose(1, 2).float() for name, head in self.more.items()}


MORE = {"share": BANDS, "here": 1, "ring": 1}


def with_heads(*names: str) -> Losses:
    """The usual losses and those of some of :data:`MORE`."""

    def combined(heads: dict[str, Tensor], *targets: Tensor) -> dict[str, Tensor]:
        onset, velocity, known, share, here, ring, rings = targets
        parts = losses(heads, onset, velocity, known)
        bce = functional.binary_cross_entropy_with_logits
        if "share" in names:
            parts["share"] = 0.5 * bce(heads["share"], share)
        if "here" in names:
            parts["here"] = 0.2 * bce(heads["here"][..., 0], here)
        if "ring" in names:
            error = (torch.sigmoid(heads["ring"][..., 0]) - ring) ** 2 * rings
            parts["ring"] = error.sum() / rings.sum().clamp(min=1)
        return parts

    return combined


def more_targets(notes: list[tuple[float, int, float]], frames: int) -> tuple[Array, Array, Array]:
    """Whether drums play within a second, and how long open hats ring (seconds / 2) and where; ``(frames,)`` each."""
    here, ring, rings = (np.zeros(frames, dtype=np.float32) for _ in range(3))
    hats = [LABELS.index(name) for name in ("closed_hihat", "open_hihat", "pedal_hihat")]
    strokes = sorted(at for at, column, _ in notes if column in hats)
    for at, column, _ in notes:
        here[max(0, round((at - 1) * FPS)) : round((at + 1) * FPS)] = 1
        if LABELS[column] == "open_hihat":
            ends = next((after for after in strokes if after > at + 0.02), at + 2)
            about = slice(max(0, round(at * FPS) - 1), round(at * FPS) + 2)
            ring[about], rings[about] = min(1.0, (ends - at) / 2), 1
    return here, ring, rings


def with_slow(make: Callable[[int], nn.Module]) -> Callable[[], HitNetwork]:
    """The network with another slow stack."""

    def build() -> HitNetwork:
        net = HitNetwork()
        net.slow = make(160)  # type: ignore[assignment]
        return net

    return build


def plain(heads: dict[str, Tensor], *targets: Tensor) -> dict[str, Tensor]:
    """What is trained with."""
    return losses(heads, *targets[:3])


def focal(heads: dict[str, Tensor], onset: Tensor, velocity: Tensor, known: Tensor, *_: Tensor) -> dict[str, Tensor]:
    """Cross-entropy weighted by the squared error (T.-Y. Lin et al., *Focal loss*, 2017)."""
    parts = losses(heads, onset, velocity, known)
    raw = functional.binary_cross_entropy_with_logits(heads["onset"], onset, reduction="none")
    wrong = (torch.sigmoid(heads["onset"]) - onset).abs().detach()
    parts["onset"] = 4 * (wrong**2 * raw).mean() * len(LABELS)
    return parts


def sharp(heads: dict[str, Tensor], onset: Tensor, velocity: Tensor, known: Tensor, *_: Tensor) -> dict[str, Tensor]:
    """Targets of one frame instead of a bump."""
    return losses(heads, (onset > 0.8).float(), velocity, known)


def alone(heads: dict[str, Tensor], onset: Tensor, velocity: Tensor, known: Tensor, *_: Tensor) -> dict[str, Tensor]:
    """Onsets and nothing else to learn."""
    return {"onset": losses(heads, onset, velocity, known)["onset"]}


VARIANTS: dict[str, tuple[Callable[[], HitNetwork], Losses]] = {
    "as shipped": (HitNetwork, plain),
    "no slow stack (0.1 s of context)": (with_slow(lambda width: nn.Identity()), plain),
    "GRU for the slow stack": (with_slow(Gated), plain),
    "attention for the slow stack": (with_slow(Attending), plain),
    "long window only": (lambda: OneWindow(0), plain),
    "short window only": (lambda: OneWindow(1), plain),
    "half as wide": (lambda: HitNetwork(fast=56, slow=80), plain),
    "focal loss": (HitNetwork, focal),
    "targets of one frame": (HitNetwork, sharp),
    "onset head alone": (HitNetwork, alone),
    "and the drums' share of each band": (WithHeads, with_heads("share")),
    "and whether drums play": (WithHeads, with_heads("here")),
    "and how long open hats ring": (WithHeads, with_heads("ring")),
}


def draw(work: Path, count: int) -> Path:
    """Batches in half precision, drawn once."""
    folder = work / "ablations"
    folder.mkdir(exist_ok=True)
    mixer = Mixer(work, "train", shares=True)
    mixer.refresh()
    for i in range(count):
        path = folder / f"{i:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng((77, i))
            examples = [mixer.example(rng) for _ in range(BATCH)]
            rows = [(compress(one.magnitudes), *targets(one.notes, FRAMES), one.share,
                     *more_targets(one.notes, FRAMES)) for one in examples]  # fmt: skip
            np.savez(path, *(np.stack(part).astype(np.float16) for part in zip(*rows, strict=True)))
    return folder


def train(build: Callable[[], HitNetwork], loss: Losses, folder: Path, steps: int) -> tuple[HitNetwork, float]:
    """Train from scratch; the network with averaged weights, and processor seconds a step."""
    torch.manual_seed(1)
    net, average = build(), build()
    average.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), 2.5e-3, weight_decay=1e-2)
    began = time.process_time()
    for step in range(steps):
        falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = 2.5e-3 * min(1, (step + 1) / 200) * falling
        with np.load(folder / f"{step:05d}.npz") as data:
            features, *rest = (torch.from_numpy(data[name].astype(np.float32)) for name in data.files)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            heads = net(features)
        optimiser.zero_grad()
        torch.stack(list(loss(heads, *rest).values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            keep = min(0.995, step / (step + 20))
            for mine, theirs in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                mine.lerp_(theirs, 1 - keep) if mine.is_floating_point() else mine.copy_(theirs)
    return average.eval(), (time.process_time() - began) / steps


def curves(net: HitNetwork, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Onset probabilities ``(frames, drums)``."""
    with torch.no_grad():
        onset: NDArray[np.float32] = torch.sigmoid(net(torch.from_numpy(features)[None])["onset"][0]).numpy()
    return onset


def validate(net: HitNetwork, work: Path, clips: int) -> tuple[float, list[float]]:
    """Best common threshold on the ``valid`` side, and its micro F on drums and in mixes."""
    mixer = Mixer(work, "valid")
    mixer.refresh()
    totals = {mix: [Tally.empty() for _ in THRESHOLDS] for mix in (False, True)}
    for mix, sums in totals.items():
        rng = np.random.default_rng(11)
        for _ in range(clips):
            example = mixer.example(rng, mix=mix, clean=True)
            heard = curves(net, compress(example.magnitudes))
            truth = [(t, c) for t, c, _ in example.notes]
            for i, threshold in enumerate(THRESHOLDS):
                sums[i] += tally(heard, truth, np.full(len(LABELS), threshold), fps=FPS)
    both = [(totals[False][i] + totals[True][i]).micro() for i in range(len(THRESHOLDS))]
    best = int(np.argmax(both))
    return float(THRESHOLDS[best]), [sums[best].micro() for sums in totals.values()]


def recorded(net: HitNetwork, folder: Path, threshold: float) -> list[float]:
    """Micro F of five classes on annotated recordings, drums alone and mix."""
    found = []
    for kind in ("drum_only", "mix"):
        right = total = 0
        for path in sorted((folder / kind).glob("*.flac")):
            samples = decode(path).mono()
            frames = -(-frame_count(len(samples)) // POOL) * POOL
            heard = curves(net, log_mel(samples * np.float32(level(samples)), 0, frames))
            peaks = find_peaks(heard, threshold)
            truth = read_truth(folder / "subclass" / f"{path.stem}_subclass.txt")
            for name in ("KD", "SD", "TT", "HH", "CY"):
                mine = sorted(position / FPS for position, column in zip(peaks.position, peaks.column, strict=True)
                              if classes(5, LABELS[column]) == name)  # fmt: skip
                theirs = [hit.time_s for hit in truth if classes(5, hit.drum) == name]
                right += 2 * len(match(theirs, mine, 0.05))
                total += len(mine) + len(theirs)
        found.append(right / max(1, total))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    parser.add_argument("--recordings", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = draw(args.work, args.steps)
    table = args.work / "ablations.csv"
    print(f"{'variant':34s} params  s/step  threshold  drums    mix    recordings")
    for name in args.only:
        build, loss = VARIANTS[name]
        net, cost = train(build, loss, folder, args.steps)
        threshold, scores = validate(net, args.work, args.clips)
        scores += recorded(net, args.recordings, threshold) if args.recordings else []
        size = sum(part.numel() for part in net.parameters()) / 1e6
        row = [f"{size:.2f}M", f"{cost:.3f}", f"{threshold:.2f}", *(f"{score:.3f}" for score in scores)]
        print(f"{name:34s} " + "  ".join(row), flush=True)
        with table.open("a", newline="") as file:
            csv.writer(file).writerow([name, args.steps, *row])


if __name__ == "__main__":
    main()

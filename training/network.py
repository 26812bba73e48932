"""The hit network in torch: a small 2-D front end, residual dilated convolutions at two rates, heads.

Drums are told apart within a tenth of a second, at 100 frames a second; what kit this is, what else plays, and where
the pattern goes needs seconds, which a wider stack hears at half the rate (2.5 s to each side). What goes down to that
rate is low-passed first, and what comes up is interpolated (R. Zhang, *Making convolutional networks shift-invariant
again*, 2019), so that it does not matter on which frame a recording begins. Everything is a convolution with a finite
reach (:data:`REACH`), so a recording may be cut into blocks that overlap by it with equal results.

Training is in plain torch because on a CPU it takes a quarter of the time there that the same Keras layers take on
torch (fused normalisation, channels-last, bfloat16: 0.27 s of processor time a step against 1.04 s).
:mod:`training.export` rebuilds it from Keras layers and checks that both give the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from drumscribe.hits.features import BANDS, WINDOWS
from drumscribe.kit import LABELS

POOL = 2
"""Frames per step of the slow stack; lengths and block starts are multiples of it."""
BLUR = (1 / 16, 2 / 16, 3 / 16, 4 / 16, 3 / 16, 2 / 16, 1 / 16)
"""The low-pass before the slow stack: the mean of four frames, twice."""
EARLY, SLOW, LATE = (1, 2), (2, 4, 8, 16, 32), (1, 1)
"""Dilations of the residual blocks before, in, and after the slow stack."""
REACH = 3 + 2 * sum(EARLY + LATE) + POOL * (2 * sum(SLOW) + 1) + len(BLUR) // 2
"""Frames to each side that a frame's output can depend on."""


def blurred(x: Tensor) -> Tensor:
    """``(batch, width, frames)`` low-passed, every :data:`POOL`-th frame."""
    kernel = torch.tensor(BLUR, dtype=x.dtype).expand(x.shape[1], 1, -1)
    return functional.conv1d(x, kernel, stride=POOL, padding=len(BLUR) // 2, groups=x.shape[1])


def interpolated(x: Tensor) -> Tensor:
    """Back to all frames, linearly between those of the slow stack (the last is held)."""
    repeated = x.repeat_interleave(POOL, dim=2)
    return (repeated + torch.cat([repeated[..., 1:], repeated[..., -1:]], dim=2)) / 2


class Residual(nn.Module):
    """``x + mix(relu(norm(conv(x))))`` over time."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width, momentum=0.02)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """From ``(batch, width, frames)`` to the same shape."""
        return x + self.mix(functional.relu(self.norm(self.conv(x))))


class HitNetwork(nn.Module):
    """From features ``(batch, frames, BANDS, len(WINDOWS))``, frames a multiple of :data:`POOL`, to logits.

    Args:
        fast: width at 100 frames a second.
        slow: width at 50 frames a second.
        front: channels of the two 2-D convolutions.
        embedding: width of the projection by which sounds are compared.
    """

    def __init__(
        self, fast: int = 112, slow: int = 160, front: tuple[int, int] = (16, 32), embedding: int = 24
    ) -> None:
        super().__init__()
        self.bands = nn.BatchNorm1d(BANDS, momentum=0.02)
        self.front0 = nn.Conv2d(len(WINDOWS), front[0], (5, 3), padding=(2, 1), bias=False)
        self.front0_norm = nn.BatchNorm2d(front[0], momentum=0.02)
        self.front1 = nn.Conv2d(front[0], front[1], 3, padding=1, bias=False)
        self.front1_norm = nn.BatchNorm2d(front[1], momentum=0.02)
        self.enter = nn.Conv1d(front[1] * BANDS // 12, fast, 1)
        self.early = nn.Sequential(*(Residual(fast, dilation) for dilation in EARLY))
        self.widen = nn.Conv1d(fast, slow, 1)
        self.slow = nn.Sequential(*(Residual(slow, dilation) for dilation in SLOW))
        self.narrow = nn.Conv1d(slow, fast, 1)
        self.late = nn.Sequential(*(Residual(fast, dilation) for dilation in LATE))
        self.onset = nn.Conv1d(fast, len(LABELS), 1)
        self.velocity = nn.Conv1d(fast, len(LABELS), 1)
        self.embedding = nn.Conv1d(fast, embedding, 1)
        self.sound = nn.Conv1d(embedding, len(LABELS), 1)
        nn.init.constant_(self.onset.bias, -4.0)
        nn.init.constant_(self.sound.bias, -4.0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return ``onset``, ``velocity``, and ``sound`` logits ``(batch, frames, drums)`` and the ``embedding``.

        ``sound`` are onset logits from the embedding alone: they teach it to tell sounds apart.
        """
        batch, frames = x.shape[:2]
        # both windows share a band's statistics, so that their difference stays meaningful
        x = self.bands(x.permute(0, 2, 1, 3).reshape(batch, BANDS, -1)).reshape(batch, BANDS, frames, -1)
        x = x.permute(0, 3, 2, 1).contiguous(memory_format=torch.channels_last)
        x = functional.relu(functional.max_pool2d(self.front0_norm(self.front0(x)), (1, 3)))
        x = functional.relu(functional.max_pool2d(self.front1_norm(self.front1(x)), (1, 4)))
        x = x.permute(0, 2, 3, 1).reshape(batch, frames, -1).transpose(1, 2).contiguous()
        x = self.early(self.enter(x))
        slow = self.narrow(self.slow(self.widen(blurred(x))))
        x = functional.relu(self.late(x + interpolated(slow)))
        embedding = self.embedding(x)
        heads = {
            "onset": self.onset(x),
            "velocity": self.velocity(x),
            "embedding": embedding,
            "sound": self.sound(torch.tanh(embedding)),
        }
        return {name: head.transpose(1, 2).float() for name, head in heads.items()}

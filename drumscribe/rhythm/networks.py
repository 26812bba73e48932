"""madmom's beat and downbeat networks, all eight of them and both their directions as one batch.

The networks are those of S. Böck, F. Krebs, G. Widmer, *Joint beat and downbeat tracking with recurrent neural
networks*, ISMIR 2016: each three bidirectional LSTM layers of 25 cells with peepholes over log-filtered spectrograms
at three window lengths, their outputs averaged. madmom runs them one after the other, one frame at a time. Here a step
of time is one batched product over networks and directions: the same output at a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.fft import rfft
from scipy.special import softmax

from drumscribe.mapped import Mono
from drumscribe.rhythm import _madmom
from drumscribe.types import FloatArray

SAMPLE_RATE = 44_100
HOP = 441
_FRAME_SIZES = {1024: 3, 2048: 6, 4096: 12}
"""Window length in samples: bands per octave."""
_WHOLE = 30_000
"""Frames run as one piece (five minutes). A longer recording is cut, which bounds memory; the cells remember bars and
beats for minutes, so the cuts overlap widely."""
_OVERLAP = 6_000
_CHUNK = 500
"""Frames whose spectra, and whose input products, are computed at once."""

OnStep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class _Band:
    """How one of the three spectrograms is made: window, ``(bins, bands)`` filters, lag of the difference in frames."""

    window: FloatArray
    filters: FloatArray
    lag: int


@dataclass(frozen=True, slots=True)
class _Lstm:
    """One layer of all networks in both directions: ``g`` = 2 x networks (forward ones first), ``h`` cells.

    Gates lie in the order input, forget, cell, output. A logistic gate is computed as ``(1 + tanh(x / 2)) / 2`` with
    the halving inside the weights, so that one call serves all gates.
    """

    inputs: FloatArray  # (g, inputs, 4h)
    bias: FloatArray  # (g, 1, 4h)
    recurrent: FloatArray  # (g, h, 4h)
    peep_in: FloatArray  # (g, 2, h): input and forget gate
    peep_out: FloatArray  # (g, 1, h)


@dataclass(frozen=True, slots=True)
class _Ensemble:
    bands: tuple[_Band, ...]
    layers: tuple[_Lstm, ...]
    weights: FloatArray  # (networks, 2h, 3)
    bias: FloatArray  # (networks, 1, 3)


def activations(samples: FloatArray, on_step: OnStep = lambda fraction: None, silence: int = 0) -> FloatArray:
    """Return ``(frames, 2)``: probability of a beat that is no downbeat, and of a downbeat, 100 frames a second.

    Args:
        samples: ``(channels, n)`` at 44.1 kHz, within ±1. Channels are mixed block by block: no copy is made.
        on_step: called with the fraction done; whatever it raises ends the work.
        silence: samples of it in front of the recording.

    Raises:
        ImportError: madmom, whose weights these are, is not installed.
    """
    ensemble = _load()
    frames = -(-(silence + samples.shape[1]) // HOP)
    result = np.zeros((frames, 2), np.float32)
    pieces = _pieces(frames)
    for i, (low, high) in enumerate(pieces):
        found = _run(ensemble, Mono(samples), silence, (low, high), _part(on_step, i, len(pieces)))
        # of an overlap each piece gives the half away from its cut
        keep = _OVERLAP // 2 if i else 0
        result[low + keep : high] = found[keep:]
    return result


def _part(on_step: OnStep, index: int, count: int) -> OnStep:
    """The steps of one of ``count`` equal parts of the work."""
    return lambda fraction: on_step((index + fraction) / count)


def _pieces(frames: int) -> list[tuple[int, int]]:
    if frames <= _WHOLE:
        return [(0, frames)]
    count = 1 + -(-(frames - _WHOLE) // (_WHOLE - _OVERLAP))
    starts = [round(i * (frames - _WHOLE) / (count - 1)) for i in range(count)]
    return [(start, start + _WHOLE) for start in starts]


def _features(samples: Mono, silence: int, frames: tuple[int, int], bands: tuple[_Band, ...]) -> FloatArray:
    """Log-filtered magnitudes and their rises of some frames, ``(n, 314)``."""
    low, high = frames
    result = np.empty((high - low, 2 * sum(band.filters.shape[1] for band in bands)), np.float32)
    for start in range(low, high, _CHUNK):
        end = min(start + _CHUNK, high)
        parts: list[FloatArray] = []
        for band in bands:
            before = min(band.lag, start)
            spectrum = _spectrum(samples, silence, (start - before, end), band)
            rise = np.zeros_like(spectrum)
            rise[band.lag :] = np.maximum(spectrum[band.lag :] - spectrum[: -band.lag], 0)
            parts += [spectrum[before:], rise[before:]]
        np.concatenate(parts, axis=1, out=result[start - low : end - low])
    return result


def _spectrum(samples: Mono, silence: int, frames: tuple[int, int], band: _Band) -> FloatArray:
    size = len(band.window)
    first, last = frames[0] * HOP - silence - size // 2, (frames[1] - 1) * HOP - silence + size // 2
    piece = np.zeros(last - first, np.float32)
    inside = samples[max(first, 0) : max(last, 0)]
    piece[max(-first, 0) : max(-first, 0) + len(inside)] = inside
    windows = np.lib.stride_tricks.sliding_window_view(piece, size)[::HOP]
    magnitude = np.abs(rfft(windows * band.window, axis=1)[:, : size // 2])
    spectrum: FloatArray = np.log10(magnitude @ band.filters + 1)
    return spectrum


def _run(ensemble: _Ensemble, samples: Mono, silence: int, frames: tuple[int, int], on_step: OnStep) -> FloatArray:
    """Mean output of the networks for some frames: ``(n, 2)``."""
    # (networks or 1, frames, inputs); only this name holds it, so that each layer's input goes once it is used
    hidden = _features(samples, silence, frames, ensemble.bands)[None]
    count = len(ensemble.layers)
    for i, layer in enumerate(ensemble.layers):
        hidden = _layer(layer, hidden, _part(on_step, i, count))
    mean = np.zeros((frames[1] - frames[0], 2), np.float32)
    for outputs, weights, bias in zip(hidden, ensemble.weights, ensemble.bias, strict=True):
        mean += softmax(outputs @ weights + bias, axis=1)[:, 1:]
    mean /= len(hidden)
    return mean


def _layer(layer: _Lstm, data: FloatArray, on_step: OnStep) -> FloatArray:
    """Run a layer over ``data``, ``(networks, frames, inputs)``, one network's input serving all in the first layer.

    Return ``(networks, frames, 2h)``: outputs of the forward, then of the backward cells.
    """
    frames = data.shape[1]
    groups, cells = layer.recurrent.shape[:2]
    networks = groups // 2
    weights = layer.inputs.reshape(2, networks, *layer.inputs.shape[1:])
    result = np.empty((networks, frames, 2 * cells), np.float32)
    cell = _Cell(layer)
    for first in range(0, frames, _CHUNK):
        on_step(first / frames)
        last = min(first + _CHUNK, frames)
        ahead = data[:, first:last] @ weights[0]
        back = data[:, frames - last : frames - first][:, ::-1] @ weights[1]
        outputs = cell.run(np.concatenate([ahead, back]) + layer.bias)
        result[:, first:last, :cells] = outputs[:, :networks].swapaxes(0, 1)
        result[:, frames - last : frames - first, cells:] = outputs[::-1, networks:].swapaxes(0, 1)
    return result


class _Cell:
    """The cells of a layer and what they remember. All steps write to the same arrays, seen by gate: a step is a few
    dozen numbers a network, and making arrays and slices for it takes as long as computing it."""

    def __init__(self, layer: _Lstm) -> None:
        groups, self._cells = layer.recurrent.shape[:2]
        self._layer = layer
        self._output = np.zeros((groups, 1, self._cells), np.float32)
        self._state = np.zeros_like(self._output)
        self._gates = np.empty((groups, 1, 4 * self._cells), np.float32)

    def run(self, projected: FloatArray) -> FloatArray:
        """Go on through ``projected``, ``(g, steps, 4h)``: inputs times weights. Return ``(steps, g, h)``."""
        layer, cells, output, state, gates = self._layer, self._cells, self._output, self._state, self._gates
        into, keep, new, out = (gates[..., i * cells : (i + 1) * cells] for i in range(4))
        squashed, logistic = gates[..., : 3 * cells], gates[..., : 2 * cells]
        peeping = gates.reshape(len(gates), 4, cells)[:, :2]
        peep, part = np.empty_like(layer.peep_in), np.empty_like(state)
        steps = np.ascontiguousarray(projected.swapaxes(0, 1))[:, :, None]
        outputs = np.empty((len(steps), len(gates), cells), np.float32)
        for step, told in zip(steps, outputs, strict=True):
            np.matmul(output, layer.recurrent, out=gates)
            np.add(gates, step, out=gates)
            np.multiply(state, layer.peep_in, out=peep)
            np.add(peeping, peep, out=peeping)
            np.tanh(squashed, out=squashed)
            np.add(logistic, 1.0, out=logistic)
            np.multiply(state, keep, out=state)
            np.multiply(into, new, out=part)
            np.add(state, part, out=state)
            np.multiply(state, 0.5, out=state)
            np.multiply(state, layer.peep_out, out=part)
            np.add(part, out, out=part)
            np.tanh(part, out=part)
            np.add(part, 1.0, out=part)
            np.tanh(state, out=output)
            np.multiply(output, part, out=output)
            np.multiply(output, 0.5, out=output)
            told[:] = output[:, 0]
        return outputs


@lru_cache(maxsize=1)
def _load() -> _Ensemble:
    """Take weights and filters out of madmom's objects."""
    _madmom.load()
    from madmom import models
    from madmom.audio import filters as filterbanks
    from madmom.audio import spectrogram
    from madmom.ml import nn

    bands = []
    for size, per_octave in _FRAME_SIZES.items():
        frequencies = np.arange(size // 2) * SAMPLE_RATE / size
        filters = filterbanks.LogarithmicFilterbank(
            frequencies, num_bands=per_octave, fmin=30, fmax=17_000, norm_filters=True
        )
        window = np.hanning(size)
        lag = spectrogram._diff_frames(0.5, hop_size=HOP, frame_size=size, window=window)
        bands.append(_Band(window.astype(np.float32), np.ascontiguousarray(filters, np.float32), int(lag)))
    networks = [nn.NeuralNetwork.load(path) for path in models.DOWNBEATS_BLSTM]
    layers = []
    for index in range(len(networks[0].layers) - 1):
        both = [network.layers[index] for network in networks]
        layers.append(_stacked([layer.fwd_layer for layer in both] + [layer.bwd_layer for layer in both]))
    last = [network.layers[-1] for network in networks]
    return _Ensemble(
        tuple(bands),
        tuple(layers),
        np.stack([layer.weights for layer in last]).astype(np.float32),
        np.stack([layer.bias for layer in last])[:, None].astype(np.float32),
    )


def _stacked(lstms: list[Any]) -> _Lstm:
    parts = (("input_gate", 0.5), ("forget_gate", 0.5), ("cell", 1.0), ("output_gate", 0.5))

    def gates(name: str) -> FloatArray:
        rows = [
            np.concatenate([scale * np.atleast_2d(getattr(getattr(lstm, part), name)) for part, scale in parts], axis=1)
            for lstm in lstms
        ]
        return np.stack(rows).astype(np.float32)

    peep_in = [[0.5 * lstm.input_gate.peephole_weights, 0.5 * lstm.forget_gate.peephole_weights] for lstm in lstms]
    peep_out = [0.5 * lstm.output_gate.peephole_weights for lstm in lstms]
    return _Lstm(
        gates("weights"), gates("bias"), gates("recurrent_weights"),
        np.array(peep_in, np.float32), np.array(peep_out, np.float32)[:, None],
    )  # fmt: skip

"""Play DrumScribe's drum kit (``drumscribe/assets/kit.flac``) out of a General MIDI soundfont.

    pip install --no-deps tinysoundfont==0.3.7
    python scripts/build_kit.py /usr/share/sounds/sf2/FluidR3_GM.sf2

Keeps preset 0 of bank 128 ("Standard"), and in it only the keys of the drum table and the metronome, shortens long
cymbals with a fade, and has TinySoundFont play each key once for each of its velocity layers. A drum is a one-shot and
its level is linear in the velocity within a layer, so that adding these up is what a synthesiser would give, and the
product needs none. The shipped kit comes from Fluid R3 GM (Frank Wen, MIT licence; Debian package
``fluid-soundfont-gm``). The format: E-mu, *SoundFont Technical Specification 2.01*.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drumscribe.audio.synth import CLICK_KEY, CLICK_KEY_ACCENT, KIT, LAYERS, SAMPLE_RATE
from drumscribe.kit import DRUMS

LONGEST_S = {49: 2.6, 51: 1.8, 53: 1.8, 52: 1.8, 55: 1.5, 46: 1.5, 37: 0.4, 42: 0.5, 44: 0.5}
LONGEST_DEFAULT_S = 1.1
FADE_S = 0.15
GEN_INSTRUMENT, GEN_KEY_RANGE, GEN_VELOCITY_RANGE, GEN_ATTENUATION, GEN_SAMPLE = 41, 43, 44, 48, 53
GAIN_DB = -3.0
TAIL_S = 2.7
INAUDIBLE = 10 ** (-84 / 20)
PAD = 46  # zero frames the specification asks for after each sample


@dataclass
class Zone:
    """A split of a preset or instrument: its (generator, value) rows."""

    generators: list[tuple[int, int]]

    def value(self, generator: int) -> int | None:
        """The generator's value, or ``None``."""
        return dict(self.generators).get(generator)

    def has(self, key: int) -> bool:
        """Whether the zone plays ``key``."""
        return key in self.keys()

    def keys(self) -> range:
        """MIDI keys of the zone."""
        low_high = self.value(GEN_KEY_RANGE)
        return range(128) if low_high is None else range(low_high & 255, (low_high >> 8) + 1)


@dataclass
class SoundFont:
    """The parts of a soundfont file that a drum preset needs."""

    frames: NDArray[np.int16]
    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> SoundFont:
        """Read a SoundFont 2 file."""
        data = memoryview(path.read_bytes())
        chunks: dict[str, tuple[int, int]] = {}
        at = 12
        while at < len(data):
            size = struct.unpack_from("<I", data, at + 4)[0]
            inner = at + 12
            while inner < at + 8 + size:
                length = struct.unpack_from("<I", data, inner + 4)[0]
                chunks[bytes(data[inner : inner + 4]).decode()] = (inner + 8, length)
                inner += 8 + length + (length & 1)
            at += 8 + size + (size & 1)
        start, length = chunks["smpl"]
        font = cls(np.frombuffer(data[start : start + length], dtype="<i2"))
        for name, layout in LAYOUTS.items():
            start, length = chunks[name]
            font.tables[name] = list(struct.iter_unpack(layout, data[start : start + length]))
        return font

    def zones(self, bags: str, generators: str, first: int, last: int) -> list[Zone]:
        """Zones ``first`` to ``last`` of the tables named ``bags`` and ``generators``."""
        bag, gen = self.tables[bags], self.tables[generators]
        return [Zone([(g, v) for g, v in gen[bag[i][0] : bag[i + 1][0]]]) for i in range(first, last)]


LAYOUTS = {
    "phdr": "<20sHHHIII", "pbag": "<HH", "pgen": "<HH", "inst": "<20sH", "ibag": "<HH", "igen": "<HH",
    "shdr": "<20sIIIIIBbHH",
}  # fmt: skip


def chunk(name: bytes, body: bytes) -> bytes:
    """A RIFF chunk."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def cut(font: SoundFont, keys: set[int]) -> bytes:
    """Return the bytes of a soundfont with only ``keys`` of the standard drum preset."""
    presets = font.tables["phdr"]
    index = next(i for i, row in enumerate(presets) if (row[1], row[2]) == (0, 128))
    frames: list[NDArray[np.int16]] = []
    written = 0
    samples: dict[int, int] = {}
    out: dict[str, bytearray] = {name: bytearray() for name in LAYOUTS}
    counts = {"pgen": 0, "igen": 0, "pbag": 0, "ibag": 0, "inst": 0}

    def zone(kind: str, generators: list[tuple[int, int]]) -> None:
        out[kind + "bag"] += struct.pack("<HH", counts[kind + "gen"], 0)
        for row in generators:
            out[kind + "gen"] += struct.pack("<HH", *row)
        counts[kind + "gen"] += len(generators)
        counts[kind + "bag"] += 1

    def sample(number: int, key: int) -> int:
        nonlocal written
        if number not in samples:
            row = font.tables["shdr"][number]
            name, start, end, _, _, rate, root, correction = row[:8]
            length = min(end - start, int(LONGEST_S.get(key, LONGEST_DEFAULT_S) * rate))
            body = font.frames[start : start + length].astype(np.float64)
            fade = min(length, int(FADE_S * rate))
            if length < end - start:
                body[-fade:] *= np.linspace(1, 0, fade) ** 2
            samples[number] = len(samples)
            out["shdr"] += struct.pack(LAYOUTS["shdr"], name, written, written + length, written, written + length,
                                       rate, root, correction, 0, 1)  # fmt: skip
            frames.append(np.concatenate([body.round().astype("<i2"), np.zeros(PAD, "<i2")]))
            written += length + PAD
        return samples[number]

    out["phdr"] += struct.pack(LAYOUTS["phdr"], b"Standard", 0, 128, 0, 0, 0, 0)
    for preset_zone in font.zones("pbag", "pgen", presets[index][3], presets[index + 1][3]):
        instrument = preset_zone.value(GEN_INSTRUMENT)
        if instrument is None:
            zone("p", preset_zone.generators)
            continue
        name, first = font.tables["inst"][instrument]
        zones = font.zones("ibag", "igen", first, font.tables["inst"][instrument + 1][1])
        # The source holds back kick, hats, and cymbals for the sake of a whole band; a drum set alone wants them level.
        preset_zone.generators = [row for row in preset_zone.generators if row[0] != GEN_ATTENUATION]
        kept = [z for z in zones if z.value(GEN_SAMPLE) is None or keys & set(z.keys())]
        if all(z.value(GEN_SAMPLE) is None for z in kept):
            continue
        out["inst"] += struct.pack("<20sH", name, counts["ibag"])
        for z in kept:
            key = min(keys & set(z.keys()), default=0)
            zone("i", [(g, sample(v, key)) if g == GEN_SAMPLE else (g, v) for g, v in z.generators])
        zone("p", [(g, counts["inst"]) if g == GEN_INSTRUMENT else (g, v) for g, v in preset_zone.generators])
        counts["inst"] += 1

    out["phdr"] += struct.pack(LAYOUTS["phdr"], b"EOP", 0, 0, counts["pbag"], 0, 0, 0)
    out["inst"] += struct.pack("<20sH", b"EOI", counts["ibag"])
    for kind in ("p", "i"):
        zone(kind, [])
        out[kind + "gen"] += struct.pack("<HH", 0, 0)
    out["shdr"] += struct.pack(LAYOUTS["shdr"], b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)

    info = b"INFO" + chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0")
    info += chunk(b"INAM", b"DrumScribe kit\0\0") + chunk(b"ICOP", b"Frank Wen 2000-2002, 2008 (Fluid R3 GM)\0")
    info += chunk(b"ICMT", b"Drum keys cut from Fluid R3 GM; MIT License\0")
    empty = b"\0" * 10
    pdta = b"pdta"
    for table in ("phdr", "pbag", "pmod", "pgen", "inst", "ibag", "imod", "igen", "shdr"):
        pdta += chunk(table.encode(), empty if table in ("pmod", "imod") else bytes(out[table]))
    sdta = b"sdta" + chunk(b"smpl", np.concatenate(frames).tobytes())
    return chunk(b"RIFF", b"sfbk" + chunk(b"LIST", info) + chunk(b"LIST", sdta) + chunk(b"LIST", pdta))


def tops(font: SoundFont, key: int) -> list[int]:
    """The loudest velocity of each layer of ``key``, softest first."""
    found = {127}
    for row in range(len(font.tables["inst"]) - 1):
        first, last = font.tables["inst"][row][1], font.tables["inst"][row + 1][1]
        for zone in font.zones("ibag", "igen", first, last):
            velocities = zone.value(GEN_VELOCITY_RANGE)
            if velocities is not None and zone.has(key) and zone.value(GEN_SAMPLE) is not None:
                found.add(velocities >> 8)
    return sorted(found)


def played(path: Path, key: int, velocity: int) -> NDArray[np.float32]:
    """One stroke until it cannot be heard, ``(frames, 2)``."""
    from tinysoundfont import Synth

    synth = Synth(samplerate=SAMPLE_RATE)
    synth.program_select(9, synth.sfload(str(path), gain=GAIN_DB), 128, 0, True)
    synth.noteon(9, key, velocity)
    sound = np.frombuffer(synth.generate(round(TAIL_S * SAMPLE_RATE)), dtype=np.float32).reshape(-1, 2)
    return sound[: int(np.flatnonzero(np.abs(sound).max(axis=1) > INAUDIBLE)[-1]) + 1].copy()


def main() -> None:
    """Command line."""
    import soundfile

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("soundfont", type=Path)
    arguments = parser.parse_args()
    keys = sorted({drum.midi for drum in DRUMS.values()} | {CLICK_KEY, CLICK_KEY_ACCENT})
    sounds, rows, at = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kit.sf2"
        path.write_bytes(cut(SoundFont.read(arguments.soundfont), set(keys)))
        font = SoundFont.read(path)
        strokes = [(key, top) for key in keys for top in tops(font, key)]
        for key, top in strokes:
            sounds.append(played(path, key, top))
            rows.append({"key": key, "velocity": top, "start": at, "frames": len(sounds[-1])})
            at += len(sounds[-1])
    soundfile.write(KIT, np.concatenate(sounds), SAMPLE_RATE, subtype="PCM_16")
    LAYERS.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
    print(f"{KIT}: {KIT.stat().st_size / 1e6:.1f} MB, {len(rows)} sounds of {len(keys)} keys")


if __name__ == "__main__":
    main()

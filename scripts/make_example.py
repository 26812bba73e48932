"""Make the example song that is shipped with DrumScribe, and the list of its hits.

    apt-get install fluidsynth fluid-soundfont-gm
    python scripts/make_example.py [--soundfont FluidR3_GM.sf2] [--folder drumscribe/assets]

The music is written out below, in the key of E minor at 112 beats a minute: four counts on the hi-hat, eight bars of
verse (eighths on the hi-hat, ghost notes, open hats, a fill over the toms), eight bars of chorus (ride, crashes, the
bell of the ride, a fill), and a last crash. It is played with small, fixed deviations of time and strength, each part
is rendered by FluidSynth with Fluid R3 GM (MIT licence), and the parts are mixed here. The same script with the same
sound font gives the same samples.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile
from scipy.signal import butter, sosfilt

from drumscribe.kit import DRUMS

BPM = 112.0
BEAT_S = 60 / BPM
LEAD_S = 0.35  # silence before the first count
RATE = 44100
TICKS = 960
ROOT = Path(__file__).resolve().parent.parent
VERSE = ("Em", "C", "G", "D") * 2
CHORUS = ("C", "D", "Em", "G", "C", "D", "Em", "D")
CHORDS = {"Em": (40, 52, 55, 59), "C": (36, 52, 55, 60), "G": (43, 50, 55, 59), "D": (38, 50, 54, 57)}
"""Root for the bass, then three notes for guitar and keys."""


@dataclass(frozen=True)
class Note:
    """``start`` and ``length`` in beats from the first count, ``pitch`` and ``velocity`` in MIDI's numbers."""

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Stroke:
    """A hit in the score: ``start`` in beats, drum label, velocity."""

    start: float
    drum: str
    velocity: int


# A bar of sixteen sixteenths: x hit, X accent, o ghost, . nothing.
_LEVEL = {"x": 92, "X": 112, "o": 34}
_SOFTER = {"crash": 16, "high_tom": 10, "mid_tom": 10, "floor_tom": 20}  # loud in this sound font
ATTACK_S = 0.003  # from the note to the rise of the sampled strokes, about the same for all
VERSE_BARS = (
    {"closed_hihat": "X.x.X.x.X.x.X.x.", "snare": "....X..o.o..X...", "kick": "X.......x.x....."},
    {
        "closed_hihat": "X.x.X.x.X.x.X...",
        "snare": "....X..o.o..X..o",
        "kick": "X..x....x.x.....",
        "open_hihat": "..............x.",
    },
)
FILL_BAR = {
    "closed_hihat": "X.x.X.x.........", "snare": "....X...XxX.....", "kick": "X.......x...x...",
    "high_tom": "..........xX....", "mid_tom": "............Xx..", "floor_tom": "..............XX",
}  # fmt: skip
CHORUS_BARS = (
    {"ride": "X.x.x.x.X.x.x.x.", "snare": "....X.......X...", "kick": "X..x..x.x.x....."},
    {
        "ride": "X.x.x.x.X.x.x...",
        "ride_bell": "..............X.",
        "snare": "....X.......X..o",
        "kick": "X..x..x.x.x...x.",
    },
)
LAST_FILL_BAR = {
    "ride": "X.x.x.x.........", "snare": "....X...XX......", "kick": "X..x..x.x...x...",
    "high_tom": "..........XX....", "floor_tom": "............XXXX",
}  # fmt: skip


def strokes() -> list[Stroke]:
    """The drum part."""
    bars: list[dict[str, str]] = [{"closed_hihat": "X...X...X...X..."}]
    bars += [VERSE_BARS[index % 2] for index in range(7)] + [FILL_BAR]
    chorus = [dict(CHORUS_BARS[index % 2]) for index in range(7)] + [dict(LAST_FILL_BAR)]
    for index in (0, 4):  # the crash takes the place of the first ride stroke
        chorus[index]["crash"] = "X..............."
        chorus[index]["ride"] = "." + chorus[index]["ride"][1:]
    bars += chorus
    bars.append({"crash": "X...............", "kick": "X..............."})
    return [
        Stroke(4 * number + step / 4, drum, _LEVEL[mark])
        for number, bar in enumerate(bars)
        for drum, row in bar.items()
        for step, mark in enumerate(row)
        if mark != "."
    ]


def humanised(part: list[Stroke], rng: np.random.Generator) -> list[tuple[float, str, int]]:
    """Times in seconds with about 4 ms of scatter, the snare a little late, hi-hat and ride weaker off the beat."""
    played = []
    for stroke in part:
        late = 0.004 if stroke.drum == "snare" else 0.0
        time = LEAD_S + stroke.start * BEAT_S + late + float(np.clip(rng.normal(0, 0.004), -0.01, 0.01))
        velocity = stroke.velocity + int(np.clip(rng.normal(0, 5), -10, 10))
        if stroke.drum in ("closed_hihat", "ride") and stroke.start % 1:
            velocity -= 14
        velocity -= _SOFTER.get(stroke.drum, 0)
        played.append((round(time, 4), stroke.drum, int(np.clip(velocity, 20, 124))))
    return sorted(played)


def bass() -> list[Note]:
    """Eighths on the root, with the fifth and a step to the next root."""
    notes = []
    chords = VERSE + CHORUS
    for bar, chord in enumerate(chords):
        root = CHORDS[chord][0]
        following = CHORDS[chords[(bar + 1) % len(chords)]][0]
        line = [root, root, root, root + 7, root, root + 12 if bar >= 8 else root, root + 7, (root + following) // 2]
        for step, pitch in enumerate(line):
            if bar < 8 and step in (3, 5):
                continue
            notes.append(Note(4 + 4 * bar + step / 2, 0.45, pitch, 100 if step % 2 == 0 else 84))
    return [*notes, Note(4 + 4 * len(chords), 3.5, CHORDS["Em"][0], 108)]


def guitar() -> list[Note]:
    """Broken chords in the verse, sustained fifths in the chorus."""
    notes = []
    for bar, chord in enumerate(VERSE):
        low, middle, high = CHORDS[chord][1:]
        for step, pitch in enumerate((low, middle, high, middle, low + 12, high, middle, high)):
            notes.append(Note(4 + 4 * bar + step / 2, 0.9, pitch, 78 + 8 * (step % 4 == 0)))
    for bar, chord in enumerate((*CHORUS, "Em")):
        root = CHORDS[chord][0] + 12
        for start, length in ((0, 1.4), (1.5, 0.9), (2.5, 1.4)) if bar < len(CHORUS) else ((0, 3.5),):
            notes += [Note(36 + 4 * bar + start, length, root + above, 96) for above in (0, 7, 12)]
    return notes


def keys() -> list[Note]:
    """Chords in half notes, held through the chorus."""
    notes = []
    for bar, chord in enumerate((*VERSE, *CHORUS, "Em")):
        halves = ((0, 1.9), (2, 1.9)) if bar < len(VERSE) else ((0, 3.9),)
        for start, length in halves:
            notes += [Note(4 + 4 * bar + start, length, pitch + 12, 70) for pitch in CHORDS[chord][1:]]
    return notes


def render(notes: list[tuple[float, float, int, int]], channel: int, program: int, soundfont: Path) -> np.ndarray:
    """``(2, n)`` samples of one part; ``notes`` are (start in s, length in s, pitch, velocity)."""
    events = []
    for start, length, pitch, velocity in notes:
        events.append((round(start / BEAT_S * TICKS), 1, pitch, velocity))
        events.append((round((start + length) / BEAT_S * TICKS), 0, pitch, 0))
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BPM))])
    track.append(mido.Message("program_change", channel=channel, program=program))
    now = 0
    for tick, on, pitch, velocity in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    with tempfile.TemporaryDirectory() as folder:
        song, sound = Path(folder) / "part.mid", Path(folder) / "part.wav"
        mido.MidiFile(ticks_per_beat=TICKS, tracks=[track]).save(song)
        settings = ["-o", "synth.reverb.room-size=0.3", "-o", "synth.reverb.level=0.25", "-o", "synth.chorus.active=0"]
        command = ["fluidsynth", "-ni", "-q", "-r", str(RATE), "-g", "0.6", "-O", "float", "-T", "wav"]
        subprocess.run([*command, *settings, "-F", str(sound), str(soundfont), str(song)], check=True)
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return np.asarray(samples.T)


def joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The sum of two renderings of unequal length."""
    both = np.zeros((2, max(first.shape[1], second.shape[1])), np.float32)
    both[:, : first.shape[1]] += first
    both[:, : second.shape[1]] += second
    return both


def mix(parts: dict[str, np.ndarray], length: int) -> np.ndarray:
    """Bring the parts to their levels and places, and the sum to just under full scale."""
    level_db = {"drums": -15.0, "bass": -20.0, "guitar": -22.5, "keys": -26.0}  # root mean square
    place = {"drums": 0.0, "bass": 0.0, "guitar": -0.45, "keys": 0.45}
    total = np.zeros((2, length), np.float32)
    for name, samples in parts.items():
        part = np.zeros((2, length), np.float32)
        count = min(length, samples.shape[1])
        part[:, :count] = samples[:, :count]
        if name in ("guitar", "keys"):  # room for the bass and the kick
            part = sosfilt(butter(2, 150, "highpass", fs=RATE, output="sos"), part).astype(np.float32)
        part *= 10 ** (level_db[name] / 20) / np.sqrt(np.mean(part**2))
        angle = (place[name] + 1) * np.pi / 4
        total += part * np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.sqrt(2)
    total = np.tanh(1.6 * total) / np.tanh(1.6)  # a soft limiter
    fade = np.ones(length, np.float32)
    fade[-RATE:] = np.linspace(1, 0, RATE) ** 2
    return np.asarray(0.75 * total * fade / np.abs(total).max(), np.float32)  # Vorbis adds a little on top


def main() -> None:
    """Render, mix, and write ``example.ogg`` and ``example.hits.csv``."""
    parser = argparse.ArgumentParser(description="Make the example song.")
    parser.add_argument("--soundfont", type=Path, default=Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"))
    parser.add_argument("--folder", type=Path, default=ROOT / "drumscribe" / "assets")
    arguments = parser.parse_args()

    rng = np.random.default_rng(112)
    drums = humanised(strokes(), rng)

    def played(notes: list[Note]) -> list[tuple[float, float, int, int]]:
        """In seconds, with the small scatter of a player."""
        scatter = rng.normal(0, 0.005, len(notes))
        return [
            (LEAD_S + note.start * BEAT_S + float(off), note.length * BEAT_S, note.pitch, note.velocity)
            for note, off in zip(notes, scatter, strict=True)
        ]

    parts = {
        # Cymbals must ring, and FluidSynth lets drums ring beyond the end of the note.
        "drums": render([(time, 0.2, DRUMS[drum].midi, velocity) for time, drum, velocity in drums], 9, 0,
                        arguments.soundfont),
        "bass": render(played(bass()), 0, 33, arguments.soundfont),
        "guitar": joined(
            render(played([note for note in guitar() if note.start < 36]), 1, 27, arguments.soundfont),
            render(played([note for note in guitar() if note.start >= 36]), 1, 29, arguments.soundfont) * 0.7,
        ),
        "keys": render(played(keys()), 2, 4, arguments.soundfont),
    }  # fmt: skip
    length = round((LEAD_S + 68 * BEAT_S + 2.6) * RATE)
    song = mix(parts, length)

    arguments.folder.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(
        arguments.folder / "example.ogg", "w", RATE, 2, "VORBIS", format="OGG", compression_level=0.5
    ) as file:
        file.title, file.artist = "Example", "DrumScribe"
        for start in range(0, length, 1 << 15):  # libsndfile's Vorbis encoder cannot take long blocks
            file.write(song[:, start : start + (1 << 15)].T)
    with (arguments.folder / "example.hits.csv").open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("time_s", "drum", "confidence", "velocity"))
        writer.writerows((f"{time + ATTACK_S:.4f}", drum, "1.0", velocity) for time, drum, velocity in drums)
    size = (arguments.folder / "example.ogg").stat().st_size
    print(f"{length / RATE:.1f} s, {len(drums)} hits, {size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()

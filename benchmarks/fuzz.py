"""Damaged files of every format that is read: each opens or is refused in words; none crashes, hangs, fills memory.

    python -m benchmarks.fuzz --mutations 10000

Prints a table: format, files tried, opened, refused, the slowest in seconds of the processor, and what went wrong. The
tests run the same with few mutations.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import signal
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import drumscribe
from drumscribe.errors import DrumScribeError
from drumscribe.notation.folders import inside
from drumscribe.notation.formats import READABLE
from drumscribe.settings import Settings
from drumscribe.song import imports

SLOWEST_S = 5.0
MEMORY_GB = 4
PATIENCE_S = 60
_NUMBERS = (b"0", b"-1", b"1", b"2", b"3", b"7", b"0.5", b"255", b"65536", b"999999999", b"1e999", b"nan", b"")


@dataclass
class Outcome:
    """What became of the damaged files of one format."""

    name: str
    tried: int = 0
    opened: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    """Those that went wrong."""


def samples() -> dict[str, list[bytes]]:
    """One good file, or some, of each format that is read."""
    rows = [(bar * 2 + beat / 4, drum, 60 + 8 * beat) for bar in range(3) for beat in range(8)
            for drum in ("closed_hihat", ("kick", "snare")[beat // 2 % 2])]  # fmt: skip
    rows += [(4.97, "snare", 40), (5.0, "snare", 110), *((5.5 + n / 48, "floor_tom", 80) for n in range(9))]
    song = drumscribe.Song.from_hits(rows, bpm=120, title="Fuzz")
    found: dict[str, list[bytes]] = {}
    for name, one in READABLE.items():
        if one.write is not None:
            found[name] = one.write(song, Settings())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", b"<container/>")
        archive.writestr("score.xml", found["musicxml"][0])
    found["musicxml"].append(packed.getvalue())
    example = (Path(__file__).parent.parent / "tests" / "fixtures" / "pickup_and_rolls.gp").read_bytes()
    found["gp"] = [example, gpx(inside(example, "score.gpif"))]
    found["clone_hero"].append(inside(found["clone_hero"][0], "notes.chart"))
    found["notes_mid"].append(inside(found["notes_mid"][0], "notes.mid"))
    return found


def gpx(score: bytes) -> bytes:
    """A container as Guitar Pro 6 has it, not packed: an entry, then the sectors of the one file."""
    sectors = range(2, 2 + -(-len(score) // 4096))
    entry = (2).to_bytes(4, "little") + b"score.gpif".ljust(136, b"\0") + len(score).to_bytes(4, "little") + bytes(4)
    entry += b"".join(sector.to_bytes(4, "little") for sector in sectors)
    return b"BCFS" + bytes(4096) + entry.ljust(4096, b"\0") + score.ljust(4096 * len(sectors), b"\0")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One to four changes: bytes, cuts, copies, numbers out of any range.

    In every other text only numbers, so that it gets past the syntax.
    """
    out = bytearray(data)
    kinds = (4,) if data.isascii() and chance.random() < 0.5 else range(6)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(out) + 1), chance.choice((1, 2, 4, 16, 64, 512))
        match chance.choice(kinds):
            case 0:
                out[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[chance.randrange(len(out) + 1) :][:length]
            case 3:
                out[at : at + length] = chance.randbytes(length)
            case 4:
                places = [i for i in range(at, min(len(out), at + 400)) if 48 <= out[i] <= 57]
                if places:
                    end = first = places[0]
                    while end < len(out) and 48 <= out[end] <= 57:
                        end += 1
                    out[first:end] = chance.choice(_NUMBERS)
            case _:
                del out[at:]
        if not out:
            break
    return bytes(out)


def attack(name: str, files: list[bytes], mutations: int, seed: int = 0, patience_s: int = 0) -> Outcome:
    """Open so many damaged files of one format, each for at most ``patience_s`` (0: as long as it takes)."""
    chance, outcome = random.Random(f"{name} {seed}"), Outcome(name)
    for number in range(mutations):
        data = damaged(files[number % len(files)], chance)
        begun = time.process_time()
        outcome.tried += 1
        signal.alarm(patience_s)
        try:
            imports.opened(data, "fuzz")
            outcome.opened += 1
        except DrumScribeError as error:
            outcome.refused[error.code] += 1
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            outcome.wrong.append(f"no. {number}: {type(error).__name__}: {error}")
            outcome.files.append(data)
        finally:
            signal.alarm(0)
        outcome.slowest_s = max(outcome.slowest_s, time.process_time() - begun)
    return outcome


def outcomes(mutations: int, only: list[str], seed: int, patience_s: int = 0) -> Iterator[Outcome]:
    """One format after the other."""
    for name, files in samples().items():
        if not only or name in only:
            yield attack(name, files, mutations, seed, patience_s)


def _too_slow(number: int, frame: object) -> None:
    raise TimeoutError(f"not done after {PATIENCE_S} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=10_000, help="files of each format [10000]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that went wrong")
    parser.add_argument("formats", nargs="*", help="only these")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_GB * 2**30, MEMORY_GB * 2**30))
    signal.signal(signal.SIGALRM, _too_slow)
    bad = False
    print(f"{'format':<16}{'tried':>8}{'opened':>8}{'refused':>9}{'slowest s':>11}  wrong")
    for one in outcomes(args.mutations, args.formats, args.seed, PATIENCE_S):
        bad = bad or bool(one.wrong) or one.slowest_s > SLOWEST_S
        for number, data in enumerate(one.files if args.keep else ()):
            args.keep.mkdir(parents=True, exist_ok=True)
            (args.keep / f"{one.name}-{args.seed}-{number}").write_bytes(data)
        wrong = f"{len(one.wrong)}: {one.wrong[0]}" if one.wrong else "none"
        print(
            f"{one.name:<16}{one.tried:>8}{one.opened:>8}{one.refused.total():>9}{one.slowest_s:>11.2f}  {wrong}",
            flush=True,
        )
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())

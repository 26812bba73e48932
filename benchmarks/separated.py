"""Are hits heard best in the mix, in the separated drums, or in both? A table.

    python -m benchmarks.separated --audio MIXES --ref ANNOTATIONS [--stems FOLDER] [--speeds 94 100 106]

The mixes are separated by Demucs, whose weights are fetched if need be; ``--stems`` takes separated drums of the same
names from a folder instead. Printed: micro F of hits within 50 ms, and precision and recall in the last vocabulary.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.accuracy import AUDIO, Track, micro, pooled, read_truth, stem_name
from drumscribe import hits
from drumscribe.audio import decode, separation
from drumscribe.options import SPEEDS, DetectOptions, SeparateOptions
from drumscribe.settings import Settings, get_settings
from drumscribe.types import Audio, FloatArray, Stem

VOCABULARIES = (5, 7, 9)
SOURCES = ("mix", "stem", "both")


def drums_of(audio: Audio, settings: Settings) -> FloatArray:
    """The drums, separated by Demucs."""
    wish = SeparateOptions(separator="demucs")
    return separation.separate(audio, wish, settings=settings, on_progress=None, cancel=None).samples


def heard(mix: Audio, drums: FloatArray, source: str, speeds: tuple[int, ...]) -> hits.Activations:
    """What is heard in one of :data:`SOURCES`."""
    if source == "mix":
        return hits.activations(Stem(mix.samples, mix.sample_rate, "none"), speeds=speeds)
    return hits.activations(
        Stem(drums, mix.sample_rate, "demucs"), mix.samples if source == "both" else None, speeds=speeds
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Score hits heard in mixes, stems, and both.")
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--ref", type=Path, required=True)
    parser.add_argument("--stems", type=Path, help="folder of separated drums, named as the mixes")
    parser.add_argument("--speeds", type=int, nargs="+", default=list(SPEEDS))
    args = parser.parse_args()
    settings, options = get_settings(), DetectOptions(speeds=tuple(args.speeds))
    references = {stem_name(path): path for path in args.ref.iterdir() if path.suffix in (".txt", ".csv")}
    mixes = [path for path in sorted(args.audio.iterdir()) if path.suffix in AUDIO and stem_name(path) in references]
    if not mixes:
        parser.error(f"no recording in {args.audio} has an annotation of the same name in {args.ref}")
    tracks: dict[str, list[Track]] = {source: [] for source in SOURCES}
    for path in mixes:
        mix = decode(path, settings=settings, on_progress=None, cancel=None)
        if args.stems:
            drums = decode(args.stems / path.name, settings=settings, on_progress=None, cancel=None).samples
        else:
            drums = drums_of(mix, settings)
        for source in SOURCES:
            found = heard(mix, drums, source, options.speeds)
            shown, all_of_them = list(hits.pick(found, options)), list(hits.candidates(found))
            truth = read_truth(references[stem_name(path)])
            tracks[source].append(Track(stem_name(path), truth, shown, all_of_them, mix.duration_s, 0.0))
    print(f"{len(mixes)} mixes   " + "".join(f"    F{vocab}" for vocab in VOCABULARIES) + "      P      R")
    for source in SOURCES:
        counts = [pooled(tracks[source], vocab, 0.05) for vocab in VOCABULARIES]
        right, found_there, there = (
            sum(getattr(count, name) for count in counts[-1].values()) for name in ("right", "found", "there")
        )
        rates = f"{right / max(1, found_there):7.3f}{right / max(1, there):7.3f}"
        print(f"{source:10s}" + "".join(f"{micro(count):6.3f}" for count in counts) + rates, flush=True)


if __name__ == "__main__":
    main()

"""What twenty answers are worth: a user who knows the truth corrects a chart by questions, or hit by hit.

    python -m benchmarks.answers --projects DIR --ref DIR [--answers 20]

Projects are what ``drumscribe transcribe --formats json`` wrote; annotations are read as :mod:`benchmarks.accuracy`
reads them. Printed: the part of bars that are right (each annotated stroke there, within 50 ms, and no other; nine
classes, see there) after 0, 5, 10 and 20 answers, by way of asking:

- queue: the review queue; the least certain hit is confirmed, named, or deleted;
- questions: the answer that is right for most strokes of the question, or "skip" where none is right for most;
- questions, some: the answer that mends most; strokes for which it would be wrong are unticked first.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.accuracy import Truth, classes, match, read_truth, stem_name
from drumscribe.errors import EditError
from drumscribe.song import edits, questions
from drumscribe.song.questions import Question
from drumscribe.song.transcription import Transcription
from drumscribe.types import Hit, Hits
from drumscribe.ui import review

CHECKED = (0, 5, 10, 20)
WINDOW_S = 0.05
VOCABULARY = 9
Annotation = Sequence[Truth]


def named(truth: Annotation, hit: Hit, hits: Hits) -> str:
    """The drum that was struck where ``hit`` is and that no other hit stands for (its own first); ``""`` for none."""
    near = [one for one in truth if abs(one.time_s - hit.time_s) <= WINDOW_S]
    here = hits.between(hit.time_s - 2 * WINDOW_S, hit.time_s + 2 * WINDOW_S)
    written = {classes(VOCABULARY, one.drum) for one in here if one.id != hit.id}
    lacking = [one for one in near if classes(VOCABULARY, one.drum) not in written]
    if any(classes(VOCABULARY, one.drum) == classes(VOCABULARY, hit.drum) for one in lacking):
        return hit.drum
    return min(lacking, key=lambda one: abs(one.time_s - hit.time_s)).drum if lacking else ""


def bars_right(found: Transcription, truth: Annotation) -> tuple[int, int]:
    """Bars without a stroke missing or extra, and bars in all; a stroke belongs to the bar that it is nearest to."""
    wrong: set[int] = set()
    bars = found.rhythm.bars

    def bar_of(time_s: float) -> int:
        return max((bar.index for bar in bars if bar.start_s - WINDOW_S <= time_s), default=0)

    kinds = {classes(VOCABULARY, one.drum) for one in (*truth, *found.hits)}
    for kind in kinds:
        there = sorted(one.time_s for one in truth if classes(VOCABULARY, one.drum) == kind)
        written = sorted(hit.time_s for hit in found.hits if classes(VOCABULARY, hit.drum) == kind)
        pairs = match(there, written, WINDOW_S)
        wrong |= {bar_of(time_s) for i, time_s in enumerate(there) if i not in {a for a, _ in pairs}}
        wrong |= {bar_of(time_s) for i, time_s in enumerate(written) if i not in {b for _, b in pairs}}
    return len(bars) - len(wrong), len(bars)


def by_queue(found: Transcription, truth: Annotation, done: set[object]) -> Transcription:
    """One answer in the review queue."""
    waiting = review.queue(found.hits)
    if not waiting:
        return found
    drum = named(truth, waiting[0], found.hits)
    if drum == waiting[0].drum:
        return found.edit(edits.accept(found.hits, waiting[:1]))
    return found.edit(edits.correct(found.hits, [waiting[0].id], drum or None))


def by_questions(some: bool) -> Callable[[Transcription, Annotation, set[object]], Transcription]:
    """One answer to the question that comes first; with ``some``, only for strokes that it is right for."""

    def answer(found: Transcription, truth: Annotation, done: set[object]) -> Transcription:
        waiting = questions.ask(found.hits, found.rejected, found.rhythm, passed=done)  # type: ignore[arg-type]
        if not waiting:
            return found
        done.add(waiting[0].key)
        return answered(found, truth, waiting[0], some=some)

    return answer


def answered(found: Transcription, truth: Annotation, question: Question, *, some: bool) -> Transcription:
    """The song after the answer that is right for most strokes of a question."""
    drums = {hit.id: named(truth, hit, found.hits) for hit in question.hits}
    as_is = question.drum if question.kind == "heard" else ""
    wanted = Counter(drums.values())
    if some:  # whatever mends most; the others are unticked
        drum = max(wanted, key=lambda name: (name != as_is, wanted[name]))
        ids = [hit_id for hit_id, name in drums.items() if name == drum]
    else:
        drum, count = wanted.most_common(1)[0]
        ids = list(drums)
        if count <= len(drums) / 2:
            return found
    other = drum if drum and drum != question.drum else ""
    try:
        made = questions.answer(question, found.hits, right=bool(drum), drum=other, ids=ids)
    except EditError:
        return found
    return found.edit(made) if made else found


WAYS: dict[str, Callable[[Transcription, Annotation, set[object]], Transcription]] = {
    "queue": by_queue,
    "questions": by_questions(some=False),
    "questions, some": by_questions(some=True),
}


def simulate(found: Transcription, truth: Annotation, way: str, answers: int) -> dict[int, tuple[int, int]]:
    """Bars right, and bars, after so many answers."""
    counts: dict[int, tuple[int, int]] = {}
    done: set[object] = set()
    for number in range(answers + 1):
        if number in CHECKED:
            counts[number] = bars_right(found, truth)
        found = WAYS[way](found, truth, done)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=Path, required=True)
    parser.add_argument("--ref", type=Path, required=True, nargs="+")
    parser.add_argument("--answers", type=int, default=max(CHECKED))
    arguments = parser.parse_args()
    refs = {stem_name(path): path for folder in arguments.ref for path in sorted(folder.iterdir()) if path.is_file()}
    total: dict[tuple[str, int], list[int]] = {}
    for path in sorted(arguments.projects.glob("*.json")):
        if path.stem not in refs:
            continue
        found, truth = Transcription.load(path), read_truth(refs[path.stem])
        found = found.rescore(quantise={"reading": "heard"})
        for way in WAYS:
            told = []
            for number, (right, bars) in simulate(found, truth, way, arguments.answers).items():
                both = total.setdefault((way, number), [0, 0])
                both[0], both[1] = both[0] + right, both[1] + bars
                told.append(f"{right / max(1, bars):.2f}")
            print(f"{path.stem:28} {way:16} {' '.join(told)}", flush=True)
    print(f"\n{'all bars: answers':28} {' '.join(f'{number:>6}' for number in CHECKED)}")
    for way in WAYS:
        parts = [total[way, number] for number in CHECKED if (way, number) in total]
        print(f"{way:28} {' '.join(f'{right / max(1, bars):6.3f}' for right, bars in parts)}")


if __name__ == "__main__":
    main()

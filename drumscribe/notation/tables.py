"""Plain text: the ASCII drum tab and the hit list."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from math import ceil, lcm

from drumscribe.errors import ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation.model import Measure, Score
from drumscribe.types import Hit, Hits

CSV_HEADER = ("time_s", "drum", "confidence", "velocity")
MAX_LINES = 200_000
_VELOCITY = 80
_SAME_ROW = {"open_hihat": "closed_hihat", "ride_bell": "ride", "cross_stick": "snare"}
_SYMBOLS = {"open_hihat": "o", "ride_bell": "b", "cross_stick": "x"}
_TOP_DOWN = (
    "china", "splash", "crash", "closed_hihat", "ride", "high_tom", "mid_tom", "snare", "floor_tom", "kick",
    "pedal_hihat",
)  # fmt: skip
_WIDTH = 96


def to_csv(hits: Hits) -> str:
    """Return the hit list: seconds, label, confidence 0–1, velocity 1–127."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for hit in hits:
        writer.writerow([f"{hit.time_s:.4f}", hit.drum, f"{hit.confidence:.3f}", hit.velocity])
    return out.getvalue()


def read_csv(data: bytes) -> Hits:
    """Read such a list; without confidence a hit is sure, without velocity it is of middle strength.

    Raises ProjectError for a line that is none.
    """
    found: list[Hit] = []
    number = 0
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))), start=2):
            if number > MAX_LINES:
                raise ProjectError(f"The list has more than {MAX_LINES} hits.", "Cut it to one song.")
            sure, velocity = row.get("confidence") or 1.0, row.get("velocity") or _VELOCITY
            found.append(
                Hit(len(found), float(row["time_s"]), row["drum"], float(sure), round(float(velocity)), "user")
            )
    except (ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise ProjectError(
            f"Line {max(number, 1)} of the list of hits cannot be read ({error}).",
            f"It needs time_s and drum, one of {', '.join(DRUMS)}.",
        ) from error
    return Hits.of(found)


def to_tab(score: Score) -> str:
    """Return an ASCII drum tab.

    One row a drum, one column a step of the beat's grid. ``x`` cymbal, ``o`` drum, capitals accented, ``g`` ghost,
    ``f`` flam, ``d`` drag, ``r`` roll, ``b`` ride bell; ``o`` in the hi-hat's row is open and ``x`` in the snare's is a
    cross-stick.
    """
    rows = [label for label in _TOP_DOWN if label in {_SAME_ROW.get(drum, drum) for drum in score.drums()}]
    head = [line for line in (score.title, score.artist) if line]
    order = [score.measures[i] for i in score.play_order()]
    tempo = next((measure.tempo for measure in order if measure.tempo), None)
    if tempo:
        head.append(f"Tempo: {tempo.bpm} ({'dotted ' if tempo.dots else ''}{tempo.beat})")
    blocks: list[str] = []
    line: list[Measure] = []
    for measure in order:
        if line and (measure.rehearsal or _line_width([*line, measure]) > _WIDTH):
            blocks.append(_block(line, rows))
            line = []
        line.append(measure)
    if line:
        blocks.append(_block(line, rows))
    return "\n\n".join(["\n".join(head), *blocks] if head else blocks) + "\n"


def _columns(measure: Measure) -> tuple[Fraction, ...]:
    """Onset that each column stands for: eighths or finer in even beats, and a grid of its own in a beat of tuplets."""
    pulse = measure.meter.pulse
    onsets = {event.onset for event, _ in measure.heads()}
    parts = [
        lcm(*(((onset - start) / pulse).denominator for onset in onsets if start <= onset < start + pulse))
        for start in _beats(measure)
    ]
    least = int(pulse / Fraction(1, 2)) if pulse >= 1 else 1
    even = lcm(least, *(count for count in parts if _plain(count, least)))
    return tuple(
        start + pulse * i / count
        for start, found in zip(_beats(measure), parts, strict=True)
        for count in [even if _plain(found, least) else found]
        for i in range(count)
        if start + pulse * i / count < measure.length
    )


def _plain(count: int, least: int) -> bool:
    """Whether a beat in ``count`` parts is one in ``least`` parts, or in halves or quarters of these."""
    return 4 * least % count == 0


def _beats(measure: Measure) -> list[Fraction]:
    return [i * measure.meter.pulse for i in range(ceil(measure.length / measure.meter.pulse))]


def _line_width(measures: list[Measure]) -> int:
    return 3 + sum(len(_columns(measure)) + 1 for measure in measures)


def _block(measures: list[Measure], rows: list[str]) -> str:
    marks = "".join(_mark(measure).ljust(len(_columns(measure)) + 1) for measure in measures)
    counts = " ".join(_count(measure) for measure in measures)
    lines = [f"   {marks}".rstrip(), f"   {counts}".rstrip()]
    for label in rows:
        lines.append(f"{DRUMS[label].abbreviation}|" + "|".join(_row(measure, label) for measure in measures) + "|")
    return "\n".join(line for line in lines if line)


def _mark(measure: Measure) -> str:
    words = [f"[{measure.rehearsal}]" if measure.rehearsal else "", str(measure.meter) if measure.show_meter else "",
             measure.swing]  # fmt: skip
    return " ".join(word for word in words if word)


def _count(measure: Measure) -> str:
    columns, pulse = _columns(measure), measure.meter.pulse
    skipped = measure.meter.pulses_per_bar - int(measure.length / pulse)
    row = []
    for onset in columns:
        number, inside = divmod(onset, pulse)
        quarters = inside * 4
        if inside == 0:
            row.append(str(int(number) + 1 + skipped)[-1])
        else:
            row.append("e&a"[int(quarters) - 1] if pulse == 1 and quarters.denominator == 1 else " ")
    return "".join(row)


def _row(measure: Measure, label: str) -> str:
    column = {onset: i for i, onset in enumerate(_columns(measure))}
    row = ["-"] * len(column)
    for event, head in measure.heads():
        if _SAME_ROW.get(head.drum, head.drum) != label or head in event.graces:
            continue
        symbol = _SYMBOLS.get(head.drum, "x" if DRUMS[head.drum].notehead != "normal" else "o")
        if any(grace.drum == head.drum for grace in event.graces):
            symbol = "f" if len(event.graces) == 1 else "d"
        elif event.slashes:
            symbol = "r"
        elif head.ghost:
            symbol = "g"
        row[column[event.onset]] = symbol.upper() if event.accent else symbol
    return "".join(row)

"""D.C., D.S., Fine, and Coda: the bars of a chart in the order in which they are played."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from drumscribe.notation.form import brackets
from drumscribe.notation.model import Measure, TempoMark
from drumscribe.notation.order import Signs, order_of

_WORDS = {
    "da_capo": r"\bd\. ?c\.|\bda capo\b", "dal_segno": r"\bd\. ?s\.|\bdal segno\b", "to_coda": r"\bto coda\b",
    "fine": r"^fine$",
}  # fmt: skip


def signs_of(measure: Any) -> Signs:
    """The signs of a MusicXML ``measure``: what its ``sound`` elements say, else its glyphs and words."""
    found = Signs()
    for direction in measure.iterfind("direction"):
        told = {name for sound in direction.iterfind("sound") for name in sound.attrib}
        words = " ".join(direction.itertext()).strip().lower()
        said = {name for name, pattern in _WORDS.items() if re.search(pattern, words)}
        jump = "da_capo" in said or "dal_segno" in said  # "D.S. al Coda" is no "to Coda"
        to_coda = "tocoda" in told or ("to_coda" in said and not jump)
        found |= Signs(
            segno="segno" in told or direction.find("direction-type/segno") is not None,
            coda="coda" in told or (direction.find("direction-type/coda") is not None and not to_coda),
            to_coda=to_coda,
            fine="fine" in told or "fine" in said,
            da_capo="dacapo" in told or "da_capo" in said,
            dal_segno="dalsegno" in told or "dal_segno" in said,
        )
    for sound in measure.iterfind("sound"):
        found |= Signs(
            "segno" in sound.attrib, "coda" in sound.attrib, "tocoda" in sound.attrib, "fine" in sound.attrib,
            "dacapo" in sound.attrib, "dalsegno" in sound.attrib,
        )  # fmt: skip
    return found


_NAMES = {"coda": "coda", "segno": "segno", "fine": "fine", "dacoda": "to_coda"} | {
    f"{start}{end}": name
    for start, name in (("dacapo", "da_capo"), ("dasegno", "dal_segno"))
    for end in ("", "alcoda", "alfine")
}


def signs_named(names: Iterable[str]) -> Signs | None:
    """The signs of a bar by Guitar Pro's names for them; ``None`` where there is none that is known."""
    told = {_NAMES[key] for name in names if (key := name.replace(" ", "").lower()) in _NAMES}
    return Signs(**dict.fromkeys(told, True)) if told else None


def played_out(measures: Sequence[Measure], signs: Mapping[int, Signs]) -> list[Measure]:
    """Return the bars written out as they are played, repeats included; as they are where there is no jump."""
    if not any(one.da_capo or one.dal_segno for one in signs.values()):
        return list(measures)
    tempos: list[TempoMark | None] = []
    swings: list[str] = []
    for measure in measures:
        tempos.append(measure.tempo or (tempos[-1] if tempos else None))
        swings.append(measure.swing or (swings[-1] if swings else ""))
    out: list[Measure] = []
    before = -1
    for number, at in enumerate(order_of(measures, signs, _last_endings(measures)), start=1):
        measure = measures[at]
        jumped = at != before + 1
        swing: Any = (swings[at] or ("straight" if "swing" in swings else "")) if jumped else measure.swing
        out.append(
            replace(
                measure, number=number, repeat_start=False, repeat_end=0, ending=(), rest_run=0, swing=swing,
                simile=0 if jumped else measure.simile, tempo=tempos[at] if jumped else measure.tempo,
                show_meter=not out or out[-1].meter != measure.meter,
            )
        )  # fmt: skip
        before = at
    return out


def _last_endings(measures: Sequence[Measure]) -> frozenset[int]:
    """Bars of the last ending of each passage."""
    found: list[range] = []
    for bars in brackets(measures):
        if found and found[-1].stop == bars.start:
            found[-1] = bars
        else:
            found.append(bars)
    return frozenset(index for bars in found for index in bars)

"""What the notation tests share: the schema, and the programs that open our files."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import mido
import numpy as np
from lxml import etree

from drumscribe.kit import DRUMS
from drumscribe.notation import to_svg
from drumscribe.notation.model import Score
from drumscribe.notation.pdf import find_lilypond, find_musescore
from drumscribe.types import Bar, Meter, Placement, Rhythm

_XLINK = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/1999/xlink"
 attributeFormDefault="qualified">
 <xs:attribute name="href" type="xs:anyURI"/><xs:attribute name="type" type="xs:string"/>
 <xs:attribute name="role" type="xs:token"/><xs:attribute name="title" type="xs:token"/>
 <xs:attribute name="show" type="xs:token"/><xs:attribute name="actuate" type="xs:token"/></xs:schema>"""

_XML = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
 <xs:attribute name="lang" type="xs:language"/>
 <xs:attribute name="space"><xs:simpleType><xs:restriction base="xs:NCName">
  <xs:enumeration value="default"/><xs:enumeration value="preserve"/></xs:restriction></xs:simpleType></xs:attribute>
</xs:schema>"""


class _Local(etree.Resolver):
    def resolve(self, url, public_id, context):
        name = url.rsplit("/", 1)[-1]
        if name == "xlink.xsd":
            return self.resolve_string(_XLINK, context)
        if name == "xml.xsd":
            return self.resolve_string(_XML, context)
        return None


def _schema_folder() -> Path:
    package = find_spec("musicxml")  # found without importing it: that takes seconds
    assert package is not None and package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "generate_classes"


@lru_cache(maxsize=1)
def schema() -> etree.XMLSchema:
    """The W3C's MusicXML 4.0 schema, as the ``musicxml`` package carries it."""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local())
    return etree.XMLSchema(etree.parse(str(_schema_folder() / "musicxml_4_0.xsd"), parser))


def assert_on_their_pages(score: Score) -> None:
    """No staff of the engraved pages comes too near to the foot of its page."""
    for page in map(etree.fromstring, (page.encode() for page in to_svg(score))):
        inner = next(svg for svg in page.iter("{*}svg") if svg.get("class") == "definition-scale")
        margin = float(inner.find("{*}g").get("transform").partition(",")[2].rstrip(") "))
        staves = [g for g in page.iter("{*}g") if g.get("class") == "staff"]
        lowest = max(float(staff.findall("{*}path")[4].get("d").split()[-1]) for staff in staves)
        assert margin + lowest + 1200 < float(inner.get("viewBox").split()[3]) - 700


def assert_valid(document: bytes) -> None:
    tree = etree.parse(io.BytesIO(document), etree.XMLParser(load_dtd=False, no_network=True))
    found = schema()
    assert found.validate(tree), [str(entry) for entry in list(found.error_log)[:5]]


def random_rhythm(seed: int, meter: Meter, bars: int, *, density: float = 0.35, tuplets: bool = True) -> Rhythm:
    """Bars filled at random: every drum, every subdivision, ghosts and accents, no two notes alike in one place."""
    random = np.random.default_rng(seed)
    labels = list(DRUMS)
    made, placements = [], []
    seconds = float(meter.quarter_length) * 0.5
    choices = [1, 2, 3, 4, 6, 8] if tuplets and meter.pulse >= 1 else [1, 2, 4]
    for index in range(bars):
        divisions = tuple(int(random.choice(choices)) for _ in range(meter.pulses_per_bar))
        for pulse, parts in enumerate(divisions):
            for part in range(parts):
                onset = (pulse + Fraction(part, parts)) * meter.pulse
                for label in random.choice(labels, size=int(random.integers(1, 4)), replace=False):
                    if random.random() < density:
                        placements.append(Placement(len(placements), index, onset, str(label),
                                                    int(random.integers(20, 127)), 0.9, 0.0))  # fmt: skip
        made.append(Bar(index, index + 1, meter, meter.quarter_length, index * seconds, (index + 1) * seconds, 120,
                        divisions))  # fmt: skip
    placements.sort(key=lambda place: (place.bar, place.onset, place.drum))
    return Rhythm(tuple(made), tuple(placements), 120 / float(meter.pulse))


Notes = list[tuple[float, int]]
"""(quarter notes from the beginning, General MIDI key), sorted."""


def expected_notes(score: Score) -> Notes:
    """What a player of ``score`` must play, repeats included; grace notes are left out."""
    notes, clock = [], Fraction(0)
    for index in score.play_order():
        measure = score.measures[index]
        notes += [(float(clock + event.onset), DRUMS[head.drum].midi)
                  for event, head in measure.heads() if head not in event.graces]  # fmt: skip
        clock += measure.length
    return sorted(notes)


def midi_notes(data: bytes) -> tuple[Notes, set[int]]:
    """Notes and channels of a MIDI file."""
    file = mido.MidiFile(file=io.BytesIO(data))
    notes, channels = [], set()
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                notes.append((tick / file.ticks_per_beat, message.note))
                channels.add(message.channel)
    return sorted(notes), channels


def compare(expected: Notes, got: Notes, tolerance: float = 0.03) -> tuple[Notes, Notes]:
    """(missing, extra) notes; each note of one list is used at most once."""
    by_key: dict[int, list[float]] = {}
    for time, key in got:
        by_key.setdefault(key, []).append(time)
    missing = []
    for time, key in expected:
        times = by_key.get(key, [])
        near = [found for found in times if abs(found - time) <= tolerance]
        if near:
            times.remove(min(near, key=lambda found: abs(found - time)))
        else:
            missing.append((time, key))
    return missing, sorted((time, key) for key, times in by_key.items() for time in times)


def musescore_midi(documents: dict[str, bytes], folder: Path, kind: str = "mid") -> dict[str, bytes]:
    """What MuseScore makes of each document, all in one run: MIDI, or another ``kind`` of file."""
    program = find_musescore()
    assert program is not None
    jobs = []
    for name, document in documents.items():
        (folder / f"{name}.musicxml").write_bytes(document)
        jobs.append({"in": str(folder / f"{name}.musicxml"), "out": str(folder / f"{name}-out.{kind}")})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    subprocess.run([program, "-j", str(folder / "jobs.json")], env=environment, check=True, timeout=300,
                   capture_output=True)  # fmt: skip
    return {name: (folder / f"{name}-out.{kind}").read_bytes() for name in documents}


def verovio_midi(document: bytes) -> bytes:
    """MIDI that verovio makes of a document."""
    import verovio

    verovio.setDefaultResourcePath(str(Path(verovio.__file__).parent / "data"))
    toolkit = verovio.toolkit()
    assert toolkit.loadData(document.decode())
    return base64.b64decode(toolkit.renderToMIDI())


def lilypond_midi(sources: dict[str, str], folder: Path) -> dict[str, bytes]:
    """MIDI that LilyPond makes of each source, all in one run."""
    program = find_lilypond()
    assert program is not None
    for name, source in sources.items():
        (folder / f"{name}.ly").write_text(source)
    subprocess.run([program, "--loglevel=ERROR", *(f"{name}.ly" for name in sources)], cwd=folder, check=True,
                   timeout=300, capture_output=True)  # fmt: skip
    return {name: next(folder.glob(f"{name}.mid*")).read_bytes() for name in sources}

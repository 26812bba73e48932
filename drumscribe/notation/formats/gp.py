"""Guitar Pro 6, 7, and 8: ``.gp`` is a zip archive, ``.gpx`` a container of its own; the score is XML in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import MAX_BYTES, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions

_SCORE = "score.gpif"
_SECTOR = 4096
_FILE = 2


def read(data: bytes, options: ReadOptions) -> Found:
    """Read the percussion tracks, repeats and jumps played. Raises ProjectError."""
    from drumscribe.errors import ProjectError
    from drumscribe.notation import Score, to_rhythm
    from drumscribe.notation.folders import inside
    from drumscribe.notation.form import sound_form, with_pickup
    from drumscribe.notation.gpif import Document
    from drumscribe.notation.played import grid_of, hits_of, swing_of, together
    from drumscribe.notation.roadmap import played_out
    from drumscribe.notation.text import one_line
    from drumscribe.notation.xml_file import parsed

    if len(data) > MAX_BYTES:
        raise ProjectError("The Guitar Pro file is larger than 32 MiB.", "Save it without its audio track.")
    again = "Save it again, or export MusicXML or Guitar Pro 5 there."
    try:
        found = inside(data, _SCORE, advice=again) if data[:2] == b"PK" else _from_container(data)
        document = Document(parsed(found))
        tracks = [(staff, track) for staff, track in document.tracks()
                  if not options.part or (track.findtext("Name") or "").strip() == options.part]  # fmt: skip
        if not tracks:
            raise ProjectError("There is no percussion track in this file.", "Use a drum kit for the drum track.")
        signs = document.signs()
        written = [played_out(sound_form(with_pickup(document.measures(staff, track))), signs)
                   for staff, track in tracks]  # fmt: skip
        rhythms = [to_rhythm(Score(measures=tuple(measures))) for measures in written]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, ZeroDivisionError) as error:
        raise ProjectError("The Guitar Pro file cannot be read.", again) from error
    if not rhythms[0].bars:
        raise ProjectError("There is no bar in this file.", again)
    notes = document.notes()
    if len(tracks) > 1:
        names = ", ".join(f"“{one_line(track.findtext('Name') or '')}”" for _, track in tracks)
        notes.insert(0, f"The percussion tracks {names} were put together; the option read.part takes one of them.")
    if any(sign.da_capo or sign.dal_segno for sign in signs.values()):
        notes.append("D.C. and D.S. are written out as they are played.")
    return Found(together([hits_of(rhythm) for rhythm in rhythms]), grid_of(rhythms[0]), FORMAT.title,
                 one_line(document.title), one_line(document.artist), swing=swing_of(rhythms[0]),
                 notes=tuple(notes))  # fmt: skip


def _from_container(data: bytes) -> bytes:
    """The score out of a ``.gpx`` file: sectors of 4 KiB, packed or not, with an entry for each file."""
    disk = (_unpacked(data) if data[:4] == b"BCFZ" else data)[4:]
    for start in range(_SECTOR, len(disk) - _SECTOR + 1, _SECTOR):
        if _number(disk, start) == _FILE and disk[start + 4 : start + 131].split(b"\0")[0] == _SCORE.encode():
            size, out = _number(disk, start + 140), bytearray()
            for place in range(start + 148, len(disk) - 3, 4):
                sector = _number(disk, place)
                if sector == 0 or len(out) >= size:
                    break
                out += disk[sector * _SECTOR : (sector + 1) * _SECTOR]
                if len(out) > MAX_BYTES:
                    raise ValueError("a score that is too large")
            return bytes(out[:size])
    raise ValueError("no score in the container")


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _unpacked(data: bytes) -> bytes:
    """Undo the packing: a bit says whether a piece is a copy of what came before or given as it is."""
    bits = f"{int.from_bytes(data[8:], 'big'):0{8 * len(data[8:])}b}"
    size, out, at = min(_number(data, 4), MAX_BYTES), bytearray(), 0

    def turned(start: int, width: int) -> int:
        return int(bits[start : start + width][::-1] or "0", 2)

    while len(out) < size and at < len(bits):
        copied = bits[at] == "1"
        at += 1
        if copied:
            width = int(bits[at : at + 4] or "0", 2)
            back, length = turned(at + 4, width), turned(at + 4 + width, width)
            at += 4 + 2 * width
            first = len(out) - back
            if first < 0:
                raise ValueError("a copy of what was not there")
            out += out[first : first + length]
        else:
            length = turned(at, 2)
            at += 2
            out += bytes(int(bits[place : place + 8] or "0", 2) for place in range(at, at + 8 * length, 8))
            at += 8 * length
    return bytes(out)


def is_it(head: bytes) -> bool:
    """Whether it is of version 6, 7, or 8."""
    packed = head[:2] == b"PK" and (b"score.gpif" in head or b"Content/BinaryStylesheet" in head)
    return packed or head[:4] in (b"BCFZ", b"BCFS")


FORMAT = Format(
    "gp",
    "Guitar Pro 6 to 8",
    "Guitar Pro's own files since version 6: the drums are read, repeats and jumps played",
    ".gp",
    "application/x-guitar-pro",
    read=read,
    is_it=is_it,
    only_read=(".gpx",),
    loses="",
    tested="alphaTab 1.8",
)

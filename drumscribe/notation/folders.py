"""Song folders as zip archives."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping

from drumscribe.errors import ProjectError
from drumscribe.notation.text import one_line

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same song gives the same archive
_MOST = 32 * 1024 * 1024
BAD_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError,
    OverflowError,
)  # fmt: skip
"""What the standard library raises from a damaged archive."""


def packed(name: str, files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> bytes:
    """A zip archive of one folder; pairs are taken one by one, so that not all need to be there at once."""
    inner = "".join(char for char in one_line(name) if char not in '<>:"/\\|?*').strip(". ") or "Song"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file, data in files.items() if isinstance(files, Mapping) else files:
            stored = zipfile.ZIP_STORED if file.endswith(".ogg") else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(f"{inner}/{file}", _EPOCH), data, stored)
    return out.getvalue()


def inside(data: bytes, name: str, most: int = _MOST, advice: str = "Pack the song's folder again.") -> bytes:
    """The file called ``name`` in a zip archive. Raises ProjectError where there is none of up to ``most`` bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = [info for info in archive.infolist() if info.filename.rpartition("/")[2].lower() == name]
            if not found or found[0].file_size > most:
                raise ProjectError(f"There is no {name} of usable size in this archive.", advice)
            with archive.open(found[0]) as file:
                return file.read(most)
    except BAD_ZIP as error:
        raise ProjectError("The archive is damaged.", advice) from error

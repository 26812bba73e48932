"""XML of strangers, read safely: no entities, no network, a limit on size before and after unpacking."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from lxml import etree

from drumscribe.errors import ProjectError
from drumscribe.notation.folders import BAD_ZIP

MAX_BYTES = 32 * 1024 * 1024


def unpacked(data: bytes) -> bytes:
    """The score of a file, plain or packed. Raises ProjectError if there is none, or it is too large."""
    if len(data) > MAX_BYTES:
        raise ProjectError("The MusicXML file is larger than 32 MiB.", "Export only the drum part.")
    if not data.startswith(b"PK"):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info for info in archive.infolist() if not info.filename.startswith("META-INF")]
            scores = [info for info in names if info.filename.endswith((".xml", ".musicxml"))]
            if not scores or scores[0].file_size > MAX_BYTES:
                raise ProjectError("The packed file holds no score of usable size.", "Export plain .musicxml.")
            with archive.open(scores[0]) as file:
                content = file.read(MAX_BYTES + 1)
    except BAD_ZIP as error:
        raise ProjectError("The packed MusicXML file is damaged.", "Export plain .musicxml.") from error
    if len(content) > MAX_BYTES:
        raise ProjectError("The packed MusicXML file is too large.", "Export only the drum part.")
    return content


def parsed(data: bytes) -> Any:
    """The root of a document. Raises ProjectError if it is not well-formed, or defines entities."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
                             huge_tree=False, remove_comments=True, remove_pis=True)  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ProjectError("This is not well-formed XML.", "Export it again as MusicXML.") from error
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in data:
        raise ProjectError("The file defines XML entities, which are not read.", "Export it again as MusicXML.")
    return root

"""Users' words made safe for the formats they go into."""

from __future__ import annotations

import re

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def one_line(text: str) -> str:
    r"""Return ``text`` without control characters, its white space collapsed.

    >>> one_line("Blue\n  Train\x00")
    'Blue Train'
    """
    return " ".join(_NOT_XML.sub("", text).split())


def lilypond_string(text: str) -> str:
    r"""Return ``text`` as a LilyPond string literal; inside one, nothing but the quote and the backslash is special.

    >>> print(lilypond_string('A "b" \\c #(exit)'))
    "A \"b\" \\c #(exit)"
    """
    escaped = one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

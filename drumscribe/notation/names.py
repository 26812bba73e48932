"""What a name says: ``HH Open (edge)`` is the open hi-hat."""

from __future__ import annotations

import re

_HAT = r"(?:hi[ -]?hats?|high[ -]hats?|hats?|hh|charley)"
_RULES: tuple[tuple[str, str], ...] = (
    (r"\b(?:claves|cowbell|tambourine|bongo|conga|timbale|agogo|shaker|maracas?|cabasa|guiro|triangle)s?\b", ""),
    (r"\b(?:wood ?block|vibraslap|whistle|cuica|(?:hand )?claps?|surdo|metronome|click track)s?\b", ""),
    (r"\b(?:cross|side|x)[ -]?stick|\brim ?click|\bcs\b|\bstick$", "cross_stick"),
    (rf"\b{_HAT}\b.*\b(?:foot|pedal|chick)|\b(?:foot|pedal|chick)\b.*\b{_HAT}\b|\bhhp\b|\bphh\b", "pedal_hihat"),
    (rf"\b{_HAT}\b.*\b(?:half|semi|loose|slosh|sizzl)|\b(?:half|semi|loose|sloshy)\b.*\b{_HAT}\b", "open_hihat"),
    (rf"\b{_HAT}\b.*\bopen|\bopen\b.*\b{_HAT}\b|\bohh?\b|\bhho\b", "open_hihat"),
    (rf"\b{_HAT}\b|\bhhc?\b|\bchh\b", "closed_hihat"),
    (r"\bride\b.*\b(?:bell|cup|dome)\b|\b(?:bell|cup)\b.*\bride\b|\bride ?bell|^bell$", "ride_bell"),
    (r"\bride|\brd\b", "ride"),
    (r"\bchina|\bchinese|\bchn?\b", "china"),
    (r"\bsplash|\bspl?\b", "splash"),
    (r"\bcrash|\bcr\d?\b|\bcymbal|\bcc\d?\b", "crash"),
    (r"\blow[ -]?tom\b", "mid_tom"),  # General MIDI's low tom hangs above its floor toms
    (r"\bfloor|\btom[ -]?[3-6]\b|\bft\d?\b", "floor_tom"),
    (r"\bhi(?:gh)?[ -]?(?:mid)?[ -]?tom|\b(?:rack ?)?tom[ -]?1\b|\brack ?1\b|\bht\b|\bsmall tom", "high_tom"),
    (r"\btoms?\b|\brack|\bmt\b", "mid_tom"),
    (r"\bkick|\bbass[ -]?drum|\bbd\d?\b|\bgrosse caisse|\bbass$", "kick"),
    (r"\bsnare|\bsd\d?\b|\bsn\b|\brim ?shot", "snare"),
)  # fmt: skip
"""What is found in a name, and the drum that it then means (``""``: none of the kit); the first that fits."""


def drum_named(text: str) -> str | None:
    """Label of the drum that a name in English or its usual short form means; ``None`` where it means none of the kit.

    >>> drum_named("HH Open (edge)"), drum_named("Acoustic Bass Drum"), drum_named("Low Floor Tom")
    ('open_hihat', 'kick', 'floor_tom')
    >>> drum_named("Low-Mid Tom"), drum_named("Low Tom"), drum_named("Hi-Mid Tom"), drum_named("Cowbell")
    ('mid_tom', 'mid_tom', 'high_tom', None)
    """
    said = re.sub(r"[_/,;:()\[\]]+", " ", text.lower()).strip()
    return next((label or None for words, label in _RULES if re.search(words, said)), None)

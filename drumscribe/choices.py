"""What can be chosen, in one place: values of options and settings.

Imports nothing heavy, so that the command line starts at once.
"""

from typing import Literal

Separator = Literal["auto", "demucs", "none"]
Tracker = Literal["auto", "madmom", "librosa"]
Source = Literal["auto", "mix", "stem", "both"]
"""What hits are heard in; ``auto``: in both where there is a stem, else in the mix."""
PdfBackend = Literal["auto", "lilypond", "verovio", "musescore", "none"]
Finest = Literal[8, 12, 16, 24, 32]
"""Finest grid, as a division of the whole note."""
Swing = Literal["auto", "on", "off"]
MidiBeats = Literal["auto", "file", "strokes"]
"""Beats of a MIDI file: its own, found from its strokes, or its own where the notes sit on them."""
Changed = Literal["added", "removed", "renamed"]
"""What a reading may make of a stroke."""
Voices = Literal[1, 2]
Paper = Literal["a4", "letter"]
Noteheads = Literal["pas", "simple"]

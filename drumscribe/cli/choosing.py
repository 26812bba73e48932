"""Options that several commands share, and what they mean as :class:`~drumscribe.options.Options`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from drumscribe.choices import Finest, MidiBeats, PdfBackend, Separator, Source, Swing, Tracker, Voices
from drumscribe.notation.formats import DEFAULT_FORMATS, WRITABLE

if TYPE_CHECKING:
    from drumscribe.options import Options
    from drumscribe.settings import Settings


def among(values: Any) -> click.Choice[str]:
    """One of the values of a literal type."""
    return click.Choice([str(value) for value in get_args(values)])


def cheap_choices(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the cheap stages, shared by ``transcribe`` and ``rescore``."""
    for option in reversed(
        [
            click.option("--bpm", type=float, help="Tempo in pulses a minute; default: find it."),
            click.option("--meter", help='Time signature such as "4/4"; default: find it.'),
            click.option("--first-downbeat", type=float, metavar="S", help="Time of the first bar line, in seconds."),
            click.option("--bar-shift", type=int, help="Move every bar line by this many pulses."),
            click.option("--sensitivity", type=float, help="0 shows only sure hits, 1 every candidate [0.5]."),
            click.option("--finest", type=among(Finest), help="Finest note value [32]."),
            click.option("--triplets/--no-triplets", default=None, help="Allow triplets [yes]."),
            click.option("--swing", type=among(Swing), help="Write eighths as swung [auto]."),
            click.option(
                "--reading",
                metavar="HOW",
                help="heard, balanced, clean, or 0-1: how far doubtful strokes follow like bars [heard].",
            ),
            click.option("--title", help="Printed title; default: from the recording."),
            click.option("--artist", help="Printed artist; default: from the recording."),
            click.option("--voices", type=among(Voices), help="Voices on the staff [2]."),
            click.option(
                "--formats", default=",".join(DEFAULT_FORMATS), show_default=True, help=f"Of {', '.join(WRITABLE)}."
            ),
            click.option(
                "--engraver",
                type=click.Choice([engine for engine in get_args(PdfBackend) if engine != "none"]),
                help="Of the PDF [auto: verovio, at once; lilypond: the finest print].",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print a summary in JSON on standard output."),
            click.option("-q", "--quiet", is_flag=True, help="No progress, no summary; errors only."),
        ]
    ):
        command = option(command)
    return command


READING = ("midi", "note_map", "part")
"""Names of the options of :func:`reading`."""


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options on how files of other programs are read and written, shared by the commands that open charts."""
    for option in reversed(
        [
            click.option(
                "--midi-beats",
                "midi",
                type=among(MidiBeats),
                help="Of a MIDI file: its own beats, or found from its strokes [auto: its own where notes sit on it].",
            ),
            click.option(
                "--note-map", metavar="NAME", help="Of a MIDI file: which note is which drum; see 'maps' [auto]."
            ),
            click.option("--part", metavar="NAME", help="Of a score with several drum parts: this one [all together]."),
            click.option(
                "--write-map", metavar="NAME", help="Of MIDI that is written: which note a drum is [general-midi]."
            ),
        ]
    ):
        command = option(command)
    return command


def changes_of(choices: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Group what was given on the command line as :class:`~drumscribe.options.Options` has it."""
    where = {
        "separator": ("separate", "separator"),
        "tracker": ("beats", "tracker"),
        "midi": ("beats", "midi"),
        "note_map": ("read", "note_map"),
        "part": ("read", "part"),
        "write_map": ("write", "note_map"),
        "bpm": ("beats", "bpm"),
        "meter": ("beats", "meter"),
        "first_downbeat": ("beats", "first_downbeat_s"),
        "bar_shift": ("beats", "bar_shift"),
        "sensitivity": ("detect", "sensitivity"),
        "speeds": ("detect", "speeds"),
        "source": ("detect", "source"),
        "finest": ("quantise", "finest"),
        "triplets": ("quantise", "triplets"),
        "swing": ("quantise", "swing"),
        "reading": ("quantise", "reading"),
        "title": ("notate", "title"),
        "artist": ("notate", "artist"),
        "voices": ("notate", "voices"),
    }
    changes: dict[str, dict[str, Any]] = {}
    for name, value in choices.items():
        if value is not None:
            group, key = where[name]
            if name == "speeds":
                value = [part.strip() for part in value.split(",")]
            elif name in ("finest", "voices"):
                value = int(value)
            elif name == "reading" and value.replace(".", "", 1).isdigit():
                value = float(value)
            changes.setdefault(group, {})[key] = value
    return changes


def options_of(choices: dict[str, Any]) -> Options:
    """The options that a command line gives. Raises OptionsError."""
    from drumscribe.options import Options

    return Options().updated(**changes_of(choices))


def engraved_by(settings: Settings, choices: dict[str, Any]) -> Settings:
    """The settings with the engraver that was asked for, which is no option of a song and leaves ``choices``."""
    engraver = choices.pop("engraver")
    return settings.model_copy(update={"pdf_backend": engraver}) if engraver else settings


def listening(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the files go, and options of the costly stages, shared by ``transcribe`` and ``remote``."""
    for option in reversed(
        [
            click.option(
                "-o",
                "--output",
                type=click.Path(path_type=Path),
                default=Path(),
                help="Folder for the files [.]; - for standard output.",
            ),
            click.option("--separator", type=among(Separator), help="Take the drums out of the mix first."),
            click.option("--tracker", type=among(Tracker), help="Who finds the beats."),
            click.option(
                "--source", type=among(Source), help="Hear hits in the mix, the separated drums, or both [auto]."
            ),
            click.option(
                "--speeds", metavar="PERCENT,...", help="Speeds at which it is heard; 100: once [94,100,106]."
            ),
        ]
    ):
        command = option(command)
    return command

"""``drumscribe convert``: a chart into another format. No recording, no network, no second of waiting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drumscribe.cli.choosing import options_of, reading
from drumscribe.cli.console import Report, conclude
from drumscribe.cli.running import guarded, ready_settings
from drumscribe.cli.streams import STANDARD, standard_input, to_standard_output
from drumscribe.errors import OptionsError, ProjectError
from drumscribe.notation.formats import READABLE, WRITABLE, Format, by_ending

if TYPE_CHECKING:
    from drumscribe.settings import Settings
    from drumscribe.song.transcription import Transcription


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="IN")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--to", "kind", type=click.Choice(list(WRITABLE)), help="Format of OUT; default: as its name ends.")
@reading
@click.option("--json", "as_json", is_flag=True, help="Print a summary in JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@guarded
def convert(source: Path, target: Path, kind: str | None, as_json: bool, quiet: bool, **choices: Any) -> int:
    """Convert a chart: MIDI to MusicXML, a project to MIDI, and so on; - is standard input or output.

    What IN is, its content tells. What OUT cannot hold is said.
    """
    from drumscribe.song import imports

    settings = ready_settings()
    into = _format(target, kind)
    report = Report(str(source))
    if source == STANDARD:
        with standard_input(settings) as path:
            result = imports.load(path, options=options_of(choices))
    else:
        if source.exists() and imports.recognised(source) is None:
            raise ProjectError(
                f"{source.name} is no chart that can be read.", "Of a recording, make one: drumscribe transcribe."
            )
        result = imports.load(source, options=options_of(choices))
    report.describe(result)
    if into.loses:
        report.summary["warnings"].append(f"{into.title} does not hold {into.loses}.")
    if target == STANDARD:
        to_standard_output(result, into.name, settings)
        report.files[into.name] = "-"
    else:
        if target.exists() and source.exists() and target.samefile(source):
            raise OptionsError("IN and OUT are the same file.", "Give OUT another name.")
        report.files[into.name] = str(_written(result, target, into, settings))
    conclude([report], as_json=as_json, quiet=quiet or target == STANDARD)
    return report.status


def _format(target: Path, kind: str | None) -> Format:
    found = WRITABLE[kind] if kind else by_ending(target.name)
    if found is None:
        endings = {end: one.title for one in READABLE.values() for end in (one.ending, *one.only_read)}
        title = endings.get(target.suffix.lower())
        raise OptionsError(
            f"{title} ({target.suffix}) is read, but not written." if title
            else f"What {str(target)!r} is to be cannot be told by its name.",
            f"Add --to with one of {', '.join(WRITABLE)}.",
        )  # fmt: skip
    return found


def _written(result: Transcription, target: Path, into: Format, settings: Settings) -> Path:
    """Write one file, or one a page beside each other. Return the first."""
    from drumscribe.storage.writing import write_atomic

    pages = result.render(into.name, settings=settings)
    paths = [target]
    if len(pages) > 1:
        paths = [target.with_name(f"{target.stem}-{number}{target.suffix}") for number in range(1, len(pages) + 1)]
    for path, page in zip(paths, pages, strict=True):
        write_atomic(path, page)
    return paths[0]

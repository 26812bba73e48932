"""``drumscribe maps``: which MIDI note is which drum, for e-kits and drum plug-ins, and the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from drumscribe.cli.console import table
from drumscribe.cli.running import guarded, ready_settings


@click.group(invoke_without_command=True)
@click.pass_context
def maps(context: click.Context) -> None:
    """List the note maps; show one; learn that of an e-kit."""
    if context.invoked_subcommand is None:
        context.invoke(list_maps)


@maps.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def list_maps(as_json: bool = False) -> None:
    """List the note maps with their sources."""
    from drumscribe.notation.note_maps import names, note_map

    settings = ready_settings()
    found = [note_map(name, settings) for name in names(settings)]
    if as_json:
        click.echo(json.dumps([{"name": m.name, "title": m.title, "source": m.source} for m in found], indent=2))
    else:
        table(("name", "for", "source"), [(m.name, m.title, m.source) for m in found])


@maps.command()
@click.argument("name")
@click.option("--reaper", is_flag=True, help="As a file of note names that Reaper's MIDI editor loads.")
@guarded
def show(name: str, reaper: bool) -> None:
    """Print a note map: a file to change and to keep in the folder maps of the data folder."""
    from drumscribe.notation.note_maps import dumps, note_map, reaper_names

    found = note_map(name, ready_settings())
    click.echo(reaper_names(found) if reaper else dumps(found), nl=False)


@maps.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Small letters, digits, hyphens: what --note-map then takes.")
@click.option("--title", default="", help="What it is called in lists.")
@click.option("--drums", default="", metavar="DRUM,...", help="What was struck, in order; default: the whole kit.")
@guarded
def learn(file: Path, name: str, title: str, drums: str) -> None:
    """Learn the map of your e-kit, and keep it.

    FILE is a MIDI file in which each pad was struck in turn (kick, snare, cross-stick, high, mid, floor tom, closed,
    open and foot hi-hat, crash, ride, its bell; or what --drums names), or note names as Reaper saves them.
    """
    from drumscribe.notation import note_maps
    from drumscribe.notation.midi_reader import struck_notes
    from drumscribe.song.imports import content

    settings = ready_settings()
    data = content(file)
    if data.startswith(b"MThd"):
        order = tuple(part.strip() for part in drums.split(",") if part.strip()) or note_maps.TAPPED
        found = note_maps.learned(struck_notes(data), order, name=name, title=title)
    else:
        found = note_maps.named(data.decode("utf-8", "replace"), name=name, title=title)
    path = note_maps.saved(found, settings)
    click.echo(f"{name}: {len(found.notes)} notes, kept as {path}")

"""``drumscribe changes``: what the reading of a project made of strokes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click

from drumscribe.choices import Changed
from drumscribe.cli.console import table
from drumscribe.cli.running import guarded
from drumscribe.kit import LABELS


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(get_args(Changed)), help="Only these; may be repeated."
)
@click.option("--drum", "drums", multiple=True, type=click.Choice(LABELS), help="Only these; repeatable.")
@click.option("--hit", "hits", multiple=True, type=int, metavar="ID", help="Only these; repeatable.")
@click.option("--take-back", is_flag=True, help="Write those that are listed as they were heard; saves the project.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def changes(
    project: Path, kinds: tuple[str, ...], drums: tuple[str, ...], hits: tuple[int, ...], take_back: bool, as_json: bool
) -> None:
    """List the strokes that a project's chart has otherwise than they were heard (--reading).

    With --take-back they are written as heard again; then write the files with rescore.
    """
    from drumscribe.song.changes import filtered
    from drumscribe.song.transcription import Transcription

    song = Transcription.load(project)
    chosen = filtered(song.rhythm.changes, kinds, drums)
    if hits:
        chosen = [change for change in chosen if change.hit_id in hits]
    if take_back and chosen:
        song.left_as_heard(*(change.hit_id for change in chosen)).project().save(project)
    if as_json:
        names = ("kind", "hit_id", "time_s", "drum", "heard", "heard_chance", "chance")
        click.echo(json.dumps([{name: getattr(change, name) for name in names} for change in chosen], indent=2))
        return
    rows = [
        (
            str(c.hit_id), f"{c.time_s:.3f}", c.kind, c.heard or "-", c.drum or "-", f"{c.heard_chance:.2f}",
            f"{c.chance:.2f}",
        )
        for c in chosen
    ]  # fmt: skip
    if rows:
        table(("hit", "s", "what", "heard", "written", "by sound", "with the rest"), rows)
    strokes = "1 stroke" if len(rows) == 1 else f"{len(rows)} strokes"
    note = f" {song.rhythm.note}" if song.rhythm.note else ""
    click.echo(f"{strokes} {'taken back' if take_back else 'not as heard'}.{note}")

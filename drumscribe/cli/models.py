"""``drumscribe models``: the networks' weights."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import click

from drumscribe.cli.console import bars_on, table
from drumscribe.cli.running import cancelled_by_ctrl_c, guarded, ready_settings


@click.group()
def models() -> None:
    """Weights of the networks: list, fetch, verify, convert."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def models_list(as_json: bool) -> None:
    """Show every model, where it is, and its licence."""
    from drumscribe.weights import registry

    rows = registry.catalogue(ready_settings())
    if as_json:
        columns = ("name", "purpose", "note", "licence", "source", "state", "path", "size", "used")
        click.echo(json.dumps([{key: getattr(row, key) for key in columns} for row in rows], default=str, indent=2))
        return
    table(
        ("", "model", "for", "state", "MB", "licence", "what"),
        [
            (
                "*" if row.used else "",
                row.name,
                row.purpose,
                row.state,
                f"{row.size / 2**20:.1f}",
                row.licence,
                row.note,
            )
            for row in rows
        ],
    )
    click.echo("* used with the present settings")


@models.command("fetch")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def models_fetch(names: tuple[str, ...], as_json: bool) -> None:
    """Fetch models (by default those that the settings use), so that the first song need not wait for them."""
    from drumscribe.types import Progress
    from drumscribe.weights import registry

    settings = ready_settings()
    wanted = names or tuple(row.name for row in registry.catalogue(settings) if row.used and row.purpose != "beats")
    cancel = cancelled_by_ctrl_c()
    paths = {}
    with bars_on(as_json) as bars:
        for name in wanted:
            report = functools.partial(lambda name, fraction, text: bars.update(Progress(name, fraction, text)), name)
            paths[name] = str(registry.resolve(name, settings, on_progress=report, cancel=cancel))
            if not as_json:
                bars.say(f"{name}: {paths[name]}")
    if as_json:
        click.echo(json.dumps(paths, indent=2))


@models.command("verify")
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def models_verify(names: tuple[str, ...], as_json: bool) -> int:
    """Compare checksums of what is on disk; status 4 if anything is damaged."""
    from drumscribe.weights import registry

    settings = ready_settings()
    present = [row.name for row in registry.catalogue(settings) if row.state not in ("missing", "folder")]
    rows = [registry.verify(name, settings) for name in names or present]
    columns = ("model", "state", "path")
    found: list[tuple[str, ...]] = [(row.name, row.state, str(row.path)) for row in rows]
    if as_json:
        click.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in found], indent=2))
    else:
        table(columns, found)
    return 4 if any(row.state in ("damaged", "missing") for row in rows) else 0


@models.command("convert")
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="MODEL.keras")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="By default beside it, .tflite.")
@guarded
def models_convert(model: Path, output: Path | None) -> None:
    """Convert a Keras hit model for MODEL_URI, so that it runs on LiteRT, without TensorFlow."""
    from drumscribe.hits.engines import LIGHT, convert

    ready_settings()
    target = output or model.with_suffix(LIGHT)
    convert(model, target)
    click.echo(f"{target}: {target.stat().st_size / 2**20:.1f} MB")

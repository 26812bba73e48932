"""The command line: a thin shell over the pipeline. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from drumscribe import extras
from drumscribe._version import __version__
from drumscribe.cli import studio
from drumscribe.cli.changes import changes
from drumscribe.cli.choosing import (
    READING,
    changes_of,
    cheap_choices,
    engraved_by,
    listening,
    options_of,
    reading,
)
from drumscribe.cli.completion import completion
from drumscribe.cli.console import Bars, Report, bars_on, conclude, native_noise_in, table
from drumscribe.cli.convert import convert
from drumscribe.cli.maps import maps
from drumscribe.cli.models import models
from drumscribe.cli.remote import remote
from drumscribe.cli.running import cancelled_by_ctrl_c, guarded, ready_settings, trace, unexpected
from drumscribe.cli.songs import EPILOG, apart, formats_of, free_name, songs_in
from drumscribe.cli.streams import STANDARD, check_standard_output, standard_input, to_standard_output
from drumscribe.errors import Cancelled, DrumScribeError, MissingExtraError, NotationError, OptionsError, SourceError

if TYPE_CHECKING:
    from drumscribe.options import Options
    from drumscribe.settings import Settings
    from drumscribe.song.transcription import Transcription


def main() -> NoReturn:
    """Entry point of ``drumscribe``."""
    sys.exit(cli.main(standalone_mode=True))


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="drumscribe")
def cli() -> None:
    """DrumScribe: recorded music in, drum sheet music out."""


cli.add_command(models)
cli.add_command(changes)
cli.add_command(completion)
cli.add_command(convert)
cli.add_command(maps)
cli.add_command(remote)


@cli.command(epilog=EPILOG)
@click.argument("songs", nargs=-1, required=True, metavar="SONG...")
@listening
@click.option(
    "--cookies-from-browser",
    "browser",
    metavar="NAME",
    help="Open YouTube links as this browser's user: firefox, chrome:PROFILE, ...",
)
@reading
@cheap_choices
@guarded
def transcribe(
    songs: tuple[str, ...], output: Path, browser: str | None, formats: str, as_json: bool, quiet: bool, **choices: Any
) -> int:
    """Transcribe the drums of one or more songs.

    SONG is an audio file, a folder of them, a YouTube link, or - for standard input; or a chart (MIDI, MusicXML, a
    project, and what else 'convert' reads), which needs no listening. For each, NAME.musicxml, NAME.pdf, NAME.mid,
    NAME.hits.csv and NAME.json (the project, which reopens in the app) are written.
    """
    settings = engraved_by(ready_settings(), choices)
    if browser:
        settings = settings.model_copy(update={"youtube_cookies_from_browser": browser, "youtube_cookies": ""})
    options = options_of(choices)
    kinds = formats_of(formats)
    sources = list(songs_in(songs))
    if output == STANDARD:
        check_standard_output(len(sources), kinds, as_json)
    taken: set[str] = set()
    reports = []
    cancel = cancelled_by_ctrl_c()
    noise = native_noise_in(settings.cache_dir / "native.log")
    with ExitStack() as stack, noise, bars_on(quiet or as_json) as bars:
        sources = [stack.enter_context(standard_input(settings)) if s == STANDARD else s for s in sources]
        for source in sources:
            report = Report(str(source))
            reports.append(report)
            try:
                result = _transcribe_one(source, options, settings, bars, cancel)
                report.describe(result)
                name = free_name(apart(_base_name(source, result), source, output, kinds), taken)
                _write(result, output, kinds, name, settings, bars, report)
            except DrumScribeError as error:
                trace()
                report.fail(error)
                if isinstance(error, Cancelled):
                    break
            except Exception as error:  # noqa: BLE001 - one song that breaks a library must not stop the others
                report.fail(unexpected(error))
    conclude(reports, as_json=as_json, quiet=quiet or output == STANDARD)
    return next((report.status for report in reports if report.status), 0)


@cli.command(epilog=EPILOG)
@click.argument("project", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the files [beside the project].")
@reading
@click.option(
    "--chart", type=click.Path(path_type=Path), help="MusicXML of this project, edited elsewhere: take its changes in."
)
@click.option(
    "--alternative", type=click.IntRange(1), metavar="N", help="Count it as the N-th reading that the summary lists."
)
@cheap_choices
@guarded
def rescore(
    project: Path, output: Path | None, chart: Path | None, formats: str, as_json: bool, quiet: bool, **choices: Any
) -> int:
    """Write the score of a project file again with other choices; the recording is not needed.

    PROJECT may also be a chart from another program (see 'convert'): it becomes a project; or - for standard input.
    """
    from drumscribe.song import imports

    settings = engraved_by(ready_settings(), choices)
    kinds, alternative = formats_of(formats), choices.pop("alternative")
    if output == STANDARD or (output is None and project == STANDARD):
        output = STANDARD
        check_standard_output(1, kinds, as_json)
    report = Report(str(project))
    read_as = options_of({name: choices[name] for name in READING})
    if project == STANDARD:
        with standard_input(settings) as path:
            result = imports.load(path, options=read_as)
    else:
        result = imports.load(project, options=read_as)
    if chart is not None:
        result = result.edit(imports.returned(result, imports.content(chart)))
    if alternative is not None:
        result = result.recounted(alternative)
    result = result.rescore(None, **changes_of(choices))
    report.describe(result)
    folder, name = output or project.parent, project.stem
    if "chart" in result.provenance and project.suffix.lower() != ".json":
        name = apart(name, project, folder, kinds)
    with bars_on(True) as bars:
        _write(result, folder, kinds, name, settings, bars, report)
    conclude([report], as_json=as_json, quiet=quiet or output == STANDARD)
    return report.status


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def doctor(as_json: bool) -> int:
    """Say what is installed, what is missing, and what to do about it."""
    from drumscribe.cli.doctor import examine

    checks = examine(ready_settings())
    if as_json:
        click.echo(json.dumps([vars(check) for check in checks], indent=2))
    else:
        mark = {"ok": "ok", "note": "--", "bad": "!!"}
        table(("", "what", "found", "to do"), [(mark[c.state], c.name, c.found, c.todo) for c in checks])
    return 1 if any(check.state == "bad" for check in checks) else 0


@cli.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Copy it into this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@guarded
def example(output: Path | None, as_json: bool) -> None:
    """Print the path of the example song that comes with DrumScribe."""
    songs = sorted((Path(__file__).parents[1] / "assets").glob("example.ogg"))
    if not songs:
        raise SourceError("The example song is missing from this installation.", "Install DrumScribe again.")
    path = songs[0]
    if output is not None:
        from drumscribe.storage.writing import write_atomic

        path = output / path.name
        write_atomic(path, songs[0].read_bytes())
    click.echo(json.dumps({"path": str(path)}) if as_json else str(path))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8501, show_default=True, help="Port to listen on.")
@click.option("--open/--no-open", "browser", default=False, help="Open a browser.")
@click.option("--lan", is_flag=True, help="Open it to tablets and phones in the local network, over HTTPS, by a code.")
@guarded
def serve(host: str, port: int, browser: bool, lan: bool) -> int:
    """Serve the app."""
    extras.need("studio")
    app = studio.app()
    if app is None:
        raise OptionsError("The app's pages are missing from this installation.", "Install DrumScribe again.")
    from drumscribe.runtime import loopback

    if lan and host != "127.0.0.1":
        raise OptionsError("--lan listens on every address of this computer.", "Leave out --host.")
    settings = ready_settings()
    if not loopback(host):
        if settings.sign_in != "none" and not studio.people_sign_in():
            raise OptionsError(
                f"Everybody who reaches {host} could use the studio: nobody has to sign in.",
                "Set up [auth] in .streamlit/secrets.toml (docs/OPERATIONS.md), or on a trusted network SIGN_IN=none.",
            )
        if settings.sign_in == "none":
            told = f"SIGN_IN=none: everybody who reaches {host} may use the studio."
            click.echo(f"{told} [auth] is not used." if studio.people_sign_in() else told, err=True)
        os.environ["PUBLIC"] = "true"
    if lan:
        command = [sys.executable, "-m", "drumscribe.ui.lan", str(app), str(port)]
        if browser:
            click.launch(f"https://localhost:{port}")
    else:
        flags = ["--server.address", host, "--server.port", str(port), "--server.headless", str(not browser).lower()]
        command = [sys.executable, "-m", "streamlit", "run", str(app), *flags]
    if os.name != "nt":  # there, a program that replaces itself seems to its caller to have ended
        os.execv(sys.executable, command)  # noqa: S606 - a fixed program
    return subprocess.run(command).returncode


def _transcribe_one(
    source: Path | str, options: Options, settings: Settings, bars: Bars, cancel: threading.Event
) -> Transcription:
    from drumscribe.pipeline import transcribe as run

    bars.song(str(source))
    return run(source, options, settings=settings, on_progress=bars.update, cancel=cancel)


def _write(
    result: Transcription,
    folder: Path,
    kinds: tuple[str, ...],
    name: str,
    settings: Settings,
    bars: Bars,
    report: Report,
) -> None:
    """Write every format that can be made; one that cannot is an error of its own."""
    from drumscribe.types import Progress

    if folder == STANDARD:
        to_standard_output(result, kinds[0], settings)
        report.files[kinds[0]] = "-"
        return
    with ThreadPoolExecutor(1) as pool:  # engraving takes longest, and LilyPond runs beside what is written here
        export = partial(result.export, folder, name=name, settings=settings)
        pdf = pool.submit(export, ("pdf",)) if "pdf" in kinds else None
        for done, kind in enumerate(sorted(kinds, key="pdf".__eq__)):
            bars.update(Progress("export", done / len(kinds), kind))
            try:
                files = pdf.result() if pdf and kind == "pdf" else export((kind,))
            except (NotationError, MissingExtraError) as error:
                report.fail(error)
                continue
            report.files.update({kind: str(path) for kind, path in files.items()})
    bars.update(Progress("export", 1.0, f"{len(report.files)} files"))


def _base_name(source: Path | str, result: Transcription) -> str:
    from drumscribe.song.stages import file_name

    return file_name(source.stem if isinstance(source, Path) else result.song.title or "song")

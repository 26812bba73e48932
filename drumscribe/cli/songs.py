"""Songs as they are named on a command line, and the files that are written for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from drumscribe.cli.streams import STANDARD
from drumscribe.errors import OptionsError, SourceError
from drumscribe.notation.formats import WRITABLE

EPILOG = """\b
Exit status:
  0    everything was written
  1    something unexpected (--debug shows where), or a check of 'doctor' failed,
       or the server of 'remote' lost a song
  2    a wrong option or argument
  3    a recording or project file that cannot be used
  4    a model's weights cannot be had
  5    a stage failed, or a file format could not be made
  6    a file could not be written (disk full, no permission)
  7    a part of DrumScribe that is not installed here (an extra, such as drumscribe[studio])
  8    the server of 'remote' takes no more songs of yours now: a quota or rate limit is reached
  9    it takes no songs of anybody now: it has too many, or no room
  130  stopped with Ctrl-C
Of several songs, all that can be are done; the status is that of the first one that failed.
"""
ENDINGS = {
    ".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".webm", ".aif", ".aiff", ".mp4", ".mkv",
    ".mov", ".wma", ".w64", ".caf",
}  # fmt: skip
"""What is taken for a song inside a folder."""


def formats_of(text: str) -> tuple[str, ...]:
    """Names of formats, each once. Raises OptionsError."""
    kinds = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for kind in kinds:
        if kind not in WRITABLE:
            raise OptionsError(f"{kind!r} is not a format.", f"Choose from {', '.join(WRITABLE)}.")
    if not kinds:
        raise OptionsError("No format was given.", f"Choose from {', '.join(WRITABLE)}.")
    return kinds


def songs_in(songs: tuple[str, ...]) -> Iterator[Path | str]:
    """Files, the songs inside folders (in order of name), and links. Raises SourceError for a folder without any."""
    for song in songs:
        path = Path(song)
        if not path.is_dir():
            yield song if "://" in song or not (path == STANDARD or path.exists()) else path
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
        if not inside:
            raise SourceError(f"There is no audio file in the folder {song}.", "Name a file, or another folder.")
        yield from inside


def apart(name: str, source: Path | str, folder: Path, kinds: tuple[str, ...]) -> str:
    """A name whose files are not the chart that was read."""
    if not isinstance(source, Path) or not source.exists():
        return name
    written = (folder / f"{name}{WRITABLE[kind].ending}" for kind in kinds)
    return f"{name} (DrumScribe)" if any(path.exists() and path.samefile(source) for path in written) else name


def free_name(name: str, taken: set[str]) -> str:
    """A name that no other song of this run has, on file systems that ignore case too."""
    candidate, number = name, 2
    while candidate.casefold() in taken:
        candidate, number = f"{name}-{number}", number + 1
    taken.add(candidate.casefold())
    return candidate

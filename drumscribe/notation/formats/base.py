"""What a file format is to DrumScribe: how it is told, read, and written, and what it cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from drumscribe.choices import Swing
    from drumscribe.notation.model import Score
    from drumscribe.options import Options, ReadOptions
    from drumscribe.settings import Settings
    from drumscribe.types import BeatGrid, Hits, Rhythm

MAX_BYTES = 32 * 1024 * 1024
"""Largest chart of another program that is read, packed or unpacked."""
HEAD = 4096
"""So many bytes from its beginning tell what a file is."""


class Chart(Protocol):
    """What is written: everything about one song. A :class:`drumscribe.Transcription` is one."""

    @property
    def title(self) -> str:
        """As printed."""

    @property
    def artist(self) -> str:
        """As printed."""

    @property
    def options(self) -> Options:
        """Choices in force."""

    @property
    def hits(self) -> Hits:
        """As they were heard and corrected, at the times they were played."""

    @property
    def shown(self) -> Hits:
        """The hits by the names that they are written under."""

    @property
    def read(self) -> Hits:
        """The hits as the score has them."""

    @property
    def grid(self) -> BeatGrid:
        """Beats and bars of the recording."""

    @property
    def rhythm(self) -> Rhythm:
        """Quantised hits."""

    @property
    def score(self) -> Score:
        """What is printed."""

    def saved(self) -> bytes:
        """The project file."""

    def sound(self, part: Literal["mix", "drums"] = "mix") -> bytes:
        """The recording, or its drums, as Ogg Vorbis; empty where there are none."""

    def drum_tracks(self) -> Iterator[tuple[str, bytes]]:
        """The strokes on the packaged kit: names and WAV files of its parts. Raises NotationError."""


@dataclass(frozen=True, slots=True)
class Found:
    """A chart that was read.

    Attributes:
        hits: the strokes at the times at which the file plays them.
        grid: its beats and bars.
        kind: of file, for people.
        title, artist: where it names them.
        swing: whether its eighths are swung (``"on"``, ``"off"``), where it says so.
        freely: its grid may mean nothing, because it may have been played without a click.
        notes: sentences on what was guessed, merged, or left out.
    """

    hits: Hits
    grid: BeatGrid
    kind: str
    title: str = ""
    artist: str = ""
    swing: Swing = "auto"
    freely: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One file format; each module of this folder has one as ``FORMAT``.

    Attributes:
        name: by which the command line and the API know it.
        title: on the button.
        about: for whom it is, or for what.
        ending: of the names of files that are written.
        media_type: of what is written.
        write: the file of a chart, or one file a page; ``None`` where it is only read. Raises NotationError.
        read: of a file's bytes. Raises ProjectError.
        is_it: whether the first :data:`HEAD` bytes of a file are of this format.
        endings: other names of files that are written so.
        only_read: names of files that are read, too.
        loses: what it cannot hold: written into a table, and told by the command that converts.
        tested: programs that open what is written, or wrote what is read, in the tests.
        usual: part of "everything" in one archive.
        slow: takes seconds, so the studio makes it only when asked to.
        extra: the optional part of DrumScribe that it needs.
    """

    name: str
    title: str
    about: str
    ending: str
    media_type: str
    write: Callable[[Chart, Settings], list[bytes]] | None = None
    read: Callable[[bytes, ReadOptions], Found] | None = None
    is_it: Callable[[bytes], bool] | None = None
    endings: tuple[str, ...] = ()
    only_read: tuple[str, ...] = ()
    loses: str = ""
    tested: str = ""
    usual: bool = False
    slow: bool = False
    extra: str = ""

"""A finished transcription: change it cheaply, look at it, write it out, open it again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drumscribe import extras
from drumscribe.errors import OptionsError, ProjectError
from drumscribe.notation.formats import DEFAULT_FORMATS, WRITABLE
from drumscribe.options import Options
from drumscribe.settings import Settings, get_settings
from drumscribe.song import edits, project
from drumscribe.song.project import Heard, Project, Song
from drumscribe.song.recordings import Absent, Media, Part, Stored
from drumscribe.song.stages import as_read, file_name, laid, notated, picked, shown, spare, written
from drumscribe.storage.files import Folder
from drumscribe.storage.writing import write_atomic
from drumscribe.types import Activations, Audio, BeatGrid, Hit, Hits, Rhythm, Stem

if TYPE_CHECKING:
    from drumscribe.notation.model import Score
    from drumscribe.rhythm import BeatEvidence
    from drumscribe.song.exchange import MirEval


@dataclass(frozen=True)
class Transcription:
    """Everything known about one song. Immutable: each change returns another one that shares what did not change.

    Attributes:
        song: the recording, without its samples.
        heard: what the network listened to: stem or mix.
        options: choices in force.
        activations: of the hit network, rounded as a project file keeps them.
        history: the model's hits and the edits since; :attr:`hits` are the present ones.
        evidence: what the beat tracker heard.
        grid: beats and bars.
        rhythm: quantised hits.
        score: what is printed.
        media: where the audio is.
        warnings: plain sentences for the user.
        provenance: versions and models that made it.
        created_at: seconds since the epoch, UTC.
        timings: seconds per stage; stages taken from the cache are absent.
    """

    song: Song
    heard: Heard
    options: Options
    activations: Activations
    history: edits.History
    evidence: BeatEvidence
    grid: BeatGrid
    rhythm: Rhythm
    score: Score
    media: Media = field(default_factory=Absent, compare=False)
    warnings: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)
    timings: dict[str, float] = field(default_factory=dict, compare=False)

    @property
    def hits(self) -> Hits:
        """The hits as they are now, edits included."""
        return self.history.hits

    @property
    def audio(self) -> Audio:
        """The recording; read from disk when first used. Raises ProjectError if only a project file was opened."""
        return self.media.audio

    @property
    def stem(self) -> Stem:
        """The drums, or the mix where they were not separated; read from disk when first used."""
        return self.media.stem

    def preview(self, part: Part = "mix") -> bytes:
        """Ogg Vorbis to listen to. Raises ProjectError where there is no such part."""
        return self.media.preview(part)

    @cached_property
    def candidates(self) -> tuple[Hit, ...]:
        """Everything the network took for a possible hit, with the ids that the picked ones have."""
        from drumscribe import hits

        return hits.candidates(self.activations)

    @property
    def rejected(self) -> tuple[Hit, ...]:
        """Candidates that are neither among the hits nor were removed by the user: to show faintly, to accept."""
        return spare(self.activations, self.history)

    @property
    def title(self) -> str:
        """As printed."""
        return self.score.title

    @property
    def artist(self) -> str:
        """As printed."""
        return self.score.artist

    @property
    def shown(self) -> Hits:
        """The hits by the names that they are written under (see ``quantise.rare_drums``)."""
        return shown(self.hits, self.options)

    @property
    def read(self) -> Hits:
        """The hits as the score has them, what the reading changed included (``rhythm.changes`` lists it)."""
        return as_read(self.hits, self.rhythm, self.activations, self.options)

    def left_as_heard(self, *hit_ids: int) -> Transcription:
        """Take back what the reading made of some strokes; without any, all of it: one edit in the log.

        Raises OptionsError if there are more than a song has.
        """
        if not hit_ids:
            return self.choose("Write all as heard", quantise={"reading": "heard"})
        kept = dict.fromkeys((*self.options.quantise.as_heard, *hit_ids))
        strokes = "1 stroke" if len(hit_ids) == 1 else f"{len(hit_ids)} strokes"
        return self.choose(f"Write {strokes} as heard", quantise={"as_heard": tuple(kept)})

    def rescore(self, hits: Hits | None = None, **groups: dict[str, Any]) -> Transcription:
        """Apply other hits or other options without the costly stages.

        ``t.rescore(beats={"bpm": 140}, quantise={"finest": 32})`` takes milliseconds. Edits survive a change of
        ``detect``. Another ``tracker`` listens to the audio again.

        Args:
            hits: the hits to use from now on; the difference becomes one edit in the log.
            groups: changed fields by group of :class:`~drumscribe.options.Options`.

        Raises:
            OptionsError: a bad field, or one that needs a new transcription: ``separate``,
                ``detect.speeds``, ``detect.source``.
            EditError: the hits do not fit together.
            RhythmError, NotationError: the stages cannot do it.
        """
        if "separate" in groups:
            raise OptionsError("Separation cannot be changed afterwards.", "Transcribe the song again with it.")
        options = self.options.updated(**groups)
        now, before = options.detect, self.options.detect
        if (now.speeds, now.source) != (before.speeds, before.source):
            raise OptionsError("How a song is heard (speeds, source) cannot be changed afterwards.",
                               "Transcribe the song again with it.")  # fmt: skip
        history = self.history
        if options.detect != self.options.detect:
            history = history.rebase(picked(self.activations, options.detect))
        if hits is not None:
            history = history.do(edits.replace_all(history.hits, hits), at=time.time())
        return self._with(history, options)

    def edit(self, *changes: edits.Edit) -> Transcription:
        """Apply edits from :mod:`drumscribe.song.edits`, one entry each, and write the score anew. Raises EditError."""
        history, options = self.history, self.options
        for change in changes:
            history = history.do(change, at=time.time())
            options = _wished(options, change.after)
        return self._with(history, options)

    def choose(self, label: str, **groups: dict[str, Any]) -> Transcription:
        """Change options of the cheap stages as one edit in the log, which undo takes back.

        Raises OptionsError, RhythmError, NotationError.
        """
        now = _wished(self.options, groups)
        before, after = (
            {group: {name: data[group][name] for name in names} for group, names in groups.items()}
            for data in (self.options.model_dump(mode="json"), now.model_dump(mode="json"))
        )
        return self.edit(edits.Edit(label, before=before, after=after))

    def recounted(self, number: int) -> Transcription:
        """Count the song as the ``number``-th (from 1) of ``grid.alternatives``: one edit in the log.

        Raises OptionsError if there is no such one.
        """
        if not 1 <= number <= len(self.grid.alternatives):
            there = len(self.grid.alternatives)
            raise OptionsError(f"There is no other reading {number}.", f"The song has {there} of them.")
        other = self.grid.alternatives[number - 1]
        return self.choose(
            f"Count at {other.name}",
            beats={"bpm": other.bpm, "meter": str(other.meter), "first_downbeat_s": other.first_downbeat_s,
                   "bar_shift": 0},
        )  # fmt: skip

    def undo(self) -> Transcription:
        """Take the last edit back. Raises EditError if there is none."""
        history = self.history.undo(at=time.time())
        return self._with(history, _wished(self.options, self.history.edits[-1].before))

    def redo(self) -> Transcription:
        """Bring the last undone edit again. Raises EditError if there is none."""
        history = self.history.redo(at=time.time())
        return self._with(history, _wished(self.options, history.edits[-1].after))

    def _with(self, history: edits.History, options: Options) -> Transcription:
        from drumscribe.rhythm import track

        evidence, grid, rhythm, unedited = self.evidence, self.grid, self.rhythm, None
        if options.beats.tracker != self.options.beats.tracker:
            evidence = track(self.audio, tracker=options.beats.tracker or get_settings().beat_tracker)
        if options.beats.midi != self.options.beats.midi:
            evidence = self._midi_beats(options, history)
        heard_anew = evidence is not self.evidence or options.beats != self.options.beats
        if not heard_anew and history.base is self.history.base:
            unedited = self._unedited_grid
        if heard_anew or history.hits != self.hits:
            grid = laid(evidence, history, options, self.song.duration_s, unedited)
            kept = history.base is self.history.base and options == self.options
            rhythm = written(history, self.activations, grid, options, rhythm.groups if kept else ())
        elif options.quantise != self.options.quantise:
            rhythm = written(history, self.activations, grid, options)
        score = self.score
        if rhythm is not self.rhythm or options.notate != self.options.notate:
            score = notated(rhythm, options, self.song)
        after = replace(self, options=options, history=history, evidence=evidence, grid=grid, rhythm=rhythm,
                        score=score)  # fmt: skip
        if unedited is not None:
            after.__dict__["_unedited_grid"] = unedited  # known already: beats are laid once, however much is edited
        return after

    @cached_property
    def _unedited_grid(self) -> BeatGrid:
        """Beats and bars as laid over the model's own hits."""
        if not self.history.log:
            return self.grid
        return laid(self.evidence, edits.History(self.history.base), self.options, self.song.duration_s)

    def _midi_beats(self, options: Options, history: edits.History) -> BeatEvidence:
        """Beats of a MIDI file where another wish for them is in force; a recording has none of its own."""
        from drumscribe.rhythm import beats_of

        found = self.evidence.tracker == "strokes"
        if self.provenance.get("chart") != "MIDI" or options.beats.midi == "auto":
            return self.evidence
        if options.beats.midi == "strokes":
            return self.evidence if found else beats_of(history.hits, self.song.duration_s)
        if found:
            raise OptionsError(
                "The project does not hold the MIDI file's own beats.",
                "Open the MIDI file again with beats.midi = file.",
            )
        return self.evidence

    def render(self, kind: str, *, settings: Settings | None = None) -> list[bytes]:
        """Make the bytes of one of :data:`~drumscribe.notation.formats.WRITABLE`: one element, or one a page.

        Raises OptionsError for an unknown format, NotationError (PdfBackendError) if it cannot be made,
        MissingExtraError where what writes it is not installed.
        """
        found = WRITABLE.get(kind)
        if found is None or found.write is None:
            raise unknown_format(kind)
        if found.extra:
            extras.need(found.extra, f"Writing {found.title}")
        return found.write(self, settings or get_settings())

    def files(self, kind: str, stem: str, *, settings: Settings | None = None) -> Iterator[tuple[str, bytes]]:
        """Names, which begin with ``stem``, and bytes of the files of one format. Raises as :meth:`render`."""
        pages = self.render(kind, settings=settings)
        for number, data in enumerate(pages, start=1):
            page = f"-{number}" if len(pages) > 1 else ""
            yield f"{stem}{page}{WRITABLE[kind].ending}", data

    def export(
        self,
        folder: str | Path,
        formats: Iterable[str] = DEFAULT_FORMATS,
        *,
        name: str = "",
        settings: Settings | None = None,
    ) -> dict[str, Path]:
        """Write files ``folder/name.ext``, each atomically; existing ones of that name are replaced.

        Returns:
            format → path (of the first page for ``"svg"``).

        Raises:
            OptionsError: an unknown format (before anything is written).
            NotationError: a format could not be made.
            StorageError: a file could not be written.
        """
        formats = tuple(dict.fromkeys(formats))
        unknown = [kind for kind in formats if kind not in WRITABLE]
        if unknown:
            raise unknown_format(unknown[0])
        stem = file_name(name or self.song.title or "score")
        written_to: dict[str, Path] = {}
        for kind in formats:
            for file, data in self.files(kind, stem, settings=settings):
                path = Path(folder) / file
                write_atomic(path, data)
                written_to.setdefault(kind, path)
        return written_to

    def project(self) -> Project:
        """Everything but audio, as a project file holds it."""
        rhythm = self.rhythm
        evidence = project.dump(self.evidence)
        return Project(evidence=evidence, groups=rhythm.groups, changes=rhythm.changes, **_shared(self))

    def saved(self) -> bytes:
        """The project file."""
        return self.project().dumps()

    def sound(self, part: Part = "mix") -> bytes:
        """The recording, or one part of it, as Ogg Vorbis; empty where there is none."""
        try:
            return self.preview(part)
        except ProjectError:
            return b""

    def drum_tracks(self) -> Iterator[tuple[str, bytes]]:
        """The hits on the packaged kit: names and WAV files, one a part of the kit, each as long as the recording.

        Raises NotationError where the song is too long for it.
        """
        from drumscribe.audio.drum_tracks import drum_tracks

        return drum_tracks(self.hits, self.song.duration_s)

    @classmethod
    def of_project(cls, opened: Project, media: Media | None = None) -> Transcription:
        """Rebuild from a project; milliseconds. Raises ProjectError, RhythmError, NotationError."""
        from drumscribe.rhythm import BeatEvidence

        rhythm = written(opened.history, opened.activations, opened.grid, opened.options, opened.groups)
        return cls(
            evidence=project.parse(opened.evidence, BeatEvidence),
            rhythm=rhythm,
            score=notated(rhythm, opened.options, opened.song),
            media=media or Absent(),
            **_shared(opened),
        )

    @classmethod
    def from_hits(
        cls,
        hits: Any,
        *,
        beats: Any = None,
        bpm: float | None = None,
        meter: str = "4/4",
        title: str = "",
        options: Options | None = None,
    ) -> Transcription:
        """A song of hits that came from elsewhere: another transcriber, a data set, a program.

        Args:
            hits: rows ``(time_s, drum)`` or ``(time_s, drum, velocity)``, :class:`~drumscribe.Hit` values, or a pandas
                table with such columns.
            beats: times of all pulses, the first of which begins a bar; or a :class:`~drumscribe.types.BeatGrid`.
            bpm: without ``beats``: even pulses from zero. Without either, beats, meter, and bars are found from the
                strokes.
            meter: of the bars of ``beats`` or ``bpm``.
            title: printed.
            options: choices in force.

        Raises:
            OptionsError: a row or the beats cannot be used.
            ProjectError: there are no hits.
            RhythmError, NotationError: they cannot be written.
        """
        from drumscribe.song.charts import fields_of
        from drumscribe.song.exchange import chart_of

        found, digest = chart_of(hits, beats, bpm, meter, title)
        return cls(**fields_of(found, sha256=digest, name=title, wished=options or Options()))

    def to_pandas(self) -> Any:
        """The hits as a pandas table with their places in the score. Raises MissingExtraError without pandas."""
        from drumscribe.song.exchange import table_of

        return table_of(self.hits, self.rhythm)

    def to_mir_eval(self) -> MirEval:
        """The hits and beats as arrays that mir_eval takes."""
        from drumscribe.song.exchange import mir_eval_of

        return mir_eval_of(self.hits, self.grid)

    def to_pretty_midi(self, *, quantised: bool = False) -> Any:
        """The song as ``pretty_midi.PrettyMIDI``, as played or as written. Raises MissingExtraError without it."""
        from drumscribe.song.exchange import pretty_midi_of

        return pretty_midi_of(self.render("midi_quantised" if quantised else "midi")[0])

    def to_music21(self) -> Any:
        """The score as ``music21.stream.Score``. Raises MissingExtraError without music21."""
        from drumscribe import notation

        return notation.to_music21(self.score)

    @classmethod
    def load(cls, path: str | Path) -> Transcription:
        """Open a project file. Raises ProjectError."""
        return cls.of_project(project.load(Path(path)))

    @classmethod
    def reopen(cls, folder: Folder) -> Transcription:
        """Open a job's result; its audio, if it has any, is read when first used. Raises ProjectError, StorageError."""
        opened = project.loads(folder.read("project.json"))
        media = Stored(folder, opened.song, opened.heard) if folder.exists("audio.flac") else Absent()
        return cls.of_project(opened, media)

    def keep(self, folder: Folder) -> None:
        """Save the project into a job's folder (audio is saved once, by :func:`drumscribe.song.recordings.save`)."""
        folder.write("project.json", self.project().dumps())


def _wished(options: Options, wishes: edits.Wishes) -> Options:
    """Options after an edit of them. Raises OptionsError for those that no edit changes."""
    if not wishes:
        return options
    if other := wishes.keys() - {"beats", "quantise", "notate"}:
        raise OptionsError(f"No edit changes the options {', '.join(sorted(other))}.", "Transcribe the song again.")
    return options.updated(**wishes)


def unknown_format(kind: str) -> OptionsError:
    """The error for a format that cannot be written."""
    return OptionsError(f"{kind!r} is not a format.", f"Choose from {', '.join(WRITABLE)}.")


def _shared(source: Project | Transcription) -> dict[str, Any]:
    """The fields that a project and a transcription both have, alike."""
    own = {"evidence", "groups", "changes"}
    return {one.name: getattr(source, one.name) for one in fields(Project) if one.name not in own}

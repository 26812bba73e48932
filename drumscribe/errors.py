"""Everything that DrumScribe raises on purpose.

    DrumScribeError
    ├── SourceError                 the recording could not be taken in
    │   ├── NotAudioError               no audio stream that can be decoded
    │   ├── TruncatedAudioError         the file ends in the middle
    │   ├── EmptyAudioError             no samples, or too few to hold a hit
    │   ├── SilentAudioError            nothing but silence
    │   ├── TooLongError                longer than MAX_DURATION_S
    │   ├── TooLargeError               larger than MAX_FILE_SIZE_MB
    │   ├── DecoderDiedError            the decoder crashed, hung, or wanted too much
    │   ├── UnreadableFileError         missing, a folder, a pipe, no permission
    │   ├── UnsupportedLinkError        not a link to one YouTube video
    │   ├── VideoUnavailableError       private, removed, blocked by age or region
    │   └── NetworkError                the other side could not be reached
    ├── ModelError                  a network's weights could not be had
    │   ├── WeightsUnavailableError     not on disk, and no way to fetch them now
    │   ├── ChecksumError               a fetched file has another checksum than expected
    │   ├── BadWeightsError             the file is not a model of the expected shape
    │   └── EngineMissingError          the library that runs it is not installed
    ├── StageError                  a stage failed on valid input
    │   ├── SeparationError
    │   ├── DetectionError
    │   ├── RhythmError
    │   └── NotationError
    │       └── PdfBackendError         no PDF engine, or it failed
    ├── ProjectError                a project file, MusicXML, or MIDI file that cannot be read
    ├── EditError                   an edit that does not fit the hits
    ├── OptionsError                an option or setting with an impossible value
    ├── StorageError                could not write: disk full, no permission, bucket away
    ├── MissingExtraError           a part of DrumScribe that is not installed here
    ├── JobError
    │   ├── JobNotFoundError
    │   │   └── UploadNotFoundError     an upload in pieces that was never begun, or has expired
    │   ├── JobConflictError            not possible in the job's present state
    │   ├── QuotaError                  more than this client may have
    │   ├── BlockedError                an admin has turned this owner away
    │   ├── OverloadedError             no room for another job, whoever asks
    │   └── WorkerDiedError             the worker process ended in the middle of a job
    └── Cancelled                   the user stopped it

Each carries ``what`` (one sentence: what happened) and ``todo`` (one sentence: what to do about it);
``str(error)`` joins both. Errors cross processes (pickle) and the wire (:meth:`DrumScribeError.to_dict`).

>>> str(TooLongError("The recording lasts 20 min.", "Cut it to 15 min or raise MAX_DURATION_S."))
'The recording lasts 20 min. Cut it to 15 min or raise MAX_DURATION_S.'
"""

from __future__ import annotations

from typing import Any


class DrumScribeError(Exception):
    """Base of the tree.

    Args:
        what: one sentence that says what happened, in the user's words.
        todo: one sentence that says what the user can do.
    """

    code = "error"
    """Stable machine-readable name (snake case), used by the API and in metrics."""
    exit_code = 1
    """Exit status of the command line."""

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what, todo)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what} {self.todo}".strip()

    def to_dict(self) -> dict[str, str]:
        """Return ``{"code", "what", "todo"}``."""
        return {"code": self.code, "what": self.what, "todo": self.todo}


class SourceError(DrumScribeError):
    code = "source"
    exit_code = 3


class NotAudioError(SourceError):
    code = "not_audio"


class TruncatedAudioError(SourceError):
    code = "truncated_audio"


class EmptyAudioError(SourceError):
    code = "empty_audio"


class SilentAudioError(SourceError):
    code = "silent_audio"


class TooLongError(SourceError):
    code = "too_long"


class TooLargeError(SourceError):
    code = "too_large"


class DecoderDiedError(SourceError):
    code = "decoder_died"


class UnreadableFileError(SourceError):
    code = "unreadable_file"


class UnsupportedLinkError(SourceError):
    code = "unsupported_link"


class VideoUnavailableError(SourceError):
    code = "video_unavailable"


class NetworkError(SourceError):
    code = "network"


class ModelError(DrumScribeError):
    code = "model"
    exit_code = 4


class WeightsUnavailableError(ModelError):
    code = "weights_unavailable"


class ChecksumError(ModelError):
    code = "checksum"


class BadWeightsError(ModelError):
    code = "bad_weights"


class EngineMissingError(ModelError):
    code = "engine_missing"


class StageError(DrumScribeError):
    code = "stage"
    exit_code = 5


class SeparationError(StageError):
    code = "separation"


class DetectionError(StageError):
    code = "detection"


class RhythmError(StageError):
    code = "rhythm"


class NotationError(StageError):
    code = "notation"


class PdfBackendError(NotationError):
    code = "pdf_backend"


class ProjectError(DrumScribeError):
    code = "project"
    exit_code = 3


class EditError(DrumScribeError):
    code = "edit"
    exit_code = 2


class OptionsError(DrumScribeError):
    code = "options"
    exit_code = 2


class StorageError(DrumScribeError):
    code = "storage"
    exit_code = 6


class MissingExtraError(DrumScribeError):
    code = "missing_extra"
    exit_code = 7


class JobError(DrumScribeError):
    code = "job"


class JobNotFoundError(JobError):
    code = "job_not_found"


class UploadNotFoundError(JobNotFoundError):
    code = "upload_not_found"


class JobConflictError(JobError):
    code = "job_conflict"


class QuotaError(JobError):
    code = "quota"
    exit_code = 8
    retry_after_s: float | None = None
    """When trying again may succeed, where that is known."""


class BlockedError(JobError):
    code = "blocked"


class OverloadedError(JobError):
    code = "overloaded"
    exit_code = 9
    retry_after_s: float | None = None


class WorkerDiedError(JobError):
    code = "worker_died"


class Cancelled(DrumScribeError):
    code = "cancelled"
    exit_code = 130


def _walk(cls: type[DrumScribeError]) -> list[type[DrumScribeError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in _walk(child))]


def from_dict(data: dict[str, Any]) -> DrumScribeError:
    """Rebuild an error from :meth:`DrumScribeError.to_dict`; an unknown code gives the base class."""
    by_code = {cls.code: cls for cls in _walk(DrumScribeError)}
    cls = by_code.get(str(data.get("code")), DrumScribeError)
    return cls(str(data.get("what", "")), str(data.get("todo", "")))

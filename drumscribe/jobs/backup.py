"""Everything that cannot be made again, in one file: ``python -m drumscribe.jobs.backup save FILE``, and back by
``restore FILE`` into an empty deployment, also one of another kind (PostgreSQL or SQLite, bucket or folder).

The file is a tar: ``manifest.json``, one ``tables/<table>.jsonl`` for each table, the store's files under their keys,
and ``end.json`` with their number, so that half a file is known for one. The tables are read in one transaction before
the files: what is deleted meanwhile is left out, what comes later is not in it. The service may go on.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, func, insert, select

from drumscribe._version import __version__
from drumscribe.errors import DrumScribeError, OptionsError
from drumscribe.jobs import migrate
from drumscribe.jobs.db import Database, reaching
from drumscribe.jobs.model import JobStatus
from drumscribe.jobs.tables import Base, JobRow
from drumscribe.settings import Settings, get_settings
from drumscribe.storage.files import Store
from drumscribe.storage.writing import atomic_path, storing

_BATCH = 500
_KINDS = ("uploads", "jobs")


def save(settings: Settings, target: Path) -> tuple[int, int]:
    """Write database and store into ``target``. Returns the numbers of rows and files. Raises StorageError."""
    store, database = Store(settings), Database(settings)
    with (
        closing(database),
        storing("The backup"),
        atomic_path(target) as temporary,
        tarfile.open(temporary, "w") as tar,
    ):
        migrate.upgrade(database.engine)
        _add(tar, "manifest.json", {"drumscribe": __version__, "revision": migrate.current(database.engine)})
        rows = files = 0
        engine = database.engine
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with reaching(), engine.connect() as connection, connection.begin():
            jobs = set(connection.scalars(select(JobRow.id)))
            uploads = set(connection.scalars(select(JobRow.source)))
            for table in Base.metadata.sorted_tables:
                with tempfile.TemporaryFile() as lines:
                    for row in connection.execute(select(table)).mappings():
                        lines.write(json.dumps(dict(row)).encode() + b"\n")
                        rows += 1
                    _add_stream(tar, f"tables/{table.name}.jsonl", lines)
        for key in store.everything():
            if key in uploads or key.split("/")[1] in jobs:
                with store.opened(key) as content:
                    if content is not None:
                        _add_stream(tar, key, content)
                        files += 1
        _add(tar, "end.json", {"rows": rows, "files": files})
    return rows, files


def restore(settings: Settings, source: Path) -> tuple[int, int]:
    """Fill an empty deployment from ``source``. Jobs that were at work are queued again.

    Returns:
        The numbers of rows and files.

    Raises:
        OptionsError: it is not empty, or the file is no backup, is cut off, or comes from a newer version.
        StorageError: database or store cannot be written.
    """
    store, database = Store(settings), Database(settings)
    with closing(database), _opened(source) as tar, tempfile.TemporaryDirectory() as scratch:
        migrate.upgrade(database.engine)
        rows = files = 0
        with reaching(), database.engine.begin() as connection:
            if connection.scalar(select(func.count()).select_from(JobRow)):
                raise OptionsError("This deployment holds jobs already.", "Restore into an empty database.")
            for member in tar:
                content = tar.extractfile(member)
                kind, _, rest = member.name.partition("/")
                if content is None:
                    continue
                if kind == "tables":
                    rows += _fill(connection, rest.removesuffix(".jsonl"), content)
                elif kind in _KINDS:  # the store refuses every name that is not one of its own
                    copy = Path(scratch) / "file"
                    with storing(member.name), copy.open("wb") as out:
                        shutil.copyfileobj(content, out)
                    store.write(member.name, copy)
                    files += 1
    return rows, files


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    """A backup that is whole and not too new. Raises OptionsError."""
    todo = "Name a file that 'save' of this version or an earlier one has written to its end."
    try:
        with tarfile.open(source, "r:") as tar:
            names = tar.getnames()
            if names[:1] != ["manifest.json"] or names[-1:] != ["end.json"]:
                raise OptionsError(f"{source.name} is no backup, or is cut off.", todo)
            revision = json.loads(_content(tar, "manifest.json"))["revision"]
            if revision not in migrate.known():
                raise OptionsError(f"{source.name} was written by a newer version.", "Upgrade DrumScribe first.")
            yield tar
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise OptionsError(f"{source.name} cannot be read as a backup.", todo) from error


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    return member.read() if member is not None else b""


def _fill(connection: Connection, name: str, lines: IO[bytes]) -> int:
    """Insert the rows of one table; columns that it has no longer are left out."""
    table = Base.metadata.tables.get(name)
    if table is None:
        return 0
    rows = [{column: value for column, value in json.loads(line).items() if column in table.c} for line in lines]
    for row in rows:
        if table is JobRow.__table__ and JobStatus(row["status"]).active:  # its worker is elsewhere
            row |= {"status": str(JobStatus.QUEUED), "attempts": 0}
        if table is JobRow.__table__:
            row |= {"worker": ""}
    for start in range(0, len(rows), _BATCH):
        connection.execute(insert(table), rows[start : start + _BATCH])
    return len(rows)


def _add(tar: tarfile.TarFile, name: str, value: Any) -> None:
    _add_stream(tar, name, io.BytesIO(json.dumps(value).encode()))


def _add_stream(tar: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    about = tarfile.TarInfo(name)
    about.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    tar.addfile(about, content)


def main(arguments: list[str]) -> int:
    """``save FILE`` or ``restore FILE``. Returns the exit status."""
    match arguments:
        case ["save" | "restore" as what, name]:
            pass
        case _:
            print("usage: python -m drumscribe.jobs.backup save|restore FILE", file=sys.stderr)
            return 2
    try:
        rows, files = (save if what == "save" else restore)(get_settings(), Path(name))
    except DrumScribeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{rows} rows and {files} files {what}d")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

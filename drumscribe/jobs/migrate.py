"""Bring the job database to the present schema: ``python -m drumscribe.jobs.migrate``, or back to an earlier one's:
``python -m drumscribe.jobs.migrate 0001``.

A deployment with PostgreSQL runs it once before new API and worker processes start; it waits for a second one that
runs at the same time, and does nothing where nothing is to be done.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import Connection, Engine, inspect, text

from drumscribe.errors import DrumScribeError, OptionsError
from drumscribe.jobs.db import Database, reaching
from drumscribe.settings import get_settings

_ADDED = {"size": "0007", "people": "0006", "shares": "0005", "tokens": "0004", "artist": "0003", "turn": "0002"}
"""A table, or a column of the jobs, and the revision that brought it; the newest first."""
_LOCK = 0x6472756D  # any fixed number; PostgreSQL's advisory locks are told apart by it


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, with the migrations that the package carries."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    found.attributes["connection"] = connection
    return found


def head() -> str:
    """The newest revision that this version of DrumScribe knows."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def known() -> set[str]:
    """Every revision that this version of DrumScribe knows."""
    return {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def current(engine: Engine) -> str | None:
    """The revision of a database; ``None`` for an empty one. Raises StorageError."""
    with reaching(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Create or change the tables. Raises StorageError where the database cannot be reached."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    # Studio and API may start at once; SQLite has no lock that lasts over several changes of the schema.
    with FileLock(f"{path}.lock") if path else nullcontext(), reaching(), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        tables = inspect(connection).get_table_names()
        if "jobs" in tables and "alembic_version" not in tables:
            # made by an embedded installation, which for a while did without migrations
            known = {*tables, *(column["name"] for column in inspect(connection).get_columns("jobs"))}
            stamp = next((revision for name, revision in _ADDED.items() if name in known), "0001")
            command.stamp(config(connection), stamp)
        command.upgrade(config(connection), "head")


def downgrade(engine: Engine, revision: str) -> None:
    """Take changes back, for an earlier version. Raises StorageError."""
    with reaching(), engine.begin() as connection:
        command.downgrade(config(connection), revision)


def main(arguments: Sequence[str] = ()) -> int:
    """Upgrade the database of the settings, or take it back to a revision. Returns the exit status."""
    try:
        database = Database(get_settings())
        if arguments:
            if arguments[0] not in known():
                raise OptionsError(f"{arguments[0]!r} is no revision.", f"Name one of {', '.join(sorted(known()))}.")
            downgrade(database.engine, arguments[0])
        else:
            upgrade(database.engine)
        print(f"database is at revision {current(database.engine)}")
        database.close()
    except DrumScribeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

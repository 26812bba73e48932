"""Alembic's entry: run on the connection it was given, or on one to the database of the settings."""

from __future__ import annotations

from alembic import context

from drumscribe.jobs.db import Database
from drumscribe.jobs.tables import Base
from drumscribe.settings import get_settings


def run() -> None:
    """Run the wanted migrations."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    with Database(get_settings()).engine.begin() as own:
        context.configure(connection=own, target_metadata=Base.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()


run()

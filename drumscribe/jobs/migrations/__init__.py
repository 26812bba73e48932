"""Alembic migrations of the job database; :mod:`drumscribe.jobs.migrate` runs them."""

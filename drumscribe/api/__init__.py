"""The REST API, a thin shell over :class:`~drumscribe.jobs.stored.JobRunner`: ``python -m drumscribe.api``.

:func:`drumscribe.api.app.create_app` builds the FastAPI application.
"""

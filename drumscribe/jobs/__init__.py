"""Jobs: submit a song, follow it, take the result. Start at :mod:`drumscribe.jobs.runner`."""

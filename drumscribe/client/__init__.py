"""A client of the REST API, for programs that have songs transcribed by a server: :class:`Client`, and
:class:`AsyncClient` for asyncio.

    from drumscribe.client import Client

    with Client("https://drums.example.org", key="…") as server:
        job = server.wait(server.submit("song.flac", {"beats": {"meter": "4/4"}}).id)
        server.download(job.id, "musicxml", "song.musicxml")

Answers are the dataclasses of :mod:`drumscribe.client.models`; whatever goes wrong is an error of
:mod:`drumscribe.errors`, as in the program itself.
"""

from drumscribe.client.both import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]

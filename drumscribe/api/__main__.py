"""Serve the API: ``python -m drumscribe.api``. Address, port, and all else come from the settings."""

from __future__ import annotations

import sys
import tempfile

from drumscribe import extras
from drumscribe.errors import DrumScribeError
from drumscribe.settings import get_settings
from drumscribe.storage.writing import storing


def main() -> int:
    """Run until asked to stop. Returns the exit status."""
    settings = get_settings()
    try:
        extras.need("service")
        import uvicorn

        from drumscribe import observability
        from drumscribe.api.app import create_app
        from drumscribe.api.auth import check_exposure

        check_exposure(settings)
        app = create_app(settings)
        # Parts of uploads over 1 MB wait in a file until they are stored; /tmp may be memory in a container.
        scratch = settings.data_dir / "tmp"
        with storing("The data folder"):
            scratch.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(scratch.resolve())
    except DrumScribeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    observability.start(settings, "api")
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

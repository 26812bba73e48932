"""``/api/v1/docs``: the API's description in Swagger UI, served from this process; nothing comes from another host.

The viewer's files are those in the package fastapi-offline (Swagger UI is Apache 2.0).
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

router = APIRouter(prefix="/api/v1/docs", include_in_schema=False)

_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}
# Swagger UI sets style attributes and draws its icons from data: addresses.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DrumScribe API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""


@router.get("")
def page() -> HTMLResponse:
    """The page. Its policy lets it load from, and talk to, this server only."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/start.js")
def start(request: Request) -> Response:
    """What starts the viewer: a file of its own, because the policy forbids scripts inside the page."""
    document = str(request.scope.get("root_path", "")) + "/api/v1/openapi.json"
    call = f'SwaggerUIBundle({{url: {json.dumps(document)}, dom_id: "#swagger-ui", deepLinking: true}});'
    return Response(call, media_type="text/javascript")


@router.get("/{name}")
def asset(name: str) -> Response:
    """One file of the viewer."""
    if name not in _ASSETS:
        return Response(status_code=404)
    headers = {"Cache-Control": "max-age=86400"}
    return FileResponse(_folder() / name, media_type=_ASSETS[name], headers=headers)


def _folder() -> Path:
    spec = find_spec("fastapi_offline")
    assert spec is not None and spec.origin is not None  # a pinned requirement
    return Path(spec.origin).with_name("static")

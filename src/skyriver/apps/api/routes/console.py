"""The built console: files from the package, and its first page for every address that is no file.

Not a route but the application's fallback: a route that matches everything would turn "method not allowed" of the
API's own routes into "not found".
"""

from __future__ import annotations

from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

CONSOLE_DIR = Path(__file__).parents[3] / "console_dist"
_FOREVER = "public, max-age=31536000, immutable"  # names under assets/ hold a hash of their content
_ALWAYS_ASK = "no-cache"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Skyriver</title>
<body style="font-family: system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>The console is not built</h1>
<p>The API serves, but this installation holds no console. Build it with <code>./skyriver build</code>
in a checkout, or install the wheel, which has it.</p>
<p><a href="/openapi.json">OpenAPI document</a> · <a href="/readyz">readiness</a></p></body></html>"""


class Console:
    """Serves the console's files.

    Args:
        folder: what the console's build wrote; may be absent.
    """

    def __init__(self, folder: Path = CONSOLE_DIR) -> None:
        self._folder = folder.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        response = self._answer(request)
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path = request.url.path
        if path.startswith(("/v1/", "/.well-known/")) or path == "/v1":
            raise HTTPException(404, f"There is no {path}; the OpenAPI document lists what there is.")
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, "Pages can only be read.", headers={"Allow": "GET, HEAD"})
        if (file := self._file(path)) is not None:
            forever = file.parent.name == "assets"
            return FileResponse(file, headers={"Cache-Control": _FOREVER if forever else _ALWAYS_ASK})
        if "." in path.rsplit("/", 1)[-1]:
            raise HTTPException(404, f"There is no file {path}.")
        first = "embed.html" if path == "/embed" or path.startswith("/embed/") else "index.html"
        page = self._file(f"/{first}") or self._file("/index.html")
        if page is None:
            return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": _ALWAYS_ASK})
        return FileResponse(page, headers={"Cache-Control": _ALWAYS_ASK})

    def _file(self, path: str) -> Path | None:
        """The file for a path, never one outside the folder."""
        if "\\" in path:
            return None
        file = (self._folder / path.lstrip("/")).resolve()
        return file if file.is_relative_to(self._folder) and file.is_file() else None

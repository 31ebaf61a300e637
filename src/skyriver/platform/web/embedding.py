"""What pages of other origins may ask for: the player's files, and what is public anyway.

Cross-Origin Resource Sharing (https://fetch.spec.whatwg.org/#http-cors-protocol) without credentials: the answers carry
no cookie's rights, so a foreign page learns nothing that anybody could not ask for.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIXES = ("/v1/public/", "/player/")
_FILES = ("/player.js",)
_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Content-Type, X-Skyriver-Csrf",
    "Access-Control-Max-Age": "7200",  # the longest that Chromium keeps
}


def may_be_embedded(path: str) -> bool:
    """Whether pages of other origins may read answers at `path`."""
    return path in _FILES or path.startswith(_PREFIXES)


class Embedding:
    """Answers preflights, and lets foreign pages read what is public."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not may_be_embedded(scope["path"]):
            await self._app(scope, receive, send)
            return
        asks_first = scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)
        if asks_first:
            await Response(status_code=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)(scope, receive, send)
            return

        async def send_readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = "*"
                headers["Access-Control-Expose-Headers"] = "Retry-After"
                headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            await send(message)

        await self._app(scope, receive, send_readable)

"""What surrounds every request: size limit, security headers, one log line, two metrics. Plain ASGI: nothing here
buffers a body, so that event streams flow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skyriver.kernel.ids import new_id
from skyriver.platform.web.problems import problem_response

MAX_BODY_BYTES = 1024 * 1024  # the largest honest body is a few kilobytes
MAX_PICTURE_BYTES = 5 * 1024 * 1024  # but for pictures, which are PUT
log = logging.getLogger("skyriver.http")

_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
# connect-src https: is for WebTransport to edges, whose addresses change with the cloud, http: for HLS from edges of a
# cloud without TLS (browsers refuse it on https pages anyway). media-src data: is an empty text track that hls.js puts
# into each media element. blob: scripts are audio worklets and workers that the player builds; 'wasm-unsafe-eval'
# compiles WebAssembly and nothing else. 'unsafe-inline' styles: the component library writes style elements.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; "
    "connect-src 'self' https: http: wss:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https: http:; "
    "media-src 'self' data: blob: https: http:; font-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'"
)
EMBED_PREFIX = "/embed"


def _is_page(path: str) -> bool:
    return not path.startswith(("/v1/", "/healthz", "/readyz", "/metrics", "/.well-known/", "/openapi.json"))


def security_headers(path: str) -> dict[str, str]:
    """Headers for an answer at `path`. Only pages under /embed may be shown inside other sites."""
    headers = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    if not _is_page(path):
        return headers | {"Content-Security-Policy": _API_POLICY, "Cache-Control": "no-store"}
    if path == EMBED_PREFIX or path.startswith((f"{EMBED_PREFIX}/", f"{EMBED_PREFIX}.")):
        return headers | {"Content-Security-Policy": f"{_PAGE_POLICY}; frame-ancestors *"}
    return headers | {
        "Content-Security-Policy": f"{_PAGE_POLICY}; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
        "Permissions-Policy": "geolocation=(), payment=()",
    }


class SecurityHeaders:
    """Adds the security headers that the answer does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in security_headers(scope["path"]).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Answers 413 to bodies above the limit, whether announced or streamed, and 400 to addresses with NUL.

    Args:
        uploads: paths that take larger bodies by POST, and how many bytes.
    """

    def __init__(
        self, app: ASGIApp, max_body_bytes: int = MAX_BODY_BYTES, uploads: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._uploads = uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            request = Request(scope)
            response = problem_response(
                request, HTTPStatus.BAD_REQUEST, "bad_address", "The address holds the character NUL; nothing has it."
            )
            await response(scope, receive, send)
            return
        headers = Headers(scope=scope)
        picture = scope["method"] == "PUT" and headers.get("content-type", "").startswith("image/")
        limit_bytes = max(self._max_body_bytes, MAX_PICTURE_BYTES) if picture else self._max_body_bytes
        if scope["method"] == "POST":
            limit_bytes = max(limit_bytes, self._uploads.get(scope["path"], 0))
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limit_bytes:
            await self._refuse(scope, receive, send, limit_bytes)
            return
        received_bytes = 0
        started = False

        async def limited_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            # To the application a body that grows too large is a client that went away; the answer is ours.
            return message if received_bytes <= limit_bytes else {"type": "http.disconnect"}

        async def watched_send(message: Message) -> None:
            nonlocal started
            if started or received_bytes <= limit_bytes:
                started = True
                await send(message)

        try:
            await self._app(scope, limited_receive, watched_send)
        except ClientDisconnect:
            if received_bytes <= limit_bytes:
                raise
        if received_bytes > limit_bytes and not started:
            await self._refuse(scope, receive, send, limit_bytes)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit_bytes: int) -> None:
        response = problem_response(
            Request(scope),
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body_too_large",
            f"The request's body is larger than {limit_bytes} bytes.",
            hint="Send less at a time.",
        )
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


class Observation:
    """One log line and two metrics for each request. Routes are named by template, so that ids make no new series."""

    def __init__(
        self, app: ASGIApp, registry: CollectorRegistry, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._monotonic = monotonic
        self._requests = Counter(
            "skyriver_http_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "skyriver_http_request_seconds", "From the request to the end of its answer.", ["route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        started_s = self._monotonic()
        status = 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            took_s = self._monotonic() - started_s
            route = _route_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(route).observe(took_s)
            # The path only: a query may hold a credential. The formatter scrubs the line once more.
            level = logging.DEBUG if route in _QUIET else logging.INFO
            log.log(
                level,
                "%s %s %s",
                scope["method"],
                urlsplit(scope["path"]).path,
                status,
                extra={"request_id": request_id, "took_ms": round(took_s * 1000, 1), "route": route},
            )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


def _route_of(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "path", "") or "other"

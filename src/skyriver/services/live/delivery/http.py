"""HTTP/1.1 as far as a media server needs it (RFC 9110, RFC 9112): strict, bounded, without I/O.

Requests have no body. Responses are a head that is written once for all viewers, and chunks that are never copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_HEAD_BYTES = 8192
"""A grant of 4096 characters in the path, a query, and what browsers send beside."""
MAX_FIELDS = 64

_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS"))
_TARGET = re.compile(rb"[\x21-\x7e]+")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_WANTED = frozenset((b"host", b"connection", b"range", b"if-none-match", b"content-length", b"transfer-encoding"))
_KNOWN = _WANTED - {b"connection"}

REASONS = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
# Players run on other people's pages. Nothing here depends on cookies: the grant is in the path.
_CORS = (
    "Access-Control-Allow-Origin: *\r\nTiming-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: Content-Length, Content-Range, Date, ETag\r\n"
)
_PREFLIGHT = (
    "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\nAccess-Control-Allow-Headers: Range, If-None-Match\r\n"
    "Access-Control-Allow-Private-Network: true\r\nAccess-Control-Max-Age: 86400\r\nAllow: GET, HEAD, OPTIONS\r\n"
)
_MEDIA_CACHING = "public, max-age=60, immutable"  # named by its time and never changed; the path holds the grant
_PLAYLIST_CACHING = "no-cache"


class BadRequest(Exception):
    """A request that is answered with `status` and ends its connection."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` and `query` are as they came, not decoded: nothing of ours needs escapes."""

    method: str
    path: str
    query: str
    keep_alive: bool
    range: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A thing that can be served: its bytes, and the head of a full response without the empty line."""

    head: bytes
    chunks: tuple[bytes, ...]
    size_bytes: int
    etag: str
    content_type: str
    caching: str


@dataclass(frozen=True, slots=True)
class Response:
    """A head without its empty line, and what follows it."""

    status: int
    head: bytes
    chunks: Sequence[bytes | memoryview] = ()
    size_bytes: int = 0


def parse_head(head: bytes) -> Request:
    """The request in `head`, which ends before the empty line.

    Raises:
        BadRequest: it is not one that is served here.
    """
    line, *fields = head.split(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or not _TARGET.fullmatch(words[1]):
        raise BadRequest(400, "The request line is malformed.")
    method, target, version = words
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadRequest(505 if version.startswith(b"HTTP/") else 400, "HTTP/1.1 is spoken here.")
    if method not in _METHODS:
        raise BadRequest(405, "Only GET, HEAD and OPTIONS are served here.")
    known = _fields(fields)
    if version == b"HTTP/1.1" and b"host" not in known:
        raise BadRequest(400, "The request has no Host.")
    if known.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in known:
        raise BadRequest(400, "Requests with a body are not served here.")
    options = {option.strip().lower() for option in known.get(b"connection", b"").split(b",")}
    path, _, query = _origin_form(target).partition("?")
    return Request(
        method.decode(),
        path,
        query,
        keep_alive=b"close" not in options and (version == b"HTTP/1.1" or b"keep-alive" in options),
        range=_text(known.get(b"range")),
        if_none_match=_text(known.get(b"if-none-match")),
    )


def _fields(lines: Sequence[bytes]) -> dict[bytes, bytes]:
    if len(lines) > MAX_FIELDS:
        raise BadRequest(431, f"More than {MAX_FIELDS} header fields.")
    known: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or b"\n" in value or b"\r" in value or b"\0" in value:
            raise BadRequest(400, "A header field is malformed.")
        name = name.lower()
        if name in _WANTED:
            if name in known and name in _KNOWN:
                raise BadRequest(400, "A header field comes twice.")
            value = value.strip(b" \t")
            known[name] = known[name] + b"," + value if name in known else value
    return known


def _origin_form(target: bytes) -> str:
    """The target without scheme and host (RFC 9112, section 3.2.2: servers must take the absolute form, too)."""
    text = target.decode("ascii")
    if not text.startswith("/"):
        scheme, separator, rest = text.partition("://")
        if scheme.lower() not in ("http", "https") or not separator:
            raise BadRequest(400, "The request's target is no path.")
        text = "/" + rest.partition("/")[2]
    return text.partition("#")[0]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def media_body(data: bytes | Iterable[bytes], etag: str, content_type: str) -> Body:
    """A part, a segment or an init segment: named by its content, and cacheable."""
    chunks = (data,) if isinstance(data, bytes) else tuple(data)
    return _body(chunks, f'"{etag}"', content_type, _MEDIA_CACHING)


def playlist_body(text: bytes, etag: str, content_type: str) -> Body:
    """A playlist or manifest: asked for anew each time."""
    return _body((text,), f'"{etag}"', content_type, _PLAYLIST_CACHING)


def _body(chunks: tuple[bytes, ...], etag: str, content_type: str, caching: str) -> Body:
    size_bytes = sum(map(len, chunks))
    ranges = "" if caching is _PLAYLIST_CACHING else "Accept-Ranges: bytes\r\n"
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {size_bytes}\r\nETag: {etag}\r\n"
        f"Cache-Control: {caching}\r\n{ranges}{_CORS}"
    )
    return Body(head.encode(), chunks, size_bytes, etag, content_type, caching)


def respond(request: Request, body: Body) -> Response:
    """What `request` gets of `body`: all of it, a range, or the news that it has it already."""
    if request.if_none_match is not None and _matches(request.if_none_match, body.etag):
        head = f"HTTP/1.1 304 Not Modified\r\nETag: {body.etag}\r\nCache-Control: {body.caching}\r\n{_CORS}"
        return Response(304, head.encode())
    if request.range is not None and body.caching is _MEDIA_CACHING:
        partial = _partial(request.range, body)
        if partial is not None:
            return partial
    return Response(200, body.head, body.chunks, body.size_bytes)


def _matches(if_none_match: str, etag: str) -> bool:
    """RFC 9110, section 13.1.2: weak comparison."""
    if if_none_match.strip() == "*":
        return True
    return any(given.strip().removeprefix("W/") == etag for given in if_none_match.split(","))


def _partial(range_field: str, body: Body) -> Response | None:
    """A response to a single range (RFC 9110, section 14); None where the field is to be ignored."""
    match = _RANGE.fullmatch(range_field.strip())
    if match is None or not (match[1] or match[2]):
        return None
    size = body.size_bytes
    if match[1]:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
        if match[2] and int(match[2]) < int(match[1]):
            return None
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first > last or first >= size:
        return Response(416, _plain_head(416, 0, f"Content-Range: bytes */{size}\r\n").encode())
    length = last - first + 1
    head = (
        f"HTTP/1.1 206 Partial Content\r\nContent-Type: {body.content_type}\r\nContent-Length: {length}\r\n"
        f"Content-Range: bytes {first}-{last}/{size}\r\nETag: {body.etag}\r\nCache-Control: {body.caching}\r\n{_CORS}"
    )
    return Response(206, head.encode(), _slice(body.chunks, first, last + 1), length)


def _slice(chunks: Sequence[bytes], begin: int, end: int) -> list[memoryview]:
    pieces, at = [], 0
    for chunk in chunks:
        low, high = max(begin - at, 0), min(end - at, len(chunk))
        if low < high:
            pieces.append(memoryview(chunk)[low:high])
        at += len(chunk)
    return pieces


def _plain_head(status: int, size_bytes: int, fields: str = "") -> str:
    content = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {size_bytes}\r\n"
    return f"HTTP/1.1 {status} {REASONS[status]}\r\n{content}{fields}Cache-Control: no-store\r\n{_CORS}"


def refusal(status: int, why: str, *, retry_after_s: int | None = None) -> Response:
    """A response without the thing that was asked for, in words."""
    text = f"{why}\n".encode()
    fields = f"Retry-After: {retry_after_s}\r\n" if retry_after_s is not None else ""
    return Response(status, _plain_head(status, len(text), fields).encode(), (text,), len(text))


PREFLIGHT = Response(204, f"HTTP/1.1 204 No Content\r\n{_CORS}{_PREFLIGHT}".encode())

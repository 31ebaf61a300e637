"""Problem documents (RFC 9457, `application/problem+json`) turned back into the errors they were raised as."""

from __future__ import annotations

from typing import Any

import httpx

from skyriver.client.cloud import CloudNotReachable
from skyriver.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReady,
    SkyriverError,
    TooMany,
    WorldBroke,
)

_BY_STATUS: dict[int, type[SkyriverError]] = {
    400: InvalidInput,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    405: InvalidInput,
    409: Conflict,
    413: InvalidInput,
    422: InvalidInput,
    503: NotReady,
}
_GATEWAY_STATUSES = frozenset({502, 504})
MAX_SHOWN_CHARS = 200  # of a body that is no problem document: enough to recognise a proxy's error page


def error_of(response: httpx.Response) -> SkyriverError:
    """The error that `response` (any status >= 400) stands for; its body must have been read."""
    problem = _problem(response)
    message = str(problem.get("detail") or problem.get("title") or _unnamed(response))
    hint = str(problem.get("hint") or _fields(problem) or _default_hint(response.status_code))
    code = str(problem.get("type") or "").rstrip("/").rpartition("/")[2].rpartition(":")[2] or None
    if code == "blank":  # "about:blank": the server has no name for it
        code = None
    if response.status_code == 429:
        return TooMany(message, hint=hint, code=code, retry_after_s=retry_after_s(response) or 1.0)
    if response.status_code in _GATEWAY_STATUSES:
        return CloudNotReachable(message, hint=hint, code=code)
    return _BY_STATUS.get(response.status_code, WorldBroke)(message, hint=hint, code=code)


def retry_after_s(response: httpx.Response) -> float | None:
    """The server's `Retry-After` in seconds (RFC 9110 10.2.3); None when it is absent or a date."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _problem(response: httpx.Response) -> dict[str, Any]:
    if "json" not in response.headers.get("content-type", ""):
        return {}
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _unnamed(response: httpx.Response) -> str:
    """A message for an answer that is no problem document: a proxy's page, or something that is not Skyriver."""
    shown = " ".join(response.text[:MAX_SHOWN_CHARS].split()) or "nothing"
    return f"{response.request.method} {response.request.url.path} answered {response.status_code}: {shown}"


def _fields(problem: dict[str, Any]) -> str:
    """Which fields of the request were wrong, for a validation problem."""
    errors = problem.get("errors")
    if not isinstance(errors, list):
        return ""
    parts = []
    for error in errors:
        if isinstance(error, dict):
            where = error.get("field") or error.get("pointer") or ".".join(str(part) for part in error.get("loc", ()))
            parts.append(f"{where}: {error.get('message') or error.get('msg') or error.get('detail') or 'invalid'}")
    return "; ".join(parts)


def _default_hint(status: int) -> str:
    if status == 401:
        return "Set SKYRIVER_TOKEN to an API key, or name the folder of a cloud of your own with --data."
    if status >= 500:
        return "Look at the cloud's log, and run `skyriver doctor`."
    return ""

"""One root for every error, split by who has to act.

A message says what was attempted, why it failed and what to do next. `code` is a stable, machine-readable
name (snake_case); the API shows it as the last part of the problem document's `type` (RFC 9457).
"""

from __future__ import annotations


class SkyriverError(Exception):
    """The root of every error raised on purpose.

    Args:
        message: what was attempted and why it failed, in the caller's terms.
        hint: what the caller can do about it; empty when there is nothing to do.
        code: stable name of this failure; defaults to the class's own.
    """

    code = "internal"
    http_status = 500

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(SkyriverError):
    """The caller's fault: the request can never succeed as it stands."""

    code = "invalid_input"
    http_status = 422


class NotAuthenticated(SkyriverError):
    """Nobody is known to be asking: no credential, or one that is wrong, expired or revoked."""

    code = "not_authenticated"
    http_status = 401


class NotAllowed(SkyriverError):
    """The principal is known, and may not do this."""

    code = "not_allowed"
    http_status = 403


class NotFound(SkyriverError):
    """There is no such thing, or the principal may not know that there is."""

    code = "not_found"
    http_status = 404


class Conflict(SkyriverError):
    """The thing's present state forbids this; look at it again and decide."""

    code = "conflict"
    http_status = 409


class TooMany(SkyriverError):
    """A limit was reached; `retry_after_s` says when to try again."""

    code = "too_many"
    http_status = 429

    def __init__(self, message: str, *, hint: str = "", code: str | None = None, retry_after_s: float = 1.0) -> None:
        super().__init__(message, hint=hint, code=code)
        self.retry_after_s = retry_after_s


class NotReady(SkyriverError):
    """It will work soon: something is still starting, or is being replaced."""

    code = "not_ready"
    http_status = 503


class WorldBroke(SkyriverError):
    """Not the caller's fault: a disk, a port, a peer or a library failed us."""

    code = "world_broke"
    http_status = 500

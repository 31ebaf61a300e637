"""Recordings through the same server as live HLS: `/vod/<grant>/<recording>/...` (see `vod.source` for what is there).

Where the object store can be reached from this node; elsewhere there is no such path.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.delivery.connection import Connection, Later
from skyriver.services.live.delivery.http import Request, Response, media_body, playlist_body, refusal, respond
from skyriver.services.live.delivery.sessions import MAX_WAITING_PER_SESSION, Session, Sessions
from skyriver.services.live.vod.scope import window_of
from skyriver.services.live.vod.source import VodSource

FETCH_S = 10.0
"""For an object store that is slow; players ask again."""
MAX_FETCHES = 512
_BUSY = refusal(503, "Too many requests wait here.", retry_after_s=1)
_LATE = refusal(503, "The object store did not answer in time.", retry_after_s=2)

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Runs a coroutine in the server's task group."""


class _Fetch:
    """A response that waits for the object store."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def cancel(self) -> None:
        self._task.cancel()


class RecordedRoutes:
    """Answers requests for recordings. Belongs to the event loop's thread."""

    def __init__(self, source: VodSource, sessions: Sessions, spawn: Spawn) -> None:
        self._source = source
        self._sessions = sessions
        self._spawn = spawn
        self._fetches = 0

    def handle(
        self, request: Request, connection: Connection, token: str, recording_id: str, path: str
    ) -> Response | Later:
        """The promise of an answer; a refusal at once."""
        try:
            session = self._sessions.enter_recording(token, recording_id)
            window_us = window_of(session.grant, recording_id)
        except SkyriverError as error:
            return _refused(error)
        connection.account = session
        if self._fetches >= MAX_FETCHES or session.waiting >= MAX_WAITING_PER_SESSION:
            return _BUSY
        self._fetches += 1
        session.waiting += 1
        return _Fetch(self._spawn(self._answer(request, connection, session, recording_id, path, window_us)))

    async def _answer(
        self,
        request: Request,
        connection: Connection,
        session: Session,
        recording_id: str,
        path: str,
        window_us: int | None,
    ) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                found = await self._source.get(recording_id, path, window_us=window_us)
            name = f"{recording_id}/{path}".encode() if found.immutable else found.body
            make = media_body if found.immutable else playlist_body
            response = respond(request, make(found.body, hashlib.sha256(name).hexdigest()[:16], found.content_type))
        except TimeoutError:
            response = _LATE
        except SkyriverError as error:
            response = _refused(error)
        finally:
            self._fetches -= 1
            session.waiting -= 1
        connection.answer(response)


def _refused(error: SkyriverError) -> Response:
    status = error.http_status if error.http_status in (401, 403, 404, 429) else 503
    return refusal(status, f"{error.message} {error.hint}".strip())

"""Playing recordings: what the addresses of a play ticket stand for. The grant in the path is the credential.

/vod/<grant>/<recording>/...            see `vod.source`
/vod/<grant>/<recording>/download.mp4   one file, in any range; ?rendition=NAME&name=FILE
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from skyriver.kernel.errors import NotAuthenticated
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.web import Provided
from skyriver.services.live.api.channel_access import Grants
from skyriver.services.live.recordings.model import vod_space
from skyriver.services.live.shapes.recordings import RecordingId
from skyriver.services.live.vod.mp4 import Piece, Plan
from skyriver.services.live.vod.scope import window_of
from skyriver.services.live.vod.source import VodSource

router = APIRouter(include_in_schema=False)
Source = Annotated[VodSource, Provided(VodSource)]

_CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Content-Length, Content-Range"}
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_MAX_CHUNK_BYTES = 1 << 20


@router.get("/vod/{grant}/{recording_id}/download.mp4")
async def download(
    grant: str,
    recording_id: RecordingId,
    request: Request,
    grants: Grants,
    source: Source,
    rendition: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = None,
    name: Annotated[str, Query(max_length=120)] = "recording",
) -> Response:
    """The recording as one MP4 file."""
    held = grants.verifier.verify(grant, vod_space(recording_id))
    if window_of(held, recording_id) is not None:
        return Response("This ticket is for going back in a running show, not for downloading.\n", 403)
    plan = await source.file(recording_id, rendition)
    size = plan.size_bytes
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.mp4",
        "Cache-Control": "private, max-age=300",
        **_CORS,
    }
    start, end, status = 0, size, 200
    if asked := _RANGE.fullmatch(request.headers.get("range", "")):
        start, end = int(asked[1]), min(int(asked[2]) + 1, size) if asked[2] else size
        if start >= end:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}", **_CORS})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    body = _bytes(source, plan, start, end, still_good=lambda: not grants.verifier.is_denied(held))
    return StreamingResponse(body, status, headers, media_type="video/mp4")


@router.get("/vod/{grant}/{recording_id}/{path:path}")
async def play(grant: str, recording_id: RecordingId, path: str, grants: Grants, source: Source) -> Response:
    """A playlist, a segment, a picture."""
    window_us = _window_us(grants, grant, recording_id)
    answer = await source.get(recording_id, path, window_us=window_us)
    caching = "public, max-age=3600, immutable" if answer.immutable else "no-cache"
    return Response(answer.body, headers={"Cache-Control": caching, **_CORS}, media_type=answer.content_type)


def _window_us(grants: GrantKeys, token: str, recording_id: str) -> int | None:
    return window_of(grants.verifier.verify(token, vod_space(recording_id)), recording_id)


async def _bytes(
    source: VodSource, plan: Plan, start: int, end: int, *, still_good: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The file's bytes in pieces of a megabyte at most: a slow reader holds one of them.

    Raises:
        NotAuthenticated: the grant was revoked in the middle of it; the connection is cut.
    """
    for part in plan.between(start, end):
        if isinstance(part, bytes):
            yield part
            continue
        for at in range(0, part.length, _MAX_CHUNK_BYTES):
            if not still_good():
                raise NotAuthenticated("The grant was revoked.", hint="Ask for a new ticket.", code="grant_revoked")
            length = min(_MAX_CHUNK_BYTES, part.length - at)
            yield await source.piece(Piece(part.key, part.start + at, length))

"""Live events for the console and for programs."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from skyriver.platform.web import Caller, RuntimeDep, problems
from skyriver.platform.web.events import sse_lines

router = APIRouter(prefix="/v1/events", tags=["events"])


@router.get(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **problems(429)},
)
async def stream_events(caller: Caller, runtime: RuntimeDep) -> StreamingResponse:
    """Server-sent events: what happens in the caller's tenant; to operators also what happens in the cloud.

    A reader that is too slow gets `event: overflow` and the end of the stream; it should connect again.
    """
    subscription = runtime.hub.subscribe(caller)
    return StreamingResponse(
        sse_lines(runtime.hub, subscription),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )

"""One publication as its reader sees it: a bounded queue of media events that pushes back on the network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from skyriver.services.live.stations.access import Publication, Refusal
from skyriver.services.live.stations.events import AudioFrame, Ended, EndReason, MediaEvent, VideoFrame


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much of a publication may wait for its reader before the publisher is held back."""

    events: int = 512
    """About 7 s of 30 fps video with AAC."""
    size_bytes: int = 8 << 20


class Publishing:
    """What one publisher sends into one channel. One task reads it; the server writes it.

    Iteration yields every event in order, including those queued before the end, and then stops; `ended` says how.
    When the reader falls behind by either of its `QueueLimits`, the server stops reading this publisher's
    socket until half of it is read: nothing is dropped here, the publisher's encoder sees a slow network.
    """

    def __init__(
        self,
        publication: Publication,
        *,
        key_sha256: str,
        peer: str,
        pause: Callable[[bool], None],
        refuse: Callable[[Publishing, EndReason, Refusal], None],
        heard_at: Callable[[], float],
        limits: QueueLimits | None = None,
        link: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.publication = publication
        self.key_sha256 = key_sha256
        """Which of the channel's keys is in use, to end it when that key is revoked."""
        self.peer = peer
        """The publisher's address, for people."""
        self.ended: Ended | None = None
        self.heard_at = heard_at
        """Monotonic time of the last bytes from this publisher."""
        self.link = link
        """How the connection does (loss, round trip), where the protocol measures that: for the input's metrics."""
        self.media_bytes = 0
        """Payload bytes of audio and video received so far."""
        self._limits = limits or QueueLimits()
        self._pause = pause
        self._refuse = refuse
        self._queue: deque[MediaEvent] = deque()
        self._queued_bytes = 0
        self._paused = False
        self._arrival: asyncio.Future[None] | None = None

    @property
    def paused(self) -> bool:
        """Whether the reader is so far behind that the publisher is being held back."""
        return self._paused

    @property
    def queued_bytes(self) -> int:
        """Media bytes that wait for the reader."""
        return self._queued_bytes

    def stop(self, description: str, *, reason: EndReason = EndReason.REVOKED) -> None:
        """End this publication from our side; the publisher is told `description`. Repeating it does nothing."""
        if self.ended is None:
            self._refuse(self, reason, Refusal(description, code="NetStream.Publish.Denied"))

    def __aiter__(self) -> AsyncIterator[MediaEvent]:
        return self

    async def __anext__(self) -> MediaEvent:
        while not self._queue:
            if self.ended is not None:
                raise StopAsyncIteration
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        event = self._queue.popleft()
        self._queued_bytes -= _size_bytes(event)
        if self._paused and self.ended is None and self._below_half():
            self._paused = False
            self._pause(False)
        return event

    def put(self, event: MediaEvent) -> None:
        """For the server: queue one event. The overshoot beyond the limits is what one socket read can hold."""
        size_bytes = _size_bytes(event)
        self._queue.append(event)
        self._queued_bytes += size_bytes
        self.media_bytes += size_bytes
        if not self._paused and (
            len(self._queue) >= self._limits.events or self._queued_bytes >= self._limits.size_bytes
        ):
            self._paused = True
            self._pause(True)
        self._wake()

    def end(self, ended: Ended) -> None:
        """For the server: nothing more will come. The first reason stays."""
        if self.ended is None:
            self.ended = ended
            self._wake()

    def _below_half(self) -> bool:
        return len(self._queue) * 2 <= self._limits.events and self._queued_bytes * 2 <= self._limits.size_bytes

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


def _size_bytes(event: MediaEvent) -> int:
    if isinstance(event, VideoFrame):
        return len(event.payload)
    if isinstance(event, AudioFrame):
        return len(event.payload)
    return 0

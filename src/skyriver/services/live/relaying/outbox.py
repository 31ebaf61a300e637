"""What waits to be sent to a far side that may be slow, away or wrong: bounded, and it never holds anybody up.

Sound and picture come from tracks of their own; they leave in the order of their decode times. When more waits than
the limits allow, all of it is dropped, and sending goes on at the next keyframe: a far side that cannot keep up gets
whole groups of pictures or none. A (re)connected far side also begins at a keyframe, with the headers before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.services.live.relaying.flv import AUDIO_TAG, DATA_TAG, VIDEO_TAG, Tag

WAITING_BYTES_MAX = 8 << 20
WAITING_US_MAX = 5_000_000
"""Media time between the oldest and the newest that waits: a retransmission or two fits, a dead line does not."""
FRESH_US = 1_000_000
OTHER_TRACK_WITHIN_S = 0.3
"""How long a tag waits for the other track to have come as far: renditions are this much behind their sound."""


@dataclass
class OutboxCounters:
    """Since the start."""

    tags_dropped: int = 0
    overflows: int = 0


class Outbox:
    """Two queues of tags, for one far side at a time. One task puts, one takes."""

    def __init__(self, *, now: Monotonic = monotonic_s) -> None:
        self._now = now
        self._queues: dict[int, deque[tuple[Tag, float]]] = {VIDEO_TAG: deque(), AUDIO_TAG: deque()}
        self._headers: dict[int, Tag] = {}
        self._bytes = 0
        self._newest_us = 0
        self._heard_s = {VIDEO_TAG: -OTHER_TRACK_WITHIN_S, AUDIO_TAG: -OTHER_TRACK_WITHIN_S}
        self._waiting_for_keyframe = True
        self._taken = False
        self._arrived = asyncio.Event()
        self._emptied = asyncio.Event()
        self.has_video = True
        self.counters = OutboxCounters()

    @property
    def has_audio(self) -> bool:
        """Whether sound was described."""
        return AUDIO_TAG in self._headers

    def forget(self, kind: int) -> None:
        """A track is gone from the broadcast."""
        self._headers.pop(kind, None)

    def restart(self) -> None:
        """A far side was (re)connected: drop what waits, begin at the next keyframe.

        What has only just begun to wait is kept: it begins at a keyframe, and a film should not lose its first second.
        """
        heads = [queue[0][0].dts_us for queue in self._queues.values() if queue]
        if self._taken or not heads or self._newest_us - min(heads) > FRESH_US:
            self._drop()

    def put(self, tag: Tag) -> None:
        """One tag. A header is sent now, and again to each far side before its first frame."""
        if tag.header:
            self._headers[tag.kind] = tag
        if self._waiting_for_keyframe:
            if tag.header or (self.has_video and not tag.keyframe):
                return
            self._waiting_for_keyframe = False
            for kind in (DATA_TAG, VIDEO_TAG, AUDIO_TAG):
                if (header := self._headers.get(kind)) is not None:
                    self._queue(replace(header, dts_us=tag.dts_us))
        self._queue(tag)
        oldest_us = min(queue[0][0].dts_us for queue in self._queues.values() if queue)
        if self._bytes > WAITING_BYTES_MAX or self._newest_us - oldest_us > WAITING_US_MAX:
            self.counters.overflows += 1
            self._drop()

    async def take(self) -> Tag:
        """The next tag to send; waits for it."""
        while True:
            tag, wait_s = self._next()
            if tag is not None:
                return tag
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
            except TimeoutError:
                pass  # the other track has not come: what waits for it goes alone

    async def drained(self) -> None:
        """Wait until everything was taken and the taker has come back for more."""
        await self._emptied.wait()

    def _next(self) -> tuple[Tag | None, float | None]:
        """What may leave now; else how long to wait at most (None: until something comes)."""
        heads = [queue for queue in self._queues.values() if queue]
        if not heads:
            self._emptied.set()
            return None, None
        if len(heads) == 1:
            other = AUDIO_TAG if heads[0][0][0].kind != AUDIO_TAG else VIDEO_TAG
            now_s = self._now()
            patience_s = heads[0][0][1] + OTHER_TRACK_WITHIN_S - now_s
            if patience_s > 0 and now_s - self._heard_s[other] < OTHER_TRACK_WITHIN_S:
                return None, patience_s
        queue = min(heads, key=lambda queue: queue[0][0].dts_us)
        tag, _ = queue.popleft()
        self._bytes -= len(tag.body)
        self._taken = True
        return tag, None

    def _queue(self, tag: Tag) -> None:
        kind = AUDIO_TAG if tag.kind == AUDIO_TAG else VIDEO_TAG  # metadata travel before the picture
        self._queues[kind].append((tag, self._now()))
        self._heard_s[kind] = self._now()
        self._bytes += len(tag.body)
        self._newest_us = tag.dts_us
        self._emptied.clear()
        self._arrived.set()

    def _drop(self) -> None:
        for queue in self._queues.values():
            self.counters.tags_dropped += len(queue)
            queue.clear()
        self._bytes = 0
        self._taken = False
        self._waiting_for_keyframe = True

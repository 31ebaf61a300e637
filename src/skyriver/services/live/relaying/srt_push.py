"""One push over SRT: an outbox's tags as a transport stream, to a checked address, while the far side lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from skyriver.services.live.relaying.addresses import Resolve, SrtAddress, addresses_of, resolve
from skyriver.services.live.relaying.errors import FarSide
from skyriver.services.live.relaying.flv import AUDIO_TAG, VIDEO_TAG, Tag
from skyriver.services.live.relaying.outbox import Outbox
from skyriver.services.live.relaying.rtmp_push import STUCK_AFTER_S, PushCounters
from skyriver.services.live.relaying.srt_link import call
from skyriver.services.live.stations import Notice
from skyriver.services.live.stations.mpegts import TsWriter
from skyriver.services.live.stations.rtmp.flv import FlvReader
from skyriver.services.live.stations.srt import load

MESSAGE_BYTES = 7 * 188  # as every sender of transport streams over datagrams does
_ROOM_EVERY_S = 0.02
_BEGINS_MS = 1000  # of the stream's own time: what is decoded later may be shown earlier


class SrtPush:
    """One connection. `run` it once.

    Args:
        started: called when the far side has accepted the stream.
    """

    def __init__(
        self,
        destination: SrtAddress,
        outbox: Outbox,
        *,
        allow_private: bool,
        started: Callable[[], None] = lambda: None,
        find: Resolve = resolve,
    ) -> None:
        self._destination = destination
        self._outbox = outbox
        self._allow_private = allow_private
        self._started = started
        self._find = find
        self._reader = FlvReader()
        self.counters = PushCounters()

    async def run(self) -> None:
        """Push until cancelled.

        Raises:
            SrtMissing: libsrt is not on this machine.
            FarSide, PrivateRelayAddress: the push is over, or never began; the message says why.
        """
        srt, to = load(), self._destination
        addresses = await addresses_of(to.host, to.port, allow_private=self._allow_private, find=self._find)
        calling = asyncio.ensure_future(asyncio.to_thread(call, to, addresses[0]))
        try:
            connection = await asyncio.shield(calling)
        except asyncio.CancelledError:
            calling.add_done_callback(_close_unwanted)
            raise
        try:
            self._started()
            self._outbox.restart()
            await self._send(connection)
        finally:
            srt.close(connection)

    async def _send(self, connection: int) -> None:
        writer: TsWriter | None = None
        base_us = 0
        while True:
            tag = await self._outbox.take()
            if writer is None:
                writer, base_us = TsWriter(has_audio=self._outbox.has_audio), tag.dts_us
            data = b"".join(self._packets(writer, tag, base_us))
            for at in range(0, len(data), MESSAGE_BYTES):
                await self._send_message(connection, data[at : at + MESSAGE_BYTES])
            self.counters.bytes_sent += len(data)
            self.counters.pictures += tag.kind == VIDEO_TAG and not tag.header

    def _packets(self, writer: TsWriter, tag: Tag, base_us: int) -> Iterator[bytes]:
        time_ms = max(tag.dts_us - base_us, 0) // 1000 + _BEGINS_MS
        body = memoryview(tag.body)
        if tag.kind == VIDEO_TAG:
            for event in self._reader.video(body, time_ms):
                if not isinstance(event, Notice):
                    yield writer.write(event)
        elif tag.kind == AUDIO_TAG:
            for sound in self._reader.audio(body, time_ms):
                if not isinstance(sound, Notice):
                    yield writer.write(sound)

    async def _send_message(self, connection: int, message: bytes) -> None:
        srt, where = load(), self._destination.where
        for _ in range(round(STUCK_AFTER_S / _ROOM_EVERY_S)):
            sent = srt.send(connection, message)
            if sent > 0:
                return
            if sent < 0:
                raise FarSide(f"{where} closed the connection.")
            await asyncio.sleep(_ROOM_EVERY_S)
        raise FarSide(f"{where} has taken nothing for {STUCK_AFTER_S:g} s.")


def _close_unwanted(calling: asyncio.Future[int]) -> None:
    if not calling.cancelled() and calling.exception() is None:
        load().close(calling.result())

"""One push over RTMP or RTMPS: to a checked address, of what an outbox holds, while the far side lasts."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.services.live.relaying.addresses import Destination, Resolve, resolve
from skyriver.services.live.relaying.connecting import connect, words_of
from skyriver.services.live.relaying.errors import FarSide
from skyriver.services.live.relaying.flv import DATA_TAG, VIDEO_TAG
from skyriver.services.live.relaying.outbox import Outbox
from skyriver.services.live.relaying.rtmp_client import RtmpClient, State
from skyriver.services.live.stations.rtmp.errors import MalformedRtmp

OPEN_TIMEOUT_S = 10.0  # name, connection, TLS and RTMP's set-up together
STUCK_AFTER_S = 15.0
"""A far side that takes nothing for so long is gone: platforms end a stream after about as long."""
_READ_BYTES = 16 << 10
_WRITE_BUFFER_BYTES = 256 << 10  # beyond this the outbox holds the rest, where it can be dropped
_GOODBYE_S = 0.5


@dataclass
class PushCounters:
    """What one push has sent."""

    bytes_sent: int = 0
    pictures: int = 0


class RtmpPush:
    """One connection. `run` it once.

    Args:
        started: called when the far side has accepted the stream.
    """

    def __init__(
        self,
        destination: Destination,
        outbox: Outbox,
        *,
        allow_private: bool,
        started: Callable[[], None] = lambda: None,
        find: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
        now: Monotonic = monotonic_s,
    ) -> None:
        self._destination = destination
        self._outbox = outbox
        self._allow_private = allow_private
        self._started = started
        self._find = find
        self._trust = trust
        self._now = now
        self._client = RtmpClient(destination.target)
        self.counters = PushCounters()

    async def run(self) -> None:
        """Push until cancelled.

        Raises:
            FarSide, PrivateRelayAddress: the push is over, or never began; the message says why.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S) as deadline:
                reader, writer = await connect(
                    self._destination, allow_private=self._allow_private, find=self._find, trust=self._trust
                )
                try:
                    await self._set_up(reader, writer)
                    deadline.reschedule(None)
                    self._started()
                    await self._serve(reader, writer)
                finally:
                    await self._leave(writer)
        except TimeoutError as error:
            raise FarSide(f"{self._where} did not answer within {OPEN_TIMEOUT_S:g} s.") from error
        except (OSError, MalformedRtmp) as error:
            raise FarSide(f"The connection to {self._where} broke: {words_of(error)}.") from error

    @property
    def _where(self) -> str:
        return self._destination.where

    async def _set_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = self._client
        while client.state is not State.STREAMING:
            writer.write(client.take_output())
            await writer.drain()
            if not (data := await reader.read(_READ_BYTES)):
                self._end_of_file()
            deque(client.receive(data), maxlen=0)
            self._check()
        writer.write(client.take_output())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._outbox.restart()
        listening = asyncio.create_task(self._listen(reader, writer))
        sending = asyncio.create_task(self._send(writer))
        try:
            done, _ = await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
            # Where the line breaks while we send, what the far side said last is the better reason.
            await (listening if listening in done else sending)
        finally:
            for task in (listening, sending):
                task.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            if not (data := await reader.read(_READ_BYTES)):
                self._end_of_file()
            deque(self._client.receive(data), maxlen=0)
            self._check()
            if output := self._client.take_output():
                writer.write(output)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        base_us: int | None = None
        while True:
            tag = await self._outbox.take()
            if base_us is None:
                base_us = tag.dts_us
            timestamp_ms = 0 if tag.kind == DATA_TAG else max(tag.dts_us - base_us, 0) // 1000
            message = self._client.media(tag.kind, tag.body, timestamp_ms)
            writer.write(message)
            try:
                async with asyncio.timeout(STUCK_AFTER_S):
                    await writer.drain()
            except TimeoutError as error:
                raise FarSide(f"{self._where} has taken nothing for {STUCK_AFTER_S:g} s.") from error
            self.counters.bytes_sent += len(message)
            self.counters.pictures += tag.kind == VIDEO_TAG

    def _check(self) -> None:
        if self._client.state is State.CLOSED:
            raise FarSide(f"{self._where} refused the stream: {self._client.failure}.")

    def _end_of_file(self) -> None:
        if self._client.state in (State.ASKED, State.CREATING):
            raise FarSide(
                f"{self._where} closed the connection when it was given the stream key.",
                hint="The key is probably wrong, expired or in use: copy it again from the platform.",
            )
        raise FarSide(f"{self._where} closed the connection.")

    async def _leave(self, writer: asyncio.StreamWriter) -> None:
        """Say goodbye where that is possible; bounded."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                writer.write(self._client.goodbye())
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await writer.wait_closed()

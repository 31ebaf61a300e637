"""JetStream: the streams we keep, and a reader that acknowledges only what its owner has made durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from skyriver.fabric.bus.client import Bus, obey_cancellation
from skyriver.fabric.bus.errors import BusDown

log = logging.getLogger("skyriver.bus")

BATCH_MESSAGES = 256
FETCH_WAIT_S = 5.0


@dataclass(frozen=True)
class WorkStream:
    """A stream whose messages are removed once its one durable reader has acknowledged them.

    When it is full it refuses new messages (the senders keep them spooled) and never drops stored ones.
    What is not acknowledged within `ack_wait_s` (longer than any commit) is delivered again.
    """

    name: str
    subjects: tuple[str, ...]
    reader: str
    max_bytes: int
    ack_wait_s: float = 10.0


@dataclass(frozen=True)
class StoredMessage:
    """One delivery. The owner calls `ack` after its commit, `discard` for what can never be processed."""

    subject: str
    payload: bytes
    deliveries: int
    _message: Msg = field(repr=False)

    def header(self, name: str) -> str:
        """A header's value, empty when it is not there."""
        return (self._message.headers or {}).get(name, "")

    async def ack(self) -> None:
        """It has been committed. On a connection that is gone this does nothing: it comes again, to the same end."""
        with suppress(NatsError):
            await self._message.ack()

    async def discard(self) -> None:
        """It can never be processed; never deliver it again."""
        with suppress(NatsError):
            await self._message.term()


async def ensure_stream(bus: Bus, stream: WorkStream) -> None:
    """Create the stream and its reader, or leave them as they are.

    Raises:
        BusDown: the bus is away or JetStream refuses.
    """
    jetstream = bus.client().jetstream(timeout=5)
    wanted = StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=stream.max_bytes,
        duplicate_window=120,
    )
    try:
        try:
            await jetstream.stream_info(stream.name)
        except NotFoundError:
            await jetstream.add_stream(wanted)
        await jetstream.add_consumer(
            stream.name, ConsumerConfig(durable_name=stream.reader, ack_wait=stream.ack_wait_s, max_ack_pending=4096)
        )
    except (NatsError, JetStreamError, OSError, TimeoutError) as error:
        obey_cancellation()
        raise BusDown(
            f"Preparing the stream {stream.name} failed: {error!r}.",
            hint="Is JetStream enabled on the server, and may this user manage it?",
        ) from error


async def read_batches(bus: Bus, stream: WorkStream) -> AsyncIterator[Sequence[StoredMessage]]:
    """Batches in order, for ever; waits while the bus is away. Unacknowledged messages come again."""
    while True:
        await bus.wait_connected()
        try:
            await ensure_stream(bus, stream)
            reader = await bus.client().jetstream().pull_subscribe_bind(stream.reader, stream.name)
            while bus.connected:
                try:
                    messages = await reader.fetch(BATCH_MESSAGES, timeout=FETCH_WAIT_S)
                except TimeoutError:
                    obey_cancellation()
                    continue
                yield [StoredMessage(m.subject, m.data, m.metadata.num_delivered or 1, m) for m in messages]
        except (BusDown, NatsError, JetStreamError, OSError) as error:
            obey_cancellation()
            log.warning("Reading the stream %s stopped: %s. It goes on when the bus answers.", stream.name, error)
            await asyncio.sleep(0.5)

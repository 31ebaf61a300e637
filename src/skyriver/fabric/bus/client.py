"""A connection to the bus (NATS) that is made again for ever, and says honestly when it is not there.

Rules:
- `run()` owns the connection: only it connects, with capped and jittered back-off. Nothing else retries.
- Core messages are lossy by design: `publish` while the bus is away returns False and drops. They only nudge.
- `publish_stored` returns once JetStream has the message on disk, or raises; the caller keeps what was not taken.
- Subscriptions outlive connections. Each has a bounded queue that drops the oldest message and counts it: every
  message here is either a nudge (a later one says the same) or repeated (heartbeats).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import AuthorizationError, NoRespondersError
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from skyriver.fabric.bus.errors import BusDown, BusRefused, NobodyAnswered
from skyriver.kernel.errors import SkyriverError

log = logging.getLogger("skyriver.bus")

CONNECT_TIMEOUT_S = 2
PING_INTERVAL_S = 2  # two unanswered pings end the connection: a cut cable is noticed in about 6 s
BACK_OFF_FIRST_S = 0.05
BACK_OFF_LAST_S = 2.0
BACK_OFF_REFUSED_S = 15.0  # a wrong password does not get right by asking often
QUEUE_MESSAGES = 4096


@dataclass(frozen=True)
class BusAccess:
    """Where the bus is and who we are there."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Message:
    """One message; `reply_to` is empty unless the sender waits for an answer."""

    subject: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_to: str = ""


class Subscription:
    """Messages of one subject pattern, across reconnections, as an async iterator. One reader."""

    def __init__(self, subject: str, limit: int) -> None:
        self.subject = subject
        self.dropped = 0
        self._waiting: deque[Message] = deque(maxlen=limit)
        self._arrived = asyncio.Event()

    async def take(self, message: Msg) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(Message(message.subject, message.data, dict(message.headers or {}), message.reply))
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class Bus:
    """A user of the bus. Create it, register subscriptions, run `run()` in a TaskGroup.

    Args:
        access: where and as whom.
        name: shown in the server's connection list.
        inbox_prefix: where answers to our requests arrive; users of different trust have different prefixes.
    """

    def __init__(self, access: BusAccess, *, name: str, inbox_prefix: str = "_INBOX") -> None:
        self.access = access
        self._name = name
        self._inbox_prefix = inbox_prefix
        self._client: Client | None = None
        self._subscriptions: list[Subscription] = []
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()
        self.connected_since_s: float | None = None
        """Monotonic time of the present connection; None while there is none."""
        self.last_error: SkyriverError | None = None

    @property
    def connected(self) -> bool:
        return self.connected_since_s is not None

    async def wait_connected(self) -> None:
        await self._up.wait()

    async def wait_disconnected(self) -> None:
        await self._down.wait()

    def subscribe(self, subject: str, *, limit: int = QUEUE_MESSAGES) -> Subscription:
        """Register a subscription; call it before `run()` starts, it holds for every connection."""
        subscription = Subscription(subject, limit)
        self._subscriptions.append(subscription)
        return subscription

    async def check(self) -> None:
        """Connect once and hang up, to find out at start whether the bus is there.

        Raises:
            BusDown: nobody listens at the address, or no answer came in time.
            BusRefused: wrong user or password.
        """
        client = await self._connect(asyncio.Event())
        await client.close()

    async def run(self) -> None:
        """Keep a connection for ever; ends only by cancellation."""
        back_off_s = BACK_OFF_FIRST_S
        while True:
            lost = asyncio.Event()
            try:
                client = await self._connect(lost)
            except SkyriverError as error:
                refused = isinstance(error, BusRefused)
                back_off_s = BACK_OFF_REFUSED_S if refused else min(back_off_s * 2, BACK_OFF_LAST_S)
                if self.last_error is None or str(self.last_error) != str(error):
                    log.warning("%s Trying again until it answers.", error)
                self.last_error = error
                await asyncio.sleep(back_off_s * random.uniform(0.5, 1.0))
                continue
            back_off_s = BACK_OFF_FIRST_S
            try:
                await self._hold(client, lost)
            finally:
                self._set_down()
                await _close(client)

    async def _hold(self, client: Client, lost: asyncio.Event) -> None:
        try:
            for subscription in self._subscriptions:
                await client.subscribe(subscription.subject, cb=subscription.take)
            # The server has seen the subscriptions before anybody is told that we are connected. Twice: the library
            # writes a flush's PING at once but what was subscribed a turn of the event loop later, so the first PONG
            # may be older than the subscriptions; the second cannot be.
            await client.flush(CONNECT_TIMEOUT_S)
            await client.flush(CONNECT_TIMEOUT_S)
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("Subscribing on the bus failed: %s.", error)
            return
        self._client = client
        self.last_error = None
        self.connected_since_s = time.monotonic()
        self._down.clear()
        self._up.set()
        log.info("Connected to the bus at %s.", self.access.url)
        await lost.wait()
        log.warning("The bus at %s went away; connecting again.", self.access.url)

    def _set_down(self) -> None:
        self._client = None
        self.connected_since_s = None
        self._up.clear()
        self._down.set()

    async def _connect(self, lost: asyncio.Event) -> Client:
        async def on_closed() -> None:
            lost.set()

        async def on_error(error: Exception) -> None:
            log.debug("bus: %s", error)

        client = Client()
        options: dict[str, Any] = {}
        if self.access.user:
            options = {"user": self.access.user, "password": self.access.password}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S + 1):
                await client.connect(
                    self.access.url,
                    name=self._name,
                    allow_reconnect=False,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=2,
                    closed_cb=on_closed,
                    error_cb=on_error,
                    inbox_prefix=self._inbox_prefix,
                    **options,
                )
        except (OSError, TimeoutError, NatsError) as error:
            await _close(client)
            raise self._why(error) from error
        return client

    def _why(self, error: Exception) -> SkyriverError:
        text = str(error).lower()
        if isinstance(error, AuthorizationError) or "authorization" in text or "authentication" in text:
            return BusRefused(
                f"The bus at {self.access.url} does not accept user {self.access.user!r} with the password given.",
                hint="Use the user and password of the cloud's own configuration, or join the node again.",
            )
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return BusDown(
            f"Connecting to the bus at {self.access.url} failed: {reason}.",
            hint="Is nats-server running there, and is the port reachable? `skyriver doctor` checks both.",
        )

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> bool:
        """Send a lossy message. False: the bus is away, and the message is gone."""
        if self._client is None:
            return False
        try:
            await self._client.publish(subject, payload, headers=dict(headers) if headers else None)
        except (NatsError, OSError):
            return False
        return True

    async def reply(self, message: Message, payload: bytes) -> bool:
        """Answer a request; False if the bus is away or nobody waits."""
        return bool(message.reply_to) and await self.publish(message.reply_to, payload)

    async def request(self, subject: str, payload: bytes, *, timeout: float) -> bytes:
        """Ask and wait for one answer.

        Raises:
            NobodyAnswered: nobody listens to `subject`, or no answer came within `timeout` seconds.
            BusDown: the bus is away.
        """
        client = self._require()
        try:
            return bytes((await client.request(subject, payload, timeout=timeout)).data)
        except NoRespondersError as error:
            raise NobodyAnswered(f"Nobody listens to {subject} on the bus.", hint="Does its agent run?") from error
        except TimeoutError as error:
            raise NobodyAnswered(f"No answer on {subject} within {timeout:g} s.", hint="Try again.") from error
        except (NatsError, OSError) as error:
            obey_cancellation()
            raise self._why(error) from error

    async def publish_stored(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message that must not be lost; returns when JetStream has it on disk.

        A message id that was seen within the stream's window (two minutes) is acknowledged and not stored twice.

        Raises:
            BusDown: not acknowledged; it may or may not have been stored, so send it again with the same id.
        """
        client = self._require()
        try:
            await client.jetstream(timeout=timeout).publish(
                subject, payload, timeout=timeout, headers={**(headers or {}), "Nats-Msg-Id": message_id}
            )
        except (NatsError, JetStreamError, OSError, TimeoutError) as error:
            obey_cancellation()
            raise BusDown(f"Storing a message on {subject} failed: {error!r}.") from error

    def client(self) -> Client:
        """The library's client of the present connection, for this package's own use.

        Raises:
            BusDown: there is none.
        """
        return self._require()

    def _require(self) -> Client:
        if self._client is None:
            raise BusDown(
                f"The bus at {self.access.url} is away.",
                hint="It is being connected again; the request can be repeated.",
            )
        return self._client


def obey_cancellation() -> None:
    """Raise the cancellation that the library may have turned into an error of its own.

    Its subscriptions report "connection closed" when a cancelled reader's connection is closed at the same moment, and
    a task that lost its cancellation would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _close(client: Client) -> None:
    """Hang up; a connection that is broken already must not make closing fail or hang."""
    try:
        async with asyncio.timeout(1):
            await client.close()
    except (NatsError, OSError, TimeoutError) as error:
        log.debug("closing the bus connection: %s", error)


__all__ = ["Bus", "BusAccess", "Message", "Subscription"]

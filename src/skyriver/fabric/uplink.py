"""A session to a relay that is kept alive for ever: dialled, watched, closed when its peer is dead, dialled again.

One `Uplink` owns one session at a time. Who uses it hands over the two origins it is wired to; what is published or
subscribed through those origins survives the session, because origins outlive sessions.

A relay ends a session with its grant. So when the grant has been renewed, a session under the new one is opened beside
the old one, and has taken over before that is closed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable
from contextlib import AsyncExitStack

from skyriver.fabric import moq
from skyriver.fabric.liveness import DEAD_AFTER_S, POLL_S, Liveness, Verdict
from skyriver.kernel.clock import monotonic_s
from skyriver.kernel.logs import scrub

log = logging.getLogger(__name__)

POKE_PREFIX = "_poke"  # paths that begin with an underscore belong to the fabric; gates never let them into a space
_poke_numbers = itertools.count()  # several uplinks share an origin, and a path has one best route only
REDIAL_FIRST_S, REDIAL_MAX_S = 0.1, 2.0
REDIAL_REFUSED_S = 2.0  # a refused grant does not become valid by asking faster
RENEW_WITHIN_S = 2.0  # spread, so that the sessions to all origins are not replaced in one moment
REJECTED_WITHIN_S = 0.5  # a rejected session connects first and is closed a moment later
OVERLAP_S = 1.0  # the peer learns of the new session's offers, and changes over, in a few round trips
LINGER_S = 0.3  # leaving at once would lose the CLOSE, and the relay would hold the session for 11 s


class Poke:
    """Provokes an acknowledgement from every peer that `origin` is offered to.

    Announces or retracts a name nobody listens to: that is sent at once, where a new price would wait 100 ms for more.
    """

    def __init__(self, origin: moq.OriginProducer) -> None:
        self._broadcast = origin.create_broadcast(f"{POKE_PREFIX}/{next(_poke_numbers)}")
        self._announced = False

    def close(self) -> None:
        """Leave nothing of it in the origin."""
        self._broadcast.close()

    def send(self) -> None:
        """Cause one small message to be sent."""
        if self._announced:
            self._broadcast.unannounce()
        else:
            self._broadcast.announce()
        self._announced = not self._announced


class Uplink:
    """Keeps one session to `endpoint` open in `space`.

    Args:
        grant: called before each dial; returns the grant to present (it may have been renewed since).
        publish: what this side offers. subscribe: where the peer's broadcasts appear.
    """

    def __init__(
        self,
        endpoint: moq.Endpoint,
        space: str,
        grant: Callable[[], str],
        *,
        publish: moq.OriginProducer,
        subscribe: moq.OriginProducer,
        dead_after_s: float = DEAD_AFTER_S,
        on_connected: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = endpoint
        self.space = space
        self._grant = grant
        self._publish = publish
        self._subscribe = subscribe
        self._dead_after_s = dead_after_s
        self._on_connected = on_connected
        self._poke = Poke(publish)
        self._session: moq.Session | None = None
        self.connects = 0

    @property
    def session(self) -> moq.Session | None:
        """The session now, if there is one."""
        return self._session

    async def run(self) -> None:
        """Hold the session until cancelled; cancellation closes it and lingers so that the peer learns of it."""
        try:
            await self._redial()
        finally:
            self._poke.close()

    async def _redial(self) -> None:
        delay_s = REDIAL_FIRST_S
        told = ""
        while True:
            started_s, connects = monotonic_s(), self.connects
            refused, reason = False, "ended"
            try:
                await self._hold()
            except (moq.Error, TimeoutError, OSError) as error:
                refused = moq.is_auth(error)
                reason = scrub(str(error) or repr(error))
            was_open = self.connects > connects
            if was_open or reason != told:  # a relay that stays away is worth one line, not one for each dial
                told = reason
                log.log(
                    logging.WARNING if refused else logging.INFO,
                    "the session to a relay ended; dialling again" if was_open else "a relay cannot be reached",
                    extra={"relay": self.endpoint.url, "space": self.space, "reason": reason},
                )
            if monotonic_s() - started_s > REDIAL_MAX_S:
                delay_s = REDIAL_FIRST_S
            await asyncio.sleep(REDIAL_REFUSED_S if refused else delay_s * random.uniform(0.5, 1.0))
            delay_s = min(delay_s * 2, REDIAL_MAX_S)

    async def _hold(self) -> None:
        held = await self._dial()
        retiring: list[asyncio.Future[None]] = []
        try:
            while True:
                self._session = held.session
                self.connects += 1
                self._on_connected()
                renewed = await self._watch(held)
                retiring = [*(task for task in retiring if not task.done()), asyncio.ensure_future(held.retire())]
                held = renewed
        except asyncio.CancelledError:
            held.session.shutdown()
            await asyncio.sleep(LINGER_S)
            raise
        finally:
            self._session = None
            for task in retiring:
                task.cancel()
            await asyncio.gather(held.close(), *retiring, return_exceptions=True)

    async def _dial(self) -> _Held:
        grant = self._grant()
        stack = AsyncExitStack()
        session = await stack.enter_async_context(
            moq.connect(self.endpoint, self.space, grant, publish=self._publish, subscribe=self._subscribe)
        )
        return _Held(session, grant, stack)

    async def _watch(self, held: _Held) -> _Held:
        """Returns the session that is to follow this one, once there is a new grant; raises when this one ends."""
        liveness = Liveness(heard_at_s=monotonic_s(), dead_after_s=self._dead_after_s)
        renew_at_s: float | None = None
        while True:
            await asyncio.wait({held.closed}, timeout=POLL_S)
            if held.closed.done():
                held.closed.result()  # raises the reason, as a rule
                raise TimeoutError(f"the session to {self.endpoint.url} ended")
            now_s = monotonic_s()
            verdict = liveness.look(held.session.stats().packets_received, now_s)
            if verdict is Verdict.POKE:
                self._poke.send()
            elif verdict is Verdict.DEAD:
                held.session.cancel(1)
                raise TimeoutError(f"nothing was heard from {self.endpoint.url} for {self._dead_after_s} s")
            if self._grant() == held.grant:
                renew_at_s = None
            elif renew_at_s is None:
                renew_at_s = now_s + random.uniform(0.0, RENEW_WITHIN_S)
            elif now_s >= renew_at_s:
                if (renewed := await self._renewed()) is not None:
                    return renewed
                renew_at_s = now_s + REDIAL_REFUSED_S

    async def _renewed(self) -> _Held | None:
        """A session under the new grant, beside the old one; None when the relay does not take it (yet)."""
        try:
            held = await self._dial()
        except (moq.Error, TimeoutError, OSError) as error:
            log.info("a session under a new grant failed", extra={"relay": self.endpoint.url, "reason": repr(error)})
            return None
        try:
            await asyncio.wait({held.closed}, timeout=REJECTED_WITHIN_S)
        except BaseException:
            await held.close()
            raise
        if not held.closed.done():
            return held
        log.warning("a relay refused a new grant; the old one is kept", extra={"relay": self.endpoint.url})
        await held.close()
        return None


class _Held:
    """One open session and the grant it was opened with."""

    def __init__(self, session: moq.Session, grant: str, stack: AsyncExitStack) -> None:
        self.session = session
        self.grant = grant
        self.closed = asyncio.ensure_future(session.closed())
        # A session always ends with an error; where nobody waits for it any more, it is of no interest.
        self.closed.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._stack = stack

    async def retire(self) -> None:
        """Close it once its successor has surely taken over: what both offer and get goes on without a hole."""
        try:
            await asyncio.sleep(OVERLAP_S)
            self.session.shutdown()
            await asyncio.sleep(LINGER_S)
        finally:
            await self.close()

    async def close(self) -> None:
        self.closed.cancel()
        await asyncio.gather(self.closed, return_exceptions=True)
        await self._stack.aclose()


class Uplinks:
    """Sessions to several relays at once, in one space.

    Of whoever SUBSCRIBES (an edge for one space, a transcoder) they all feed one `origin`: the library takes the best
    route, we make sure that routes are true. When a relay dies, its session is closed within `DEAD_AFTER_S`; the
    library re-subscribes through the other one in milliseconds, starting again at the beginning of the current group,
    so readers must drop what they have already seen.

    Whoever PUBLISHES gives `publish`, which is offered to each of them; what they offer in turn is not listened to.
    """

    def __init__(self, space: str, grant: Callable[[], str], *, publish: moq.OriginProducer | None = None) -> None:
        self.space = space
        self.origin = moq.new_origin()
        self.connected = asyncio.Event()
        """Set once any of them has been connected."""
        self._grant = grant
        self._publish = publish
        self._tasks: dict[moq.Endpoint, asyncio.Task[None]] = {}
        self._uplinks: dict[moq.Endpoint, Uplink] = {}

    @property
    def sessions(self) -> list[moq.Session]:
        """The sessions that are open now."""
        return [u.session for u in self._uplinks.values() if u.session is not None]

    def follow(self, endpoints: tuple[moq.Endpoint, ...], tasks: asyncio.TaskGroup) -> None:
        """Keep sessions to exactly these relays from now on."""
        for endpoint in set(self._tasks) - set(endpoints):
            self._tasks.pop(endpoint).cancel()
            del self._uplinks[endpoint]
        for endpoint in endpoints:
            if endpoint not in self._tasks:
                self._uplinks[endpoint] = uplink = self._uplink(endpoint)
                self._tasks[endpoint] = tasks.create_task(uplink.run())

    def close(self) -> None:
        """Close every session; the tasks end in the group they were started in."""
        self.follow((), asyncio.TaskGroup())

    def _uplink(self, endpoint: moq.Endpoint) -> Uplink:
        return Uplink(
            endpoint,
            self.space,
            self._grant,
            publish=moq.new_origin() if self._publish is None else self._publish,
            subscribe=self.origin if self._publish is None else moq.new_origin(),
            on_connected=self.connected.set,
        )

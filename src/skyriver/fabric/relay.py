"""The relay: one process, one core, N spaces; the only door between a network and the fabric.

For each session: verify the grant (offline) -> admit or refuse -> accept with the space's origin on one side and a
private inbox on the other -> let a gate watch the inbox if the grant may put -> hold until closed, and meter all the
while. An origin owns its spaces' broadcasts; an edge fills them from the origins while it has sessions in them.

The library's own `Server.serve()` raises on every close and holds nothing back, hence an accept loop of our own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from skyriver.fabric import moq
from skyriver.fabric.admission import REFUSED_FULL, SETTLE_S, Admission
from skyriver.fabric.grants import Denial, Verifier
from skyriver.fabric.listeners import Listeners
from skyriver.fabric.relay_config import RelayConfig
from skyriver.fabric.relay_session import RelaySession, Usage
from skyriver.fabric.space import Space
from skyriver.fabric.uplink import Uplinks
from skyriver.kernel.clock import monotonic_s, utc_now
from skyriver.kernel.errors import NotAllowed, SkyriverError

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 5.0
SPACE_GRACE_S = 30.0  # an edge keeps an empty space's uplinks this long, for the viewer who reloads
MAX_HANDSHAKES = 256


@dataclass(frozen=True)
class Metrics:
    """One second of a relay's life. Rates in bit/s, `cpu` as a fraction of one core, `load` as a share of its limits.

    `viewers` are sent media; `standbys` are sessions of the public that are not: a viewer has one at its next edge.
    """

    sessions: int
    viewers: int
    standbys: int
    load: float
    egress_bps: int
    ingress_bps: int
    cpu: float
    lag_ms: float
    refused: int
    rejected: int
    viewers_by_space: dict[str, int]
    egress_by_space: dict[str, int]


class Relay:
    """`run` serves until cancelled. Readings leave through the two callbacks, which must not block."""

    def __init__(
        self,
        config: RelayConfig,
        verifier: Verifier,
        *,
        on_usage: Callable[[Usage], None] = lambda usage: None,
        on_metrics: Callable[[Metrics], None] = lambda metrics: None,
        on_listening: Callable[[tuple[moq.Endpoint, ...]], None] = lambda endpoints: None,
    ) -> None:
        self.config = config
        self.verifier = verifier
        self.admission = Admission(config.limits)
        self.sessions: dict[str, RelaySession] = {}
        self.spaces: dict[str, Space] = {}
        self.upstreams = config.upstreams
        self.rejected = 0
        self.draining = False
        self._on_usage = on_usage
        self._on_metrics = on_metrics
        self._listeners = Listeners(config, self._accept, on_listening)
        self._handshakes = asyncio.Semaphore(MAX_HANDSHAKES)
        self._tasks: asyncio.TaskGroup

    async def run(self) -> None:
        """Serve until cancelled; sessions are told, and every session's last usage is reported."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._listeners.run())
            tasks.create_task(self._sample())
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                for held in list(self.sessions.values()):
                    self._end(held, code=0)

    def deny(self, *denials: Denial) -> None:
        """Grants are revoked: their sessions end now, and they open none any more."""
        self.verifier.deny(*denials)
        for held in list(self.sessions.values()):
            if self.verifier.is_denied(held.grant):
                held.session.cancel(403)

    def rotate_certificate(self) -> None:
        """Use a fresh certificate from now on, without closing any session."""
        self._listeners.rotate_now()

    def follow_upstreams(self, upstreams: tuple[moq.Endpoint, ...]) -> None:
        """The origins have moved; every open space follows."""
        self.upstreams = upstreams
        for space in self.spaces.values():
            if space.uplinks is not None:
                space.uplinks.follow(upstreams, self._tasks)

    # -- sessions --------------------------------------------------------------------------------------------------

    def _accept(self, request: moq.Request) -> None:
        self._spawn(request.reject(REFUSED_FULL) if self._handshakes.locked() else self._serve(request))

    async def _serve(self, request: moq.Request) -> None:
        async with self._handshakes, asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            opened = await self._open(request)
        if opened is not None:
            held, space, inbox = opened
            await self._hold(held, space, inbox)

    async def _open(self, request: moq.Request) -> tuple[RelaySession, Space, moq.OriginProducer] | None:
        space_name = request.path.strip("/")
        try:
            grant = self.verifier.verify(next(iter(parse_qs(request.query or "").get("jwt", [])), None), space_name)
            if grant.put and not self.config.is_origin:
                raise NotAllowed("This relay is an edge; publishers connect to a station or an origin.")
        except SkyriverError as error:
            self.rejected += 1
            log.info("a session was rejected", extra={"space": space_name[:200], "reason": error.message})
            await request.reject(error.http_status)
            return None
        refusal = None if grant.cluster else self.admission.decide(monotonic_s())
        if refusal is not None or self.draining:
            log.info("a session was refused", extra={"space": space_name, "reason": str(refusal or "draining")})
            await request.reject(REFUSED_FULL)
            return None
        space = self._space(space_name)
        inbox = moq.new_origin()
        request.set_publish(space.view(grant))
        request.set_consume(inbox)
        space.sessions += 1  # before anything is awaited: a space with a session in it is not closed
        try:
            held = RelaySession(await request.accept(), grant, monotonic_s(), utc_now())
        except BaseException:
            space.sessions -= 1
            raise
        self.sessions[held.session_id] = held
        return held, space, inbox

    async def _hold(self, held: RelaySession, space: Space, inbox: moq.OriginProducer) -> None:
        gate = None
        if held.grant.put:

            def refuse(path: str) -> None:
                log.warning(
                    "a publisher announced a path that is not its own", extra={"space": space.name, "path": path[:200]}
                )
                held.session.cancel(403)

            gate = asyncio.ensure_future(space.gate(inbox, held.grant, refuse).run())
        try:
            await held.session.closed()
        except moq.Error:
            pass  # a session always ends with its reason
        finally:
            if gate is not None:
                gate.cancel()
                await asyncio.gather(gate, return_exceptions=True)
            self._end(held)
            space.sessions -= 1
            space.empty_since_s = monotonic_s()

    def _end(self, held: RelaySession, code: int | None = None) -> None:
        if self.sessions.pop(held.session_id, None) is None:
            return
        held.sample(monotonic_s())
        usage = held.usage(utc_now(), final=True)
        assert usage is not None
        self._on_usage(usage)
        if code is not None:
            held.session.cancel(code)

    def _space(self, name: str) -> Space:
        space = self.spaces.get(name)
        if space is None:
            uplinks = None
            if not self.config.is_origin:
                uplinks = Uplinks(name, lambda: self.config.upstream_grant(name))
                uplinks.follow(self.upstreams, self._tasks)
            self.spaces[name] = space = Space(name, self._spawn, uplinks)
        return space

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run one session's or space's work; whatever goes wrong in it is logged and ends there."""

        async def contained() -> None:
            try:
                await work
            except (moq.Error, TimeoutError) as error:
                log.info("a session's work ended", extra={"reason": str(error) or repr(error)})
            except Exception:  # one stranger's session must never take the relay with it
                log.exception("a session's work failed")

        running = contained()
        try:
            self._tasks.create_task(running)
        except RuntimeError:  # the relay is ending and takes nothing more
            running.close()
            work.close()

    # -- readings --------------------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        every_s, usage_every_s = self.config.sample_every_s, self.config.usage_every_s
        last_s, last_cpu_s, next_usage_s = monotonic_s(), time.process_time(), monotonic_s() + usage_every_s
        while True:
            await asyncio.sleep(every_s)
            now_s, cpu_s = monotonic_s(), time.process_time()
            lag_ms = max(0.0, (now_s - last_s - every_s) * 1000)
            self._read_sessions(now_s, now_s - last_s, (cpu_s - last_cpu_s) / (now_s - last_s), lag_ms)
            self._close_due(now_s)
            last_s, last_cpu_s = now_s, cpu_s
            if now_s >= next_usage_s:
                next_usage_s = now_s + usage_every_s
                self._report_usage()

    def _read_sessions(self, now_s: float, interval_s: float, cpu: float, lag_ms: float) -> None:
        viewers: dict[str, int] = {}
        egress: dict[str, int] = {}
        active = received = standbys = 0
        for held in self.sessions.values():
            before = held.bytes_received
            held.sample(now_s)
            received += held.bytes_received - before
            space = held.grant.root
            egress[space] = egress.get(space, 0) + int(held.egress_bytes_last * 8 / interval_s)
            active += held.is_fed
            # Younger ones count as pending: what they will be does not show yet.
            standbys += held.is_viewer and not held.is_fed and now_s - held.opened_at_s >= SETTLE_S
            viewers[space] = viewers.get(space, 0) + (held.is_viewer and held.is_fed)
        total_bps = sum(egress.values())
        self.admission.reading(
            sessions=len(self.sessions), active=active, standbys=standbys, egress_bps=total_bps, cpu=cpu
        )
        self._on_metrics(
            Metrics(
                sessions=len(self.sessions),
                viewers=sum(viewers.values()),
                standbys=standbys,
                load=round(self.admission.load, 3),
                egress_bps=total_bps,
                ingress_bps=int(received * 8 / interval_s),
                cpu=round(cpu, 4),
                lag_ms=round(lag_ms, 2),
                refused=self.admission.refused,
                rejected=self.rejected,
                viewers_by_space={s: n for s, n in viewers.items() if n},
                egress_by_space=egress,
            )
        )

    def _close_due(self, now_s: float) -> None:
        now = utc_now()
        for held in list(self.sessions.values()):
            if held.grant.expires_at <= now - timedelta(seconds=1):
                held.session.cancel(401)  # the library would let it live; and it would re-connect with the same grant
            elif held.is_stalled(now_s):
                held.session.cancel(1)
        newest_first = sorted(self.sessions.values(), key=lambda held: -held.opened_at_s)
        for held in [h for h in newest_first if h.is_viewer and h.is_fed][: self.admission.shed()]:
            log.warning("overloaded: a session is sent to another edge", extra={"space": held.grant.root})
            held.session.cancel(REFUSED_FULL)
        for name, space in list(self.spaces.items()):
            idle = space.sessions == 0 and now_s - space.empty_since_s > SPACE_GRACE_S
            if idle and not space.broadcasts:
                if space.uplinks is not None:
                    space.uplinks.close()
                del self.spaces[name]

    def _report_usage(self) -> None:
        now = utc_now()
        for held in self.sessions.values():
            usage = held.usage(now)
            if usage is not None:
                self._on_usage(usage)

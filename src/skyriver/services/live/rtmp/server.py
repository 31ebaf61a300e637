"""The RTMP port: accepts publishers, asks who they are, and gives each publication to a task of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from skyriver.kernel.errors import WorldBroke

from .access import Authorise, Publication, Refusal, key_sha256
from .events import Ended, EndReason
from .limits import Limits
from .publishing import Publishing
from .session import Session

Serve = Callable[[Publishing], Awaitable[None]]
"""What is done with a publication. Runs in a task of the server; when it returns, the publisher is disconnected."""

RECEIVE_BUFFER_BYTES = 256 << 10  # one for all connections: a read is parsed before the next one begins
_SWEEP_S = 0.25  # how late a time-out may be noticed
_BACKLOG = 256

SHUTTING_DOWN = Refusal("This server is shutting down. Try again in a moment.", retry=True)
BUSY = Refusal(
    "Another encoder is publishing with this channel's key. Stop it first, "
    "or set the channel to let a second publisher take over.",
    retry=True,
)

log = logging.getLogger(__name__)


class RtmpServer:
    """Many publishers on one port.

    Per channel there is at most one running `serve` task: a publisher that takes over (or comes back) is answered at
    once, and its task starts when the previous one has returned.

    Args:
        authorise: judges a stream key; `KeyRing` is one.
        serve: what to do with an accepted publication. An exception in it is logged and ends that publication only.
        host, port: where to listen; port 0 takes a free one.
        limits: what publishers may use.
        monotonic: seconds, for time-outs.
        turned_away: told of every publisher whose key is right and whose channel is taken.
    """

    def __init__(
        self,
        authorise: Authorise,
        serve: Serve,
        *,
        host: str = "127.0.0.1",
        port: int = 1935,
        limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        turned_away: Callable[[Publication, Refusal], None] = lambda publication, refusal: None,
    ) -> None:
        self.limits = limits or Limits()
        self.monotonic = monotonic
        self.receive_buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self.counts: Counter[str] = Counter()
        """Connections and publications since the start, by outcome: `accepted`, `over_limit`, and every EndReason."""
        self._authorise = authorise
        self._serve = serve
        self._turned_away = turned_away
        self._host = host
        self._port = port
        self._sessions: set[Session] = set()
        self._live: dict[str, Publishing] = {}
        self._last_task: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._bound_port = 0
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def port(self) -> int:
        """The bound port."""
        if self._server is None:
            raise RuntimeError("RtmpServer.open() has not been called")
        return self._bound_port

    @property
    def live(self) -> Sequence[Publishing]:
        """The publications running now."""
        return tuple(self._live.values())

    @property
    def connections(self) -> int:
        """Open connections, publishing or not."""
        return len(self._sessions)

    @property
    def held_bytes(self) -> int:
        """Memory that publishers occupy: unfinished messages and unread media."""
        return sum(session.held_bytes for session in self._sessions)

    async def open(self) -> None:
        """Take the port; connections wait in the kernel until `run`.

        Raises WorldBroke (code `port_taken`) when another process has it.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listener = socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise _cannot_listen(self._host, self._port, error) from error
        self._bound_port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), sock=listener, start_serving=False)

    async def run(self) -> None:
        """Serve until cancelled; then every publication ends with STOPPED and its task may finish (`stop_grace_s`)."""
        server = self._server
        if server is None:
            raise RuntimeError("call RtmpServer.open() before run()")
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await server.start_serving()  # listens again, harmlessly, and begins to accept
                try:
                    await self._sweep()
                finally:
                    server.close()
                    await self._stop_everything()
        finally:
            self._tasks = None
            for session in tuple(self._sessions):
                session.abort()

    def recheck(self, judge: Callable[[Publishing], Refusal | None]) -> int:
        """End every publication that `judge` refuses now (a key was revoked, a channel deleted); returns how many."""
        verdicts = [(publishing, judge(publishing)) for publishing in self.live]
        for publishing, refusal in verdicts:
            if refusal is not None:
                publishing.stop(refusal.description, reason=EndReason.REVOKED)
        return sum(refusal is not None for _, refusal in verdicts)

    # What sessions call.

    def joined(self, session: Session) -> bool:
        """A connection was made; False when there is no room for it."""
        if len(self._sessions) >= self.limits.max_connections:
            self.counts["over_limit"] += 1
            return False
        self._sessions.add(session)
        return True

    def left(self, session: Session) -> None:
        """A connection is gone."""
        self._sessions.discard(session)

    def request(self, session: Session, key: str) -> Publishing | Refusal:
        """Judge a publish; on success its task is under way (behind its predecessor's, if there is one)."""
        verdict = self._authorise(key)
        if isinstance(verdict, Refusal):
            return verdict
        if self._tasks is None:
            return SHUTTING_DOWN
        holder = self._live.get(verdict.channel_id)
        if holder is not None and (refusal := self._displace(holder, verdict)):
            self._turned_away(verdict, refusal)
            return refusal
        publishing = session.new_publishing(verdict, key_sha256(key))
        self._live[verdict.channel_id] = publishing
        self.counts["accepted"] += 1
        self._start_task(self._tasks, publishing)
        log.info("publishing", extra={"channel_id": verdict.channel_id, "peer": publishing.peer})
        return publishing

    def over(self, publishing: Publishing, ended: Ended) -> None:
        """A publication has ended."""
        if publishing.ended is not None:
            return
        publishing.end(ended)
        channel_id = publishing.publication.channel_id
        if self._live.get(channel_id) is publishing:
            del self._live[channel_id]
        self.counts[ended.reason] += 1
        log.info(
            "publication ended",
            extra={"channel_id": channel_id, "reason": ended.reason.value, "why": ended.message},
        )

    def _displace(self, holder: Publishing, newcomer: Publication) -> Refusal | None:
        """Whether the newcomer gets the channel: by its setting, or because the holder has fallen silent."""
        silent_s = self.monotonic() - holder.heard_at()
        if newcomer.takeover:
            holder.stop("Another encoder has taken this channel over.", reason=EndReason.REPLACED)
        elif silent_s >= self.limits.stale_after_s and not holder.paused:
            holder.stop("This encoder had fallen silent, and it, or another, has come back.", reason=EndReason.REPLACED)
        else:
            return BUSY
        return None

    def _start_task(self, tasks: asyncio.TaskGroup, publishing: Publishing) -> None:
        channel_id = publishing.publication.channel_id
        before = self._last_task.get(channel_id)
        task = tasks.create_task(self._run_publication(publishing, before), name=f"rtmp {channel_id}")
        self._last_task[channel_id] = task
        self._running.add(task)
        task.add_done_callback(lambda done: self._task_done(channel_id, done))

    def _task_done(self, channel_id: str, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._last_task.get(channel_id) is task:
            del self._last_task[channel_id]

    async def _run_publication(self, publishing: Publishing, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait((before,))
            await self._serve(publishing)
        except Exception:
            # One publication's fault must not end the others: the boundary of this task is the place to stop it.
            log.exception("a publication's task failed", extra={"channel_id": publishing.publication.channel_id})
        finally:
            publishing.stop("The station has stopped taking this stream.", reason=EndReason.STOPPED)

    async def _sweep(self) -> None:
        """Notice what has been silent for too long. One timer for all, however many connections there are."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = self.monotonic()
            for session in tuple(self._sessions):
                session.check(now)

    async def _stop_everything(self) -> None:
        for session in tuple(self._sessions):
            session.stop(SHUTTING_DOWN)
        if self._running:
            await asyncio.wait(self._running, timeout=self.limits.stop_grace_s)


def _cannot_listen(host: str, port: int, error: OSError) -> WorldBroke:
    what = f"Could not listen for RTMP publishers on {host}:{port}:"
    if error.errno == errno.EADDRINUSE:
        return WorldBroke(
            f"{what} another program has this port.",
            hint="Stop it, or choose another RTMP port.",
            code="port_taken",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return WorldBroke(f"{what} not permitted.", hint="Choose a port above 1023.", code="port_forbidden")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return WorldBroke(f"{what} this machine has no such address.", hint="Choose one of its own addresses.")
    return WorldBroke(f"{what} {error.strerror or error}.")

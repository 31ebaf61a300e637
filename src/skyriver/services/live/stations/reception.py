"""Who holds each input of a node, whatever door they came in by: accepts, turns away, displaces, runs their readers.

Per input there is at most one running `serve` task: a publisher that takes over (or comes back) is answered at once,
and its task starts when its predecessor's has returned. One reception serves all doors of a station, so that an encoder
that changes from RTMP to SRT is the same contest as one that reconnects.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from skyriver.services.live.stations.access import Authorise, Publication, Refusal, key_sha256
from skyriver.services.live.stations.events import Ended, EndReason
from skyriver.services.live.stations.publishing import Publishing

Serve = Callable[[Publishing], Awaitable[None]]
"""What is done with a publication, in a task of its own; when it returns, the publisher is disconnected."""

OpenPublishing = Callable[[Publication, str], Publishing]
"""Makes the publication of a connection, from what it may publish and the SHA-256 of its key (hex)."""

STALE_AFTER_S = 3.0
"""Silence after which a first-wins publisher gives way: its network died, and the encoder is trying again."""

STOP_GRACE_S = 5.0
"""How long publications' tasks may take to finish when the station stops."""

SHUTTING_DOWN = Refusal("This server is shutting down. Try again in a moment.", retry=True)
BUSY = Refusal(
    "Another encoder is publishing with this channel's key. Stop it first, "
    "or set the channel to let a second publisher take over.",
    retry=True,
)

log = logging.getLogger(__name__)


class Reception:
    """The publications of one station.

    Args:
        authorise: judges a stream key; `KeyRing` is one.
        serve: what to do with an accepted publication. An exception in it is logged and ends that publication only.
        monotonic: seconds, the clock of publishers' `heard_at`.
        turned_away: told of every publisher whose key is right and whose input is taken.
    """

    def __init__(
        self,
        authorise: Authorise,
        serve: Serve,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        turned_away: Callable[[Publication, Refusal], None] = lambda publication, refusal: None,
    ) -> None:
        self.monotonic = monotonic
        self.counts: Counter[str] = Counter()
        """Publications since the start, by outcome: `accepted`, and every EndReason."""
        self._authorise = authorise
        self._serve = serve
        self._turned_away = turned_away
        self._live: dict[str, Publishing] = {}
        self._last_task: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def live(self) -> Sequence[Publishing]:
        """The publications running now."""
        return tuple(self._live.values())

    def request(self, key: str, open_publishing: OpenPublishing) -> Publishing | Refusal:
        """Judge a publish; on success its task is under way (behind its predecessor's, if there is one)."""
        verdict = self._authorise(key)
        if isinstance(verdict, Refusal):
            return verdict
        return self.admit(verdict, open_publishing, key_sha256(key))

    def admit(self, publication: Publication, open_publishing: OpenPublishing, digest: str) -> Publishing | Refusal:
        """The same for whoever has shown its right in another way than by a key; `digest` names that right."""
        if self._stopping:
            return SHUTTING_DOWN
        holder = self._live.get(publication.input_id)
        if holder is not None and (refusal := self._displace(holder, publication)):
            self._turned_away(publication, refusal)
            return refusal
        publishing = open_publishing(publication, digest)
        self._live[publication.input_id] = publishing
        self.counts["accepted"] += 1
        self._start_task(publishing)
        log.info("publishing", extra={"input": publication.input_id, "peer": publishing.peer})
        return publishing

    def preview(self, key: str) -> Publication | Refusal:
        """What `request` would say now, changing nothing: for doors that can refuse within a handshake. Any thread."""
        verdict = self._authorise(key)
        if isinstance(verdict, Publication):
            if self._stopping:
                return SHUTTING_DOWN
            holder = self._live.get(verdict.input_id)
            if holder is not None and not self._gives_way(holder, verdict):
                return BUSY
        return verdict

    def say_busy(self, key: str) -> None:
        """Tell the channel's people of a publisher that a door has refused as BUSY after a `preview`."""
        verdict = self._authorise(key)
        if isinstance(verdict, Publication):
            self._turned_away(verdict, BUSY)

    def over(self, publishing: Publishing, ended: Ended) -> None:
        """A publication has ended. Repeating it does nothing."""
        if publishing.ended is not None:
            return
        publishing.end(ended)
        input_id = publishing.publication.input_id
        if self._live.get(input_id) is publishing:
            del self._live[input_id]
        self.counts[ended.reason] += 1
        log.info("publication ended", extra={"input": input_id, "reason": ended.reason.value, "why": ended.message})

    def recheck(self, judge: Callable[[Publishing], Refusal | None]) -> int:
        """End every publication that `judge` refuses now (a key was revoked, a channel deleted); returns how many."""
        verdicts = [(publishing, judge(publishing)) for publishing in self.live]
        for publishing, refusal in verdicts:
            if refusal is not None:
                publishing.stop(refusal.description, reason=EndReason.REVOKED)
        return sum(refusal is not None for _, refusal in verdicts)

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Accept nobody any more, end every publication, and let their tasks finish. Repeating it does no harm."""
        self._stopping = True
        for publishing in self.live:
            publishing.stop(SHUTTING_DOWN.description, reason=EndReason.STOPPED)
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for late in tuple(self._running):
            late.cancel()

    def _displace(self, holder: Publishing, newcomer: Publication) -> Refusal | None:
        """Give the newcomer the input, if it may have it."""
        if not self._gives_way(holder, newcomer):
            return BUSY
        if newcomer.takeover:
            why = "Another encoder has taken this channel over."
        else:
            why = "This encoder had fallen silent, and it, or another, has come back."
        holder.stop(why, reason=EndReason.REPLACED)
        return None

    def _gives_way(self, holder: Publishing, newcomer: Publication) -> bool:
        """Whether the newcomer gets the input: by its setting, or because the holder has fallen silent."""
        silent_s = self.monotonic() - holder.heard_at()
        return newcomer.takeover or (silent_s >= STALE_AFTER_S and not holder.paused)

    def _start_task(self, publishing: Publishing) -> None:
        input_id = publishing.publication.input_id
        before = self._last_task.get(input_id)
        task = asyncio.create_task(self._run_publication(publishing, before), name=f"input {input_id}")
        self._last_task[input_id] = task
        self._running.add(task)
        task.add_done_callback(lambda done: self._task_done(input_id, done))

    def _task_done(self, input_id: str, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._last_task.get(input_id) is task:
            del self._last_task[input_id]

    async def _run_publication(self, publishing: Publishing, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait((before,))
            await self._serve(publishing)
        except Exception:
            # One publication's fault must not end the others: the boundary of this task is the place to stop it.
            log.exception("a publication's task failed", extra={"input": publishing.publication.input_id})
        finally:
            publishing.stop("The station has stopped taking this stream.", reason=EndReason.STOPPED)

"""The MoQ door: reads what browsers put into a channel's ingest space, and brings it before the reception.

A browser has a ticket: the right to put the broadcast `contrib/<ticket id>` into the ingest space of one channel, for
as long as the ticket lasts. The origin's gate holds it to that. The station is told every ticket of its channels, reads
the broadcasts of those, and treats each like any other publisher: first wins or takes over, normalised, bounded, cut
when its ticket ends. A publisher that was refused or ended is heard again with its next catalog.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from skyriver.fabric import Endpoint, MediaFrame, Subscriber
from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.model import contribution_path
from skyriver.services.live.stations.access import Publication, Refusal
from skyriver.services.live.stations.events import Ended, EndReason, MediaEvent
from skyriver.services.live.stations.moq.contribution import Contribution
from skyriver.services.live.stations.moq.limits import Limits
from skyriver.services.live.stations.publishing import Publishing
from skyriver.services.live.stations.reception import Reception

TICKET_ENDED = Refusal("This browser's right to publish has ended. Open the studio again.")
_CHECK_EVERY_S = 0.25  # how late silence may be noticed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A browser's right to publish, as the station is told of it."""

    ticket_id: str
    publication: Publication
    space: str


class MoqDoor:
    """Every contribution to the channels of one station.

    Args:
        reception: who may publish now, and what is done with what they send.
        grant: the station's own right to read a space, asked for at each dial.
    """

    def __init__(self, reception: Reception, grant: Callable[[str], str], *, limits: Limits | None = None) -> None:
        self.reception = reception
        self.limits = limits or Limits()
        self._grant = grant
        self._origins: tuple[Endpoint, ...] = ()
        self._wanted: dict[str, Ticket] = {}
        self._readers: dict[str, _Reader] = {}
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def publishing(self) -> int:
        """How many contributions hold an input now."""
        return sum(reader.publishing is not None for reader in self._readers.values())

    def follow(self, tickets: Iterable[Ticket], origins: tuple[Endpoint, ...]) -> None:
        """These are the tickets, and the relays where they are used, from now on."""
        self._wanted = {ticket.ticket_id: ticket for ticket in tickets}
        moved = set(origins) != set(self._origins)
        self._origins = origins
        for ticket_id, reader in list(self._readers.items()):
            wanted = self._wanted.get(ticket_id)
            if wanted is None or wanted.space != reader.ticket.space:
                del self._readers[ticket_id]
                reader.close()
            else:
                reader.ticket = wanted
                if moved:
                    reader.move(origins)
        if self._tasks is not None:
            self._start_wanted(self._tasks)

    async def run(self) -> None:
        """Read until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._start_wanted(tasks)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    def _start_wanted(self, tasks: asyncio.TaskGroup) -> None:
        for ticket_id, ticket in self._wanted.items():
            if ticket_id not in self._readers:
                self._readers[ticket_id] = reader = _Reader(self, ticket, self._origins, self._grant)
                reader.task = tasks.create_task(self._read(reader), name=f"contribution {ticket_id}")

    async def _read(self, reader: _Reader) -> None:
        """One contribution; whatever goes wrong in it ends there. Its ticket is read anew with the next plan."""
        try:
            await reader.run()
        except Exception:
            ticket_id = reader.ticket.ticket_id
            log.exception("a contribution could not be read on", extra={"ticket": ticket_id})
            if self._readers.get(ticket_id) is reader:
                del self._readers[ticket_id]


class _Reader:
    """Follows one contribution, whether it is there or not."""

    def __init__(
        self, door: MoqDoor, ticket: Ticket, origins: tuple[Endpoint, ...], grant: Callable[[str], str]
    ) -> None:
        self.ticket = ticket
        self.task: asyncio.Task[None] | None = None
        self.publishing: Publishing | None = None
        self._door = door
        path = contribution_path(ticket.ticket_id)
        self._subscriber = Subscriber(origins, ticket.space, lambda: grant(ticket.space), path)
        self._contribution = Contribution(door.limits)
        self._heard_at_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tracks: dict[str, tuple[str, asyncio.Task[None]]] = {}

    def move(self, origins: tuple[Endpoint, ...]) -> None:
        self._subscriber.follow(origins)

    def close(self) -> None:
        """The ticket is over."""
        if self.publishing is not None:
            self.publishing.stop(TICKET_ENDED.description, reason=EndReason.REVOKED)
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._subscriber.run())
                tasks.create_task(self._watch_silence())
                async for catalog in self._subscriber.catalogs():
                    if Contribution.is_over(catalog):
                        self._end(Ended(EndReason.UNPUBLISHED))
                        continue
                    if self.publishing is None and not self._begin():
                        continue
                    try:
                        for event in self._contribution.describe(catalog):
                            self._put(event)
                    except InvalidInput as error:
                        self._refuse(error)
                        continue
                    self._follow_track(tasks, "video", self._contribution.video_track)
                    self._follow_track(tasks, "audio", self._contribution.audio_track)
        finally:
            self._end(Ended(EndReason.DISCONNECTED, "The browser's right to publish, or the station, has ended."))

    def _begin(self) -> bool:
        """Ask the reception for the input; whether it is ours now."""
        self._contribution = Contribution(self._door.limits)
        verdict = self._door.reception.admit(self.ticket.publication, self._open_publishing, "")
        if isinstance(verdict, Refusal):
            log.info("a browser was turned away", extra={"ticket": self.ticket.ticket_id, "why": verdict.description})
            return False
        self.publishing = verdict
        return True

    def _open_publishing(self, publication: Publication, digest: str) -> Publishing:
        self._heard_at_s = self._door.reception.monotonic()
        return Publishing(
            publication,
            key_sha256=digest,
            peer=f"browser {self.ticket.ticket_id}",
            pause=self._pause,
            refuse=self._end_publishing,
            heard_at=lambda: self._heard_at_s,
            limits=self._door.limits.queue,
        )

    def _follow_track(self, tasks: asyncio.TaskGroup, kind: str, track: str | None) -> None:
        name, task = self._tracks.get(kind, ("", None))
        if task is not None and (name != track or task.done()):
            task.cancel()
            del self._tracks[kind]
        if track is not None and kind not in self._tracks:
            self._tracks[kind] = track, tasks.create_task(self._read(kind, track))

    async def _read(self, kind: str, track: str) -> None:
        take = {"video": self._video, "audio": self._audio}[kind]
        try:
            async for frame in self._subscriber.frames(track):
                await self._flowing.wait()
                if self.publishing is not None:
                    self._heard_at_s = self._door.reception.monotonic()
                    take(frame)
        except InvalidInput as error:
            self._refuse(error)

    def _video(self, frame: MediaFrame) -> None:
        for event in self._contribution.video(frame, self._heard_at_s):
            self._put(event)

    def _audio(self, frame: MediaFrame) -> None:
        for event in self._contribution.audio(frame, self._heard_at_s):
            self._put(event)

    def _put(self, event: MediaEvent) -> None:
        if self.publishing is not None:
            self.publishing.put(event)

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            silent_s = self._door.reception.monotonic() - self._heard_at_s
            if self.publishing is not None and silent_s >= self._door.limits.idle_timeout_s and self._flowing.is_set():
                self._end(Ended(EndReason.TIMED_OUT, f"The browser has sent nothing for {silent_s:.0f} s."))

    def _pause(self, paused: bool) -> None:
        if paused:
            self._flowing.clear()
        else:
            self._heard_at_s = self._door.reception.monotonic()
            self._flowing.set()

    def _refuse(self, error: InvalidInput) -> None:
        self._end(Ended(EndReason.REFUSED, " ".join(filter(None, (error.message, error.hint)))))

    def _end_publishing(self, publishing: Publishing, reason: EndReason, refusal: Refusal) -> None:
        if publishing is self.publishing:
            self._end(Ended(reason, refusal.description))

    def _end(self, ended: Ended) -> None:
        publishing, self.publishing = self.publishing, None
        self._flowing.set()
        for _, task in self._tracks.values():  # what nobody reads, the browser need not send
            task.cancel()
        self._tracks.clear()
        if publishing is not None:
            self._door.reception.over(publishing, ended)

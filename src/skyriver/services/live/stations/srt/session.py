"""One SRT publisher: a transport stream's bytes in, a publication's events out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from skyriver.services.live.stations.access import Publication, Refusal
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import Ended, EndReason
from skyriver.services.live.stations.mpegts import TsReader
from skyriver.services.live.stations.publishing import Publishing
from skyriver.services.live.stations.srt.limits import Limits
from skyriver.services.live.stations.srt.statistics import LinkStatistics

_NO_MEDIA = "No picture or sound was found within {:g} s. Send an MPEG transport stream (ffmpeg: -f mpegts)."

log = logging.getLogger(__name__)


class Door(Protocol):
    """What a session asks of the server that it came in by."""

    limits: Limits
    monotonic: Callable[[], float]

    def pause(self, session: Session, paused: bool) -> None:
        """Stop or go on reading it."""

    def drop(self, session: Session) -> None:
        """Close its connection."""

    def over(self, publishing: Publishing, ended: Ended) -> None:
        """A publication has ended."""

    def statistics(self, session: Session) -> LinkStatistics | None:
        """What libsrt measures on its connection."""


class Session:
    """The station's end of one connection. SRT has no words for a publisher: a reason is told on the channel's page."""

    def __init__(self, door: Door, connection: int, peer: str) -> None:
        self.connection = connection
        self.peer = peer
        self.heard_at = self._began_at = door.monotonic()
        self._door = door
        self._reader = TsReader(door.limits.transport)
        self._publishing: Publishing | None = None
        self._paused = False
        self._has_media = False

    @property
    def held_bytes(self) -> int:
        """Unfinished frames and media nobody has read yet."""
        return self._reader.held_bytes + (self._publishing.queued_bytes if self._publishing else 0)

    def publish(self, publication: Publication, digest: str) -> Publishing:
        """The publication of this connection, from the moment its key is accepted."""
        self._publishing = Publishing(
            publication,
            key_sha256=digest,
            peer=self.peer,
            limits=self._door.limits.queue,
            pause=self._pause,
            refuse=self._refuse,
            heard_at=lambda: self.heard_at,
            link=self.link,
        )
        return self._publishing

    def received(self, data: bytes) -> None:
        """A piece of the stream."""
        publishing = self._publishing
        if publishing is None:
            return
        self.heard_at = self._door.monotonic()
        try:
            for event in self._reader.feed(data):
                self._has_media = True
                publishing.put(event)
                if publishing.ended is not None:
                    return
        except (UnsupportedMedia, DamagedMedia) as error:
            self.end(EndReason.REFUSED, str(error))

    def check(self, now: float) -> None:
        """Act on silence."""
        limits = self._door.limits
        if self._paused:
            self.heard_at = now  # we are the ones who do not listen
        if now - self.heard_at >= limits.idle_timeout_s:
            silence_s = limits.idle_timeout_s
            self.end(
                EndReason.TIMED_OUT,
                f"Nothing has come from this encoder for {silence_s:g} s, so its place was given up.",
            )
        elif not self._has_media and now - self._began_at >= limits.media_within_s:
            self.end(EndReason.REFUSED, _NO_MEDIA.format(limits.media_within_s))

    def lost(self) -> None:
        """The connection is gone."""
        self._finish(Ended(EndReason.DISCONNECTED, "The encoder's connection has ended."))

    def end(self, reason: EndReason, message: str) -> None:
        """End it from our side."""
        self._finish(Ended(reason, message))
        self._door.drop(self)

    def link(self) -> dict[str, float]:
        """How the connection does, for the input's metrics."""
        counters = self._reader.counters
        seen: dict[str, float] = {"continuity_errors": counters.continuity_errors, "damaged": counters.damaged}
        if (statistics := self._door.statistics(self)) is not None:
            expected = statistics.received_packets + statistics.lost_packets
            seen |= {
                "rtt_ms": statistics.rtt_ms,
                "loss_percent": round(100 * statistics.lost_packets / expected, 2) if expected else 0.0,
                "lost_packets": statistics.lost_packets,
                "retransmitted_packets": statistics.retransmitted_packets,
                "dropped_packets": statistics.dropped_packets,
                "bandwidth_bps": statistics.bandwidth_bps,
                "latency_ms": statistics.latency_ms,
            }
        return seen

    def _refuse(self, publishing: Publishing, reason: EndReason, refusal: Refusal) -> None:
        if publishing is self._publishing:
            self.end(reason, refusal.description)

    def _finish(self, ended: Ended) -> None:
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            self._door.over(publishing, ended)

    def _pause(self, paused: bool) -> None:
        if paused != self._paused:
            self._paused = paused
            self._door.pause(self, paused)

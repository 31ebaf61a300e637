"""Who watches: a session is a grant, whatever number of connections its player opens.

A grant is verified once, offline; after that its text is known, and a request costs a look-up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from skyriver.fabric.grants import Denial, Grant, Verifier
from skyriver.fabric.relay_session import Usage
from skyriver.kernel.clock import monotonic_s, utc_now
from skyriver.kernel.errors import NotAllowed, NotAuthenticated, SkyriverError, TooMany
from skyriver.kernel.ids import new_id
from skyriver.services.live.model import BROADCAST, space_of
from skyriver.services.live.recordings.model import vod_space

MAX_SESSIONS = 20_000
IDLE_S = 15.0
"""A player asks at least once in a segment, and one that paused begins a new session when it goes on."""
MAX_WAITING_PER_SESSION = 32
SOURCE_PREFIX = "hls"
"""Of a usage fact's source: tells delivery over HTTP from a relay's sessions."""


class Session:
    """One grant in use. `rendition` is the video track that was asked for last."""

    def __init__(self, grant: Grant, channel_id: str, space: str, now_s: float, now: datetime) -> None:
        self.session_id = f"{SOURCE_PREFIX}/{new_id('se')}"
        self.grant = grant
        self.channel_id = channel_id
        self.space = space
        self.expires_at_s = grant.expires_at.timestamp()
        self.rendition = ""
        self.seen_at_s = now_s
        self.bytes_sent = 0
        self.bytes_received = 0
        self.waiting = 0
        self._sampled_bytes = 0
        self._reported_sent = 0
        self._reported_received = 0
        self._reported_at = now
        self._seq = 0

    def sample(self) -> int:
        """Bytes sent since the last sample."""
        sent, self._sampled_bytes = self.bytes_sent - self._sampled_bytes, self.bytes_sent
        return sent

    def usage(self, now: datetime, *, final: bool = False) -> Usage | None:
        """The delta since the last fact; None when nothing moved (a final one is always given)."""
        sent, received = self.bytes_sent - self._reported_sent, self.bytes_received - self._reported_received
        if not final and sent == 0 and received == 0:
            return None
        fact = Usage(
            self.session_id, self._seq, self.space, self.grant.jti, sent, received, self._reported_at, now, final
        )
        self._seq += 1
        self._reported_sent, self._reported_received, self._reported_at = self.bytes_sent, self.bytes_received, now
        return fact


class Sessions:
    """All sessions of one process.

    Args:
        on_usage: takes usage facts; must not block.
    """

    def __init__(self, verifier: Verifier, on_usage: Callable[[Usage], None]) -> None:
        self.verifier = verifier
        self._on_usage = on_usage
        self._sessions: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def __len__(self) -> int:
        return len(self._sessions)

    def enter(self, token: str, channel_id: str) -> Session:
        """The session of this grant for this channel.

        Raises:
            NotAuthenticated, NotAllowed: the grant is not valid now, or not for this channel.
            TooMany: there is no room.
        """
        return self._enter(token, channel_id, space_of(channel_id), BROADCAST)

    def enter_recording(self, token: str, recording_id: str) -> Session:
        """The same for a recording; how much of it the grant allows is the caller's to look at."""
        return self._enter(token, "", vod_space(recording_id), None)

    def _enter(self, token: str, channel_id: str, space: str, needed: str | None) -> Session:
        session = self._sessions.get(token)
        if session is None:
            session = self._open(token, channel_id, space, needed)
        elif session.space != space:
            raise NotAllowed("The grant is for another channel or recording.", code="foreign_space")
        elif session.expires_at_s <= time.time():
            raise NotAuthenticated("The grant has expired.", hint="Ask the API for a new one.", code="grant_expired")
        session.seen_at_s = monotonic_s()
        return session

    def _open(self, token: str, channel_id: str, space: str, needed: str | None) -> Session:
        grant = self.verifier.verify(token, space)
        if needed is not None and not grant.may_get(needed):
            raise NotAllowed("The grant does not allow to watch this channel.")
        if len(self._sessions) >= MAX_SESSIONS:
            raise TooMany("This edge has as many viewers as it can carry.", hint="Try the next one.")
        session = self._sessions[token] = Session(grant, channel_id, space, monotonic_s(), utc_now())
        return session

    def deny(self, *denials: Denial) -> None:
        """Grants are revoked: they open nothing any more."""
        self.verifier.deny(*denials)
        self._end(lambda _, session: self.verifier.is_denied(session.grant))

    def trust(self, jwks: Mapping[str, Any]) -> None:
        """Take newer keys; the sessions of those that are no longer among them end."""
        self.verifier.replace_keys(jwks)
        self._end(lambda token, session: not self._still_good(token, session))

    def expire(self, now_s: float) -> None:
        """End the sessions of those who have left, or whose grant has ended."""
        wall_s = time.time()
        self._end(
            lambda _, s: (now_s - s.seen_at_s >= IDLE_S and s.waiting == 0) or s.expires_at_s <= wall_s,
        )

    def report(self) -> None:
        """A usage fact of each session that has moved something."""
        now = utc_now()
        for session in self._sessions.values():
            usage = session.usage(now)
            if usage is not None:
                self._on_usage(usage)

    def close(self) -> None:
        """The last fact of every session."""
        self._end(lambda _, session: True)

    def _still_good(self, token: str, session: Session) -> bool:
        try:
            self.verifier.verify(token, session.space)
        except SkyriverError:
            return False
        return True

    def _end(self, over: Callable[[str, Session], bool]) -> None:
        now = utc_now()
        for token, session in list(self._sessions.items()):
            if over(token, session):
                del self._sessions[token]
                usage = session.usage(now, final=True)
                assert usage is not None
                self._on_usage(usage)

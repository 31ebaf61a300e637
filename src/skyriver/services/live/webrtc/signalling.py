"""What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common: offers by HTTP, media on one UDP port.

POST to the endpoint, with a bearer token and an SDP offer, begins a session: 201, an SDP answer, and in `Location` the
session's own address, which nobody can guess. DELETE there ends it. PATCH there takes trickled candidates, which a lite
agent has no need of, and refuses to restart ICE (422).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from OpenSSL import SSL

from skyriver.services.live.webrtc import sdp
from skyriver.services.live.webrtc.dtls import Identity
from skyriver.services.live.webrtc.errors import BadOffer
from skyriver.services.live.webrtc.http_port import HttpPort, Request, Response
from skyriver.services.live.webrtc.udp_port import Peer, UdpPort

OFFER, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
TICK_S, IDLE_TICK_S = 0.02, 0.1


class Session(Protocol):
    """One client, as signalling knows it."""

    session_id: str
    etag: str
    offer: sdp.Offer
    peer: Peer

    def tick(self, now_s: float) -> None:
        """Time passes; monotonic seconds."""

    def leave(self) -> None:
        """The client has said goodbye."""

    def stop(self) -> None:
        """The server is going away."""


S = TypeVar("S", bound=Session)


@dataclass(frozen=True)
class Begun(Generic[S]):
    """A session that is to be answered: what of the offer it takes, one entry for each media section."""

    session: S
    accepted: Sequence[sdp.Accepted | None]


class SignallingServer(ABC, Generic[S]):
    """An endpoint at `path` (and below it) with its sessions.

    Args:
        host, port: where to listen, on TCP for signalling and on the UDP port of the same number; 0 takes free ones.
        advertise_host: the address in candidates, where it is another than the one to listen on.
        tls: HTTPS instead of HTTP.
    """

    def __init__(
        self,
        path: str,
        *,
        host: str,
        port: int,
        max_offer_bytes: int,
        monotonic: Callable[[], float],
        tls: ssl.SSLContext | None = None,
        advertise_host: str = "",
    ) -> None:
        self.sessions: dict[str, S] = {}
        self.udp = UdpPort(host, port)
        self.context: SSL.Context
        self.monotonic = monotonic
        self._path = path
        self._advertise_host = advertise_host
        self._candidate_host = ""
        self._identity = Identity.make()
        self.context = self._identity.context()
        self._http = HttpPort(self._answer, host=host, port=port, max_body_bytes=max_offer_bytes, tls=tls)

    @property
    def port(self) -> int:
        """The TCP port of signalling."""
        return self._http.port

    @property
    def connections(self) -> int:
        """Sessions, whether or not their media flows yet."""
        return len(self.sessions)

    async def open(self) -> None:
        """Take both ports.

        Raises:
            WorldBroke (code `port_taken`): another program has one of them.
        """
        await self.udp.open()
        self._candidate_host = await _address(self._advertise_host) or self.udp.host
        try:
            await self._http.open()
        except BaseException:
            self.udp.close()
            raise

    async def run(self) -> None:
        """Serve until cancelled; then every session is told to stop."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._http.run())
                tasks.create_task(self._tick())
        finally:
            for session in tuple(self.sessions.values()):
                session.stop()
            self.udp.close()

    @abstractmethod
    async def begin(self, request: Request, offer: sdp.Offer) -> Begun[S] | Response:
        """Judge a request that has a token and an offer that can be read. Raises BadOffer."""

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S if self.sessions else IDLE_TICK_S)
            now_s = self.monotonic()
            for session in tuple(self.sessions.values()):
                session.tick(now_s)

    async def _answer(self, request: Request) -> Response:
        prefix = f"{self._path}/session/"
        if request.path.startswith(prefix):
            return self._on_session(request, self.sessions.get(request.path.removeprefix(prefix)))
        if request.path.rstrip("/") != self._path and not request.path.startswith(f"{self._path}/"):
            return Response(404, f"There is nothing here but {self._path}.")
        if request.method == "OPTIONS":
            return Response(204, headers={"Accept-Post": OFFER})
        if request.method != "POST":
            return Response(405, f"Begin by POST to {self._path}.", {"Allow": "POST, OPTIONS"})
        if not request.bearer:
            return unauthorised("No bearer token was sent.")
        if request.content_type != OFFER:
            return Response(415, "POST an SDP offer as application/sdp.", {"Accept-Post": OFFER})
        try:
            offer = sdp.parse_offer(request.body.decode("utf-8", "replace"))
            begun = await self.begin(request, offer)
        except BadOffer as error:
            return Response(400, " ".join(filter(None, (error.message, error.hint))))
        return begun if isinstance(begun, Response) else self._created(begun, prefix)

    def _created(self, begun: Begun[S], prefix: str) -> Response:
        session = begun.session
        self.sessions[session.session_id] = session
        self.udp.join(session.peer)
        transport = sdp.Transport(
            self._candidate_host,
            self.udp.port,
            session.peer.fragment,
            session.peer.password,
            self._identity.fingerprint,
        )
        text = sdp.answer(session.offer, begun.accepted, transport, session_id=secrets.randbits(62))
        return Response(201, text, {"Location": prefix + session.session_id, "ETag": session.etag}, OFFER)

    def _on_session(self, request: Request, session: S | None) -> Response:
        if request.method == "OPTIONS":
            return Response(204, headers={"Accept-Patch": FRAGMENT})
        if session is None:
            return Response(404, "There is no such session; it may have ended.")
        if request.method == "DELETE":
            session.leave()
            return Response(200)
        if request.method != "PATCH":
            return Response(405, "A session takes PATCH and DELETE.", {"Allow": "PATCH, DELETE, OPTIONS"})
        if request.content_type != FRAGMENT:
            return Response(415, f"PATCH candidates as {FRAGMENT}.", {"Accept-Patch": FRAGMENT})
        if request.headers.get("if-match", session.etag) not in (session.etag, "*"):
            return Response(412, "This is another ICE session's ETag.")
        fragments = [
            line.removeprefix("a=ice-ufrag:").strip()
            for line in request.body.decode("utf-8", "replace").splitlines()
            if line.startswith("a=ice-ufrag:")
        ]
        if any(fragment != session.offer.ice_fragment for fragment in fragments):
            return Response(422, "ICE is not restarted here. Begin a new session.")
        return Response(204)


async def _address(host: str) -> str:
    """The IP address of a host, since a candidate may not be a name; empty without one."""
    if not host:
        return ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError:
        return ""
    return str(found[0][4][0])


def unauthorised(text: str) -> Response:
    """401, as RFC 6750 wants it."""
    return Response(401, text, {"WWW-Authenticate": "Bearer"})

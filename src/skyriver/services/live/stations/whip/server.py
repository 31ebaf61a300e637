"""The WHIP door (RFC 9725): offers by HTTP, media on one UDP port.

POST /whip with `Authorization: Bearer <stream key>` and an SDP offer begins a session: 201, an SDP answer, and in
`Location` the session's own address. DELETE there ends it. PATCH there takes trickled candidates, which a lite agent
has no need of, and refuses to restart ICE (422). A path below /whip is taken as /whip: some clients want one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
from http import HTTPStatus

from skyriver.services.live.stations.access import UNKNOWN_KEY, Refusal
from skyriver.services.live.stations.events import Ended, EndReason
from skyriver.services.live.stations.reception import BUSY, SHUTTING_DOWN, Reception
from skyriver.services.live.stations.whip.limits import Limits
from skyriver.services.live.stations.whip.session import WhipSession
from skyriver.services.live.webrtc import sdp
from skyriver.services.live.webrtc.dtls import Identity
from skyriver.services.live.webrtc.errors import BadOffer
from skyriver.services.live.webrtc.http_port import HttpPort, Request, Response
from skyriver.services.live.webrtc.udp_port import UdpPort

PATH, SESSIONS = "/whip", "/whip/session/"
OFFER, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_TICK_S = 0.02
_STATUS = {
    UNKNOWN_KEY: HTTPStatus.UNAUTHORIZED,
    BUSY: HTTPStatus.CONFLICT,
    SHUTTING_DOWN: HTTPStatus.SERVICE_UNAVAILABLE,
}
_H264_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
_OPUS_PARAMETERS = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"
NO_TOKEN = "No stream key was sent. Put the channel's stream key into the client's bearer token."

log = logging.getLogger(__name__)


class WhipServer:
    """Many publishers on one TCP port for signalling and the UDP port of the same number for media.

    Args:
        reception: who may publish, and what is done with what they send.
        host, port: where to listen; port 0 takes free ones.
        tls: HTTPS instead of HTTP.
    """

    def __init__(
        self,
        reception: Reception,
        *,
        host: str = "127.0.0.1",
        port: int = 8891,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.reception = reception
        self._host = host
        self._http = HttpPort(self._answer, host=host, port=port, max_body_bytes=self.limits.max_offer_bytes, tls=tls)
        self._wanted_port = port
        self._udp: UdpPort | None = None
        self._identity = Identity.make()
        self._context = self._identity.context()
        self._sessions: dict[str, WhipSession] = {}

    @property
    def port(self) -> int:
        """The TCP port of signalling."""
        return self._http.port

    @property
    def udp_port(self) -> int:
        """The UDP port of media."""
        assert self._udp is not None
        return self._udp.port

    @property
    def connections(self) -> int:
        """Publishers, whether or not their media flows yet."""
        return len(self._sessions)

    @property
    def held_bytes(self) -> int:
        """Media that nobody has read yet."""
        return sum(s.publishing.queued_bytes for s in self._sessions.values() if s.publishing is not None)

    async def open(self) -> None:
        """Take both ports.

        Raises:
            WorldBroke (code `port_taken`): another program has one of them.
        """
        self._udp = UdpPort(self._host, self._wanted_port)
        await self._udp.open()
        try:
            await self._http.open()
        except BaseException:
            self._udp.close()
            raise

    async def run(self) -> None:
        """Serve until cancelled; then every publication ends with STOPPED."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._http.run())
                tasks.create_task(self._tick())
        finally:
            for session in tuple(self._sessions.values()):
                session.end(Ended(EndReason.STOPPED, SHUTTING_DOWN.description))
            if self._udp is not None:
                self._udp.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = self.reception.monotonic()
            for session in tuple(self._sessions.values()):
                session.tick(now_s)

    async def _answer(self, request: Request) -> Response:
        if request.path.startswith(SESSIONS):
            return self._on_session(request)
        if request.path.rstrip("/") != PATH and not request.path.startswith(f"{PATH}/"):
            return Response(404, "Publish by POST to /whip.")
        if request.method == "OPTIONS":
            return Response(204, headers={"Accept-Post": OFFER})
        if request.method != "POST":
            return Response(405, "Publish by POST.", {"Allow": "POST, OPTIONS"})
        if not request.bearer:
            return _unauthorised(NO_TOKEN)
        if request.content_type != OFFER:
            return Response(415, "POST an SDP offer as application/sdp.", {"Accept-Post": OFFER})
        try:
            return self._begin(request)
        except BadOffer as error:
            return Response(400, " ".join(filter(None, (error.message, error.hint))))

    def _begin(self, request: Request) -> Response:
        offer = sdp.parse_offer(request.body.decode("utf-8", "replace"))
        video, audio = _chosen(offer, "video"), _chosen(offer, "audio")
        if video is None:
            return Response(422, "The offer has no H.264 picture to send. Choose H.264 in the client.")
        if len(self._sessions) >= self.limits.max_sessions:
            return Response(503, "This station has as many WHIP publishers as it takes.", {"Retry-After": "10"})
        assert self._udp is not None
        session = WhipSession(
            self._udp,
            self._context,
            offer,
            video[1],
            audio[1] if audio else None,
            limits=self.limits,
            monotonic=self.reception.monotonic,
            over=self._on_over,
            remote=request.peer,
        )
        verdict = self.reception.request(request.bearer, session.open_publishing)
        if isinstance(verdict, Refusal):
            return _refusal(verdict)
        self._sessions[session.session_id] = session
        self._udp.join(session.peer)
        accepted: list[sdp.Accepted | None] = [None] * len(offer.media)
        accepted[video[0]] = sdp.Accepted(video[1], "recvonly", _h264(video[1]), _H264_FEEDBACK)
        if audio is not None:
            accepted[audio[0]] = sdp.Accepted(audio[1], "recvonly", _OPUS_PARAMETERS)
        transport = sdp.Transport(
            self._udp.host, self._udp.port, session.peer.fragment, session.peer.password, self._identity.fingerprint
        )
        text = sdp.answer(offer, accepted, transport, session_id=secrets.randbits(62))
        headers = {"Location": SESSIONS + session.session_id, "ETag": session.etag}
        return Response(201, text, headers, OFFER)

    def _on_session(self, request: Request) -> Response:
        session = self._sessions.get(request.path.removeprefix(SESSIONS))
        if request.method == "OPTIONS":
            return Response(204, headers={"Accept-Patch": FRAGMENT})
        if session is None:
            return Response(404, "There is no such WHIP session; it may have ended.")
        if request.method == "DELETE":
            session.end(Ended(EndReason.UNPUBLISHED))
            return Response(200)
        if request.method != "PATCH":
            return Response(405, "A WHIP session takes PATCH and DELETE.", {"Allow": "PATCH, DELETE, OPTIONS"})
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

    def _on_over(self, session: WhipSession, ended: Ended) -> None:
        self._sessions.pop(session.session_id, None)
        if session.publishing is not None:
            self.reception.over(session.publishing, ended)


def _chosen(offer: sdp.Offer, kind: str) -> tuple[int, sdp.Codec] | None:
    """The first media section of a kind that the client sends in a codec that we take, and the codec."""
    choose = sdp.choose_h264 if kind == "video" else sdp.choose_opus
    for index, section in enumerate(offer.media):
        sends = section.kind == kind and section.direction in ("sendrecv", "sendonly")
        if sends and (codec := choose(section)) is not None:
            return index, codec
    return None


def _h264(codec: sdp.Codec) -> str:
    """The client's own parameters, and that our side of the level does not matter."""
    mode = codec.parameter("packetization-mode") or "0"
    profile = codec.parameter("profile-level-id") or "42e01f"
    return f"level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"


def _refusal(refusal: Refusal) -> Response:
    status = _STATUS.get(refusal, HTTPStatus.FORBIDDEN)
    if status is HTTPStatus.UNAUTHORIZED:
        return _unauthorised(refusal.description)
    return Response(status, refusal.description, {"Retry-After": "5"} if refusal.retry else {})


def _unauthorised(text: str) -> Response:
    return Response(401, text, {"WWW-Authenticate": 'Bearer realm="whip"'})

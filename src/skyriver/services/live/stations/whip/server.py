"""The WHIP door (RFC 9725): POST /whip with the channel's stream key as bearer token; see `webrtc.signalling`.

A path below /whip is taken as /whip: some clients want one.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus

from skyriver.services.live.stations.access import UNKNOWN_KEY, Refusal
from skyriver.services.live.stations.events import Ended
from skyriver.services.live.stations.reception import BUSY, SHUTTING_DOWN, Reception
from skyriver.services.live.stations.whip.limits import Limits
from skyriver.services.live.stations.whip.session import WhipSession
from skyriver.services.live.webrtc import sdp
from skyriver.services.live.webrtc.http_port import Request, Response
from skyriver.services.live.webrtc.signalling import Begun, SignallingServer, unauthorised

_STATUS = {
    UNKNOWN_KEY: HTTPStatus.UNAUTHORIZED,
    BUSY: HTTPStatus.CONFLICT,
    SHUTTING_DOWN: HTTPStatus.SERVICE_UNAVAILABLE,
}
_H264_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")
_OPUS_PARAMETERS = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"


class WhipServer(SignallingServer[WhipSession]):
    """Many publishers on one TCP and one UDP port.

    Args:
        reception: who may publish, and what is done with what they send.
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
        super().__init__(
            "/whip",
            host=host,
            port=port,
            max_offer_bytes=self.limits.max_offer_bytes,
            monotonic=reception.monotonic,
            tls=tls,
        )

    @property
    def held_bytes(self) -> int:
        """Media that nobody has read yet."""
        return sum(s.publishing.queued_bytes for s in self.sessions.values() if s.publishing is not None)

    async def begin(self, request: Request, offer: sdp.Offer) -> Begun[WhipSession] | Response:
        video, audio = _chosen(offer, "video"), _chosen(offer, "audio")
        if video is None:
            return Response(422, "The offer has no H.264 picture to send. Choose H.264 in the client.")
        if len(self.sessions) >= self.limits.max_sessions:
            return Response(503, "This station has as many WHIP publishers as it takes.", {"Retry-After": "10"})
        session = WhipSession(
            self.udp,
            self.context,
            offer,
            video[1],
            audio[1] if audio else None,
            limits=self.limits,
            monotonic=self.monotonic,
            over=self._on_over,
            remote=request.peer,
        )
        verdict = self.reception.request(request.bearer, session.open_publishing)
        if isinstance(verdict, Refusal):
            return _refusal(verdict)
        accepted: list[sdp.Accepted | None] = [None] * len(offer.media)
        accepted[video[0]] = sdp.Accepted(video[1], "recvonly", _h264(video[1]), _H264_FEEDBACK)
        if audio is not None:
            accepted[audio[0]] = sdp.Accepted(audio[1], "recvonly", _OPUS_PARAMETERS)
        return Begun(session, accepted)

    def _on_over(self, session: WhipSession, ended: Ended) -> None:
        self.sessions.pop(session.session_id, None)
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
        return unauthorised(refusal.description)
    return Response(status, refusal.description, {"Retry-After": "5"} if refusal.retry else {})

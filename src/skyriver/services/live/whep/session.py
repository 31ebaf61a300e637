"""One WHEP viewer: its keys, and the two streams that it is sent.

    offered -> checked (ICE) -> keyed (DTLS) -> playing from the next keyframe -> over

A viewer that misses packets asks for them (NACK) and gets them again from the history. One that cannot decode (PLI)
waits for the rendition's next keyframe, two seconds at most: an encoder that serves everybody does not jump for one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime

from OpenSSL import SSL

from skyriver.fabric import MediaFrame
from skyriver.fabric.grants import Grant
from skyriver.kernel.clock import MediaClock, utc_now
from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.stations.codecs.access_units import split_annexb
from skyriver.services.live.webrtc import rtp, sdp
from skyriver.services.live.webrtc.dtls import DtlsSrtp
from skyriver.services.live.webrtc.errors import BadPacket
from skyriver.services.live.webrtc.h264 import packetise
from skyriver.services.live.webrtc.udp_port import Peer, UdpPort
from skyriver.services.live.whep.limits import Limits
from skyriver.services.live.whep.sending import OutboundStream

_REPORT_EVERY_S = 1.0
_AGAIN_PER_S = 400  # packets sent a second time: a viewer that asks for more has no use for them


class WhepSession:
    """One viewer.

    Args:
        grant: its watch grant; the session ends with it.
        over: told once, when the session has ended.
    """

    def __init__(
        self,
        port: UdpPort,
        context: SSL.Context,
        offer: sdp.Offer,
        grant: Grant,
        *,
        limits: Limits,
        monotonic: Callable[[], float],
        over: Callable[[WhepSession], None],
    ) -> None:
        self.session_id = secrets.token_urlsafe(18)
        self.etag = f'"{secrets.token_hex(8)}"'
        self.offer = offer
        self.grant = grant
        self.peer = Peer(self._datagram, self._checked)
        self.opened_at: datetime = utc_now()
        self.bytes_sent = 0
        self.bytes_received = 0
        self.ended = False
        self.video: OutboundStream | None = None
        self.audio: OutboundStream | None = None
        self.stops: list[Callable[[], None]] = []
        """What ends the reading of its tracks."""
        self._port = port
        self._dtls = DtlsSrtp(context, offer.fingerprints, active=offer.wants_to_be_called)
        self._limits = limits
        self._monotonic = monotonic
        self._over = over
        self._clock = MediaClock()
        self._opened_at_s = self._heard_at_s = monotonic()
        self._report_at_s = self._opened_at_s
        self._dtls_at_s: float | None = None
        self._playing = False
        self._again_left = _AGAIN_PER_S

    @property
    def playing(self) -> bool:
        """Whether pictures flow."""
        return self._playing

    def take_video(self, frame: MediaFrame) -> None:
        """A picture of the rendition; sent from the first keyframe on."""
        if not self._dtls.ready or self.video is None:
            return
        self._playing = self._playing or frame.keyframe
        if not self._playing:
            return
        try:
            nals = split_annexb(frame.payload)
        except InvalidInput:
            return
        self._send(self.video.packets_of(packetise(nals), frame.pts_us))

    def take_audio(self, frame: MediaFrame) -> None:
        """A packet of Opus; sound waits for the picture, where there is one."""
        if self._dtls.ready and self.audio is not None and (self._playing or self.video is None):
            self._send(self.audio.packets_of([(frame.payload, False)], frame.pts_us))

    def leave(self) -> None:
        """The viewer has said goodbye."""
        self.end()

    def stop(self) -> None:
        """The server is going away."""
        self.end()

    def end(self) -> None:
        """It is over. Repeating it does nothing."""
        if self.ended:
            return
        self.ended = True
        for stop in self.stops:
            stop()
        for datagram in self._dtls.close():
            self._port.send(self.peer, datagram)
        self._port.leave(self.peer)
        self._over(self)

    def tick(self, now_s: float) -> None:
        """Time passes."""
        if self._dtls_at_s is not None and now_s >= self._dtls_at_s:
            self._send_plain(self._dtls.on_timeout())
            self._set_dtls_timer(now_s)
        late = not self._dtls.ready and now_s - self._opened_at_s >= self._limits.setup_timeout_s
        silent = now_s - self._heard_at_s >= self._limits.idle_timeout_s
        if late or silent or self.grant.expires_at <= utc_now():
            self.end()
        elif self._dtls.ready and now_s >= self._report_at_s:
            self._report_at_s = now_s + _REPORT_EVERY_S
            self._again_left = _AGAIN_PER_S
            now_us = self._clock.now_us()
            for stream in (self.video, self.audio):
                if stream is not None and stream.packets:
                    self._count(self._dtls.protect_rtcp(stream.report(now_us)))

    def _checked(self) -> None:
        self._heard_at_s = self._monotonic()
        if self.offer.wants_to_be_called and self._dtls_at_s is None and not self._dtls.ready:
            self._send_plain(self._dtls.start())
            self._set_dtls_timer(self._heard_at_s)

    def _datagram(self, datagram: bytes) -> None:
        self.bytes_received += len(datagram)
        now_s = self._monotonic()
        first = datagram[0]
        if 20 <= first <= 63:
            self._send_plain(self._dtls.receive(datagram))
            self._set_dtls_timer(now_s)
            if self._dtls.closed or self._dtls.failed:
                self.end()
        elif 128 <= first <= 191 and rtp.is_rtcp(datagram):
            packet = self._dtls.unprotect_rtcp(datagram)
            if packet is None:
                return
            self._heard_at_s = now_s
            try:
                for item in rtp.parse_rtcp(packet):
                    if isinstance(item, rtp.Lost):
                        self._send_again(item)
            except BadPacket:
                return

    def _send_again(self, lost: rtp.Lost) -> None:
        for stream in (self.video, self.audio):
            if stream is not None and stream.ssrc == lost.ssrc:
                wanted = lost.sequences[: self._again_left]
                self._again_left -= len(wanted)
                self._send(stream.again(wanted))

    def _send(self, packets: Iterable[bytes]) -> None:
        for packet in packets:
            self._count(self._dtls.protect_rtp(packet))

    def _count(self, datagram: bytes) -> None:
        self.bytes_sent += len(datagram)
        self._port.send(self.peer, datagram)

    def _send_plain(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            if datagram:
                self._port.send(self.peer, datagram)

    def _set_dtls_timer(self, now_s: float) -> None:
        wait_s = self._dtls.timeout_s()
        self._dtls_at_s = None if wait_s is None else now_s + wait_s

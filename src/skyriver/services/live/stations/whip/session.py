"""One WHIP publisher: its keys, its two streams, and the events that come out of them.

    offered -> checked (ICE) -> keyed (DTLS) -> publishing -> over

A datagram is judged by its first byte (RFC 7983). Time passes by `tick`, fifty times a second: what is lost is asked
for again or given up, a keyframe is asked for while none can be decoded, and every second the client hears how it
arrives and how much it may send.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from OpenSSL import SSL

from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.stations.access import Publication
from skyriver.services.live.stations.codecs.access_units import AccessUnits
from skyriver.services.live.stations.codecs.opus import MAX_PACKET_BYTES, opus_config
from skyriver.services.live.stations.errors import UnsupportedMedia
from skyriver.services.live.stations.events import AudioFrame, Ended, EndReason, MediaEvent, VideoFrame
from skyriver.services.live.stations.publishing import Publishing
from skyriver.services.live.stations.reception import SHUTTING_DOWN
from skyriver.services.live.stations.whip.limits import Limits
from skyriver.services.live.webrtc import rtp
from skyriver.services.live.webrtc.dtls import DtlsSrtp
from skyriver.services.live.webrtc.errors import BadPacket
from skyriver.services.live.webrtc.h264 import Depacketiser
from skyriver.services.live.webrtc.lip_sync import LipSync
from skyriver.services.live.webrtc.reorder import InOrder, Reorder
from skyriver.services.live.webrtc.sdp import Codec, Offer
from skyriver.services.live.webrtc.udp_port import Peer, UdpPort

_REPORT_EVERY_S = 1.0
_KEYFRAME_RETRY_S = 0.5
_WRAP = 1 << 32
_BACKWARD_MS = 2000  # a picture before its predecessor by less than this is a B-frame, not another clock
_MOST_BACKWARD = 3
_LOSS_BAD, _LOSS_GOOD = 0.10, 0.02  # as browsers' own loss-based control takes them
_MIN_BITRATE_BPS = 150_000

log = logging.getLogger(__name__)


@dataclass
class _Stream:
    """One RTP stream of the client."""

    kind: str
    ssrc: int
    reorder: Reorder
    report: rtp.SenderReport | None = None
    report_at_s: float = 0.0
    jitter: float = 0.0
    last_transit: float | None = None
    reported_received: int = 0
    reported_expected: int = 0

    def block(self, now_s: float) -> rtp.Reception:
        """How it arrives (RFC 3550, appendix A.3)."""
        order = self.reorder
        expected = order.highest - order.first + 1
        lost_now = expected - self.reported_expected - (order.received - self.reported_received)
        expected_now = expected - self.reported_expected
        fraction = max(0, lost_now * 256 // expected_now) if expected_now > 0 else 0
        self.reported_received, self.reported_expected = order.received, expected
        last_sr = self.report.ntp >> 16 & 0xFFFFFFFF if self.report else 0
        delay = int((now_s - self.report_at_s) * 65536) if self.report else 0
        lost = expected - order.received
        highest = order.highest - (1 << 16)
        return rtp.Reception(self.ssrc, min(fraction, 255), lost, highest, int(self.jitter), last_sr, delay)


class WhipSession:
    """One client of the door.

    Args:
        over: told once, when the session has ended.
    """

    def __init__(
        self,
        port: UdpPort,
        context: SSL.Context,
        offer: Offer,
        video: Codec,
        audio: Codec | None,
        *,
        limits: Limits,
        monotonic: Callable[[], float],
        over: Callable[[WhipSession, Ended], None],
        remote: str,
    ) -> None:
        self.session_id = secrets.token_urlsafe(18)
        self.etag = f'"{secrets.token_hex(8)}"'
        self.offer = offer
        self.peer = Peer(self._datagram, self._checked)
        self.publishing: Publishing | None = None
        self._remote = remote
        self._port = port
        self._dtls = DtlsSrtp(context, offer.fingerprints, active=offer.wants_to_be_called)
        self._limits = limits
        self._monotonic = monotonic
        self._over = over
        self._kinds = {video.payload_type: "video"} | ({audio.payload_type: "audio"} if audio else {})
        self._streams: dict[str, _Stream] = {}
        self._pictures = Depacketiser()
        self._units = AccessUnits()
        self._sync = LipSync()
        self._ssrc = secrets.randbits(32)
        self._opened_at_s = self.heard_at_s = monotonic()
        self._report_at_s = self._opened_at_s + _REPORT_EVERY_S
        self._dtls_at_s: float | None = None
        self._keyframe_at_s: float | None = None
        self._asked_at_s = -_KEYFRAME_RETRY_S
        self._sound_described = False
        self._paused = False
        self._last_wire_ms: int | None = None
        self._backward = 0
        self._bitrate_bps = limits.max_bitrate_bps
        self._loss = 0.0
        self.ended = False

    def open_publishing(self, publication: Publication, digest: str) -> Publishing:
        """The publication of this session, from the moment its key is accepted."""
        self.publishing = Publishing(
            publication,
            key_sha256=digest,
            peer=self._remote,
            limits=self._limits.queue,
            pause=self._pause,
            refuse=lambda _publishing, reason, refusal: self.end(Ended(reason, refusal.description)),
            heard_at=lambda: self.heard_at_s,
            link=self._link,
        )
        return self.publishing

    def end(self, ended: Ended) -> None:
        """It is over. Repeating it does nothing."""
        if self.ended:
            return
        self.ended = True
        for datagram in self._dtls.close():
            self._port.send(self.peer, datagram)
        self._port.leave(self.peer)
        self._over(self, ended)

    def leave(self) -> None:
        """The client has said goodbye."""
        self.end(Ended(EndReason.UNPUBLISHED))

    def stop(self) -> None:
        """The station is going away."""
        self.end(Ended(EndReason.STOPPED, SHUTTING_DOWN.description))

    def tick(self, now_s: float) -> None:
        """Time passes. What a packet that was waited for turns out to be ends this session, never the door."""
        try:
            self._pass_time(now_s)
        except BadPacket as error:
            log.debug("a packet was dropped: %s", error)
        except InvalidInput as error:
            self._refuse(error)

    def _pass_time(self, now_s: float) -> None:
        if self._dtls_at_s is not None and now_s >= self._dtls_at_s:
            self._send_all(self._dtls.on_timeout())
            self._set_dtls_timer(now_s)
        silent_s = now_s - self.heard_at_s
        if self._keyframe_at_s is None and now_s - self._opened_at_s >= self._limits.setup_timeout_s:
            self.end(Ended(EndReason.TIMED_OUT, self._why_not_begun()))
        elif silent_s >= self._limits.idle_timeout_s:
            self.end(Ended(EndReason.TIMED_OUT, f"Nothing has come from the publisher for {silent_s:.0f} s."))
        elif self._dtls.ready:
            for stream in tuple(self._streams.values()):
                self._take(stream, stream.reorder.expire(now_s), now_s)
                if stream.kind == "video" and (missing := stream.reorder.to_ask(now_s)):
                    self._send_rtcp(rtp.negative_acknowledgement(self._ssrc, stream.ssrc, missing))
            self._ask_keyframe(now_s)
            if now_s >= self._report_at_s:
                self._report_at_s = now_s + _REPORT_EVERY_S
                self._report(now_s)

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _checked(self) -> None:
        if self._dtls.ready:
            self.heard_at_s = self._monotonic()
        elif self.offer.wants_to_be_called and self._dtls_at_s is None:
            self._send_all(self._dtls.start())
            self._set_dtls_timer(self._monotonic())

    def _datagram(self, datagram: bytes) -> None:
        now_s = self._monotonic()
        first = datagram[0]
        if 20 <= first <= 63:
            self._send_all(self._dtls.receive(datagram))
            self._set_dtls_timer(now_s)
            if self._dtls.closed:
                self.leave()
            elif self._dtls.failed:
                self.end(Ended(EndReason.REFUSED, f"The connection could not be secured: {self._dtls.failed}."))
        elif 128 <= first <= 191 and self._dtls.ready:
            try:
                self._media(datagram, now_s)
            except BadPacket as error:
                log.debug("a packet was dropped: %s", error)
            except InvalidInput as error:
                self._refuse(error)

    def _refuse(self, error: InvalidInput) -> None:
        self.end(Ended(EndReason.REFUSED, " ".join(filter(None, (error.message, error.hint)))))

    def _media(self, datagram: bytes, now_s: float) -> None:
        if rtp.is_rtcp(datagram):
            packet = self._dtls.unprotect_rtcp(datagram)
            for item in rtp.parse_rtcp(packet) if packet else ():
                if isinstance(item, rtp.SenderReport):
                    self._sender_report(item, now_s)
            return
        plain = self._dtls.unprotect_rtp(datagram)
        if plain is None:
            return
        self.heard_at_s = now_s
        packet_in = rtp.parse_rtp(plain)
        kind = self._kinds.get(packet_in.payload_type)
        if kind is None:
            return  # a codec that was not negotiated, or padding that probes the line
        stream = self._streams.get(kind)
        if stream is None or stream.ssrc != packet_in.ssrc:
            patience_s = self._limits.video_patience_s if kind == "video" else self._limits.audio_patience_s
            self._streams[kind] = stream = _Stream(kind, packet_in.ssrc, Reorder(patience_s=patience_s))
        self._note_jitter(stream, packet_in.timestamp, now_s)
        self._take(stream, stream.reorder.take(packet_in, now_s), now_s)

    def _take(self, stream: _Stream, items: Iterable[InOrder], now_s: float) -> None:
        for item in items:
            if stream.kind == "video":
                self._picture(item, now_s)
            else:
                self._sound(item, now_s)

    def _picture(self, item: InOrder, now_s: float) -> None:
        for timestamp, nals in self._pictures.take(item):
            config, payload, keyframe = self._units.take(nals)
            if config is not None:
                self._put(config)
            if not payload or self._pictures.broken:
                continue
            wire_ms = self._sync.wire_ms("video", timestamp, now_s * 1000)
            self._check_order(wire_ms)
            if keyframe:
                self._keyframe_at_s = now_s
            if self._keyframe_at_s is not None:
                self._put(VideoFrame(payload, wire_ms, wire_ms, keyframe))

    def _sound(self, item: InOrder, now_s: float) -> None:
        payload = item.packet.payload
        if not payload or len(payload) > MAX_PACKET_BYTES:
            return
        if not self._sound_described:
            self._sound_described = True
            self._put(opus_config(2))  # RTP's Opus is always described as stereo; each packet says what it is
        self._put(AudioFrame(payload, self._sync.wire_ms("audio", item.packet.timestamp, now_s * 1000)))

    def _check_order(self, wire_ms: int) -> None:
        last, self._last_wire_ms = self._last_wire_ms, wire_ms
        if last is not None and 0 < (last - wire_ms) % _WRAP < _BACKWARD_MS:
            self._backward += 1
            if self._backward > _MOST_BACKWARD:
                raise UnsupportedMedia(
                    "This stream has B-frames, whose order WebRTC cannot tell.",
                    hint="Turn them off in the encoder (x264: bframes=0, or tune=zerolatency).",
                )

    def _put(self, event: MediaEvent) -> None:
        if self._paused and isinstance(event, VideoFrame | AudioFrame):
            self._pictures.broken = True
            return
        if self.publishing is not None and self.publishing.ended is None:
            self.publishing.put(event)

    def _pause(self, paused: bool) -> None:
        """UDP cannot be held back: what the station cannot take is dropped, up to a keyframe."""
        self._paused = paused

    def _sender_report(self, report: rtp.SenderReport, now_s: float) -> None:
        for stream in self._streams.values():
            if stream.ssrc == report.ssrc:
                stream.report, stream.report_at_s = report, now_s
                self._sync.report(stream.kind, report)

    def _note_jitter(self, stream: _Stream, timestamp: int, now_s: float) -> None:
        """RFC 3550, section 6.4.1, in units of the RTP clock."""
        clock_hz = 90_000 if stream.kind == "video" else 48_000
        transit = now_s * clock_hz - timestamp
        if stream.last_transit is not None:
            change = abs((transit - stream.last_transit + _WRAP / 2) % _WRAP - _WRAP / 2)
            stream.jitter += (change - stream.jitter) / 16
        stream.last_transit = transit

    # -- what goes out -----------------------------------------------------------------------------------------------

    def _ask_keyframe(self, now_s: float) -> None:
        stream = self._streams.get("video")
        if stream is None or now_s - self._asked_at_s < _KEYFRAME_RETRY_S:
            return
        since_s = now_s - self._keyframe_at_s if self._keyframe_at_s is not None else None
        if self._pictures.broken or since_s is None or since_s >= self._limits.keyframe_every_s:
            self._asked_at_s = now_s
            self._send_rtcp(rtp.picture_loss(self._ssrc, stream.ssrc))

    def _report(self, now_s: float) -> None:
        blocks = [stream.block(now_s) for stream in self._streams.values()]
        if not blocks:
            return
        self._loss = max(block.fraction_lost for block in blocks) / 256
        if self._loss > _LOSS_BAD:
            self._bitrate_bps = max(_MIN_BITRATE_BPS, round(self._bitrate_bps * (1 - self._loss / 2)))
        elif self._loss < _LOSS_GOOD:
            self._bitrate_bps = min(self._limits.max_bitrate_bps, round(self._bitrate_bps * 1.08))
        ssrcs = [stream.ssrc for stream in self._streams.values()]
        self._send_rtcp(
            rtp.receiver_report(self._ssrc, blocks) + rtp.maximum_bitrate(self._ssrc, ssrcs, self._bitrate_bps)
        )

    def _send_rtcp(self, packet: bytes) -> None:
        self._port.send(self.peer, self._dtls.protect_rtcp(packet))

    def _send_all(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            if datagram:
                self._port.send(self.peer, datagram)

    def _set_dtls_timer(self, now_s: float) -> None:
        wait_s = self._dtls.timeout_s()
        self._dtls_at_s = None if wait_s is None else now_s + wait_s

    def _link(self) -> Mapping[str, float]:
        """How the line does, for the input's metrics."""
        return {"loss": round(self._loss, 4), "dropped_pictures": self._pictures.dropped}

    def _why_not_begun(self) -> str:
        if self.peer.address is None:
            return (
                "The publisher got an answer, and then nothing of it arrived: its UDP does not come through to port "
                f"{self._port.port} here. Open that port in the firewall."
            )
        if not self._dtls.ready:
            return "The publisher did not finish the DTLS handshake."
        return "The publisher sent no picture that can be decoded."

"""Offers in, answers out (SDP: RFC 8866; for WebRTC: RFC 8829). Pure, bounded, as much of it as WHIP and WHEP need.

One offer, one answer, no renegotiation. One picture and one sound, bundled on one transport with RTCP on the same port;
other media sections are declined by a port of 0. Candidates in offers are not read: a lite agent does not call, it is
called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from skyriver.services.live.webrtc.errors import BadOffer

MAX_OFFER_BYTES = 64 << 10  # Chromium's offers for one camera have 5 to 7 KiB
MAX_LINES = 2000
MAX_MEDIA = 8
MAX_FINGERPRINTS = 4
_ICE = re.compile(r"^[A-Za-z0-9+/=_-]{4,256}$")  # "=", "-" and "_" are no ice-char, and are sent all the same
_TOKEN = re.compile(r"^[\w.+-]{1,32}$")


@dataclass(frozen=True)
class Codec:
    """One payload type of a media section."""

    payload_type: int
    name: str
    clock_hz: int
    channels: int
    parameters: str

    def parameter(self, name: str) -> str | None:
        """A value of `a=fmtp`."""
        for pair in self.parameters.split(";"):
            key, _, value = pair.strip().partition("=")
            if key.lower() == name:
                return value.strip()
        return None


@dataclass
class MediaOffer:
    """One `m=` section."""

    kind: str
    protocol: str
    formats: tuple[str, ...]
    mid: str = ""
    direction: str = "sendrecv"
    mux: bool = False
    codecs: dict[int, Codec] = field(default_factory=dict)
    ice_fragment: str = ""
    ice_password: str = field(default="", repr=False)
    fingerprints: list[tuple[str, str]] = field(default_factory=list)
    setup: str = ""

    def preferred(self, name: str, *, clock_hz: int) -> list[Codec]:
        """The codecs of this name, in the order in which the client wants them."""
        listed = [self.codecs.get(int(text)) for text in self.formats if text.isdigit() and len(text) <= 3]
        return [c for c in listed if c is not None and c.name.lower() == name and c.clock_hz == clock_hz]


@dataclass(frozen=True)
class Offer:
    """What a client wants. `ice_fragment` and `fingerprints` are of the transport that everything is bundled on."""

    media: tuple[MediaOffer, ...]
    ice_fragment: str
    fingerprints: tuple[tuple[str, str], ...]
    bundle: tuple[str, ...]
    setup: str = "actpass"

    @property
    def wants_to_be_called(self) -> bool:
        """Whether the client will only be the DTLS server."""
        return self.setup == "passive"


def parse_offer(text: str) -> Offer:
    """Read an offer.

    Raises:
        BadOffer: it is damaged, over a limit, or offers what we do not do.
    """
    if len(text) > MAX_OFFER_BYTES:
        raise BadOffer(f"An SDP offer of {len(text)} characters was refused; the limit is {MAX_OFFER_BYTES}.")
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES:
        raise BadOffer(f"An SDP offer of {len(lines)} lines was refused; the limit is {MAX_LINES}.")
    if not lines[0].startswith("v=0"):
        raise BadOffer("The body is no SDP offer.", hint="POST the offer as application/sdp.")
    session = MediaOffer("session", "", ())
    media: list[MediaOffer] = []
    bundle: tuple[str, ...] = ()
    for line in lines:
        if line.startswith("m="):
            if len(media) >= MAX_MEDIA:
                raise BadOffer(f"The offer has more than {MAX_MEDIA} media sections.")
            media.append(_media_line(line))
        elif line.startswith("a=group:BUNDLE") and not media:
            bundle = tuple(line.split()[1:])
        elif line.startswith("a="):
            _attribute(media[-1] if media else session, line[2:].strip())
    return _whole(session, media, bundle)


def _whole(session: MediaOffer, media: list[MediaOffer], bundle: tuple[str, ...]) -> Offer:
    if not media:
        raise BadOffer("The offer has no media section.")
    for index, section in enumerate(media):
        section.mid = section.mid or (bundle[index] if index < len(bundle) else str(index))
    first = media[0]
    fragment = first.ice_fragment or session.ice_fragment
    fingerprints = tuple(first.fingerprints or session.fingerprints)
    if not fragment:
        raise BadOffer("The offer has no ICE user name fragment (a=ice-ufrag).", hint="Use a WebRTC client.")
    if not fingerprints:
        raise BadOffer("The offer has no certificate fingerprint (a=fingerprint).", hint="Use DTLS-SRTP.")
    setup = first.setup or session.setup or "actpass"
    if setup not in ("actpass", "active", "passive"):
        raise BadOffer(f"The offer has an unknown role for DTLS: a=setup:{setup[:20]}.")
    return Offer(tuple(media), fragment, fingerprints, bundle, setup)


def _media_line(line: str) -> MediaOffer:
    words = line[2:].split()
    if len(words) < 4 or len(words) > 80 or not all(map(_TOKEN.match, (words[0], words[1]))):
        raise BadOffer(f"This media section of the offer cannot be read: {line[:80]!r}.")
    return MediaOffer(words[0], words[2], tuple(words[3:]))


def _attribute(section: MediaOffer, text: str) -> None:
    name, _, value = text.partition(":")
    match name:
        case "mid" if _TOKEN.match(value):
            section.mid = value
        case "rtcp-mux":
            section.mux = True
        case "sendrecv" | "sendonly" | "recvonly" | "inactive":
            section.direction = name
        case "ice-ufrag":
            if not _ICE.match(value):
                raise BadOffer("The offer's ICE user name fragment (a=ice-ufrag) is malformed.")
            section.ice_fragment = value
        case "ice-pwd":
            section.ice_password = value[:256]
        case "setup":
            section.setup = value
        case "fingerprint":
            algorithm, _, digest = value.partition(" ")
            if len(section.fingerprints) >= MAX_FINGERPRINTS or len(value) > 300:
                raise BadOffer("The offer names too many certificate fingerprints.")
            section.fingerprints.append((algorithm, digest.strip()))
        case "rtpmap":
            _rtpmap(section, value)
        case "fmtp":
            _fmtp(section, value)


def _rtpmap(section: MediaOffer, value: str) -> None:
    number, _, description = value.partition(" ")
    parts = description.split("/")
    if not (number.isdigit() and len(number) <= 3 and int(number) < 128 and len(parts) in (2, 3)):
        return
    if not (_TOKEN.match(parts[0]) and parts[1].isdigit() and len(parts[1]) <= 7):
        return
    channels = int(parts[2]) if len(parts) == 3 and parts[2].isdigit() and len(parts[2]) <= 2 else 1
    payload_type = int(number)
    section.codecs[payload_type] = Codec(payload_type, parts[0], int(parts[1]), channels, "")


def _fmtp(section: MediaOffer, value: str) -> None:
    number, _, parameters = value.partition(" ")
    known = section.codecs.get(int(number)) if number.isdigit() and len(number) <= 3 else None
    if known is not None:
        clean = re.sub(r"[^\w=;,.+/ -]", "", parameters)[:400]
        section.codecs[known.payload_type] = Codec(
            known.payload_type, known.name, known.clock_hz, known.channels, clean
        )


@dataclass(frozen=True)
class Accepted:
    """A media section that we take. `lines` are its own attributes, without `a=`."""

    codec: Codec
    direction: str
    parameters: str = ""
    feedback: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transport:
    """Our end, the same for all sections."""

    host: str
    port: int
    ice_fragment: str
    ice_password: str = field(repr=False)
    fingerprint: str


def choose_h264(section: MediaOffer) -> Codec | None:
    """The client's favourite H.264; one that may fragment pictures (packetization mode 1), if there is any."""
    offered = section.preferred("h264", clock_hz=90_000)
    fragmenting = [codec for codec in offered if codec.parameter("packetization-mode") == "1"]
    return next(iter(fragmenting or offered), None)


def choose_opus(section: MediaOffer) -> Codec | None:
    """Opus (RFC 7587: always 48 kHz and 2 channels in SDP)."""
    return next(iter(section.preferred("opus", clock_hz=48_000)), None)


def answer(offer: Offer, accepted: Sequence[Accepted | None], transport: Transport, *, session_id: int) -> str:
    """The answer; `accepted` has one entry for each media section of the offer, None for one that is declined."""
    family = "IP6" if ":" in transport.host else "IP4"
    mids = [section.mid for section, taken in zip(offer.media, accepted, strict=True) if taken is not None]
    lines = [
        "v=0",
        f"o=- {session_id} 1 IN {family} {transport.host}",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(mids)}",
    ]
    for section, taken in zip(offer.media, accepted, strict=True):
        lines += _section(section, taken, transport, "active" if offer.wants_to_be_called else "passive")
    return "\r\n".join(lines) + "\r\n"


def _section(section: MediaOffer, taken: Accepted | None, transport: Transport, setup: str) -> Iterable[str]:
    family = "IP6" if ":" in transport.host else "IP4"
    if taken is None:
        formats = " ".join(section.formats[:1])
        return (f"m={section.kind} 0 {section.protocol} {formats}", f"c=IN {family} 0.0.0.0", f"a=mid:{section.mid}")
    codec = taken.codec
    number = codec.payload_type
    rtpmap = f"{codec.name}/{codec.clock_hz}" + (f"/{codec.channels}" if codec.channels > 1 else "")
    parameters = taken.parameters or codec.parameters
    candidate = f"candidate:1 1 UDP 2130706431 {transport.host} {transport.port} typ host"
    return (
        f"m={section.kind} {transport.port} {section.protocol} {number}",
        f"c=IN {family} {transport.host}",
        f"a=mid:{section.mid}",
        f"a={taken.direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=ice-ufrag:{transport.ice_fragment}",
        f"a=ice-pwd:{transport.ice_password}",
        f"a=fingerprint:sha-256 {transport.fingerprint}",
        f"a=setup:{setup}",
        f"a=rtpmap:{number} {rtpmap}",
        *([f"a=fmtp:{number} {parameters}"] if parameters else []),
        *(f"a=rtcp-fb:{number} {feedback}" for feedback in taken.feedback),
        *(f"a={line}" for line in taken.lines),
        f"a={candidate}",
        "a=end-of-candidates",
    )

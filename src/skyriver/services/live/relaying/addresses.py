"""Which URLs a channel may be pulled from and pushed to, what of them may be shown, and where they may lead.

A tenant names the host and our process connects to it from inside the operator's network. So a URL is checked twice:
its form when it is set, and its address at every connection. The name is resolved here, every address it has must be
a public one unless the operator allows private ones, and the connection is made to that very address: a name that
resolves differently a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from skyriver.kernel.networks import host_in_url, is_public
from skyriver.services.live.relaying.errors import BadRelayUrl, FarSide, PrivateRelayAddress
from skyriver.services.live.relaying.rtmp_client import RtmpTarget
from skyriver.services.live.stations.srt.library import Call

URL_CHARS_MAX = 2000
KEY_CHARS_MAX = 500
RTMP_PORTS = {"rtmp": 1935, "rtmps": 443}
PULL_PORTS = {"rtsp": 554, **RTMP_PORTS, "http": 80, "https": 443, "srt": 0}
PUSH_PORTS = {**RTMP_PORTS, "srt": 0}
HIDDEN = "***"

_PULL_HINT = "Use rtsp://, rtmp(s)://, http(s):// or srt:// with a host, e.g. rtsp://camera.example.com/stream1."
_PUSH_HINT = "Use rtmp(s):// or srt:// with the platform's server, e.g. rtmps://live.example.com/app."
_SRT_HINT = "Use srt://HOST:PORT?streamid=ID&passphrase=SECRET&latency=MILLISECONDS; a # in the id is written %23."
_SRT_IGNORED = frozenset(("transtype", "pkt_size", "connect_timeout", "tlpktdrop", "nakreport"))
SRT_LATENCY_MS = 120
SRT_STREAM_ID_BYTES_MAX = 512

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port -> its IP addresses."""


@dataclass(frozen=True)
class SourceUrl:
    """Where to pull from. `url` is whole, with its secrets."""

    scheme: str
    host: str
    port: int
    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        return shown_url(self.url)


@dataclass(frozen=True)
class Destination:
    """Where to push to. `target` holds the stream key."""

    scheme: str
    host: str
    port: int
    target: RtmpTarget

    @property
    def tls(self) -> bool:
        return self.scheme == "rtmps"

    @property
    def where(self) -> str:
        """For people: nothing of it is secret."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class SrtAddress:
    """An SRT listener, and how it is called."""

    host: str
    port: int
    how: Call

    @property
    def where(self) -> str:
        """For people: nothing of it is secret."""
        return f"{self.host}:{self.port}"


def read_source(url: str) -> SourceUrl:
    """A URL to pull from.

    Raises:
        BadRelayUrl: it is not one that can be pulled.
    """
    parts, host, port = _split(url, PULL_PORTS, _PULL_HINT, "pulled from")
    if parts.scheme == "srt":
        return SourceUrl("srt", host, read_srt(url).port, url)
    if parts.scheme in RTMP_PORTS:
        read_rtmp(url, "")  # the same form: an application and a stream
    return SourceUrl(parts.scheme, host, port or PULL_PORTS[parts.scheme], url)


def read_destination(url: str, key: str) -> Destination | SrtAddress:
    """A platform's server and the stream key there.

    Without a key, it is in the URL: the last part of an RTMP path, the stream id of SRT.

    Raises:
        BadRelayUrl: it is not one that can be pushed to.
    """
    parts, _, _ = _split(url, PUSH_PORTS, _PUSH_HINT, "pushed to")
    return read_srt(url, key) if parts.scheme == "srt" else read_rtmp(url, key)


def read_srt(url: str, key: str = "") -> SrtAddress:
    """An SRT listener. Its options are those that other tools' URLs have; `latency` is in milliseconds.

    Raises:
        BadRelayUrl: it cannot be called, or an option is not known.
    """
    parts, host, port = _split(url, {"srt": 0}, _SRT_HINT, "reached")
    if not port or parts.username is not None or parts.path.strip("/"):
        raise BadRelayUrl("An SRT URL is a host and a port, with options after a question mark.", hint=_SRT_HINT)
    options = {name: value[-1] for name, value in parse_qs(parts.query, keep_blank_values=True).items()}
    if options.pop("mode", "caller") != "caller":
        raise BadRelayUrl("This cloud calls over SRT; it does not wait to be called here.", hint="Leave `mode` out.")
    stream_id, passphrase = options.pop("streamid", ""), options.pop("passphrase", "")
    if key and stream_id:
        raise BadRelayUrl("The stream id is in the URL already, so there can be no stream key beside it.")
    stream_id = stream_id or key
    if len(stream_id.encode()) > SRT_STREAM_ID_BYTES_MAX or not stream_id.isprintable():
        raise BadRelayUrl(f"A stream id is printable, of at most {SRT_STREAM_ID_BYTES_MAX} bytes.", hint=_SRT_HINT)
    if passphrase and not (10 <= len(passphrase.encode()) <= 79 and passphrase.isprintable()):
        raise BadRelayUrl("An SRT passphrase has 10 to 79 characters.")  # SRTO_PASSPHRASE
    latency_ms, key_bytes = options.pop("latency", str(SRT_LATENCY_MS)), options.pop("pbkeylen", "0")
    if not latency_ms.isdecimal() or not 20 <= int(latency_ms) <= 8000:
        raise BadRelayUrl("An SRT latency is 20 to 8000 milliseconds.", hint="ffmpeg counts microseconds in its URLs.")
    if key_bytes not in ("0", "16", "24", "32"):
        raise BadRelayUrl("`pbkeylen` is 16, 24 or 32.")
    if unknown := sorted(set(options) - _SRT_IGNORED):
        raise BadRelayUrl(f"The SRT option {unknown[0][:40]!r} is not known here.", hint=_SRT_HINT)
    return SrtAddress(host, port, Call(stream_id, passphrase, int(key_bytes), int(latency_ms)))


def read_rtmp(url: str, key: str) -> Destination:
    """An RTMP server and the stream key there. Without a key, the last part of the URL's path is the key.

    Raises:
        BadRelayUrl: it cannot be reached.
    """
    parts, host, port = _split(url, RTMP_PORTS, _PUSH_HINT, "pushed to")
    if parts.username is not None or parts.password is not None:
        raise BadRelayUrl("A destination's URL cannot hold a user and a password.", hint="The stream key is enough.")
    if len(key) > KEY_CHARS_MAX or not key.isprintable() or " " in key:
        raise BadRelayUrl(f"A stream key is printable, without spaces, and has at most {KEY_CHARS_MAX} characters.")
    path = parts.path.strip("/")
    query = f"?{parts.query}" if parts.query else ""
    if key:
        app, stream = path, key
    else:
        app, _, name = path.rpartition("/")
        stream, query = name + query, ""
    if not app or not stream:
        raise BadRelayUrl("A destination's URL names the server's application, and the stream key comes with it.",
                          hint=_PUSH_HINT)  # fmt: skip
    port = port or RTMP_PORTS[parts.scheme]
    shown_port = "" if port == RTMP_PORTS[parts.scheme] else f":{port}"
    target = RtmpTarget(
        app=app + query, tc_url=f"{parts.scheme}://{host_in_url(host)}{shown_port}/{app}{query}", stream=stream
    )
    return Destination(parts.scheme, host, port, target)


def shown_url(url: str) -> str:
    """A URL as people may see it again: without user, password and the values of its query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    secret = f"{HIDDEN}@" if "@" in parts.netloc else ""
    pairs = (pair.partition("=") for pair in parts.query.split("&")) if parts.query else ()
    query = "&".join(f"{name}={HIDDEN}" if sign else HIDDEN for name, sign, _ in pairs)
    return f"{parts.scheme}://{secret}{host}{parts.path}" + (f"?{query}" if query else "")


def shown_destination(url: str, key: str) -> str:
    """A destination as people may see it again: where the key is the path's last part, that is hidden."""
    parts = urlsplit(url)
    if key or parts.scheme == "srt":
        return shown_url(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}/{HIDDEN}"


def secrets_of(url: str) -> list[str]:
    """What of a URL must never be seen in a message: longest first."""
    parts = urlsplit(url)
    found = {url, parts.query, parts.username or "", parts.password or "", unquote(parts.password or "")}
    if "@" in parts.netloc:
        found.add(parts.netloc)
    values = {value for pair in parts.query.split("&") if (value := pair.partition("=")[2])}
    found |= values | {unquote(value) for value in values}
    return sorted((secret for secret in found if len(secret) > 3 and secret != parts.hostname), key=len, reverse=True)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver.

    Raises:
        FarSide: it has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FarSide(f"The name {host} could not be resolved: {error.strerror}.", code="no_such_host") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def addresses_of(host: str, port: int, *, allow_private: bool, find: Resolve = resolve) -> list[str]:
    """The addresses to connect to.

    Raises:
        PrivateRelayAddress: one of them is not public, and private ones are not allowed.
        FarSide: the name has no address.
    """
    addresses = await find(host, port)
    check_public(host, addresses, allow_private=allow_private)
    return addresses


def check_public(host: str, addresses: list[str], *, allow_private: bool) -> None:
    """Raises PrivateRelayAddress or FarSide where `addresses_of` does."""
    if not addresses:
        raise FarSide(f"The name {host} has no address.", code="no_such_host")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise PrivateRelayAddress(
            f"{host} leads to an address inside a private network.",
            hint="Use a public address, or ask the operator for SKYRIVER_RELAYING_ALLOW_PRIVATE=1.",
        )


def _split(url: str, ports: dict[str, int], hint: str, verb: str) -> tuple[SplitResult, str, int | None]:
    if len(url) > URL_CHARS_MAX or not url.isprintable() or " " in url or "\\" in url:
        raise BadRelayUrl(f"A URL is printable, without spaces, and has at most {URL_CHARS_MAX} characters.", hint=hint)
    try:
        parts = urlsplit(url)
        port = parts.port
        # As it goes onto the wire: a name outside ASCII in its IDNA form.
        host = (parts.hostname or "").encode("idna").decode() if parts.hostname else ""
    except ValueError as error:  # its text may quote the password
        raise BadRelayUrl("This is not a URL that can be read.", hint=hint) from error
    if parts.scheme == "srt" and parts.fragment:
        raise BadRelayUrl("This SRT URL has a #, which ends it.", hint=_SRT_HINT)
    if parts.scheme not in ports or not host or parts.fragment:
        raise BadRelayUrl(f"This URL cannot be {verb}.", hint=hint)
    return parts, host, port

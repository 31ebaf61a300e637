"""HTTP(S) for the demuxer: every request of a source, of a playlist's segments too, goes through here.

FFmpeg's own HTTP follows redirects and playlists to wherever they lead, and checks no certificate unless told. Here
each host is resolved and judged before it is connected to, redirects are followed by hand (five at most, judged like
the first), certificates are verified, and waits are bounded. A user and password in the source's URL go to its own
host only. Blocking: it runs in the thread of the source.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from skyriver.services.live.relaying.addresses import PULL_PORTS, URL_CHARS_MAX, check_public
from skyriver.services.live.relaying.errors import FarSide

TIMEOUT_S = 10.0
REDIRECTS_MAX = 5
PLAYLIST_BYTES_MAX = 2 << 20  # Apple's longest VOD lists have some 100 bytes a segment: 20,000 segments
_SKIP_BYTES = 256 << 10  # a seek forward over less than this reads on instead of asking anew
_REDIRECTS = (301, 302, 303, 307, 308)
_PLAYLIST_TYPES = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")


@dataclass(frozen=True)
class HttpAccess:
    """What all requests of one source share."""

    allow_private: bool
    user: str = ""
    password: str = ""
    user_host: str = ""

    @classmethod
    def of(cls, url: str, *, allow_private: bool) -> HttpAccess:
        parts = urlsplit(url)
        return cls(allow_private, unquote(parts.username or ""), unquote(parts.password or ""), parts.hostname or "")


class HttpFile(io.RawIOBase):
    """A file at a URL: read from the start, or anywhere where the server takes ranges."""

    def __init__(self, url: str, access: HttpAccess, *, offset: int = 0, end: int | None = None) -> None:
        """`offset` and `end` are bytes: the part of the file that this is.

        Raises:
            FarSide, PrivateRelayAddress: it cannot be had.
        """
        self._url = url
        self._access = access
        self._begin, self._end = offset, end
        self._at = offset
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self.size: int | None = None
        self.is_playlist = False
        self._open()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.size is not None

    def read(self, size: int = -1) -> bytes:
        """Bytes from here on; empty at the end."""
        if self._response is None:
            self._open()
        assert self._response is not None
        try:
            data = self._response.read(size if size >= 0 else None)
        except (OSError, http.client.HTTPException) as error:
            raise FarSide(f"Reading from {_host(self._url)} broke off: {_words(error)}.") from error
        self._at += len(data)
        if self.is_playlist and self._at > PLAYLIST_BYTES_MAX:
            raise FarSide(f"The playlist at {_host(self._url)} is longer than {PLAYLIST_BYTES_MAX} bytes.")
        return data

    def tell(self) -> int:
        return self._at - self._begin

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere; the next read asks for it."""
        if whence == io.SEEK_END:
            if self.size is None:
                raise io.UnsupportedOperation("this server does not say how long the file is")
            target = self._begin + self.size + offset
        else:
            target = (self._begin if whence == io.SEEK_SET else self._at) + offset
        if self._response is not None and 0 <= target - self._at <= _SKIP_BYTES:
            while self._at < target and self.read(target - self._at):
                pass
        if target != self._at:
            self._drop()
            self._at = max(target, 0)
        return self.tell()

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._response = None

    def _open(self) -> None:
        url = self._url
        for _ in range(REDIRECTS_MAX + 1):
            self._connection, self._response = self._ask(url)
            if self._response.status not in _REDIRECTS:
                break
            location = self._response.getheader("Location") or ""
            self._drop()
            try:
                url = urljoin(url, location)
            except ValueError as error:
                raise FarSide(f"{_host(url)} redirects to an address that cannot be read.") from error
        else:
            raise FarSide(f"{_host(self._url)} redirects more than {REDIRECTS_MAX} times.")
        response = self._response
        wanted = self._at
        if response.status == 416 and wanted:  # asked for what is past the end
            self._response = None
            raise FarSide(f"{_host(url)} has no more of this file.")
        if response.status not in (200, 206):
            hint = "Check the user and the password in the URL." if response.status in (401, 403) else ""
            self._drop()
            raise FarSide(f"{_host(url)} answered {response.status} {response.reason[:60]}.", hint=hint)
        if wanted and response.status == 200:
            self._drop()
            raise FarSide(f"{_host(url)} does not let us read from the middle of a file.")
        total = (response.getheader("Content-Range") or "").rpartition("/")[2]
        if response.status == 206 and self.size is None and total.isdecimal():
            self.size = (self._end or int(total)) - self._begin
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        self.is_playlist = kind in _PLAYLIST_TYPES or urlsplit(url).path.lower().endswith((".m3u8", ".m3u"))
        self._url = url  # redirected once is redirected for all, and relative names count from there

    @property
    def url(self) -> str:
        """Where the file was found."""
        return self._url

    def _ask(self, url: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        try:
            parts = urlsplit(url)
            host, given_port = parts.hostname, parts.port
        except ValueError as error:
            raise FarSide(f"{_host(self._url)} leads to an address that cannot be read.") from error
        if parts.scheme not in ("http", "https") or not host or len(url) > URL_CHARS_MAX:
            raise FarSide(f"{_host(self._url)} leads to an address that is neither http nor https.")
        port = given_port or PULL_PORTS[parts.scheme]
        headers = {"User-Agent": "Skyriver", "Accept-Encoding": "identity", "Connection": "close"}
        # Also from the start: the answer says whether the server takes ranges, and how long the file is.
        headers["Range"] = f"bytes={self._at}-" + ("" if self._end is None else str(self._end - 1))
        if self._access.user and host == self._access.user_host:
            pair = f"{self._access.user}:{self._access.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        connection = _CheckedConnection(host, port, tls=parts.scheme == "https", access=self._access)
        try:
            connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=headers)
            return connection, connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            raise FarSide(f"The certificate of {host}:{port} is not valid for it: {error.verify_message}.") from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            connection.close()
            raise FarSide(f"{host}:{port} could not be read: {_words(error)}.") from error


class _CheckedConnection(http.client.HTTPConnection):
    """Connects to an address that was judged, whatever the name resolves to later."""

    def __init__(self, host: str, port: int, *, tls: bool, access: HttpAccess) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self._tls = tls
        self._access = access

    def connect(self) -> None:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        check_public(self.host, addresses, allow_private=self._access.allow_private)
        self.sock = socket.create_connection((addresses[0], self.port), TIMEOUT_S)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or "the server"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came for {TIMEOUT_S:g} s"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__

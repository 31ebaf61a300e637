"""A door between FFmpeg's RTSP client and a camera: the client talks to this machine, we talk to the checked address.

FFmpeg connects wherever the URL, or a redirect in an answer, leads. So it is given an address of this machine, and what
the far side answers is read on its way: a redirect (RFC 2326, 10.7 and 11.3) ends the connection.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from skyriver.services.live.relaying.addresses import SourceUrl, check_public
from skyriver.services.live.relaying.errors import FarSide

CONNECT_TIMEOUT_S = 5.0
IDLE_TIMEOUT_S = 20.0  # longer than FFmpeg's own: it gives up first and says why
HEADER_BYTES_MAX = 64 << 10
_READ_BYTES = 64 << 10
_INTERLEAVED_BYTES = 4
_ANSWER = re.compile(rb"RTSP/1\.0[ \t]+[1245][0-9]{2}([ \t]|$)")  # not 3xx
_REQUEST = re.compile(rb"(OPTIONS|ANNOUNCE|GET_PARAMETER|SET_PARAMETER)[ \t]")  # not REDIRECT
_LENGTH = re.compile(rb"[ \t]*[0-9]{1,7}[ \t]*")


class RedirectWatch:
    """Reads what an RTSP server says as it passes, in pieces of any size; interleaved media are skipped.

    A message is lines up to an empty one, and `Content-Length` bytes; media are `$`, a channel, two bytes of length,
    and the packet (RFC 2326, 10.12). Lines are read as FFmpeg reads them, carriage returns left out: what the two
    took for different things would be a way through. What is not plain text or no answer we know is not passed on.
    """

    def __init__(self) -> None:
        self._skip = 0
        self._line = bytearray()
        self._lines = 0
        self._head_bytes = 0
        self._body_bytes = 0

    def allows(self, data: bytes) -> bool:
        """Whether these bytes may go on to the client."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            elif self._lines == 0 and (self._line or data[at : at + 1])[:1] == b"$":
                self._line += data[at : at + 1]
                at += 1
                if len(self._line) == _INTERLEAVED_BYTES:
                    self._skip = int.from_bytes(self._line[2:], "big")
                    self._line.clear()
            else:
                end = data.find(b"\n", at)
                self._line += data[at : end if end >= 0 else len(data)]
                at = end + 1 if end >= 0 else len(data)
                if self._head_bytes + len(self._line) > HEADER_BYTES_MAX or (end >= 0 and not self._take_line()):
                    return False
        return True

    def _take_line(self) -> bool:
        line = bytes(self._line).replace(b"\r", b"")
        self._head_bytes += len(line) + 1
        self._line.clear()
        if not line:
            self._skip, self._body_bytes, self._lines, self._head_bytes = self._body_bytes, 0, 0, 0
            return True
        if any(byte < 0x20 and byte != 0x09 for byte in line):
            return False
        self._lines += 1
        if self._lines == 1:
            return _ANSWER.match(line) is not None or _REQUEST.match(line) is not None
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            if not _LENGTH.fullmatch(value):
                return False
            self._body_bytes = int(value)
        return True


class RtspDoor:
    """Listens for one client while the block lasts. Connects when entered, so that failures have words.

    Raises (entering):
        FarSide, PrivateRelayAddress: the far side cannot be reached.
    """

    def __init__(self, source: SourceUrl, *, allow_private: bool) -> None:
        self._source = source
        self._allow_private = allow_private
        self._listener: socket.socket | None = None
        self._far: socket.socket | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.url = ""
        """What FFmpeg is to open."""
        self.failure = ""
        """Why the door was shut, where FFmpeg cannot know it."""

    def __enter__(self) -> Self:
        source = self._source
        where = f"{source.host}:{source.port}"
        try:
            found = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise FarSide(f"The name {source.host} could not be resolved: {error.strerror}.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        check_public(source.host, addresses, allow_private=self._allow_private)
        try:
            self._far = socket.create_connection((addresses[0], source.port), CONNECT_TIMEOUT_S)
        except OSError as error:
            raise FarSide(f"{where} could not be reached: {error.strerror or 'no answer'}.") from error
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        parts = urlsplit(source.url)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(("rtsp", f"{user}127.0.0.1:{port}", parts.path, parts.query, ""))
        self._thread = threading.Thread(target=self._carry, name="rtsp door", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for end in (self._listener, self._far):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _carry(self) -> None:
        assert self._listener is not None and self._far is not None
        try:
            self._listener.settimeout(CONNECT_TIMEOUT_S)
            near, _ = self._listener.accept()
        except OSError:
            return
        far, watch = self._far, RedirectWatch()
        far.settimeout(IDLE_TIMEOUT_S)
        near.settimeout(IDLE_TIMEOUT_S)
        try:
            while not self._closing.is_set():
                ready, _, _ = select.select([near, far], [], [], IDLE_TIMEOUT_S)
                if not ready:
                    return
                for end in ready:
                    data = end.recv(_READ_BYTES)
                    if not data:
                        return
                    if end is far and not watch.allows(data):
                        self.failure = f"{self._source.host} redirects to another address, which is not followed."
                        return
                    (near if end is far else far).sendall(data)
        except (OSError, ValueError):  # ValueError: the block is left, and the sockets are closed
            return
        finally:
            near.close()
            with contextlib.suppress(OSError):
                far.close()

"""The server's side of RTMP's handshake (RTMP 1.0, 5.2), the plain form without digests.

C0 (1 byte, version 3) and C1 (1536 bytes) come in, S0 + S1 + S2 go out, C2 (1536 bytes) comes in and is not checked:
encoders disagree about its content, and it proves nothing. The digest form ("complex handshake") matters only to
Flash players that want H.264 back; every encoder falls back to the plain one when S1's version field is zero.
"""

from __future__ import annotations

import os

from skyriver.services.live.stations.rtmp.errors import MalformedRtmp

VERSION = 3
PACKET_BYTES = 1536


class ServerHandshake:
    """Bytes in; `reply` once C0 and C1 are here; `done` after C2. Holds at most 3073 bytes."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._replied = False
        self.done = False

    def feed(self, data: bytes | bytearray | memoryview) -> tuple[bytes, int]:
        """Take bytes; returns (what to send, how many of `data` were used). Raises MalformedRtmp."""
        want = (1 + 2 * PACKET_BYTES) - len(self._received)
        used = min(want, len(data))
        self._received += data[:used]
        if self._received and self._received[0] != VERSION:
            raise MalformedRtmp(_not_rtmp(bytes(self._received[:8])))
        self.done = len(self._received) == 1 + 2 * PACKET_BYTES
        if self._replied or len(self._received) < 1 + PACKET_BYTES:
            return b"", used
        self._replied = True
        c1 = bytes(self._received[1 : 1 + PACKET_BYTES])
        s1 = bytes(8) + os.urandom(PACKET_BYTES - 8)
        return bytes((VERSION,)) + s1 + c1, used


def _not_rtmp(start: bytes) -> str:
    if start[0] == 0x16:
        return "This is TLS. This port takes plain RTMP: write rtmp:// instead of rtmps://."
    if start[:1].isalpha():
        return "This looks like HTTP or another text protocol. This port takes RTMP only."
    if start[0] in (6, 8, 9):
        return "This is encrypted RTMP (RTMPE), which is obsolete and not taken here. Use plain RTMP."
    return f"This is not RTMP: it starts with byte 0x{start[0]:02x} instead of 0x03."

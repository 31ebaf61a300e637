"""Addresses as the system's socket calls take them: libsrt wants them in the same form."""

from __future__ import annotations

import socket
import struct
import sys


def to_sockaddr(host: str, port: int) -> bytes:
    """A sockaddr of this system."""
    kind, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    head = struct.pack("BB", 28 if kind == socket.AF_INET6 else 16, kind) if _BSD else struct.pack("=H", kind)
    packed = socket.inet_pton(kind, str(target[0]))
    if kind == socket.AF_INET6:
        return head + struct.pack("!HI", port, 0) + packed + struct.pack("=I", target[3] if len(target) > 3 else 0)
    return head + struct.pack("!H", port) + packed + bytes(8)


def from_sockaddr(raw: bytes) -> tuple[str, int]:
    """Host and port of a sockaddr."""
    kind = raw[1] if _BSD else struct.unpack_from("=H", raw)[0]
    port = struct.unpack_from("!H", raw, 2)[0]
    if kind == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port
    return socket.inet_ntop(socket.AF_INET, raw[4:8]), port


_BSD = sys.platform == "darwin"  # its sockaddr begins with its own length

"""libsrt through ctypes: the few calls that a listener needs, and an error that says what to install without it.

libsrt is a system library, in C++ behind a C interface that has been stable since 1.4 (Haivision, `srt.h`). Nothing on
PyPI brings a binary of it, so that SRT is the one protocol of a station that may be missing on a machine.

Calls may come from any thread; ctypes lets go of the GIL in each of them. libsrt keeps its last error by thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from skyriver.kernel.errors import WorldBroke

_NAMES = (
    *("libsrt-gnutls.so.1.5", "libsrt-openssl.so.1.5", "libsrt.so.1.5", "libsrt.so.1"),
    *("libsrt.dylib", "/opt/homebrew/lib/libsrt.dylib", "/usr/local/lib/libsrt.dylib"),
)
OLDEST = (1, 4, 2)  # reject codes of one's own and options set within the listen callback
INSTALL = "Debian, Ubuntu: apt install libsrt1.5-gnutls. Fedora, RHEL: dnf install srt-libs. macOS: brew install srt."

_ERROR = -1
_RCVSYN, _PASSPHRASE, _RCVLATENCY, _STREAMID, _TRANSTYPE = 2, 26, 43, 46, 50
_LIVE = 0
_LOG_CRITICAL = 2  # LOG_CRIT of syslog: what strangers send must not fill the log
_WOULD_BLOCK = 6002  # SRT_EASYNCRCV
READABLE, BROKEN = 1, 8  # SRT_EPOLL_IN, SRT_EPOLL_ERR
_MESSAGE_BYTES = 1456  # SRT_LIVE_MAX_PLSIZE: what fits into one datagram
_STREAM_ID_BYTES = 512
_STATISTICS_BYTES = 2048  # the struct has 496 bytes in 1.5, and later versions add to its end


class SrtMissing(WorldBroke):
    """libsrt is not on this machine, or too old."""

    code = "srt_missing"


class SrtFailed(WorldBroke):
    """A call of libsrt failed."""

    code = "srt_failed"


class _EpollEvent(ctypes.Structure):
    _fields_ = (("socket", ctypes.c_int32), ("events", ctypes.c_int))


_Hook = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
)  # srt_listen_callback_fn


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """What libsrt counted on one connection since it began, and measures now."""

    received_packets: int
    lost_packets: int
    """Missed at first; most of them came again in time."""
    retransmitted_packets: int
    dropped_packets: int
    """Never came in time: these are holes in the stream."""
    rtt_ms: float
    bandwidth_bps: int
    """The link's capacity as libsrt estimates it."""
    latency_ms: int
    """The time in which a lost packet may still come again, as agreed with the caller."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Somebody who wants to connect, within the listen callback."""

    stream_id: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer to an offer: come in, encrypted with `passphrase` if there is one, or be gone with a reject `code`."""

    code: int = 0
    passphrase: str = ""


class Library:
    """libsrt, started. One for the process: `load()`."""

    def __init__(self, handle: ctypes.CDLL) -> None:
        self._c = handle
        number = handle.srt_getversion()
        self.version = (number >> 16, number >> 8 & 255, number & 255)
        if self.version < OLDEST:
            raise SrtMissing(
                f"libsrt here is {'.'.join(map(str, self.version))}, and {'.'.join(map(str, OLDEST))} is needed.",
                hint=INSTALL,
            )
        handle.srt_getlasterror_str.restype = ctypes.c_char_p
        handle.srt_epoll_uwait.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
        handle.srt_recvmsg.argtypes = (ctypes.c_int32, ctypes.c_void_p, ctypes.c_int)
        handle.srt_listen_callback.argtypes = (ctypes.c_int32, _Hook, ctypes.c_void_p)
        handle.srt_startup()
        handle.srt_setloglevel(_LOG_CRITICAL)

    def listen(
        self, host: str, port: int, *, backlog: int, latency_ms: int, judge: Callable[[Offer], Entry]
    ) -> tuple[int, int, object]:
        """Open a listening socket.

        Args:
            judge: called for each caller on a thread of libsrt, before the handshake ends. It must be quick.

        Returns:
            (socket, bound port, what the caller must keep as long as the socket is open).

        Raises:
            SrtFailed: the address cannot be had; code `port_taken` if another program has it.
        """
        listener = self._c.srt_create_socket()
        try:
            self._set(listener, _TRANSTYPE, _LIVE)
            self._set(listener, _RCVSYN, 0)
            self._set(listener, _RCVLATENCY, latency_ms)
            address = _address(host, port)
            if self._c.srt_bind(listener, address, len(address)) == _ERROR:
                raise self._cannot_listen(host, port)
            hook = self._hook(judge)
            self._c.srt_listen_callback(listener, hook, None)
            if self._c.srt_listen(listener, backlog) == _ERROR:
                raise self._cannot_listen(host, port)
        except SrtFailed:
            self.close(listener)
            raise
        return listener, self._name(self._c.srt_getsockname, listener)[1], hook

    def accept(self, listener: int) -> tuple[int, str, bytes] | None:
        """The next caller: (socket, address, stream id); None when there is none left."""
        storage, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
        accepted: int = self._c.srt_accept(listener, storage, ctypes.byref(size))
        if accepted == _ERROR:
            return None
        host, port = _parse(storage.raw)
        text, length = ctypes.create_string_buffer(_STREAM_ID_BYTES + 1), ctypes.c_int(_STREAM_ID_BYTES)
        self._c.srt_getsockflag(accepted, _STREAMID, text, ctypes.byref(length))
        return accepted, f"{host}:{port}", text.raw[: max(0, length.value)]

    def receive(self, connection: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
        """One message into `buffer`: its size, 0 when there is none now, -1 when the connection is gone."""
        size: int = self._c.srt_recvmsg(connection, buffer, _MESSAGE_BYTES)
        if size != _ERROR:
            return size
        return 0 if self._c.srt_getlasterror(None) == _WOULD_BLOCK else -1

    @staticmethod
    def new_buffer() -> ctypes.Array[ctypes.c_char]:
        """Room for one message."""
        return ctypes.create_string_buffer(_MESSAGE_BYTES)

    def close(self, connection: int) -> None:
        """Close a socket; the peer is told."""
        self._c.srt_close(connection)

    def epoll(self) -> int:
        """A new set of sockets to wait for, which may be empty."""
        created: int = self._c.srt_epoll_create()
        self._c.srt_epoll_set(created, 1)  # SRT_EPOLL_ENABLE_EMPTY
        return created

    def watch(self, epoll: int, connection: int, events: int) -> None:
        """Add a socket to a set, or change what is waited for."""
        flags = ctypes.c_int(events)
        if self._c.srt_epoll_update_usock(epoll, connection, ctypes.byref(flags)) == _ERROR:
            self._c.srt_epoll_add_usock(epoll, connection, ctypes.byref(flags))

    def unwatch(self, epoll: int, connection: int) -> None:
        """Take a socket out of a set."""
        self._c.srt_epoll_remove_usock(epoll, connection)

    def wait(self, epoll: int, timeout_ms: int, most: int = 64) -> list[tuple[int, int]]:
        """(socket, events) of those that are ready; empty after the time-out."""
        ready = (_EpollEvent * most)()
        count: int = self._c.srt_epoll_uwait(epoll, ctypes.byref(ready), most, timeout_ms)
        return [(ready[i].socket, ready[i].events) for i in range(min(max(count, 0), most))]

    def release(self, epoll: int) -> None:
        """Free a set."""
        self._c.srt_epoll_release(epoll)

    def statistics(self, connection: int) -> LinkStatistics | None:
        """What is measured on a connection; None when it is gone."""
        raw = ctypes.create_string_buffer(_STATISTICS_BYTES)
        if self._c.srt_bistats(connection, raw, 0, 1) == _ERROR:
            return None
        at = _Statistics.from_buffer(raw)
        return LinkStatistics(
            received_packets=at.pktRecvTotal,
            lost_packets=at.pktRcvLossTotal,
            retransmitted_packets=at.pktRcvRetrans,
            dropped_packets=at.pktRcvDropTotal,
            rtt_ms=round(at.msRTT, 1),
            bandwidth_bps=round(at.mbpsBandwidth * 1e6),
            latency_ms=at.msRcvTsbPdDelay,
        )

    def _hook(self, judge: Callable[[Offer], Entry]) -> object:
        def hook(_opaque: int, new: int, _version: int, _peer: int, stream_id: bytes | None) -> int:
            try:
                entry = judge(Offer(stream_id or b""))
                if not entry.code and entry.passphrase:
                    secret = entry.passphrase.encode()
                    if self._c.srt_setsockflag(new, _PASSPHRASE, secret, len(secret)) == _ERROR:
                        entry = Entry(INTERNAL_ERROR)
            except Exception:  # ctypes would swallow it and let the caller in
                entry = Entry(INTERNAL_ERROR)
            if entry.code:
                self._c.srt_setrejectreason(new, entry.code)
                return -1
            return 0

        return _Hook(hook)

    def _set(self, connection: int, option: int, value: int) -> None:
        number = ctypes.c_int(value)
        if self._c.srt_setsockflag(connection, option, ctypes.byref(number), ctypes.sizeof(number)) == _ERROR:
            raise SrtFailed(f"libsrt refused option {option} = {value}: {self._why()}.")

    def _name(self, call: Callable[..., int], connection: int) -> tuple[str, int]:
        storage, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
        call(connection, storage, ctypes.byref(size))
        return _parse(storage.raw)

    def _cannot_listen(self, host: str, port: int) -> SrtFailed:
        why = self._why()
        taken = _is_taken(host, port)
        return SrtFailed(
            f"Could not listen for SRT publishers on UDP {host}:{port}: {'it is taken' if taken else why}.",
            hint="Stop what has this port, or choose another SRT port.",
            code="port_taken" if taken else None,
        )

    def _why(self) -> str:
        return (self._c.srt_getlasterror_str() or b"").decode(errors="replace").strip().rstrip(".")


# Reject codes (srt/access_control.h): they travel to the caller, whose tool shows the number.
BAD_REQUEST, UNAUTHORIZED, OVERLOAD, BAD_MODE, CONFLICT, INTERNAL_ERROR, DOWN = 1400, 1401, 1402, 1405, 1409, 1500, 1503


@cache
def load() -> Library:
    """libsrt, loaded and started once.

    Raises:
        SrtMissing: it is not on this machine; the hint says what to install.
    """
    found = ctypes.util.find_library("srt")
    for name in (*_NAMES, *((found,) if found else ())):
        try:
            return Library(ctypes.CDLL(name))
        except OSError:
            continue
    raise SrtMissing("SRT needs the system library libsrt, which is not on this machine.", hint=INSTALL)


def _is_taken(host: str, port: int) -> bool:
    """Whether another socket has this port: libsrt says no more than that something was wrong."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def _address(host: str, port: int) -> bytes:
    """A sockaddr of this system."""
    kind, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    head = struct.pack("BB", 28 if kind == socket.AF_INET6 else 16, kind) if _BSD else struct.pack("=H", kind)
    packed = socket.inet_pton(kind, str(target[0]))
    if kind == socket.AF_INET6:
        return head + struct.pack("!HI", port, 0) + packed + struct.pack("=I", target[3] if len(target) > 3 else 0)
    return head + struct.pack("!H", port) + packed + bytes(8)


def _parse(raw: bytes) -> tuple[str, int]:
    """Host and port of a sockaddr."""
    kind = raw[1] if _BSD else struct.unpack_from("=H", raw)[0]
    port = struct.unpack_from("!H", raw, 2)[0]
    if kind == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port
    return socket.inet_ntop(socket.AF_INET, raw[4:8]), port


_BSD = sys.platform == "darwin"  # its sockaddr begins with its own length


def _fields(kind: type, *names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, kind) for name in names)


class _Statistics(ctypes.Structure):
    """The head of CBytePerfMon (srt.h), down to the last field that is read here."""

    _fields_ = (
        *_fields(ctypes.c_int64, "msTimeStamp", "pktSentTotal", "pktRecvTotal"),
        *_fields(ctypes.c_int, "pktSndLossTotal", "pktRcvLossTotal", "pktRetransTotal", "pktSentACKTotal"),
        *_fields(ctypes.c_int, "pktRecvACKTotal", "pktSentNAKTotal", "pktRecvNAKTotal"),
        *_fields(ctypes.c_int64, "usSndDurationTotal"),
        *_fields(ctypes.c_int, "pktSndDropTotal", "pktRcvDropTotal", "pktRcvUndecryptTotal"),
        *_fields(ctypes.c_uint64, "byteSentTotal", "byteRecvTotal", "byteRcvLossTotal", "byteRetransTotal"),
        *_fields(ctypes.c_uint64, "byteSndDropTotal", "byteRcvDropTotal", "byteRcvUndecryptTotal"),
        *_fields(ctypes.c_int64, "pktSent", "pktRecv"),
        *_fields(ctypes.c_int, "pktSndLoss", "pktRcvLoss", "pktRetrans", "pktRcvRetrans", "pktSentACK"),
        *_fields(ctypes.c_int, "pktRecvACK", "pktSentNAK", "pktRecvNAK"),
        *_fields(ctypes.c_double, "mbpsSendRate", "mbpsRecvRate"),
        *_fields(ctypes.c_int64, "usSndDuration"),
        *_fields(ctypes.c_int, "pktReorderDistance"),
        *_fields(ctypes.c_double, "pktRcvAvgBelatedTime"),
        *_fields(ctypes.c_int64, "pktRcvBelated"),
        *_fields(ctypes.c_int, "pktSndDrop", "pktRcvDrop", "pktRcvUndecrypt"),
        *_fields(ctypes.c_uint64, "byteSent", "byteRecv", "byteRcvLoss", "byteRetrans"),
        *_fields(ctypes.c_uint64, "byteSndDrop", "byteRcvDrop", "byteRcvUndecrypt"),
        *_fields(ctypes.c_double, "usPktSndPeriod"),
        *_fields(ctypes.c_int, "pktFlowWindow", "pktCongestionWindow", "pktFlightSize"),
        *_fields(ctypes.c_double, "msRTT", "mbpsBandwidth"),
        *_fields(ctypes.c_int, "byteAvailSndBuf", "byteAvailRcvBuf"),
        *_fields(ctypes.c_double, "mbpsMaxBW"),
        *_fields(ctypes.c_int, "byteMSS", "pktSndBuf", "byteSndBuf", "msSndBuf", "msSndTsbPdDelay"),
        *_fields(ctypes.c_int, "pktRcvBuf", "byteRcvBuf", "msRcvBuf", "msRcvTsbPdDelay"),
    )

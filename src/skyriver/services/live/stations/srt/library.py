"""libsrt through ctypes: the few calls that a listener and a caller need, and an error that says what to install.

libsrt is a system library, in C++ behind a C interface that has been stable since 1.4 (Haivision, `srt.h`). Nothing on
PyPI brings a binary of it, so that SRT is the one protocol of a station that may be missing on a machine.

Calls may come from any thread; ctypes lets go of the GIL in each of them. libsrt keeps its last error by thread.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.stations.srt.sockaddr import from_sockaddr, to_sockaddr
from skyriver.services.live.stations.srt.statistics import LinkStatistics, PerfMon

_NAMES = (
    *("libsrt-gnutls.so.1.5", "libsrt-openssl.so.1.5", "libsrt.so.1.5", "libsrt.so.1"),
    *("libsrt.dylib", "/opt/homebrew/lib/libsrt.dylib", "/usr/local/lib/libsrt.dylib"),
)
OLDEST = (1, 4, 2)  # reject codes of one's own and options set within the listen callback
INSTALL = "Debian, Ubuntu: apt install libsrt1.5-gnutls. Fedora, RHEL: dnf install srt-libs. macOS: brew install srt."

_ERROR = -1
_SNDSYN, _RCVSYN, _LATENCY, _PASSPHRASE, _PBKEYLEN, _CONNTIMEO = 1, 2, 23, 26, 27, 36
_RCVLATENCY, _STREAMID, _TRANSTYPE = 43, 46, 50
_LIVE = 0
_LOG_CRITICAL = 2  # LOG_CRIT of syslog: what strangers send must not fill the log
_NOTHING_TO_READ, _NO_ROOM = 6002, 6001  # SRT_EASYNCRCV, SRT_EASYNCSND
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
class Offer:
    """Somebody who wants to connect, within the listen callback."""

    stream_id: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer to an offer: come in, encrypted with `passphrase` if there is one, or be gone with a reject `code`."""

    code: int = 0
    passphrase: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """How a listener is called. Option numbers and their meanings: libsrt's API-socket-options."""

    stream_id: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    key_bytes: int = 0
    """Of AES: 16, 24 or 32; 0: as the listener has it."""
    latency_ms: int = 120
    timeout_ms: int = 5000


class SrtRejected(WorldBroke):
    """A listener did not let us in, or nobody answered. `reason` is an SRT_REJECT_REASON, or from 1000 on its own."""

    code = "srt_rejected"

    def __init__(self, reason: int) -> None:
        super().__init__(f"The SRT connection was refused with reason {reason}.")
        self.reason = reason


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
            address = to_sockaddr(host, port)
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
        host, port = from_sockaddr(storage.raw)
        text, length = ctypes.create_string_buffer(_STREAM_ID_BYTES + 1), ctypes.c_int(_STREAM_ID_BYTES)
        self._c.srt_getsockflag(accepted, _STREAMID, text, ctypes.byref(length))
        return accepted, f"{host}:{port}", text.raw[: max(0, length.value)]

    def call(self, address: str, port: int, how: Call) -> int:
        """Connect to a listener; blocks until it answers or the time is over.

        Args:
            address: an IP address; a name would be resolved anew, to who knows what.

        Returns:
            A socket that does not block.

        Raises:
            SrtRejected: nobody answered, or the answer was no.
            SrtFailed: libsrt does not take the call.
        """
        connection: int = self._c.srt_create_socket()
        try:
            for option, value in ((_TRANSTYPE, _LIVE), (_LATENCY, how.latency_ms), (_CONNTIMEO, how.timeout_ms)):
                self._set(connection, option, value)
            if how.stream_id:
                self._set_text(connection, _STREAMID, how.stream_id)
            if how.passphrase:
                if how.key_bytes:
                    self._set(connection, _PBKEYLEN, how.key_bytes)
                self._set_text(connection, _PASSPHRASE, how.passphrase)
            target = to_sockaddr(address, port)
            if self._c.srt_connect(connection, target, len(target)) == _ERROR:
                raise SrtRejected(self._c.srt_getrejectreason(connection))
            for option in (_RCVSYN, _SNDSYN):
                self._set(connection, option, 0)
        except (SrtFailed, SrtRejected):
            self.close(connection)
            raise
        return connection

    def send(self, connection: int, message: bytes) -> int:
        """Send one message: its size, 0 when there is no room for it now, -1 when the connection is gone."""
        size: int = self._c.srt_sendmsg(connection, message, len(message), -1, 1)
        if size != _ERROR:
            return size
        return 0 if self._c.srt_getlasterror(None) == _NO_ROOM else -1

    def receive(self, connection: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
        """One message into `buffer`: its size, 0 when there is none now, -1 when the connection is gone."""
        size: int = self._c.srt_recvmsg(connection, buffer, _MESSAGE_BYTES)
        if size != _ERROR:
            return size
        return 0 if self._c.srt_getlasterror(None) == _NOTHING_TO_READ else -1

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
        at = PerfMon.from_buffer(raw)
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

    def _set_text(self, connection: int, option: int, text: str) -> None:
        data = text.encode()
        if self._c.srt_setsockflag(connection, option, data, len(data)) == _ERROR:
            raise SrtFailed(f"libsrt refused option {option}: {self._why()}.")  # the text may be a secret

    def _name(self, call: Callable[..., int], connection: int) -> tuple[str, int]:
        storage, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
        call(connection, storage, ctypes.byref(size))
        return from_sockaddr(storage.raw)

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

"""One UDP port for every WebRTC peer of a process: an ICE-lite agent (RFC 8445, section 2.5).

A lite agent has a public address, so it waits to be found: it answers connectivity checks and sends none. A check is
for the peer whose user name fragment it names, and counts only with that peer's password. Whatever comes from an
address with a good check belongs to its peer (RFC 7983 tells DTLS from RTP); the newest address that the other side has
nominated is where we send to, so that a client that changes networks goes on.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.webrtc import stun
from skyriver.services.live.webrtc.errors import BadPacket

MAX_ADDRESSES = 16  # of one peer: an address family or network each; a check from one more replaces the oldest
BUFFER_BYTES = 2 << 20  # bursts of keyframes of several peers between two turns of the event loop
Address = tuple[str, int]


def _fragment() -> str:
    return secrets.token_hex(8)


def _password() -> str:
    return secrets.token_hex(16)


@dataclass(eq=False)
class Peer:
    """One client of the port. The callbacks must not block.

    `on_datagram` gets DTLS and (S)RTP, `on_check` every good connectivity check.
    """

    on_datagram: Callable[[bytes], None]
    on_check: Callable[[], None] = lambda: None
    fragment: str = field(default_factory=_fragment)
    password: str = field(default_factory=_password, repr=False)
    address: Address | None = None
    known: dict[Address, None] = field(default_factory=dict)


class UdpPort(asyncio.DatagramProtocol):
    """Open it, then `join` peers."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._transport: asyncio.DatagramTransport | None = None
        self._by_fragment: dict[str, Peer] = {}
        self._by_address: dict[Address, Peer] = {}
        self.strange = 0
        """Datagrams from nobody that is known here."""

    @property
    def port(self) -> int:
        """The bound port."""
        if self._transport is None:
            raise RuntimeError("UdpPort.open() has not been called")
        return cast(int, self._transport.get_extra_info("sockname")[1])

    @property
    def host(self) -> str:
        """The bound address, for a candidate."""
        if self._transport is None:
            raise RuntimeError("UdpPort.open() has not been called")
        return cast(str, self._transport.get_extra_info("sockname")[0])

    async def open(self) -> None:
        """Take the port.

        Raises:
            WorldBroke: another program has it (code `port_taken`), or this machine has no such address.
        """
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, self._port))
        except OSError as error:
            raise WorldBroke(
                f"Could not listen for WebRTC on UDP {self._host}:{self._port}: {error.strerror or error}.",
                hint="Stop the other program, or choose another port.",
                code="port_taken",
            ) from error
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def join(self, peer: Peer) -> None:
        """Listen to checks for `peer` from now on."""
        self._by_fragment[peer.fragment] = peer

    def leave(self, peer: Peer) -> None:
        """Forget it. Repeating it does nothing."""
        if self._by_fragment.get(peer.fragment) is peer:
            del self._by_fragment[peer.fragment]
        for address in peer.known:
            if self._by_address.get(address) is peer:
                del self._by_address[address]
        peer.known.clear()

    def send(self, peer: Peer, datagram: bytes) -> None:
        """To where the peer was heard of last; nowhere, before it was heard."""
        if peer.address is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, peer.address)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if not data:
            return
        address: Address = (addr[0], addr[1])
        if data[0] < 4:
            self._check(data, address)
            return
        peer = self._by_address.get(address)
        if peer is None:
            self.strange += 1
        else:
            peer.on_datagram(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP message about one of the peers: its silence will end it."""

    def _check(self, data: bytes, address: Address) -> None:
        try:
            request = stun.parse_request(data)
        except BadPacket:
            self.strange += 1
            return
        peer = self._by_fragment.get(request.local_fragment) if request is not None else None
        if request is None or peer is None or not request.is_signed_with(peer.password):
            self.strange += 1
            return
        if address not in peer.known:
            while len(peer.known) >= MAX_ADDRESSES:
                oldest = next(iter(peer.known))
                del peer.known[oldest]
                self._by_address.pop(oldest, None)
            peer.known[address] = None
        self._by_address[address] = peer
        if peer.address is None or request.use_candidate:
            peer.address = address
        assert self._transport is not None
        self._transport.sendto(stun.success(request, address, peer.password), address)
        peer.on_check()

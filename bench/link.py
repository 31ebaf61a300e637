"""An impaired link between two network namespaces, for comparing protocols over one and the same bad line.

    sudo python bench/link.py --rtt 40 --loss 2 --rate 8
    # prints `ready`; commands on stdin: `rate 0.7`, `loss 0`, `rtt 80`, `address 10.77.0.9`

A TUN device in each namespace (`skA` 10.77.0.1, `skB` 10.77.0.2); this process forwards every packet between them
with delay, random loss, a rate limit and a tail-drop queue, so that UDP and TCP cross the same line. `address` makes
it a router that gives `skB` another address from one packet to the next, as a phone gets one with another network. It
is for kernels without netem, needs root and Linux, and ends with its stdin; then it tells the packets seen and dropped.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

MTU_BYTES = 1400
BURST_PACKETS = 64  # read at once from one side, before what is due is written
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_CLONE_NEWNET = 0x40000000
NEAR, FAR = "10.77.0.1", "10.77.0.2"
SOURCE, DESTINATION = slice(12, 16), slice(16, 20)  # RFC 791, section 3.1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Conditions:
    """What the line does to each packet, in each direction."""

    rtt_ms: float
    loss_percent: float
    rate_mbps: float
    queue_bytes: int
    address: bytes = b""  # what the far side is seen as; its own when empty

    def follow(self, command: str) -> None:
        """`rate MBPS`, `loss PERCENT`, `rtt MS` or `address IPV4`: from now on."""
        name, _, value = command.partition(" ")
        if name == "address":
            self.address = socket.inet_aton(value)
            return
        attribute = {"rate": "rate_mbps", "loss": "loss_percent", "rtt": "rtt_ms"}.get(name)
        if attribute is not None:
            setattr(self, attribute, float(value))


@dataclass
class Side:
    """One end of the line."""

    namespace: str
    fd: int
    free_at_s: float = 0.0
    seen: int = 0
    dropped: int = 0


@dataclass
class Line:
    """Forwards packets between two sides until `stopped`."""

    sides: tuple[Side, Side]
    conditions: Conditions
    chance: random.Random
    stopped: threading.Event = field(default_factory=threading.Event)
    _pending: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _order: int = 0

    def forward(self) -> None:
        poll = select.poll()
        for side in self.sides:
            os.set_blocking(side.fd, False)
            poll.register(side.fd, select.POLLIN)
        by_fd = {side.fd: side for side in self.sides}
        others = {self.sides[0].fd: self.sides[1].fd, self.sides[1].fd: self.sides[0].fd}
        while not self.stopped.is_set():
            wait_ms = (self._pending[0][0] - time.monotonic()) * 1000 if self._pending else 100.0
            for fd, _ in poll.poll(max(0.0, min(wait_ms, 100.0))):
                for _ in range(BURST_PACKETS):
                    try:
                        packet = os.read(fd, 2048)
                    except BlockingIOError:
                        break
                    self._take(by_fd[fd], others[fd], packet)
            self._give()

    def _take(self, side: Side, to_fd: int, packet: bytes) -> None:
        now_s, conditions = time.monotonic(), self.conditions
        if conditions.address and side is self.sides[1]:
            packet = readdressed(packet, SOURCE, conditions.address)
        elif conditions.address and packet[DESTINATION] == conditions.address:
            packet = readdressed(packet, DESTINATION, socket.inet_aton(FAR))
        side.seen += 1
        due_s = now_s
        if self.chance.random() * 100 < conditions.loss_percent:
            side.dropped += 1
            return
        if conditions.rate_mbps:
            due_s = max(now_s, side.free_at_s)
            if (due_s - now_s) * conditions.rate_mbps * 1e6 / 8 > conditions.queue_bytes:
                side.dropped += 1
                return
            due_s += len(packet) * 8 / (conditions.rate_mbps * 1e6)
            side.free_at_s = due_s
        self._order += 1
        heapq.heappush(self._pending, (due_s + conditions.rtt_ms / 2000, self._order, to_fd, packet))

    def _give(self) -> None:
        now_s = time.monotonic()
        while self._pending and self._pending[0][0] <= now_s:
            _, _, fd, packet = heapq.heappop(self._pending)
            with suppress(BlockingIOError):  # the far side does not read: a full queue, as on any line
                os.write(fd, packet)


def readdressed(packet: bytes, field_: slice, address: bytes) -> bytes:
    """An IPv4 packet of TCP or UDP with another source or destination; checksums by difference (RFC 1624)."""
    changed = bytearray(packet)
    before, changed[field_] = packet[field_], address
    transport = (packet[0] & 0xF) * 4
    where = {6: 16, 17: 6}.get(packet[9])
    for at in (10, *((transport + where,) if where is not None else ())):
        (checksum,) = struct.unpack_from("!H", packet, at)
        if at != 10 and packet[9] == 17 and checksum == 0:
            continue  # UDP without one
        total = (~checksum & 0xFFFF) + sum(~word & 0xFFFF for word in struct.unpack("!2H", before))
        total += sum(struct.unpack("!2H", address))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into("!H", changed, at, ~total & 0xFFFF)
    return bytes(changed)


def open_tun(namespace: str, address: str, peer: str) -> int:
    """A TUN device inside a fresh namespace; its file descriptor is usable from out here."""
    subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    opened: list[int] = []

    def inside() -> None:  # setns moves one thread only
        with open(f"/var/run/netns/{namespace}", "rb") as handle:
            if _libc.setns(handle.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", b"sky0", _IFF_TUN_NO_PI))
        opened.append(fd)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if not opened:
        raise SystemExit(f"A TUN device in the namespace {namespace} could not be made: this needs root and Linux.")
    for command in (
        f"ip addr add {address} peer {peer} dev sky0",
        f"ip link set sky0 mtu {MTU_BYTES} txqueuelen 2000 up",
        "ip route add 10.77.0.0/24 dev sky0",
        "ip link set lo up",
    ):
        subprocess.run(["ip", "netns", "exec", namespace, *command.split()], check=True)
    return opened[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", type=float, default=40, help="ms, both ways together")
    parser.add_argument("--loss", type=float, default=0, help="percent, each way")
    parser.add_argument("--rate", type=float, default=0, help="Mbit/s each way, 0 for no limit")
    parser.add_argument("--queue", type=int, default=300_000, help="bytes held before the tail is dropped")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    conditions = Conditions(chosen.rtt, chosen.loss, chosen.rate, chosen.queue)
    sides = (
        Side("skA", open_tun("skA", NEAR, FAR)),
        Side("skB", open_tun("skB", FAR, NEAR)),
    )
    line = Line(sides, conditions, random.Random(chosen.seed))
    forwarding = threading.Thread(target=line.forward)
    forwarding.start()
    print("ready", flush=True)
    try:
        for command in sys.stdin:
            conditions.follow(command.strip())
    finally:
        line.stopped.set()
        forwarding.join()
        print(json.dumps({side.namespace: {"seen": side.seen, "dropped": side.dropped} for side in sides}), flush=True)
        for side in sides:
            subprocess.run(["ip", "netns", "del", side.namespace], stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()

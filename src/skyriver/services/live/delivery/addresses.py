"""What one network address may take of an edge: connections at a time, and requests a second.

Generous, because a school or an office comes from one address, and a player of low-latency HLS asks twenty times a
second: the limits keep one address from taking all of an edge, not from being busy. A CDN or proxy in front of an edge
is one address, too: its operator lifts them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from skyriver.services.live.allowance import network_of

REMEMBERED_MAX = 20_000
"""Addresses without a connection whose requests are still counted: to connect anew is no way around the limit."""
BURST_S = 2.0


@dataclass(frozen=True)
class AddressLimits:
    """Of one IPv4 address, or one IPv6 /64; 0: none."""

    connections: int = 2048
    requests_per_s: int = 4000


class Caller:
    """One address, while it is connected or has used up some of what it may ask."""

    __slots__ = ("_at_s", "_burst", "_per_s", "_tokens", "connections")

    def __init__(self, per_s: int, now_s: float) -> None:
        self.connections = 0
        self._per_s = per_s
        self._burst = self._tokens = per_s * BURST_S
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """One request; whether it may be answered."""
        if not self._per_s:
            return True
        self._refill(now_s)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def is_idle(self, now_s: float) -> bool:
        """Whether nothing needs to be remembered of it."""
        self._refill(now_s)
        return not self.connections and self._tokens >= self._burst

    def _refill(self, now_s: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s


class Addresses:
    """All that are known to one server."""

    def __init__(self, limits: AddressLimits) -> None:
        self._limits = limits
        self._callers: OrderedDict[str, Caller] = OrderedDict()

    def __len__(self) -> int:
        return len(self._callers)

    def enter(self, address: str, now_s: float) -> Caller | None:
        """A new connection; None: it has as many as it may have. `leave` when it has ended."""
        network = network_of(address)
        caller = self._callers.get(network)
        if caller is None:
            caller = self._callers[network] = Caller(self._limits.requests_per_s, now_s)
        if self._limits.connections and caller.connections >= self._limits.connections:
            return None
        caller.connections += 1
        self._callers.move_to_end(network)
        return caller

    def forget(self, now_s: float) -> None:
        """Drop what needs not be remembered: looked at now and then."""
        gone = [network for network, caller in self._callers.items() if caller.is_idle(now_s)]
        for network in gone:
            del self._callers[network]
        away = [network for network, caller in self._callers.items() if not caller.connections]
        for network in away[: max(0, len(away) - REMEMBERED_MAX)]:
            del self._callers[network]

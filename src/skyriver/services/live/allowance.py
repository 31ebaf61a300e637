"""How often one address may ask for something without saying who it is: token buckets in bounded memory.

Per API process, and forgotten with it: the limit protects this process, and a ticket costs us one signature.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.kernel.errors import TooMany
from skyriver.services.live.errors import WatchedTooOften


@dataclass
class _Bucket:
    tokens: float
    at_s: float


class Allowance:
    """Token buckets by network address.

    Args:
        burst: how many in a row. A classroom or an office behind one address arrives at once.
        per_s: how many a second after that.
        refusal: makes the error of who has used it up, from the seconds to wait.
        addresses_max: how many addresses are remembered; the one unseen for longest is forgotten, i.e. forgiven.
        now: the monotonic clock.
    """

    def __init__(
        self,
        *,
        burst: int = 120,
        per_s: float = 4.0,
        addresses_max: int = 20_000,
        refusal: Callable[[float], TooMany] = WatchedTooOften,
        now: Monotonic = monotonic_s,
    ) -> None:
        self._burst = burst
        self._per_s = per_s
        self._addresses_max = addresses_max
        self._refusal = refusal
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str) -> None:
        """Take one of the allowance of `address`.

        Raises:
            TooMany: it is used up; the error (by default `WatchedTooOften`) says when there is one again.
        """
        now_s, network = self._now(), network_of(address)
        bucket = self._buckets.pop(network, None) or _Bucket(self._burst, now_s)
        bucket.tokens = min(self._burst, bucket.tokens + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        self._buckets[network] = bucket
        if len(self._buckets) > self._addresses_max:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            raise self._refusal((1 - bucket.tokens) / self._per_s)
        bucket.tokens -= 1


def network_of(address: str) -> str:
    """The address itself, or for IPv6 its /64: that is what one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)

"""Token buckets by address."""

from __future__ import annotations

import pytest

from skyriver.services.live.allowance import Allowance
from skyriver.services.live.errors import WatchedTooOften


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_then_a_rate_and_the_error_says_when() -> None:
    clock = Clock()
    allowance = Allowance(burst=3, per_s=0.5, now=clock)
    for _ in range(3):
        allowance.take("192.0.2.1")
    with pytest.raises(WatchedTooOften) as caught:
        allowance.take("192.0.2.1")
    assert caught.value.retry_after_s == pytest.approx(2)
    allowance.take("192.0.2.2")
    clock.now_s += 2
    allowance.take("192.0.2.1")
    with pytest.raises(WatchedTooOften):
        allowance.take("192.0.2.1")


def test_an_ipv6_subscriber_is_its_network() -> None:
    allowance = Allowance(burst=1, per_s=0.1, now=Clock())
    allowance.take("2001:db8::1")
    with pytest.raises(WatchedTooOften):
        allowance.take("2001:db8::ffff:2")
    allowance.take("2001:db8:0:1::1")


def test_memory_is_bounded() -> None:
    allowance = Allowance(burst=1, per_s=0.1, addresses_max=10, now=Clock())
    for number in range(100):
        allowance.take(f"192.0.2.{number}")
    allowance.take("not an address")
    assert len(allowance) == 10

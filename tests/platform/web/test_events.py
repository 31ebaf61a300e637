"""The event hub: everybody sees the own tenant's events only, and a slow reader is let go, not waited for."""

from __future__ import annotations

import asyncio

import pytest

from skyriver.kernel.errors import TooMany
from skyriver.platform.identity import Principal
from skyriver.platform.web.events import MAX_SUBSCRIBERS, QUEUE_EVENTS, EventHub, sse_lines

RED = Principal("user", "us_1", "ten_red", "viewer")
BLUE = Principal("user", "us_2", "ten_blue", "viewer")
OPERATOR = Principal("user", "us_3", "ten_op", "viewer", is_operator=True)


async def read_all(hub: EventHub, principal: Principal, publish: object) -> list[bytes]:
    """What `principal` reads of what `publish()` sends, until the hub closes."""
    subscription = hub.subscribe(principal)
    lines = sse_lines(hub, subscription)
    first = await anext(lines)
    assert first.startswith(b": connected")
    publish()  # type: ignore[operator]
    seen = [await anext(lines) for _ in range(subscription.waiting)]
    hub.close()
    return seen + [line async for line in lines]


async def test_a_tenant_sees_its_own_events_and_the_operator_the_clouds() -> None:
    def publish(hub: EventHub) -> None:
        hub.publish("channel", {"of": "red"}, tenant_id="ten_red")
        hub.publish("channel", {"of": "blue"}, tenant_id="ten_blue")
        hub.publish("overview", {"of": "cloud"})

    for principal, expected in ((RED, b"red"), (BLUE, b"blue"), (OPERATOR, b"cloud")):
        hub = EventHub()
        seen = await read_all(hub, principal, lambda hub=hub: publish(hub))
        assert len(seen) == 1 and expected in seen[0]


async def test_an_event_has_the_form_browsers_read() -> None:
    hub = EventHub()
    seen = await read_all(hub, RED, lambda: hub.publish("channel", {"id": "ch_1", "n": 1}, tenant_id="ten_red"))
    assert seen == [b'event: channel\ndata: {"id":"ch_1","n":1}\n\n']


async def test_a_slow_reader_is_told_and_let_go_while_others_read_on() -> None:
    hub = EventHub()
    slow, quick = hub.subscribe(RED), hub.subscribe(RED)
    slow_lines, quick_lines = sse_lines(hub, slow), sse_lines(hub, quick)
    await anext(slow_lines)
    await anext(quick_lines)
    for number in range(QUEUE_EVENTS + 1):
        hub.publish("channel", {"n": number}, tenant_id="ten_red")
        assert await anext(quick_lines)
    rest = [line async for line in slow_lines]
    assert rest[-1].startswith(b"event: overflow")
    assert len(hub) == 1
    hub.close()
    assert [line async for line in quick_lines] == []
    assert len(hub) == 0


async def test_a_silent_stream_says_that_it_lives_and_ends_after_its_time() -> None:
    hub = EventHub()
    clock = iter([0.0, 1.0, 2.0, 3.0, 11.0])
    lines = sse_lines(hub, hub.subscribe(RED), keep_alive_s=0.001, stream_s=10, monotonic=lambda: next(clock))
    seen = [line async for line in lines]
    assert seen[1:] == [b": alive\n\n"] * 3
    assert len(hub) == 0


async def test_closing_wakes_a_waiting_reader() -> None:
    hub = EventHub()
    lines = sse_lines(hub, hub.subscribe(RED))
    await anext(lines)

    async def read() -> list[bytes]:
        return [line async for line in lines]

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        await asyncio.sleep(0)
        hub.close()
    assert reading.result() == []


def test_readers_are_counted() -> None:
    hub = EventHub()
    for _ in range(MAX_SUBSCRIBERS):
        hub.subscribe(RED)
    with pytest.raises(TooMany):
        hub.subscribe(RED)

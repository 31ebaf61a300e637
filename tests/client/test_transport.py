"""What the client does when the other side is slow, wrong or gone."""

from __future__ import annotations

import socket

import pytest

from skyriver.client import Client, Cloud, CloudNotReachable
from skyriver.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReady,
    SkyriverError,
    TooMany,
    WorldBroke,
)

from .conftest import HANG_UP, Script, answer

CHANNEL = {"id": "ch_1", "tenant_id": "tn_1", "name": "Demo", "slug": "demo", "state": "live", "from_the_future": 1}


def problem(status: int, **fields: object) -> bytes:
    return answer(status, {"title": "No", "status": status, **fields}, kind="application/problem+json")


async def test_a_read_is_repeated_until_the_server_is_well_again(script: Script) -> None:
    script.answers = [problem(503), HANG_UP, answer(200, CHANNEL)]
    async with Client(script.cloud) as sky:
        assert (await sky.channel("demo")).slug == "demo"
    assert [asked.line for asked in script.asked] == ["GET /v1/channels/demo"] * 3
    assert script.asked[0].headers["authorization"] == "Bearer sky_key_test"


async def test_a_create_is_repeated_with_the_same_idempotency_key(script: Script) -> None:
    script.answers = [HANG_UP, answer(201, {"channel": CHANNEL, "stream_key": "sky_pub_x"})]
    async with Client(script.cloud) as sky:
        assert (await sky.create_channel("Demo")).stream_key == "sky_pub_x"
    first, second = (asked.headers["idempotency-key"] for asked in script.asked)
    assert first == second
    assert script.asked[0].body == b'{"name":"Demo"}'  # what was not given is not sent


async def test_a_kill_is_never_repeated(script: Script) -> None:
    script.answers = [HANG_UP]
    async with Client(script.cloud) as sky:
        with pytest.raises(CloudNotReachable):
            await sky.drill("demo", "edge")
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (422, InvalidInput),
        (500, WorldBroke),
    ],
)
async def test_a_refusal_is_told_once_with_its_hint(script: Script, status: int, kind: type[SkyriverError]) -> None:
    script.answers = [
        problem(status, detail="It cannot be.", hint="Do otherwise.", type="https://x/problems/some_code")
    ]
    async with Client(script.cloud) as sky:
        with pytest.raises(kind) as caught:
            await sky.channel("demo")
    assert (caught.value.message, caught.value.hint, caught.value.code) == (
        "It cannot be.",
        "Do otherwise.",
        "some_code",
    )
    assert len(script.asked) == 1


async def test_wrong_fields_are_named_in_the_hint(script: Script) -> None:
    script.answers = [problem(422, detail="Two are wrong.", errors=[{"field": "body.name", "message": "too long"}])]
    async with Client(script.cloud) as sky:
        with pytest.raises(InvalidInput) as caught:
            await sky.create_channel("x" * 1000)
    assert caught.value.hint == "body.name: too long"


async def test_a_long_wait_is_the_callers_decision(script: Script) -> None:
    script.answers = [answer(429, {"detail": "Slowly."}, kind="application/problem+json", retry_after="60")]
    async with Client(script.cloud) as sky:
        with pytest.raises(TooMany) as caught:
            await sky.channel("demo")
    assert caught.value.retry_after_s == 60


async def test_a_server_that_stays_ill_is_told_in_the_end(script: Script) -> None:
    script.answers = [problem(503, detail="Starting.")] * 4
    async with Client(script.cloud) as sky:
        with pytest.raises(NotReady, match="Starting"):
            await sky.channel("demo")
    assert script.answers == []


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nothing else can answer there either
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Client(Cloud(url)) as sky:
            with pytest.raises(CloudNotReachable) as caught:
                await sky.health()
    assert url in caught.value.message
    assert "skyriver up" in caught.value.hint


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b'{"slug": "demo"}'])
async def test_what_is_not_our_api_is_recognised(script: Script, body: bytes) -> None:
    script.answers = [answer(200, body)]
    async with Client(script.cloud) as sky:
        with pytest.raises(WorldBroke):
            await sky.channel("demo")


async def test_a_proxys_error_page_is_quoted(script: Script) -> None:
    script.answers = [answer(403, b"<h1>Corporate proxy</h1>", kind="text/html")]
    async with Client(script.cloud) as sky:
        with pytest.raises(NotAllowed, match="Corporate proxy"):
            await sky.channel("demo")


async def test_names_cannot_leave_their_place_in_the_path(script: Script) -> None:
    script.answers = [answer(200, CHANNEL)]
    async with Client(script.cloud) as sky:
        await sky.channel("../users?x=1")
    assert script.asked[0].line == "GET /v1/channels/..%2Fusers%3Fx%3D1"


async def test_pages_follow_the_cursor(script: Script) -> None:
    script.answers = [
        answer(200, {"items": [CHANNEL], "next_cursor": "c1"}),
        answer(200, {"items": [CHANNEL | {"slug": "second"}], "next_cursor": None}),
    ]
    async with Client(script.cloud) as sky:
        assert [channel.slug async for channel in sky.channels()] == ["demo", "second"]
    assert script.asked[1].line == "GET /v1/channels?limit=100&cursor=c1"


async def test_events_are_read_as_they_come(script: Script) -> None:
    body = b': hello\n\nevent: channel\ndata: {"id":\ndata: "ch_1"}\n\nid: 7\ndata: 1\n\nevent: cut\ndata: {}'
    script.answers = [answer(200, body, kind="text/event-stream")]
    async with Client(script.cloud) as sky:
        seen = [event async for event in sky.events()]
    assert [(event.name, event.data, event.id) for event in seen] == [
        ("channel", {"id": "ch_1"}, None),
        ("message", 1, "7"),
    ]


async def test_events_refused(script: Script) -> None:
    script.answers = [problem(401, detail="Who are you?")]
    async with Client(script.cloud) as sky:
        with pytest.raises(NotAuthenticated, match="Who are you"):
            await anext(sky.events())

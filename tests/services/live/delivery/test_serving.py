"""The server on a real socket: what players ask for, in the order and at the pace that players and attackers have."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import re
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from skyriver.fabric import SLOT_US, AudioTrack, Catalog, MediaFrame, VideoTrack, certificates
from skyriver.fabric.grants import Denial, Verifier
from skyriver.kernel.clock import utc_now
from skyriver.services.live.delivery import server
from skyriver.services.live.delivery.addresses import Addresses, AddressLimits
from skyriver.services.live.delivery.connection import HEAD_S, IDLE_S, STALL_S
from skyriver.services.live.delivery.feed import ENDED_AFTER_S
from skyriver.services.live.delivery.http import MAX_HEAD_BYTES
from skyriver.services.live.delivery.routes import BLOCK_S
from skyriver.services.live.delivery.server import DeliveryServer, Metrics, tls_context
from skyriver.services.live.delivery.sessions import IDLE_S as SESSION_IDLE_S
from skyriver.services.live.media.units import Unit
from tests.fabric.rig import JWKS, viewer_grant
from tests.services.live.cmaf.tracks import frames
from tests.services.live.delivery.edge import (
    SLOT,
    add,
    answer,
    feed_of,
    push,
    request,
    running_edge,
    sound_units,
    video_units,
)


def newest_units(slots: float = 8.3) -> list[Unit]:
    """What comes after `feed_of(slots)`."""
    return video_units(int(slots) + 3)[round(slots * 60) :]


async def test_everything_that_a_playlist_names_can_be_had() -> None:
    async with running_edge() as edge:
        variants = await edge.get(f"{edge.base}/index.m3u8")
        assert variants.fields["content-type"] == "application/vnd.apple.mpegurl"
        for track in ("180p", "aac"):
            playlist = await edge.get(f"{edge.base}/{track}/index.m3u8")
            lines = playlist.body.decode().splitlines()
            uris = [line for line in lines if not line.startswith("#")]
            uris += [
                line.split('URI="')[1].split('"')[0]
                for line in lines
                if line.startswith(("#EXT-X-MAP", "#EXT-X-PART:"))
            ]
            assert len(uris) > 30
            for uri in uris:
                found = await edge.get(f"{edge.base}/{track}/{uri}")
                assert found.status == 200, uri
                assert found.fields["content-type"] == ("audio/mp4" if track == "aac" else "video/mp4")
        manifest = await edge.get(f"{edge.base}/manifest.mpd")
        starts_us = re.findall(r'<S t="(\d+)"', manifest.body.decode())
        assert len(starts_us) == 16
        for start_us in starts_us[:8]:
            named_by_time = await edge.get(f"{edge.base}/180p/t{start_us}.m4s")
            named_by_slot = await edge.get(f"{edge.base}/180p/{int(start_us) // SLOT_US}.m4s")
            assert named_by_time.body == named_by_slot.body


def test_a_track_that_is_offered_no_more_ends_when_it_brings_nothing() -> None:
    feed = feed_of()
    small, sound = feed.tracks["180p"], feed.tracks["aac"]
    small.offered, small.heard_at_s = False, 100.0
    feed.expire(100.0 + ENDED_AFTER_S)
    assert set(feed.tracks) == {"180p", "aac"}
    feed.expire(100.1 + ENDED_AFTER_S)
    assert set(feed.tracks) == {"aac"}
    assert small.ring.ended and not sound.ring.ended


async def test_a_segment_is_its_parts() -> None:
    async with running_edge() as edge:
        segment = await edge.get(f"{edge.base}/180p/{SLOT}.m4s")
        parts = [await edge.get(f"{edge.base}/180p/{SLOT}.{index}.m4s") for index in range(10)]
        assert segment.body == b"".join(part.body for part in parts)
        piece = await edge.get(f"{edge.base}/180p/{SLOT}.m4s", "Range: bytes=100-4099")
        assert (piece.status, piece.body) == (206, segment.body[100:4100])
        again = await edge.get(f"{edge.base}/180p/{SLOT}.m4s", f"If-None-Match: {segment.fields['etag']}")
        assert again.status == 304
        head = await edge.get(f"{edge.base}/180p/{SLOT}.m4s", method="HEAD")
        assert (head.fields["content-length"], head.body) == (str(len(segment.body)), b"")


async def test_browsers_of_other_sites_may_play() -> None:
    async with running_edge() as edge:
        asked = await edge.get(f"{edge.base}/index.m3u8", "Origin: https://example.com", method="OPTIONS")
        assert (asked.status, asked.fields["access-control-allow-origin"]) == (204, "*")
        assert "Range" in asked.fields["access-control-allow-headers"]


async def test_requests_in_a_row_are_answered_in_their_order() -> None:
    async with running_edge() as edge:
        reader, writer = await edge.connect()
        paths = [f"{edge.base}/180p/{SLOT + n % 8}.{n % 10}.m4s" for n in range(60)]
        writer.write(b"".join(request(path) for path in paths))
        answers = [await answer(reader) for _ in paths]
        assert [found.status for found in answers] == [200] * 60
        assert [found.fields["etag"] for found in answers] == [f'"{SLOT + n % 8}.{n % 10}"' for n in range(60)]
        writer.write(request(paths[0], "Connection: close"))
        assert (await answer(reader)).fields["connection"] == "close"
        assert await reader.read() == b""


async def test_a_blocked_playlist_comes_with_its_part() -> None:
    async with running_edge() as edge:
        ring = edge.feed.tracks["180p"].ring
        sequence, part = ring.segments[-1].sequence, len(ring.segments[-1].parts)
        waiting = [
            asyncio.ensure_future(edge.get(f"{edge.base}/180p/index.m3u8?_HLS_msn={sequence}&_HLS_part={part}{skip}"))
            for skip in ("", "&_HLS_skip=YES", "&unknown=1")
        ]
        hinted = asyncio.ensure_future(edge.get(f"{edge.base}/180p/{ring.segments[-1].number}.{part}.m4s"))
        done, _ = await asyncio.wait((*waiting, hinted), timeout=0.05)
        assert not done
        for frame in frames(newest_units())[:8]:
            push(edge.feed, "180p", frame)
        for found in await asyncio.gather(*waiting):
            assert f"{ring.segments[-1].number}.{part}.m4s".encode() in found.body
        assert (await hinted).status == 200
        skipped = (await waiting[1]).body
        assert b"#EXT-X-SKIP" in skipped
        assert b"#EXT-X-SKIP" not in (await waiting[0]).body


async def test_a_part_beyond_a_segments_end_is_the_next_ones_first() -> None:
    async with running_edge() as edge:
        ring = edge.feed.tracks["180p"].ring
        sequence = ring.segments[-1].sequence
        asked = asyncio.ensure_future(edge.get(f"{edge.base}/180p/index.m3u8?_HLS_msn={sequence}&_HLS_part=99"))
        for frame in frames(newest_units())[:60]:
            push(edge.feed, "180p", frame)
        assert f"{sequence + 1}.0.m4s".encode() in (await asked).body


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("_HLS_part=1", 400),
        ("_HLS_msn=x", 400),
        ("_HLS_msn=-1", 400),
        (f"_HLS_msn={SLOT + 100}", 400),
        ("_HLS_msn=1&_HLS_msn=2", 400),
        ("_HLS_skip=NO", 400),
        ("_HLS_msn=1", 200),
        ("x=y&&=", 200),
    ],
)
async def test_a_playlists_query_is_checked(query: str, status: int) -> None:
    async with running_edge() as edge:
        assert (await edge.get(f"{edge.base}/180p/index.m3u8?{query}")).status == status


async def test_what_never_comes_is_given_up_in_time() -> None:
    async with running_edge() as edge:
        ring = edge.feed.tracks["180p"].ring
        asked = asyncio.ensure_future(edge.get(f"{edge.base}/180p/index.m3u8?_HLS_msn={ring.segments[-1].sequence}"))
        part = asyncio.ensure_future(edge.get(f"{edge.base}/180p/{SLOT + 9}.0.m4s"))
        await until(lambda: edge.waiting == 2)
        edge.feed.expire(edge.now_s + BLOCK_S + 1)
        assert (await asked).status == 503
        assert (await part).status == 404
        assert edge.waiting == 0


async def test_who_leaves_while_waiting_is_forgotten() -> None:
    async with running_edge() as edge:
        ring = edge.feed.tracks["180p"].ring
        _, writer = await edge.connect()
        writer.write(request(f"{edge.base}/180p/index.m3u8?_HLS_msn={ring.segments[-1].sequence}"))
        await until(lambda: edge.waiting == 1)
        writer.close()
        await until(lambda: edge.waiting == 0)
        assert not edge.connections


async def test_a_session_waits_for_a_bounded_number_of_things() -> None:
    async with running_edge() as edge:
        path = f"{edge.base}/180p/index.m3u8?_HLS_msn={edge.feed.tracks['180p'].ring.segments[-1].sequence}"
        tasks = [asyncio.ensure_future(edge.get(path)) for _ in range(40)]
        await until(lambda: sum(task.done() for task in tasks) == 8)
        assert {task.result().status for task in tasks if task.done()} == {503}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: "nonsense", 401),
        (lambda: viewer_grant(lifetime=timedelta(seconds=-60)), 401),
        (lambda: viewer_grant("live/ch_2"), 403),
        (lambda: viewer_grant(get=("other",)), 403),
        (lambda: viewer_grant() + "x", 401),
    ],
    ids=["nonsense", "expired", "of another channel", "of another part", "forged"],
)
async def test_without_a_good_grant_there_is_nothing(make: Callable[[], str], status: int) -> None:
    grant = make()  # now: what is made when tests are collected has expired when this one runs
    async with running_edge() as edge:
        refused = await edge.get(f"/hls/{grant}/ch_1/index.m3u8")
        assert refused.status == status
        assert grant.encode() not in refused.body
        assert len(edge.sessions) == 0


async def test_a_revoked_grant_opens_nothing_any_more() -> None:
    async with running_edge() as edge:
        assert (await edge.get(f"{edge.base}/index.m3u8")).status == 200
        session = next(iter(edge.sessions))
        edge.sessions.deny(Denial(f"jti {session.grant.jti}", utc_now() + timedelta(hours=1)))
        assert (await edge.get(f"{edge.base}/index.m3u8")).status == 401
        (fact,) = edge.usage
        assert fact.final
        assert fact.source.startswith("hls/")


async def test_links_of_a_channel_end_when_they_are_revoked_and_new_ones_work() -> None:
    async with running_edge() as edge:
        assert (await edge.get(f"{edge.base}/index.m3u8")).status == 200
        unused, now = viewer_grant(lifetime=timedelta(hours=12)), utc_now()
        edge.sessions.deny(Denial("root live/ch_1", now + timedelta(hours=24), int(now.timestamp() * 1_000_000)))
        for base in (edge.base, f"/hls/{unused}/ch_1"):
            assert (await edge.get(f"{base}/index.m3u8")).status == 401
        assert [fact.final for fact in edge.usage] == [True]
        assert (await edge.get(f"/hls/{viewer_grant()}/ch_1/index.m3u8")).status == 200


async def test_usage_is_every_byte_that_was_sent() -> None:
    async with running_edge() as edge:
        found = [await edge.get(f"{edge.base}/180p/{SLOT + n}.m4s") for n in range(4)]
        edge.sessions.report()
        session = next(iter(edge.sessions))
        edge.sessions.expire(session.seen_at_s + SESSION_IDLE_S)
        first, last = edge.usage
        assert (first.seq, first.final, last.seq, last.final) == (0, False, 1, True)
        body_bytes = sum(len(one.body) for one in found)
        assert body_bytes < first.bytes_sent + last.bytes_sent < body_bytes + 4 * 1024
        assert first.space == "live/ch_1"


async def test_a_viewer_that_never_reads_is_dropped_and_others_are_served() -> None:
    feed = feed_of(1.0)
    add(feed, "noise", noise_units())
    async with running_edge(feed) as edge:
        reader, writer = await edge.connect()
        path = f"{edge.base}/noise/{SLOT}.m4s"
        for _ in range(64):
            writer.write(request(path))
        await until(lambda: any(connection._paused for connection in edge.connections))
        (stuck,) = edge.connections
        for _ in range(20):
            assert (await edge.get(path)).status == 200
        assert not stuck.tick(edge.now_s + STALL_S / 2)
        assert stuck.tick(edge.now_s + STALL_S * 2)
        await until(lambda: stuck not in edge.connections)
        del reader, writer


async def test_a_head_that_comes_byte_by_byte_has_its_time() -> None:
    async with running_edge() as edge:
        reader, writer = await edge.connect()
        writer.write(b"GET / HT")
        await until(lambda: any(connection._buffer for connection in edge.connections))
        (slow,) = edge.connections
        assert not slow.tick(edge.now_s + HEAD_S - 1)
        assert slow.tick(edge.now_s + HEAD_S)
        assert await reader.read() == b""


async def test_an_idle_connection_is_closed_later() -> None:
    async with running_edge() as edge:
        reader, writer = await edge.connect()
        writer.write(request("/health"))
        assert (await answer(reader)).body == b"ok\n"
        (idle,) = edge.connections
        assert not idle.tick(edge.now_s + IDLE_S - 1)
        assert idle.tick(edge.now_s + IDLE_S)
        assert await reader.read() == b""


async def test_a_head_without_an_end_is_refused() -> None:
    async with running_edge() as edge:
        reader, writer = await edge.connect()
        writer.write(b"GET /" + b"a" * (MAX_HEAD_BYTES + 10))
        assert (await answer(reader)).status == 431
        assert await reader.read() == b""


async def test_no_path_or_query_breaks_the_server() -> None:
    chaos = random.Random(6)
    async with running_edge() as edge:
        words = ["hls", edge.grant, "ch_1", "180p", "aac", "index.m3u8", "manifest.mpd", f"{SLOT}.m4s", f"{SLOT}.0.m4s"]
        words += [
            "..",
            "",
            "%2e%2e",
            "init-.mp4",
            f"{SLOT}.-1.m4s",
            f"{SLOT}.9999.m4s",
            "9" * 30 + ".m4s",
            "\u0661.m4s",
        ]
        queries = [
            "",
            "?_HLS_msn=0",
            "?_HLS_msn=99999999999999999999",
            "?_HLS_skip=YES&_HLS_part=",
            "?=&&==",
            "?_HLS_msn=%30",
        ]
        reader, writer = await edge.connect()
        for _ in range(600):
            path = "/" + "/".join(chaos.choice(words) for _ in range(chaos.randint(1, 7))) + chaos.choice(queries)
            if chaos.random() < 0.6:
                path = f"{edge.base}/180p/" + chaos.choice(words[5:]) + chaos.choice(queries)
            writer.write(request(path.encode("ascii", "ignore").decode()))
            found = await answer(reader)
            assert found.status in (200, 304, 400, 401, 403, 404)
            assert found.status == 200 or edge.grant.encode() not in found.body


async def test_noise_on_a_connection_harms_nobody() -> None:
    chaos = random.Random(7)
    async with running_edge() as edge:
        for _ in range(60):
            _, writer = await edge.connect()
            writer.write(chaos.randbytes(chaos.randint(1, 20_000)))
            writer.close()
        assert (await edge.get(f"{edge.base}/index.m3u8")).status == 200


async def until(predicate: Callable[[], bool]) -> None:
    """Let the loop go round until something is true of the server."""
    async with asyncio.timeout(10):
        while True:
            if predicate():
                return
            await asyncio.sleep(0)


def noise_units() -> list[Unit]:
    """Segments too large for a socket's buffers: each picture brings a message (SEI) of noise."""
    chaos = random.Random(8)
    units = []
    for unit in video_units(2):
        noise = b"\0\0\0\1\x06" + chaos.randbytes(60_000).replace(b"\0", b"\1") + b"\x80"
        units.append(Unit(unit.payload + noise, unit.pts_us, unit.keyframe))
    return units


async def test_whoever_fails_the_tls_handshake_takes_no_place(tmp_path: Path) -> None:
    said: asyncio.Queue[Metrics] = asyncio.Queue()
    server = DeliveryServer(Verifier(JWKS), (), lambda: "", on_metrics=said.put_nowait)
    port = await server.listen("127.0.0.1", 0, tls_context(certificates.issue(tmp_path, ("127.0.0.1",))))
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/health"))  # in the clear
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
    _, writer = await asyncio.open_connection("127.0.0.1", await server.listen("127.0.0.1", 0))
    running = asyncio.create_task(server.run())
    assert (await said.get()).connections == 1
    writer.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_track_that_is_gone_is_not_kept() -> None:
    async with running_edge() as edge:
        assert (await edge.get(f"{edge.base}/180p/index.m3u8")).status == 200
        ring = weakref.ref(edge.feed.tracks.pop("180p").ring)
        gc.collect()
        assert ring() is None


class Relays:
    """Have what `units` says, all of it, for whoever asks for the past."""

    def __init__(self, units: list[Unit]) -> None:
        self.units = units

    async def frames(self, track: str, *, back_us: int = 0) -> AsyncIterator[MediaFrame]:
        since_us = self.units[-1].pts_us - max(back_us, SLOT_US)
        for frame in frames([unit for unit in self.units if unit.pts_us >= since_us]):
            yield frame


async def test_sound_that_is_described_anew_does_not_begin_in_the_past() -> None:
    feed = feed_of(8.3)
    before = feed.tracks["aac"]
    assert isinstance(before.description, AudioTrack) and before.ring.newest is not None
    numbers = [segment.number for segment in before.ring.segments]
    feed._subscriber = Relays(sound_units(10))  # type: ignore[assignment]
    mono = replace(before.description, channels=1)
    assert isinstance(feed.tracks["180p"].description, VideoTrack)
    async with asyncio.TaskGroup() as tasks:
        feed._take(Catalog({"180p": feed.tracks["180p"].description}, {"aac": mono}), tasks)
    after = [segment.number for segment in feed.tracks["aac"].ring.segments]
    assert len(after) > len(numbers) and after == sorted(set(after))


@contextlib.asynccontextmanager
async def a_server(limits: AddressLimits) -> AsyncIterator[int]:
    """The whole server, without channels; its port."""
    delivery = DeliveryServer(Verifier(JWKS), (), lambda: "", limits=limits)
    port = await delivery.listen("127.0.0.1", 0)
    running = asyncio.create_task(delivery.run())
    try:
        yield port
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def health(port: int, host: str = "127.0.0.1") -> tuple[int, asyncio.StreamWriter]:
    """What a connection from the address `host` is answered, and the open connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
    writer.write(request("/health"))
    return (await answer(reader)).status, writer


async def test_one_address_does_not_take_all_connections() -> None:
    async with a_server(AddressLimits(connections=3)) as port:
        held = [await health(port) for _ in range(3)]
        refused, turned_away = await health(port)
        other, elsewhere = await health(port, "127.0.0.2")
        assert ([status for status, _ in held], refused, other) == ([200] * 3, 429, 200)
        for writer in (held[0][1], turned_away, elsewhere):
            writer.close()
            await writer.wait_closed()
        again, writer = await health(port)
        assert again == 200
        for _, open_writer in held:
            open_writer.close()
        writer.close()


async def test_an_address_that_is_refused_does_not_fill_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(server, "TURNED_AWAY_MAX", 3)
    async with a_server(AddressLimits(connections=2)) as port:
        held = [await health(port) for _ in range(2)]
        silent = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.1", 0)) for _ in range(8)]
        status, writer = await health(port, "127.0.0.2")
        assert status == 200
        for reader, _ in silent[3:]:
            assert await reader.read() == b"", "more than a few are not even told"
        reader, told = silent[0]
        told.write(request("/health"))
        assert (await answer(reader)).status == 429
        assert await reader.read() == b"", "it cannot stay and ask again"
        for open_writer in (writer, *(w for _, w in held), *(w for _, w in silent)):
            open_writer.close()


async def test_one_address_does_not_take_all_time() -> None:
    async with a_server(AddressLimits(requests_per_s=1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/health") * 60)
        statuses = [(await answer(reader)).status for _ in range(60)]
        writer.close()
        other, writer = await health(port, "127.0.0.2")
        writer.close()
    assert statuses[:2] == [200, 200] and 429 in statuses[2:] and other == 200


def test_addresses_are_forgotten_when_they_have_been_quiet() -> None:
    addresses = Addresses(AddressLimits(connections=10, requests_per_s=10))
    one = addresses.enter("2001:db8::1", 0.0)
    other = addresses.enter("2001:db8::2", 0.0)
    assert one is not None and one is other and one.connections == 2, "a subscriber's /64 is one"
    assert [one.take(0.0) for _ in range(21)] == [True] * 20 + [False]
    one.connections = 0
    addresses.forget(0.5)
    assert addresses.enter("2001:db8::3", 0.5) is one, "to connect anew is no way around the limit"
    assert [one.take(0.5) for _ in range(6)] == [True] * 5 + [False]
    one.connections = 0
    addresses.forget(4.0)
    assert len(addresses) == 0
    unlimited = Addresses(AddressLimits(0, 0)).enter("10.0.0.1", 0.0)
    assert unlimited is not None and all(unlimited.take(0.0) for _ in range(10_000))

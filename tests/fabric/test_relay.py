"""Real relays on the loopback: who gets in, what they may do, what is metered, what survives."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from skyriver.fabric import Endpoint, MediaFrame, Publisher, Subscriber, VideoTrack, certificates, moq
from skyriver.fabric.admission import REFUSED_FULL, Limits
from skyriver.fabric.grants import Denial
from skyriver.fabric.viewer import Ticket, Viewer
from skyriver.kernel.errors import WorldBroke
from tests.fabric.rig import (
    SPACE,
    BlackHole,
    Reports,
    publisher_grant,
    running,
    running_relay,
    service_grant,
    start_relay,
    viewer_grant,
)

G = 900_000_000
PICTURE = VideoTrack("avc3.42c01e", 640, 360)


async def close_reason(endpoint: Endpoint, space: str, grant: str) -> BaseException | None:
    """Dial and wait for the end of the session; why it ended."""
    async with moq.connect(endpoint, space, grant, publish=moq.new_origin(), subscribe=moq.new_origin()) as session:
        try:
            async with asyncio.timeout(10):
                await session.closed()
        except moq.Error as error:
            assert isinstance(error, BaseException)
            return error
    return None


async def next_frame(subscriber: Subscriber, track: str = "video") -> MediaFrame:
    """The next frame a new reader gets."""
    async with asyncio.timeout(10):
        async for frame in subscriber.frames(track):
            return frame
    raise AssertionError("frames() ends only when it is cancelled")


@pytest.mark.parametrize(
    ("space", "grant"),
    [
        (SPACE, ""),
        (SPACE, "eyJhbGciOiJub25lIn0.eyJyb290IjoibGl2ZS9jaF8xIn0."),
        (SPACE, viewer_grant(lifetime=timedelta(seconds=-60))),
        ("live/ch_2", viewer_grant()),
    ],
    ids=["none", "forged", "expired", "foreign space"],
)
async def test_a_bad_grant_is_rejected_and_the_relay_goes_on(tmp_path: Path, space: str, grant: str) -> None:
    async with running_relay(tmp_path) as origin:
        reason = await close_reason(origin.endpoint, space, grant)
        assert reason is not None and moq.is_auth(reason)
        assert origin.relay.rejected == 1
        async with moq.connect(
            origin.endpoint, SPACE, viewer_grant(), publish=moq.new_origin(), subscribe=moq.new_origin()
        ):
            await origin.reports.until(lambda r: bool(r.metrics) and r.metrics[-1].sessions == 1)


async def test_frames_reach_a_viewer_at_an_edge_and_both_ends_are_metered(tmp_path: Path) -> None:
    async with running_relay(tmp_path / "o") as origin, running_relay(tmp_path / "e", (origin.endpoint,)) as edge:
        publisher = Publisher((origin.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        viewer = Subscriber((edge.endpoint,), SPACE, viewer_grant, "live")
        async with running(publisher.run(), viewer.run()):
            video.write(b"key", 1_000_000, keyframe=True, group=G)
            assert await next_frame(viewer) == MediaFrame(b"key", 1_000_000, True, G)
            await edge.reports.until(lambda r: sum(u.bytes_sent for u in r.usage) > 0)
        await edge.reports.until(lambda r: any(u.final for u in r.usage))
    facts = edge.reports.usage
    assert len({(f.source, f.seq) for f in facts}) == len(facts)
    assert all(f.space == SPACE and f.bytes_sent >= 0 and f.to_at >= f.from_at for f in facts)


async def test_a_viewer_cannot_publish_and_a_publisher_cannot_take_anothers_path(tmp_path: Path) -> None:
    """Fabric trap 1: on a shared origin, whoever announces a path more cheaply has it."""
    async with running_relay(tmp_path) as origin:
        teacher = Publisher((origin.endpoint,), SPACE, service_grant)
        camera = teacher.broadcast("teacher/cam")
        video = camera.video("video", PICTURE)
        camera.announce(cost=9)
        student_side = moq.new_origin()
        stolen = student_side.create_broadcast("teacher/cam")
        stolen.announce(moq.Route(cost=0))
        watcher = Subscriber((origin.endpoint,), SPACE, viewer_grant, "teacher/cam")
        async with running(teacher.run(), watcher.run()):
            await teacher.connected()
            video.write(b"teacher", 1, keyframe=True, group=G)
            assert (await next_frame(watcher)).payload == b"teacher"
            grant = publisher_grant(("student/7",))
            async with moq.connect(
                origin.endpoint, SPACE, grant, publish=student_side, subscribe=moq.new_origin()
            ) as session:
                with pytest.raises(moq.Error):
                    async with asyncio.timeout(10):
                        await session.closed()
            video.write(b"still the teacher", 2, keyframe=True, group=G + 1)
            async with asyncio.timeout(10):
                async for frame in watcher.frames("video"):
                    if frame.payload == b"still the teacher":
                        break
        assert set(origin.relay.spaces[SPACE].broadcasts) == {"teacher/cam"}


async def test_a_part_of_a_space_is_all_its_holder_sees(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as origin:
        publisher = Publisher((origin.endpoint,), SPACE, service_grant)
        broadcasts = [publisher.broadcast(path) for path in ("live", "src")]  # dropping the last handle would end one
        for path, broadcast in zip(("live", "src"), broadcasts, strict=True):
            broadcast.video("video", PICTURE).write(path.encode(), 1, keyframe=True, group=G)
            broadcast.announce()
        seen = moq.new_origin()
        grant = viewer_grant(get=("live",))
        async with (
            running(publisher.run()),
            moq.connect(origin.endpoint, SPACE, grant, publish=moq.new_origin(), subscribe=seen),
        ):
            async with asyncio.timeout(10):
                live = await seen.consume().announced_broadcast("live")
                track = await moq.subscribe_live(live, "video")
                group = await track.recv_group()
                assert group is not None
                assert await group.read_frame() is not None
            with pytest.raises(moq.Error):
                await seen.consume().request_broadcast("src")


async def test_a_grant_ends_its_session_when_it_expires_or_is_revoked(tmp_path: Path) -> None:
    """Fabric trap 3: the library would let the session live, and would let it come back."""
    async with running_relay(tmp_path) as origin:
        reason = await close_reason(origin.endpoint, SPACE, viewer_grant(lifetime=timedelta(seconds=1)))
        assert reason is not None
        await origin.reports.until(lambda r: r.metrics[-1].sessions == 0)
        grant = viewer_grant()
        closing = asyncio.ensure_future(close_reason(origin.endpoint, SPACE, grant))
        await origin.reports.until(lambda r: r.metrics[-1].sessions == 1)
        held = next(iter(origin.relay.sessions.values()))
        until = datetime.now(UTC) + timedelta(hours=1)
        origin.relay.deny(Denial(f"jti {held.grant.jti}", until))
        assert await closing is not None
        again = await close_reason(origin.endpoint, SPACE, grant)
        assert again is not None and moq.is_auth(again)


async def test_a_space_whose_grants_are_revoked_loses_its_viewers_and_takes_new_ones(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as origin:
        service = asyncio.ensure_future(close_reason(origin.endpoint, SPACE, service_grant()))
        viewers = [asyncio.ensure_future(close_reason(origin.endpoint, SPACE, viewer_grant())) for _ in range(2)]
        await origin.reports.until(lambda r: bool(r.metrics) and r.metrics[-1].sessions == 3)
        now = datetime.now(UTC)
        origin.relay.deny(Denial(f"root {SPACE}", now + timedelta(hours=1), int(now.timestamp() * 1_000_000)))
        assert all([await viewer is not None for viewer in viewers])
        fresh = asyncio.ensure_future(close_reason(origin.endpoint, SPACE, viewer_grant()))
        await origin.reports.until(lambda r: r.metrics[-1].sessions == 2)
        assert not service.done() and not fresh.done()
        for session in (service, fresh):
            session.cancel()


async def test_a_full_relay_refuses_and_the_viewer_takes_the_next_edge(tmp_path: Path) -> None:
    full = Limits(max_sessions=0)
    async with (
        running_relay(tmp_path / "o") as origin,
        running_relay(tmp_path / "f", (origin.endpoint,), limits=full) as crowded,
        running_relay(tmp_path / "e", (origin.endpoint,)) as edge,
    ):
        reason = await close_reason(crowded.endpoint, SPACE, viewer_grant())
        assert reason is not None and not moq.is_auth(reason), f"{REFUSED_FULL} is no matter of rights: {reason}"
        publisher = Publisher((origin.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        video.write(b"key", 1, keyframe=True, group=G)
        ticket = Ticket(SPACE, "live", viewer_grant(), (crowded.endpoint, edge.endpoint))
        got: asyncio.Queue[MediaFrame] = asyncio.Queue()

        async def same() -> Ticket:
            return ticket

        viewer = Viewer(ticket, same, on_frame=got.put_nowait)
        async with running(publisher.run(), viewer.run()), asyncio.timeout(15):
            assert (await got.get()).payload == b"key"
        assert viewer.viewing.edges[-1] == edge.endpoint.url


async def test_edges_refuse_publishers_and_a_drained_relay_refuses_everyone(tmp_path: Path) -> None:
    async with running_relay(tmp_path / "o") as origin, running_relay(tmp_path / "e", (origin.endpoint,)) as edge:
        reason = await close_reason(edge.endpoint, SPACE, publisher_grant(("cam",)))
        assert reason is not None and moq.is_auth(reason)
        edge.relay.draining = True
        assert await close_reason(edge.endpoint, SPACE, viewer_grant()) is not None


async def test_a_new_certificate_drops_no_viewer(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as origin:
        publisher = Publisher((origin.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        old = origin.endpoint
        before = Subscriber((old,), SPACE, viewer_grant, "live")
        async with running(publisher.run(), before.run()):
            video.write(b"one", 1, keyframe=True, group=G)
            frames = before.frames("video")
            assert (await anext(frames)).payload == b"one"
            origin.relay.rotate_certificate()
            await origin.reports.until(lambda r: len(r.endpoints) == 2)
            assert origin.endpoint.certificate_sha256 != old.certificate_sha256
            video.write(b"two", 2)
            async with asyncio.timeout(10):
                assert (await anext(frames)).payload == b"two"
            after = Subscriber((origin.endpoint,), SPACE, viewer_grant, "live")
            async with running(after.run()):
                assert (await next_frame(after)).group == G


async def test_the_operators_own_certificate_is_used_and_followed_when_its_files_change(tmp_path: Path) -> None:
    folder = tmp_path / "certificate"
    folder.mkdir()
    chain, key = folder / "chain.pem", folder / "key.pem"

    def put_certificate() -> str:
        made = certificates.issue(tmp_path / "authority", ("127.0.0.1",))
        chain.write_bytes(made.chain_path.read_bytes())
        key.write_bytes(made.key_path.read_bytes())
        return made.sha256

    first = put_certificate()
    own = certificates.load(chain, key, operator_owned=True)
    sides = {"publish": moq.new_origin(), "subscribe": moq.new_origin()}
    async with running_relay(tmp_path / "relay", operator_certificate=own) as relay:
        old = relay.endpoint
        assert old.certificate_sha256 == (), "authorities vouch for it, nobody pins it"
        async with moq.connect(Endpoint(old.url, (first,)), SPACE, viewer_grant(), **sides) as staying:
            closed = asyncio.ensure_future(staying.closed())
            second = put_certificate()
            relay.relay.rotate_certificate()
            await relay.reports.until(lambda r: len(r.endpoints) == 2)
            async with moq.connect(Endpoint(relay.endpoint.url, (second,)), SPACE, viewer_grant(), **sides):
                await relay.reports.until(lambda r: any(m.sessions == 2 for m in r.metrics))
            assert not closed.done()
            closed.cancel()


async def test_a_publisher_that_returns_continues_its_viewers_track(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as origin:
        watcher = Subscriber((origin.endpoint,), SPACE, viewer_grant, "live")
        frames = watcher.frames("video")
        async with running(watcher.run()):
            for life in range(3):
                publisher = Publisher((origin.endpoint,), SPACE, service_grant)
                broadcast = publisher.broadcast("live")
                video = broadcast.video("video", PICTURE)
                broadcast.announce()
                video.write(b"life %d" % life, 10 + life, keyframe=True, group=G)  # the same slot every time
                async with running(publisher.run()), asyncio.timeout(10):
                    frame = await anext(frames)
                    assert (frame.payload, frame.group) == (b"life %d" % life, G)


async def test_a_silently_dead_origin_is_left_within_the_same_subscription(tmp_path: Path) -> None:
    """Fabric trap 4: the library alone notices after 9 to 13 seconds."""
    async with running_relay(tmp_path / "1") as first, running_relay(tmp_path / "2") as second:
        publisher = Publisher((first.endpoint, second.endpoint), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        async with BlackHole(first.endpoint) as hole:
            watcher = Subscriber((hole.endpoint,), SPACE, viewer_grant, "live")
            frames = watcher.frames("video")
            async with running(publisher.run(), watcher.run()), asyncio.timeout(20):
                video.write(b"before", 1, keyframe=True, group=G)
                assert (await anext(frames)).payload == b"before"
                watcher.follow((hole.endpoint, second.endpoint))
                hole.swallowing = True
                video.write(b"after", 2)
                assert (await anext(frames)).payload == b"after"


async def test_a_publisher_follows_the_origins_when_they_move(tmp_path: Path) -> None:
    async with running_relay(tmp_path / "1") as first, running_relay(tmp_path / "2") as second:
        publisher = Publisher((first.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        watcher = Subscriber((second.endpoint,), SPACE, viewer_grant, "live")
        async with running(publisher.run(), watcher.run()):
            await publisher.connected()
            publisher.follow((second.endpoint,))
            video.write(b"moved", 1, keyframe=True, group=G)
            assert (await next_frame(watcher)).payload == b"moved"
            await first.reports.until(lambda r: bool(r.metrics) and r.metrics[-1].sessions == 0)


async def test_a_viewer_begins_with_the_newest_group_of_what_the_relay_remembers(tmp_path: Path) -> None:
    async with running_relay(tmp_path / "o") as origin, running_relay(tmp_path / "e", (origin.endpoint,)) as edge:
        publisher = Publisher((origin.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        first = Subscriber((edge.endpoint,), SPACE, viewer_grant, "live")
        async with running(publisher.run(), first.run()):
            frames = first.frames("video")
            for group in range(4):
                video.write(b"%d" % group, group * 100_000, keyframe=True, group=G + group)
                async with asyncio.timeout(10):
                    assert (await anext(frames)).group == G + group
            second = Subscriber((edge.endpoint,), SPACE, viewer_grant, "live")
            async with running(second.run()):
                assert (await next_frame(second)).group == G + 3


async def test_a_viewer_that_stands_by_is_not_counted_as_watching(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay:
        publisher = Publisher([relay.endpoint], SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        subscriber = Subscriber([relay.endpoint], SPACE, viewer_grant, "live")

        async def publish() -> None:
            for number in range(100_000):
                video.write(b"x" * 2_000, number + 1, group=G + number // 40)
                await asyncio.sleep(0.05)  # a publisher's pace: 40 KB/s

        async def watch() -> None:
            async for _ in subscriber.frames("video"):
                pass

        def told_apart(reports: Reports) -> bool:
            last = reports.metrics[-1] if reports.metrics else None
            return last is not None and (last.viewers, last.standbys, last.viewers_by_space) == (1, 1, {SPACE: 1})

        sides = {"publish": moq.new_origin(), "subscribe": moq.new_origin()}
        async with (
            running(publisher.run(), subscriber.run(), publish(), watch()),
            moq.connect(relay.endpoint, SPACE, viewer_grant(), **sides),
        ):
            await relay.reports.until(told_apart)


async def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    async with running_relay(tmp_path / "a") as first:
        port = int(first.endpoint.url.rsplit(":", 1)[1])
        with pytest.raises(BaseExceptionGroup) as failed:
            await start_relay(tmp_path / "b", port=port)
        assert failed.group_contains(WorldBroke, match=str(port), depth=2)


async def test_a_taken_port_is_passed_over_for_the_next(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with running_relay(tmp_path, ports=(port, 0)) as relay:
            assert not relay.endpoint.url.endswith(f":{port}")
            sides = {"publish": moq.new_origin(), "subscribe": moq.new_origin()}
            async with moq.connect(relay.endpoint, SPACE, viewer_grant(), **sides):
                await relay.reports.until(lambda r: any(m.sessions for m in r.metrics))


async def test_a_failing_session_never_takes_the_relay_with_it(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as origin:
        for _ in range(20):
            with suppress(moq.Error, TimeoutError):
                async with moq.connect(
                    origin.endpoint, SPACE, viewer_grant(), publish=moq.new_origin(), subscribe=moq.new_origin()
                ):
                    pass
        await origin.reports.until(lambda r: bool(r.metrics) and r.metrics[-1].sessions == 0)
        assert not origin.task.done()

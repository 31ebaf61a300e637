"""The headless viewer against real relays: its ticket runs out, its edges change."""

from __future__ import annotations

import asyncio
from pathlib import Path

from skyriver.fabric import MediaFrame, Publisher, VideoTrack
from skyriver.fabric.viewer import Ticket, Viewer
from skyriver.kernel.clock import monotonic_s
from tests.fabric.rig import SPACE, running, running_relay, service_grant, viewer_grant

G = 900_000_000
PICTURE = VideoTrack("avc3.42c01e", 640, 360)


async def test_a_due_ticket_is_replaced_and_the_picture_goes_on_under_the_new_one(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay:
        publisher = Publisher((relay.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", PICTURE)
        broadcast.announce()
        grants = [viewer_grant(), viewer_grant()]
        due = asyncio.Event()
        got: asyncio.Queue[MediaFrame] = asyncio.Queue()

        async def next_ticket() -> Ticket:
            await due.wait()
            return Ticket(SPACE, "live", grants[1], (relay.endpoint,))

        first = Ticket(SPACE, "live", grants[0], (relay.endpoint,), renew_at_s=monotonic_s())
        viewer = Viewer(first, next_ticket, on_frame=got.put_nowait, stall_after_s=60)
        async with running(publisher.run(), viewer.run()), asyncio.timeout(20):
            video.write(b"before", 1, keyframe=True, group=G)
            assert (await got.get()).payload == b"before"
            before = {s.session_id for s in relay.relay.sessions.values() if s.is_viewer}
            due.set()
            await relay.reports.until(lambda r: before.isdisjoint(relay.relay.sessions) and r.metrics[-1].sessions == 2)
            video.write(b"after", 2)
            assert (await got.get()).payload == b"after"
        assert viewer.viewing.switches == 0


async def test_a_viewer_without_a_standby_asks_for_edges_until_there_is_one(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path / "o") as origin,
        running_relay(tmp_path / "a", (origin.endpoint,)) as first,
        running_relay(tmp_path / "b", (origin.endpoint,)) as second,
    ):
        publisher = Publisher((origin.endpoint,), SPACE, service_grant)
        broadcast = publisher.broadcast("live")
        broadcast.video("video", PICTURE).write(b"key", 1, keyframe=True, group=G)
        broadcast.announce()
        got: asyncio.Queue[MediaFrame] = asyncio.Queue()

        async def more_edges() -> Ticket:
            return Ticket(SPACE, "live", viewer_grant(), (first.endpoint, second.endpoint))

        alone = Ticket(SPACE, "live", viewer_grant(), (first.endpoint,))
        viewer = Viewer(alone, more_edges, on_frame=got.put_nowait, stall_after_s=60)
        async with running(publisher.run(), viewer.run()), asyncio.timeout(20):
            assert (await got.get()).payload == b"key"
            assert not viewer.standby_ready
            await second.reports.until(lambda r: bool(r.metrics) and r.metrics[-1].sessions == 1)
        assert list(viewer.viewing.edges) == [first.endpoint.url]

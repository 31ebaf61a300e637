"""Sessions that are held for ever, through the renewal of their grants."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from skyriver.fabric import Publisher, Subscriber, VideoTrack
from tests.fabric.rig import SIGNER, SPACE, running, running_relay

G = 900_000_000


def grant() -> str:
    return SIGNER.sign(root=SPACE, put=[""], get=[""], lifetime=timedelta(minutes=5), cluster=True)


async def test_a_renewed_grant_replaces_the_session_long_before_the_old_one_ends_and_no_frame_is_lost(
    tmp_path: Path,
) -> None:
    """Whoever waited for the old grant's end would be cut off by the relay, at every origin in the same moment."""
    async with running_relay(tmp_path) as relay:
        puts, gets = [grant()], [grant()]
        publisher = Publisher([relay.endpoint], SPACE, lambda: puts[-1])
        broadcast = publisher.broadcast("live")
        video = broadcast.video("video", VideoTrack("avc3.42c01e", 640, 360))
        broadcast.announce()
        subscriber = Subscriber([relay.endpoint], SPACE, lambda: gets[-1], "live")
        done = asyncio.Event()
        written = 0

        async def publish() -> None:
            nonlocal written
            while not done.is_set():
                written += 1
                video.write(b"x", written, group=G + written // 40)
                await asyncio.sleep(0.05)  # a publisher's pace

        async with running(publisher.run(), subscriber.run(), publish()), asyncio.timeout(30):
            frames = subscriber.frames("video")
            seen = [(await anext(frames)).pts_us]
            first = {held.session_id for held in relay.relay.sessions.values()}
            puts.append(grant())
            gets.append(grant())
            while first & set(relay.relay.sessions) or len(relay.relay.sessions) < 2:
                seen.append((await anext(frames)).pts_us)
            done.set()
            last = written
            while seen[-1] < last:
                seen.append((await anext(frames)).pts_us)
    assert seen == list(range(seen[0], last + 1))

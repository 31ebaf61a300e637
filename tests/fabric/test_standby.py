"""A hot standby takes over when the feeder that is heard falls silent: in the middle of a group, without a gap."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from skyriver.fabric import SLOT_US, MediaFrame, Publisher, Subscriber, VideoTrack, group_of, slot_of
from skyriver.fabric.pulse import LOOK_S, PROVEN_BEATS, SILENT_S, Pulse, Pulses
from tests.fabric.rig import SPACE, running, running_relay, service_grant, viewer_grant

PICTURE = VideoTrack("avc3.42c01e", 640, 360)
FRAME_US = 20_000
BEGIN_US = 850_000_000 * SLOT_US + SLOT_US - 10 * FRAME_US  # a group's end comes soon


class Encoder:
    """Publishes numbered frames in the groups of their slots, as every encoder of a channel does."""

    def __init__(self, name: str, publisher: Publisher, *, cost: int) -> None:
        self.publisher = publisher
        self._name = name.encode()
        self._broadcast = publisher.broadcast("live")
        self._track = self._broadcast.video("video", PICTURE)
        self._broadcast.announce(cost=cost)
        self._group = -1
        self._slot = -1

    def write(self, index: int) -> None:
        pts_us = BEGIN_US + index * FRAME_US
        keyframe = slot_of(pts_us) > self._slot
        if keyframe:
            self._slot, self._group = slot_of(pts_us), group_of(pts_us)
        self._track.write(b"%s %d" % (self._name, index), pts_us, keyframe=keyframe, group=self._group)


def written_by(frames: list[MediaFrame], name: bytes) -> list[MediaFrame]:
    return [frame for frame in frames if frame.payload.startswith(name)]


async def test_a_standby_goes_on_in_the_same_group(tmp_path: Path) -> None:
    frames: list[MediaFrame] = []
    async with running_relay(tmp_path) as origin:
        main = Encoder("main", Publisher((origin.endpoint,), SPACE, service_grant), cost=0)
        standby = Encoder("standby", Publisher((origin.endpoint,), SPACE, service_grant), cost=10)
        viewer = Subscriber((origin.endpoint,), SPACE, viewer_grant, "live")

        async def publish() -> None:
            """In real time, since silence is measured in it. The main encoder hangs after a second; nobody says so."""
            index = 0
            while True:
                if len(written_by(frames, b"main")) < 50:
                    main.write(index)
                standby.write(index)
                index += 1
                await asyncio.sleep(FRAME_US / 1e6)

        async with running(main.publisher.run(), standby.publisher.run(), viewer.run(), publish()):
            async with asyncio.timeout(20):
                async for frame in viewer.frames("video"):
                    frames.append(frame)
                    if len(written_by(frames, b"standby")) == 150:
                        break
    taken_over_at = next(i for i, frame in enumerate(frames) if frame.payload.startswith(b"standby"))
    assert taken_over_at >= 50
    assert not written_by(frames[taken_over_at:], b"main")
    assert all(a.pts_us + FRAME_US == b.pts_us for a, b in pairwise(frames)), "no frame is missing and none comes twice"
    assert frames[taken_over_at].group == frames[taken_over_at - 1].group and not frames[taken_over_at].keyframe


def test_a_pulse_is_lost_when_the_tracks_own_rhythm_breaks() -> None:
    fast, slow = Pulse(), Pulse()
    for beat in range(40):
        fast.beat(beat / 30)
        slow.beat(beat * 1.0)
    assert not fast.silent(39 / 30 + SILENT_S - 0.01)
    assert fast.silent(39 / 30 + SILENT_S + 0.01)
    assert not slow.silent(39 + 3), "one frame a second is its rhythm"
    assert slow.silent(39 + 5)


def test_who_was_stopped_himself_finds_nobody_silent() -> None:
    pulses, pulse = Pulses(), Pulse()
    pulses.add(pulse)
    for beat in range(40):
        pulse.beat(beat / 30)
    stopped_s = 39 / 30
    back_s = stopped_s + 1.0
    assert not pulses.all_silent(stopped_s, back_s), "its frames of that second are still to be read"
    looks = [back_s + n * LOOK_S for n in range(1, 20)]
    heard = [now_s for now_s in looks if not pulses.all_silent(now_s - LOOK_S, now_s)]
    assert heard and heard[-1] < back_s + SILENT_S + LOOK_S, "who is silent after that, too, is silent"


def test_what_has_no_rhythm_cannot_lose_it() -> None:
    pulse = Pulse()
    for beat in range(PROVEN_BEATS - 1):
        pulse.beat(float(beat))
    assert not pulse.silent(1000.0)


def test_a_long_pause_does_not_teach_a_slow_rhythm() -> None:
    pulse = Pulse()
    for beat in range(40):
        pulse.beat(beat / 30)
    pulse.beat(100.0)
    assert pulse.silent(100.0 + 2 * SILENT_S)

"""What a standby's memory holds, and how clocks that differ become one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest

from skyriver.fabric import TICK_US, Catalog, MediaFrame, Subscriber
from skyriver.services.live.model import InputName
from skyriver.services.live.switching import Age, InputMemory, offset_us
from skyriver.services.live.switching.memory import GOP_MAX_BYTES, GOP_MAX_FRAMES, SOUND_MAX_FRAMES
from skyriver.services.live.workloads.transcoder.inputs import InputReader, Source


def frame(pts_us: int, *, keyframe: bool = False, size: int = 10) -> MediaFrame:
    return MediaFrame(bytes(size), pts_us, keyframe, pts_us // TICK_US)


def test_the_memory_holds_the_present_gop_and_nothing_before_its_first_keyframe() -> None:
    memory = InputMemory()
    memory.picture(frame(0))
    for n in range(1, 10):
        memory.picture(frame(n, keyframe=n in (2, 6)))
    assert [f.pts_us for f in memory.gop] == [6, 7, 8, 9]
    memory.forget()
    assert len(memory.gop) == 0
    assert list(memory.sound_after(0)) == []


@pytest.mark.parametrize(("frames", "size"), [(GOP_MAX_FRAMES + 1, 10), (9, GOP_MAX_BYTES // 8)])
def test_a_gop_that_outgrows_the_memory_is_dropped_until_the_next_keyframe(frames: int, size: int) -> None:
    memory = InputMemory()
    for n in range(frames):
        memory.picture(frame(n, keyframe=n == 0, size=size))
    assert (memory.gop, memory.size_bytes) == ((), 0)
    memory.picture(frame(frames))
    assert len(memory.gop) == 0
    memory.picture(frame(frames + 1, keyframe=True))
    assert len(memory.gop) == 1


def test_of_sound_the_latest_is_kept() -> None:
    memory = InputMemory()
    for n in range(SOUND_MAX_FRAMES + 50):
        memory.sound(frame(n))
    assert [f.pts_us for f in memory.sound_after(175)] == [176, 177]
    assert len(list(memory.sound_after(-1))) == SOUND_MAX_FRAMES


def test_clocks_that_agree_are_taken_as_they_are() -> None:
    assert offset_us(20_000, 20_000 + TICK_US) == 0
    assert offset_us(20_000, -30_000) == 0
    assert offset_us(None, 5_000_000) == 0
    assert offset_us(20_000, None) == 0


@pytest.mark.parametrize("apart_us", [5_000_000, -5_000_000, 1_430_000, -260_000])
def test_clocks_that_differ_are_moved_beside_each_other_by_whole_ticks(apart_us: int) -> None:
    offset = offset_us(20_000, 20_000 + apart_us)
    assert offset % TICK_US == 0
    assert abs((20_000 + apart_us - offset) - 20_000) <= TICK_US // 2, "as old as what was shown before"


def test_an_age_is_that_of_the_frame_that_was_delayed_least() -> None:
    age = Age()
    for delay_us in (40_000, 21_000, 90_000):
        age.arrive(1_000_000, 1_000_000 + delay_us)
    assert age.youngest_us == 21_000
    age.forget()
    assert age.youngest_us == 21_000, "until the other publisher is heard, nothing better is known"
    age.arrive(9_000_000, 14_000_000)
    assert age.youngest_us == 5_000_000


class Announced:
    """What an input's reader reads: a description for each publisher, in the same words."""

    def __init__(self, publishers: int) -> None:
        self._publishers = publishers

    async def catalogs(self) -> AsyncIterator[Catalog]:
        for _ in range(self._publishers):
            yield Catalog()

    async def frames(self, track: str) -> AsyncIterator[MediaFrame]:
        for _ in range(0):
            yield MediaFrame(b"", 0, True, 0)


class Nobody:
    """Is told, and does nothing."""

    def described(self, source: Source) -> None: ...
    def picture(self, source: Source, frame: MediaFrame) -> None: ...
    def sound(self, source: Source, frame: MediaFrame) -> None: ...


async def test_the_ages_of_a_publishers_frames_do_not_outlive_it() -> None:
    reader = InputReader(InputName.MAIN, cast(Subscriber, Announced(2)), Nobody())
    reader.age.arrive(1_000_000, 1_020_000)
    await reader.run()
    reader.age.arrive(2_000_000, 7_000_000)
    assert reader.age.youngest_us == 5_000_000

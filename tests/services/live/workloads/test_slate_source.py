"""The slate as a source: what of it is played when, and what becomes of a film that cannot be had."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from skyriver.fabric import SLOT_US, MediaFrame
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.slate import Slate, SlateLook, SlateShape
from skyriver.services.live.media_files.storage import StoredFile
from skyriver.services.live.workloads.transcoder import slate_source
from skyriver.services.live.workloads.transcoder.inputs import Source
from skyriver.services.live.workloads.transcoder.slate_source import SlateSource
from tests.services.live.media.samples import START_US

SLOTS, SOUNDS = 4, 375  # 8 s of AAC at 48 kHz
FILM = Slate(
    SlateShape(64, 64),
    "avc3.42e01e",
    25,
    ((b"picture",) * 50,) * SLOTS,
    b"config",
    tuple(number.to_bytes(2, "big") for number in range(SOUNDS)),
)


class HandClock(MediaClock):
    """Stands still until it is set."""

    def __init__(self, now_us: int) -> None:
        super().__init__()
        self.us = now_us

    def now_us(self) -> int:
        return self.us


class Heard:
    """Takes what is played; once it is, the clock is far ahead, so that nothing is waited for."""

    def __init__(self, clock: HandClock, count: int) -> None:
        self.sounds: list[MediaFrame] = []
        self.enough = asyncio.Event()
        self._clock = clock
        self._count = count

    def described(self, source: Source) -> None:
        pass

    def picture(self, source: Source, frame: MediaFrame) -> None:
        self._clock.us = frame.pts_us + 60_000_000

    def sound(self, source: Source, frame: MediaFrame) -> None:
        self.sounds.append(frame)
        if len(self.sounds) == self._count:
            self.enough.set()


@pytest.mark.parametrize("begins_us", [100_000, 106_000, 112_000, 118_000])
async def test_a_films_sound_goes_on_without_a_frame_too_many_or_too_few(
    monkeypatch: pytest.MonkeyPatch, begins_us: int
) -> None:
    monkeypatch.setattr(slate_source, "make_slate", lambda look, shape: FILM)
    round_us = SLOTS * SLOT_US
    begin_us = START_US // round_us * round_us + begins_us
    clock = HandClock(begin_us)
    heard = Heard(clock, 2 * SOUNDS)
    source = SlateSource(SlateLook(), None, heard, clock)
    source.want(pictures=True, sound=True)
    playing = asyncio.ensure_future(source.run())
    await heard.enough.wait()
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    first_slot_us = begin_us // SLOT_US * SLOT_US + SLOT_US
    numbers = [(frame.pts_us, int.from_bytes(frame.payload, "big")) for frame in heard.sounds]
    whole = [(at_us, number) for at_us, number in numbers if at_us >= first_slot_us]
    seams = [at_us for (_, a), (at_us, b) in pairwise(whole) if b != a + 1]
    assert all(abs(at_us % round_us - round_us / 2) > round_us / 2 - 100_000 for at_us in seams), "but where it ends"
    for at_us, number in whole:
        beside_us = (at_us - number * FILM.sound_frame_us) % round_us
        assert min(beside_us, round_us - beside_us) < 100_000, "it is heard with its pictures"


async def test_a_film_that_cannot_be_had_is_told_and_its_picture_is_there() -> None:
    clock = HandClock(START_US)
    source = SlateSource(SlateLook("Stage"), StoredFile("nowhere://", "film", 10), Heard(clock, 1), clock)
    told = asyncio.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "film" in record.getMessage():
                told.set()

    slate_source.log.addHandler(handler := Handler())
    making = asyncio.ensure_future(source.run())
    try:
        async with asyncio.timeout(30):
            await told.wait()
        assert source.video is not None
    finally:
        slate_source.log.removeHandler(handler)
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)

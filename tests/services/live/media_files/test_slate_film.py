"""A film as a slate: its groups, its sound, and a child that is given too much."""

from __future__ import annotations

import asyncio
import io

import av
import pytest
from av.container import InputContainer

from skyriver.services.live.media.slate import Slate, SlateShape
from skyriver.services.live.media.slate_film import FPS, FRAMES_PER_SLOT, make_film
from skyriver.services.live.media_files.confined import run_confined
from skyriver.services.live.media_files.errors import UnusableMedia
from skyriver.services.live.media_files.storage import BlockFile
from tests.services.live.media import samples
from tests.services.live.media_files.films import H264, film


@pytest.mark.parametrize(("seconds", "slots", "plays"), [(3, 2, 1), (1.5, 2, 2), (5, 6, 2)])
def test_a_round_is_an_even_number_of_whole_slots(seconds: float, slots: int, plays: int) -> None:
    shape = SlateShape(480, 360, 44_100, 1)
    with av.open(io.BytesIO(film(seconds=seconds))) as source:
        assert isinstance(source, InputContainer)
        slate = make_film(source, shape)
    assert (slate.fps, [len(gop) for gop in slate.gops]) == (FPS, [FRAMES_PER_SLOT] * slots)
    twice = [unit for gop in (*slate.gops, *slate.gops) for unit in gop]
    pictures = samples.decode_video(list(enumerate(twice)))
    assert len(pictures) == len(twice)
    assert {(p.width, p.height) for p in pictures} == {(480, 360)}
    corner = pictures[0].to_ndarray(format="gray")[5, 5]
    assert corner < 24, "what the film does not fill is black"
    assert abs(len(slate.sound) * slate.sound_frame_us - slots / plays * 2e6) < 2 * slate.sound_frame_us
    assert loudness(slate)[5] > 0.02
    told, blob = slate.pack()
    assert type(slate).unpack(shape, told, blob) == slate


def loudness(slate: Slate) -> list[float]:
    """Of each frame of its sound."""
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = slate.sound_config
    return [float(frame.to_ndarray().std()) for unit in slate.sound for frame in decoder.decode(av.Packet(unit))]


def test_sound_that_ends_long_before_the_film_is_not_heard_twice() -> None:
    body = film(*H264, "-c:a", "aac", "-af", "atrim=0:1", seconds=3.5)
    with av.open(io.BytesIO(body)) as source:
        assert isinstance(source, InputContainer)
        slate = make_film(source, SlateShape(64, 36))
    heard = loudness(slate)
    assert heard[10] > 0.02
    assert max(heard[len(heard) // 2 :]) < 0.001


def test_a_silent_film_is_silent_and_a_silent_channel_gets_no_sound() -> None:
    silent = film("-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast")
    for body, shape, frames in ((silent, SlateShape(64, 64), 1), (film(), SlateShape(64, 64, 0, 0), 0)):
        with av.open(io.BytesIO(body)) as source:
            assert isinstance(source, InputContainer)
            assert len(make_film(source, shape).sound) == frames


async def test_a_child_that_takes_too_long_or_gets_nonsense_is_ended() -> None:
    async def never(_offset: int, _size: int) -> bytes:
        await asyncio.Event().wait()
        return b""

    with pytest.raises(UnusableMedia, match="too long"):
        await run_confined("probe", {}, 1000, never, within_s=0.5)

    async def zeros(_offset: int, size: int) -> bytes:
        return bytes(size)

    with pytest.raises(UnusableMedia):
        await run_confined("probe", {}, 5 << 20, zeros, within_s=30)
    with pytest.raises(UnusableMedia):
        await run_confined("no such job", {}, 1000, zeros, within_s=30)


def test_blocks_are_fetched_once() -> None:
    body, asked = bytes(range(256)) * 20_000, []

    def fetch(offset: int, size: int) -> bytes:
        asked.append(offset)
        return body[offset : offset + size]

    file = BlockFile(len(body), fetch)
    assert file.read(10) + file.read(10) == body[:20]
    file.seek(-5, io.SEEK_END)
    assert (file.read(100), file.read(100)) == (body[-5:], b"")
    file.seek((1 << 20) - 3)
    assert file.read(100) + file.read(97) == body[(1 << 20) - 3 : (1 << 20) + 97]
    assert len(asked) == len(set(asked)) == 3

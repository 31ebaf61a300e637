"""Parts and segments out of real H.264 and AAC, read back by FFmpeg."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from skyriver.fabric import SLOT_US, AudioTrack, VideoTrack
from skyriver.services.live.cmaf import Part, UnsupportedCodec, segmenter_for
from skyriver.services.live.cmaf.segmenter import REORDER_US
from skyriver.services.live.media.units import Unit
from tests.services.live.cmaf.tracks import VIDEO, aac, frames, package, pictures, read
from tests.services.live.media import samples
from tests.services.live.media.samples import START_US

SLOT = START_US // SLOT_US


def segments(parts: list[Part]) -> dict[int, list[Part]]:
    return {number: list(group) for number, group in groupby(parts, key=lambda part: part.segment)}


def test_a_rendition_has_one_segment_a_slot_of_ten_parts() -> None:
    units = samples.video(6.0)
    found = segments(package(VIDEO, units))
    assert list(found) == [SLOT, SLOT + 1, SLOT + 2]
    for number, parts in found.items():
        assert [part.index for part in parts] == list(range(10))
        assert [part.last for part in parts] == [False] * 9 + [True]
        assert parts[0].start_us == number * SLOT_US
        assert parts[0].independent
        assert not any(part.independent for part in parts[1:])
        assert all(abs(part.duration_us - 200_000) < 1_000 for part in parts)


def test_every_picture_comes_out_at_its_time() -> None:
    units = samples.video(4.0)
    parts = package(VIDEO, units)
    assert pictures(parts) == sorted(unit.pts_us for unit in units)
    assert [(dts, pts) for dts, pts, _, _ in read(parts)] == [(unit.pts_us, unit.pts_us) for unit in units]


@pytest.mark.parametrize("bframes", [1, 2])
def test_b_frames_are_decoded_in_order_and_shown_in_theirs(bframes: int) -> None:
    units = samples.video(6.0, bframes=bframes, gop=60)
    assert [u.pts_us for u in units] != sorted(u.pts_us for u in units)
    parts = package(VIDEO, units)
    seen = read(parts)
    assert [pts for _, pts, _, _ in seen] == [unit.pts_us for unit in units]
    decoded = [dts + bframes * REORDER_US for dts, _, _, _ in seen]
    assert decoded == sorted(unit.pts_us for unit in units)
    assert all(dts <= pts for dts, pts, _, _ in seen)
    assert pictures(parts) == sorted(unit.pts_us for unit in units)


def test_parts_follow_one_another_without_a_gap() -> None:
    for parts in (package(VIDEO, samples.video(4.0, bframes=2)), package(*_sound(4.0))):
        assert all(b.start_us - (a.start_us + a.duration_us) in (0, 1) for a, b in pairwise(parts))


def test_two_readers_make_the_same_bytes_wherever_they_joined() -> None:
    units = samples.video(10.0, gop=45, bframes=2)  # keyframes every 1.5 s: they open no slot
    whole = segments(package(VIDEO, units, flush=False))
    keyframes = [index for index, unit in enumerate(units) if unit.keyframe]
    compared = 0
    for joined in keyframes[1:]:
        late = segments(package(VIDEO, units[joined:], flush=False))
        complete = [number for number, parts in late.items() if parts[-1].last]
        compared += len(complete)
        assert all(late[number] == whole[number] for number in complete)
    assert compared >= 5


def test_a_reader_that_keeps_everything_begins_at_once() -> None:
    units = samples.video(4.0, start_us=START_US + 700_000)
    assert package(VIDEO, units)[0].segment == SLOT + 1
    everything = segmenter_for(VIDEO, from_first_keyframe=True)
    parts = package(VIDEO, units, segmenter=everything)
    assert (parts[0].segment, parts[0].start_us) == (SLOT, START_US + 700_000)
    assert len(pictures(parts)) == len(units)


def test_a_long_gop_leaves_numbers_out() -> None:
    found = segments(package(VIDEO, samples.video(12.0, gop=150)))
    assert list(found) == [SLOT, SLOT + 2, SLOT + 5]
    assert [round(sum(p.duration_us for p in parts) / 1_000_000) for parts in found.values()] == [5, 5, 2]


def test_an_interruption_is_a_hole_in_time_and_its_last_picture_lasts_no_longer_than_others() -> None:
    first = samples.video(3.0)
    second = samples.video(2.0, start_us=START_US + 10 * SLOT_US)
    found = segments(package(VIDEO, first + second))
    assert list(found) == [SLOT, SLOT + 1, SLOT + 10]
    assert found[SLOT + 10][0].start_us == START_US + 10 * SLOT_US
    end_us = found[SLOT + 1][-1].start_us + found[SLOT + 1][-1].duration_us
    assert abs(end_us - (START_US + 3_000_000)) < 1_000
    assert found[SLOT + 1][-1].last


def test_a_short_pause_is_a_long_picture() -> None:
    first = samples.video(2.0)
    second = samples.video(2.0, start_us=START_US + 3_500_000)
    parts = package(VIDEO, first + second)
    assert all(0 <= b.start_us - (a.start_us + a.duration_us) <= 1 for a, b in pairwise(parts))
    assert pictures(parts) == [unit.pts_us for unit in first + second]


def test_another_size_brings_another_init_segment() -> None:
    units = samples.video(2.0) + samples.video(2.0, width=320, height=180, start_us=START_US + SLOT_US)
    found = segments(package(VIDEO, units))
    before, after = found[SLOT][0].init, found[SLOT + 1][0].init
    assert (before.width, before.height) == (640, 360)
    assert (after.width, after.height) == (320, 180)
    assert before.name != after.name
    assert found[SLOT + 1][0].start_us == START_US + SLOT_US
    assert len(pictures(found[SLOT + 1])) == 60


def test_another_size_within_a_slot_waits_for_the_next_slot() -> None:
    units = samples.video(1.0) + samples.video(3.0, gop=30, width=320, height=180, start_us=START_US + 1_000_000)
    found = segments(package(VIDEO, units))
    assert [(n, p[0].init.width) for n, p in found.items()] == [(SLOT, 640), (SLOT + 1, 320)]
    assert found[SLOT][-1].last
    assert found[SLOT + 1][0].start_us == START_US + SLOT_US


def test_the_open_part_is_named_before_it_comes() -> None:
    segmenter = segmenter_for(VIDEO)
    promised = None
    for frame in frames(samples.video(5.0)):
        for part in segmenter.push(frame):
            assert promised == (part.segment, part.index)
        promised = segmenter.pending


def test_aac_is_nine_frames_a_part_and_keeps_its_time() -> None:
    track, units = _sound(6.0)
    parts = package(track, units)
    found = segments(parts)
    assert list(found) == [SLOT, SLOT + 1, SLOT + 2]
    assert all(part.duration_us == pytest.approx(192_000, abs=1_000) for p in found.values() for part in p[:-1])
    seen = read(parts)
    assert len(seen) == len(units)
    # A publisher's whole milliseconds do not show within a segment, and never add up.
    assert max(abs(dts - unit.pts_us) for (dts, _, _, _), unit in zip(seen, units, strict=True)) <= 1_000
    assert (parts[0].init.codec, parts[0].init.sample_rate_hz) == ("mp4a.40.2", 48_000)


def test_sound_that_was_interrupted_goes_on_at_its_time() -> None:
    track, units = _sound(4.0)
    kept = [unit for unit in units if not START_US + 500_000 <= unit.pts_us < START_US + 900_000]
    times = [dts for dts, _, _, _ in read(package(track, kept))]
    assert max(abs(dts - unit.pts_us) for dts, unit in zip(times, kept, strict=True)) <= 1_000


def test_damaged_frames_are_left_out() -> None:
    segmenter = segmenter_for(VIDEO)
    damaged = Unit(b"\0\0\0\1\x67\xff\0\0\0\1\x68\xff\0\0\0\1\x65\xff", START_US, keyframe=True)
    assert package(VIDEO, [damaged], segmenter=segmenter) == []
    assert segmenter.damaged == 1


def test_what_cannot_be_packaged_is_named() -> None:
    for track in (VideoTrack("vp8", 640, 360), AudioTrack("flac", 48_000, 2), AudioTrack("mp4a.40.2", 48_000, 2)):
        with pytest.raises(UnsupportedCodec):
            segmenter_for(track)


def _sound(seconds: float) -> tuple[AudioTrack, list[Unit]]:
    sound = samples.sound(seconds, rate_hz=48_000)
    units = [unit for unit in sound.units if unit.pts_us >= START_US]  # without the encoder's priming
    whole_ms = [Unit(unit.payload, unit.pts_us // 1000 * 1000, unit.keyframe) for unit in units]
    return aac(sound.config), whole_ms

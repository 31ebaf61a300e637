"""The writing side without relays: what goes in comes out, whatever happens to the process, the disk and the store."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from skyriver.fabric import MediaFrame
from skyriver.fabric.numbering import SLOT_US
from skyriver.kernel.errors import InvalidInput
from skyriver.platform.objects import FolderStore
from skyriver.services.live.recorder.journal import Journal, read_journal
from skyriver.services.live.recorder.layout import Index, Segment, TrackInfo, index_prefix, is_late, segment_key
from skyriver.services.live.recorder.recording import Recording
from skyriver.services.live.recorder.spool import Spool, SpoolFull
from skyriver.services.live.recorder.uploading import RecordingUnknown, Uploader, load_index
from skyriver.services.live.vod.mp4 import read_moof
from tests.services.live.recorder.takes import START_US, in_time, tracks, upload

REC = "rec_0000000000000001"


async def stored_pts(store: FolderStore, track: str) -> list[int]:
    """The presentation times of a track's stored samples; of a video track, µs."""
    index = await load_index(store, REC)
    found = []
    for segment in index.of(track):
        decode_time, samples = read_moof(
            await store.get_range(segment_key(REC, track, segment.number), 0, segment.head_bytes)
        )
        for duration, _, composition, _ in samples:
            found.append(decode_time + composition)
            decode_time += duration
    return sorted(found)


async def test_every_frame_is_stored_once(tmp_path: Path) -> None:
    store, taken = FolderStore(tmp_path / "objects"), tracks(8)
    recording = Recording(tmp_path / "node")
    for name, (track, _) in taken.items():
        assert recording.describe(name, track)
    for name, frame in in_time(taken):
        recording.write(name, frame)
    recording.close_segments()
    uploader = await upload(store, REC, recording)
    for name in ("source", "180p"):
        assert await stored_pts(store, name) == sorted(frame.pts_us for frame in taken[name][1])
    assert len(await stored_pts(store, "aac")) == len(taken["aac"][1])
    assert uploader.totals.media_us == pytest.approx(8_000_000, abs=10) and uploader.totals.gaps == []
    assert list((tmp_path / "node" / "journals").iterdir()) == [] and len(recording.spool) == 0


@pytest.mark.parametrize("seed", range(6))
async def test_a_process_that_ends_anywhere_costs_no_frame_that_it_had(tmp_path: Path, seed: int) -> None:
    """Each successor is given the frames of its groups once more, as relays do."""
    chance = random.Random(seed)
    store, taken = FolderStore(tmp_path / "objects"), tracks(8)
    frames = list(in_time(taken))
    cuts = sorted(chance.sample(range(1, len(frames)), 4))
    for begin, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        recording = Recording(tmp_path / "node")  # the one before is gone, without a word
        for name, (track, _) in taken.items():
            recording.describe(name, track)
        again = max(0, begin - chance.randrange(400))
        for name, frame in frames[again:end]:
            recording.write(name, frame)
        if chance.random() < 0.5:
            await upload(store, REC, recording)
    recording.close_segments()
    await upload(store, REC, recording)
    for name in ("source", "180p"):
        assert await stored_pts(store, name) == sorted(frame.pts_us for frame in taken[name][1])


async def test_another_node_takes_over_from_what_is_stored(tmp_path: Path) -> None:
    store, taken = FolderStore(tmp_path / "objects"), tracks(8)
    frames = list(in_time(taken))
    for node, part in (("one", frames[: len(frames) // 2]), ("two", frames[len(frames) // 4 :])):
        recording = Recording(tmp_path / node)
        recording.skip_stored(await load_index(store, REC))
        for name, (track, _) in taken.items():
            recording.describe(name, track)
        for name, frame in part:
            recording.write(name, frame)
        if node == "two":
            recording.close_segments()
        await upload(store, REC, recording)
    for name in ("source", "180p"):
        assert await stored_pts(store, name) == sorted(frame.pts_us for frame in taken[name][1])


async def test_a_recorder_that_comes_late_adds_to_a_recording_and_makes_none(tmp_path: Path) -> None:
    """What the store does not know may have been deleted; what it knows gets the rest, beside its other recorder's."""
    store, taken = FolderStore(tmp_path / "objects"), tracks(8)
    frames = list(in_time(taken))
    recordings = []
    for node, part in (("one", frames[: len(frames) // 2]), ("two", frames[len(frames) // 2 :])):
        recordings.append(recording := Recording(tmp_path / node))
        for name, (track, _) in taken.items():
            recording.describe(name, track)
        for name, frame in part:
            recording.write(name, frame)
        recording.close_segments()
    late, next_ = (Uploader(store, REC, recording.spool, recording.infos) for recording in recordings)
    late.come_late()
    with pytest.raises(RecordingUnknown):
        await late.send_all()
    assert len(recordings[0].spool) > 0 and [found async for found in store.list("recordings")] == []
    await next_.send_all()
    await late.send_all()
    assert len(recordings[0].spool) == 0
    chunks = [found.key async for found in store.list(index_prefix(REC))]
    assert len(chunks) == 2 and sum(map(is_late, chunks)) == 1, "each has an object of its own to say so in"
    written = await stored_pts(store, "180p")
    assert len(set(written)) == len(written) and set(written) > {
        frame.pts_us for name, frame in frames[:200] if name == "180p"
    }


async def test_what_waits_is_indexed_although_the_list_of_tracks_is_damaged(tmp_path: Path) -> None:
    store, taken = FolderStore(tmp_path / "objects"), tracks(8)
    recording = Recording(tmp_path / "node")
    for name, (track, _) in taken.items():
        recording.describe(name, track)
    frames = list(in_time(taken))
    for number, (name, frame) in enumerate(frames):
        if number == len(frames) // 2:
            await upload(store, REC, recording)
        recording.write(name, frame)
    recording.close_segments()
    (tmp_path / "node" / "tracks.json").write_bytes(b"")  # a power failure
    await upload(store, REC, Recording(tmp_path / "node"))
    for name in ("source", "180p"):
        assert await stored_pts(store, name) == sorted(frame.pts_us for frame in taken[name][1])


def test_a_journal_of_another_version_is_left_alone(tmp_path: Path) -> None:
    track, frames = tracks(2)["180p"]
    Journal.begin(tmp_path / "180p.1", track).append(frames[0])
    whole = (tmp_path / "180p.1").read_bytes()
    size = int.from_bytes(whole[6:10], "big")
    header = whole[10 : 10 + size].replace(b'"width"', b'"wider"')
    (tmp_path / "180p.1").write_bytes(whole[:10] + header + zlib.crc32(header).to_bytes(4, "big"))
    assert read_journal(tmp_path / "180p.1") is None


def test_a_journal_that_was_cut_anywhere_holds_its_whole_records(tmp_path: Path) -> None:
    track, frames = tracks(2)["180p"]
    journal = Journal.begin(tmp_path / "whole", track)
    ends = []
    for frame in frames[:20]:
        journal.append(frame)
        ends.append((tmp_path / "whole").stat().st_size)
    whole = (tmp_path / "whole").read_bytes()
    chance = random.Random(1)
    for cut in [*ends, *(chance.randrange(len(whole)) for _ in range(100))]:
        (tmp_path / "cut").write_bytes(whole[:cut])
        found = read_journal(tmp_path / "cut")
        assert (found.frames if found else ()) == tuple(frames[: sum(end <= cut for end in ends)])
    damaged = bytearray(whole)
    damaged[ends[4] + 30] ^= 1
    (tmp_path / "cut").write_bytes(damaged)
    found = read_journal(tmp_path / "cut")
    assert found is not None and found.frames == tuple(frames[:5]) and found.track == track
    journal = Journal.resume(tmp_path / "cut", found)
    journal.append(frames[5])
    again = read_journal(tmp_path / "cut")
    assert again is not None and again.frames == tuple(frames[:6])


async def test_what_a_full_spool_drops_is_a_gap(tmp_path: Path) -> None:
    store, taken = FolderStore(tmp_path / "objects"), tracks(8)
    recording = Recording(tmp_path / "node")
    for name, (track, _) in taken.items():
        recording.describe(name, track)
    room = recording.spool
    for name, frame in in_time(taken):
        full = START_US + 1.5 * SLOT_US < frame.pts_us < START_US + 2.5 * SLOT_US
        room._max_bytes = 0 if full else 1 << 30  # the disk has other users
        recording.write(name, frame)
    recording.close_segments()
    uploader = await upload(store, REC, recording)
    assert recording.losses.segments_dropped >= 2
    [gap] = uploader.totals.gaps
    assert gap.to_us - gap.from_us == pytest.approx(SLOT_US, abs=10)
    assert (await load_index(store, REC)).gaps() == [gap]


def test_the_spool_is_bounded_and_knows_its_files_again(tmp_path: Path) -> None:
    segment = Segment(8, START_US, SLOT_US, 100, 60, "init-0123456789ab.mp4")
    spool = Spool(tmp_path / "spool", max_bytes=250)
    spool.put("segment", b"s" * 100, track="180p", segment=segment)
    spool.put("init", b"i" * 50, track="180p", name=segment.init)
    spool.put("thumb", b"t" * 60, number=7)
    with pytest.raises(SpoolFull):
        spool.put("thumb", b"t" * 60, number=8)
    (tmp_path / "spool" / "half,1.new").write_bytes(b"half")
    (tmp_path / "spool" / "something else").write_bytes(b"?")
    again = Spool(tmp_path / "spool", max_bytes=250)
    assert [found.key(REC) for found in again.oldest(9)] == [
        f"recordings/{REC}/media/180p/init-0123456789ab.mp4",
        f"recordings/{REC}/thumbs/000000000007.jpg",
        f"recordings/{REC}/media/180p/8.m4s",
    ]
    assert list(again.segments()) == [("180p", segment)] and again.size_bytes == 210
    with pytest.raises(SpoolFull):
        Spool(tmp_path / "other", reserve_bytes=1 << 60).put("thumb", b"t", number=1)


def test_the_index_keeps_the_longer_of_two_that_overlap() -> None:
    track = TrackInfo("180p", "video", "avc1.42c00d")

    def segment(number: int, start_s: float, seconds: float) -> Segment:
        return Segment(number, int(start_s * 1e6), int(seconds * 1e6), 10, 5, "init-0.mp4")

    index = Index()
    assert index.add(track, segment(0, 0, 2)) and index.add(track, segment(8, 2, 2))
    assert not index.add(track, segment(9, 2.25, 1.75))  # another recorder began in its middle
    assert not index.add(track, segment(8, 2, 1))  # a part of it
    assert index.add(track, segment(7, 1.75, 2.25)) and [s.number for s in index.of("180p")] == [0, 7]
    assert Index.from_json(index.to_json()) == index


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"version":2}', b'{"version":1,"tracks":[],"segments":{"x":[]}}', b"\xff", b"{" * 100_000],
)
def test_an_index_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        Index.from_json(body)


def test_a_source_without_keyframes_is_cut_off_and_comes_in_again(tmp_path: Path) -> None:
    track, frames = tracks(8)["180p"]
    recording = Recording(tmp_path / "node")
    recording.describe("180p", track)
    recording.write("180p", frames[0])
    for number in range(1, 70):  # a frame a second, none of them a keyframe
        delta = frames[1]
        recording.write("180p", MediaFrame(delta.payload, START_US + number * 1_000_000, False, delta.group))
    recording.write("180p", MediaFrame(frames[0].payload, START_US + 80_000_000, True, 0))
    recording.close_segments()
    lengths = [segment.duration_us for _, segment in recording.spool.segments()]
    assert len(lengths) == 2 and max(lengths) <= 62_000_000

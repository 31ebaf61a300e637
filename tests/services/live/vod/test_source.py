"""What players get of a recording: playlists, media, pictures, and a file that strict demuxers take."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from skyriver.fabric.numbering import SLOT_US
from skyriver.platform.objects import FolderStore
from skyriver.platform.objects.store import ObjectInfo
from skyriver.services.live.recorder.ending import Ending, write_ending
from skyriver.services.live.recorder.layout import segment_key
from skyriver.services.live.vod.mp4 import DamagedRecording, Piece, Plan
from skyriver.services.live.vod.source import ENDED_FRESH_S, NoSuchRecordingPart, VodSource
from tests.services.live.recorder.takes import START_US, take

REC = "rec_0000000000000001"
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


async def text(source: VodSource, path: str, window_us: int | None = None) -> str:
    return (await source.get(REC, path, window_us=window_us)).body.decode()


async def written(source: VodSource, plan: Plan, path: Path) -> Path:
    parts = [await source.piece(p) if isinstance(p, Piece) else p for p in plan.between(0, plan.size_bytes)]
    await asyncio.to_thread(path.write_bytes, b"".join(parts))
    return path


async def strictly_decoded(path: Path) -> None:
    """ffmpeg reads every packet of it and stops at the first error."""
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-map", "0", "-f", "null", "-",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert (process.returncode, said.decode()) == (0, "")


def length_s(stream: av.VideoStream | av.AudioStream) -> float:
    assert stream.duration is not None and stream.time_base is not None
    return float(stream.duration * stream.time_base)


async def test_the_playlists_name_everything_once(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    main = await text(source, "index.m3u8")
    assert re.findall(r"RESOLUTION=(\S+?),", main) == ["640x360", "320x180"]
    assert main.count('AUDIO="sound"') == 2 and "mp4a.40.2" in main and "EXT-X-ENDLIST" not in main
    playlist = await text(source, "180p/index.m3u8")
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in playlist and playlist.endswith("#EXT-X-ENDLIST\n")
    assert [float(d) for d in re.findall(r"#EXTINF:([\d.]+)", playlist)] == pytest.approx([2.0] * 4, abs=1e-3)
    assert "#EXT-X-TARGETDURATION:2\n" in playlist and "DISCONTINUITY" not in playlist
    for name in re.findall(r"^(\d+\.m4s)$|URI=\"(init-\w+\.mp4)\"", playlist, re.M):
        answer = await source.get(REC, f"180p/{name[0] or name[1]}")
        assert answer.immutable and answer.content_type == "video/mp4" and answer.body[4:8] in (b"moof", b"ftyp")
    vtt = await text(source, "thumbs.vtt")
    assert "00:00:00.000 --> 00:00:08.000" in vtt and "sprites/0.jpg#xywh=0,0,160,90" in vtt
    assert (await source.get(REC, "sprites/0.jpg")).body[:2] == b"\xff\xd8"
    assert (await source.get(REC, "poster.jpg")).body[:2] == b"\xff\xd8"


@needs_ffmpeg
async def test_ffmpeg_plays_the_playlist_with_every_picture(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    folder = tmp_path / "player" / "180p"
    await asyncio.to_thread(folder.mkdir, parents=True)
    playlist = await text(source, "180p/index.m3u8")
    await asyncio.to_thread((folder / "index.m3u8").write_text, playlist)
    for found in re.findall(r"^(\d+\.m4s)$|URI=\"(init-\w+\.mp4)\"", playlist, re.M):
        name = found[0] or found[1]
        await asyncio.to_thread((folder / name).write_bytes, (await source.get(REC, f"180p/{name}")).body)
    await strictly_decoded(folder / "index.m3u8")
    with av.open(str(folder / "index.m3u8")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 240


async def test_a_gap_is_a_discontinuity_at_the_same_place_everywhere(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node", keep=lambda t: not START_US + SLOT_US <= t < START_US + 2 * SLOT_US)
    source = VodSource(store)
    for track in ("source", "180p", "aac"):
        lines = (await text(source, f"{track}/index.m3u8")).splitlines()
        assert lines.count("#EXT-X-DISCONTINUITY") == 1
        after = lines.index("#EXT-X-DISCONTINUITY") + 1
        assert "2023-11-14T22:13:24." in lines[after] or "2023-11-14T22:13:24Z" in lines[after], lines[after]
    index = await source.index(REC)
    assert [(g.from_us - START_US, g.to_us - START_US) for g in index.gaps()] == [(SLOT_US - 1, 2 * SLOT_US)]
    assert "00:00:00.000 --> 00:00:06.000" in await text(source, "thumbs.vtt")


async def test_a_running_recording_is_an_event_and_a_window_slides(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node", ended=False)
    source = VodSource(store)
    whole = await text(source, "180p/index.m3u8")
    assert "PLAYLIST-TYPE:EVENT" in whole and "ENDLIST" not in whole and "MEDIA-SEQUENCE:0\n" in whole
    window = await text(source, "180p/index.m3u8", window_us=SLOT_US)
    assert "PLAYLIST-TYPE" not in window and "MEDIA-SEQUENCE:2\n" in window
    assert re.findall(r"\d+\.m4s", window) == re.findall(r"\d+\.m4s", whole)[2:]


async def test_a_window_does_not_become_the_whole_when_the_show_ends(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    whole = await text(source, "180p/index.m3u8")
    window = await text(source, "180p/index.m3u8", window_us=SLOT_US)
    assert "ENDLIST" in window and re.findall(r"\d+\.m4s", window) == re.findall(r"\d+\.m4s", whole)[2:]
    assert "-->" in await text(source, "thumbs.vtt") and "-->" not in await text(source, "thumbs.vtt", SLOT_US)
    with pytest.raises(NoSuchRecordingPart):
        await source.get(REC, "sprites/0.jpg", window_us=SLOT_US)


async def test_what_is_not_there_is_not_found(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    for path in (
        "", "index.mpd", "720p/index.m3u8", "180p/1.m4s", "180p/init-000000000000.mp4", "180p/../../x", "a/b/c",
        "sprites/1.jpg", "sprites/-1.jpg", "180p/" + "9" * 30 + ".m4s", "index/index.m3u8", "thumbs/1.jpg",
    ):  # fmt: skip
        with pytest.raises(NoSuchRecordingPart):
            await source.get(REC, path)
    with pytest.raises(NoSuchRecordingPart):
        await source.get("rec_0000000000000002", "index.m3u8")


@needs_ffmpeg
@pytest.mark.parametrize(("track", "height"), [(None, 360), ("180p", 180)])
async def test_the_file_is_whole_and_plays_strictly(
    store: FolderStore, tmp_path: Path, track: str | None, height: int
) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    plan = await source.file(REC, track)
    path = await written(source, plan, tmp_path / "show.mp4")
    assert path.stat().st_size == plan.size_bytes
    await strictly_decoded(path)
    with av.open(str(path)) as file:
        video, sound_s = file.streams.video[0], length_s(file.streams.audio[0])
        assert video.height == height and length_s(video) == pytest.approx(8, abs=0.05)
        pts = sorted(frame.time for frame in file.decode(video=0))
    assert len(pts) == 240 and pts[0] == pytest.approx(0, abs=0.001)
    assert max(b - a for a, b in pairwise(pts)) < 1 / 29
    assert sound_s == pytest.approx(8, abs=0.1)


@needs_ffmpeg
async def test_a_clip_begins_and_ends_at_its_own_frames(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    await write_ending(store, REC, Ending(START_US + 2_500_000, START_US + 5_000_000))
    source = VodSource(store)
    path = await written(source, await source.file(REC), tmp_path / "clip.mp4")
    await strictly_decoded(path)
    with av.open(str(path)) as file:
        shown = [frame for frame in file.decode(video=0) if 0 <= frame.time < 2.5]
        assert len(shown) == 75
        assert file.duration == pytest.approx(2_500_000, abs=50_000)
    assert "#EXT-X-START:TIME-OFFSET=2.500,PRECISE=YES" in await text(source, "index.m3u8")


@needs_ffmpeg
async def test_a_gap_in_the_file_keeps_the_time(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node", keep=lambda t: not START_US + SLOT_US <= t < START_US + 2 * SLOT_US)
    source = VodSource(store)
    path = await written(source, await source.file(REC, "180p"), tmp_path / "show.mp4")
    await strictly_decoded(path)
    with av.open(str(path)) as file:
        times = [frame.time for frame in file.decode(video=0)]
    assert len(times) == 180 and times[60] == pytest.approx(4.0, abs=0.001)


async def test_any_range_of_the_file_is_the_same_bytes(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    plan = await source.file(REC)
    whole = await asyncio.to_thread((await written(source, plan, tmp_path / "show.mp4")).read_bytes)
    for start, end in (
        (0, 10),
        (len(plan.header) - 5, len(plan.header) + 5),
        (100_000, 150_001),
        (len(whole) - 1, len(whole)),
    ):
        parts = [await source.piece(p) if isinstance(p, Piece) else p for p in plan.between(start, end)]
        assert b"".join(parts) == whole[start:end]


async def test_a_damaged_segment_is_said_to_be_damaged(store: FolderStore, tmp_path: Path) -> None:
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    index = await source.index(REC)
    key = segment_key(REC, "180p", index.of("180p")[1].number)
    await store.put(key, b"\0" * len(await store.get(key)))
    with pytest.raises(DamagedRecording):
        await source.file(REC, "180p")


class Listing(FolderStore):
    """Counts how often it is asked what there is."""

    listed = 0

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self.listed += prefix.endswith("/thumbs")
        return super().list(prefix)


async def test_pictures_are_listed_once_however_many_ask(tmp_path: Path) -> None:
    store = Listing(tmp_path / "objects")
    await take(store, REC, tmp_path / "node")
    now_s, before = 0.0, store.listed
    source = VodSource(store, monotonic=lambda: now_s)
    found = await asyncio.gather(*(text(source, "thumbs.vtt") for _ in range(20)), source.get(REC, "poster.jpg"))
    assert len({str(vtt) for vtt in found[:20]}) == 1
    await text(source, "thumbs.vtt")
    assert store.listed - before == 1
    now_s = ENDED_FRESH_S
    await text(source, "thumbs.vtt")
    assert store.listed - before == 2

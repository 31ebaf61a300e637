"""The recorder between a real relay and an object store, and what is left when it is killed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from skyriver.platform.objects import ObjectStore
from skyriver.services.live.recorder.ending import Ending, read_ending
from skyriver.services.live.recorder.journal import read_journal
from skyriver.services.live.recorder.layout import Index, init_key, root, segment_key
from skyriver.services.live.recorder.uploading import load_index
from skyriver.services.live.workloads import recorder
from tests.fabric.rig import running_relay
from tests.services.live.recorder.stage import RECORDING, folder, recorder_spec, show
from tests.services.live.workloads.harness import Child, running, running_process


async def track_file(store: ObjectStore, index: Index, track: str, path: Path) -> Path:
    """One track as a fragmented file: its init segment and every segment."""
    segments = index.of(track)
    parts = [await store.get(init_key(RECORDING, track, segments[0].init))]
    parts += [await store.get(segment_key(RECORDING, track, segment.number)) for segment in segments]
    await asyncio.to_thread(path.write_bytes, b"".join(parts))
    return path


async def recorded_pts(store: ObjectStore, index: Index, track: str, path: Path) -> list[int]:
    """The presentation times in a track's segments, µs."""
    with av.open(str(await track_file(store, index, track, path))) as file:
        stream = file.streams[0]
        return sorted(round(p.pts * p.time_base * 1_000_000) for p in file.demux(stream) if p.pts is not None)


async def pictures(store: ObjectStore, index: Index, track: str, path: Path) -> int:
    """How many pictures decode, strictly."""
    with av.open(str(await track_file(store, index, track, path))) as file:
        file.streams.video[0].codec_context.options = {"err_detect": "explode"}
        return sum(1 for _ in file.decode(video=0))


async def grown(child: Child, ms: int) -> dict[str, Any]:
    return await child.says("metrics", lambda m: m["media_ms"] >= ms)


async def finish(child: Child, spec: dict[str, Any]) -> None:
    child.tell("spec", spec={**spec, "finish": True})
    await child.says("finished")


def journalled(folder: Path) -> dict[str, set[int]]:
    """The presentation times that a killed recorder left in its journals."""
    found: dict[str, set[int]] = {}
    for path in (folder / "journals").iterdir():
        journal = read_journal(path)
        assert journal is not None
        found.setdefault(path.name.rpartition(".")[0], set()).update(frame.pts_us for frame in journal.frames)
    return found


async def test_a_show_is_recorded_track_by_track(tmp_path: Path) -> None:
    store = folder(tmp_path)
    async with running_relay(tmp_path) as relay, show(relay.endpoint) as told:
        spec = recorder_spec(relay.endpoint, store.url)
        async with running(recorder.main, spec, tmp_path) as child:
            await grown(child, 4_000)
            await finish(child, spec)
    index = await load_index(store, RECORDING)
    assert set(index.tracks) == {"source", "180p", "aac"} and index.gaps() == []
    for name in ("source", "180p"):
        written = await recorded_pts(store, index, name, tmp_path / "track.mp4")
        assert set(written) <= set(told.pts_us[name])
        assert await pictures(store, index, name, tmp_path / "track.mp4") == len(written) >= 100
    for a, b in pairwise(index.of("180p")):
        assert b.start_us - a.start_us == 2_000_000
    assert index.tracks["source"].codec.startswith("avc1.") and index.tracks["source"].height == 360
    names = [found.key async for found in store.list(root(RECORDING))]
    assert any("/thumbs/" in name for name in names) and any("/sprites/0.jpg" in name for name in names)
    assert await read_ending(store, RECORDING) == Ending()


async def test_what_a_killed_recorder_had_on_its_disk_is_in_the_recording(tmp_path: Path) -> None:
    store = folder(tmp_path)
    on_disk: dict[str, set[int]] = {}
    async with running_relay(tmp_path) as relay, show(relay.endpoint):
        spec = recorder_spec(relay.endpoint, store.url)
        for ms in (1_000, 3_000):
            async with running_process("live.recorder", spec, tmp_path) as child:
                await grown(child, ms)
                child.kill()
            for name, times_us in journalled(tmp_path / RECORDING).items():
                on_disk.setdefault(name, set()).update(times_us)
        async with running_process("live.recorder", spec, tmp_path) as child:
            await grown(child, 6_000)
            await finish(child, spec)
    index = await load_index(store, RECORDING)
    assert on_disk.keys() == {"source", "180p", "aac"}
    for name in ("source", "180p"):
        written = await recorded_pts(store, index, name, tmp_path / "track.mp4")
        assert on_disk[name] and on_disk[name] <= set(written)
        assert len(set(written)) == len(written)
        assert await pictures(store, index, name, tmp_path / "track.mp4") == len(written)


async def test_a_store_that_is_away_costs_the_recording_nothing_when_it_is_back(tmp_path: Path) -> None:
    """The recorder says what is wrong, and keeps everything on its node meanwhile."""
    store = folder(tmp_path)
    store.root.write_text("a file where the folder should be")
    async with running_relay(tmp_path) as relay, show(relay.endpoint):
        spec = recorder_spec(relay.endpoint, store.url)
        async with running(recorder.main, spec, tmp_path) as child:
            raised = await child.says("alarm")
            await child.says("metrics", lambda m: m["spool_bytes"] > 60_000)
            store.root.unlink()
            cleared = await child.says("alarm")
            told = await grown(child, 4_000)
            await finish(child, spec)
    assert (raised["kind"], raised["state"], raised["subject"]["id"]) == ("recording_store", "raised", "ch_1")
    assert (cleared["kind"], cleared["state"]) == ("recording_store", "cleared")
    assert told["gaps"] == [] and told["segments_dropped"] == 0


async def test_a_recorder_that_is_moved_brings_its_spool_to_the_store_when_that_is_back(tmp_path: Path) -> None:
    """It was moved while the store was away, and was killed once since: the recording has what both nodes wrote."""
    store = folder(tmp_path)
    store.root.write_text("a file where the folder should be")
    async with running_relay(tmp_path) as relay, show(relay.endpoint):
        spec = recorder_spec(relay.endpoint, store.url)
        async with running_process("live.recorder", spec, tmp_path / "one") as child:
            await child.says("metrics", lambda m: m["spool_bytes"] > 60_000)
            child.tell("leave")
            spooled = await child.says("metrics", lambda m: m["trouble"] is not None)
            child.kill()
        kept = {path.name for path in (tmp_path / "one" / RECORDING / "spool").glob("segment,*")}
        store.root.unlink()
        # The relays have nothing of the show's beginning for whoever comes next: their memory is not what saves it.
    async with running_relay(tmp_path) as relay, show(relay.endpoint):
        spec = recorder_spec(relay.endpoint, store.url)
        async with running(recorder.main, spec, tmp_path / "two") as child:
            await grown(child, 2_000)
            async with running_process("live.recorder", spec, tmp_path / "one", leave=True) as late:
                await late.says("left")
                assert await late.ended() == 0
            await finish(child, spec)
            told = await child.says("metrics")
    assert spooled["spool_bytes"] > 60_000 and kept
    index = await load_index(store, RECORDING)
    numbers = {f"segment,{name},{segment.number}" for name in index.tracks for segment in index.of(name)}
    assert {",".join(name.split(",")[:3]) for name in kept} <= numbers
    assert told["media_ms"] == index.media_us // 1000, "the recording's figures count what came late"
    for name in ("source", "180p"):
        written = await recorded_pts(store, index, name, tmp_path / "track.mp4")
        assert len(set(written)) == len(written)


async def test_another_node_goes_on_where_the_store_ends(tmp_path: Path) -> None:
    """Its predecessor's node is lost with its disk; what the relays still have is recorded, once."""
    store = folder(tmp_path)
    async with running_relay(tmp_path) as relay, show(relay.endpoint):
        spec = recorder_spec(relay.endpoint, store.url)
        async with running_process("live.recorder", spec, tmp_path / "one") as child:
            await grown(child, 2_000)
            child.kill()
        async with running(recorder.main, spec, tmp_path / "two") as child:
            await grown(child, 6_000)
            await finish(child, spec)
    index = await load_index(store, RECORDING)
    for name in ("source", "180p"):
        written = await recorded_pts(store, index, name, tmp_path / "track.mp4")
        assert len(set(written)) == len(written)
        assert await pictures(store, index, name, tmp_path / "track.mp4") == len(written)

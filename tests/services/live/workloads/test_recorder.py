"""The recorder between a real relay and an object store, and what is left when it is killed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from skyriver.platform.objects import ObjectStore
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


async def test_every_frame_of_every_track_is_in_the_store(tmp_path: Path) -> None:
    store = folder(tmp_path)
    async with running_relay(tmp_path) as relay, show(relay.endpoint) as told:
        spec = recorder_spec(relay.endpoint, store.url)
        async with running(recorder.main, spec, tmp_path) as child:
            await grown(child, 4_000)
            await finish(child, spec)
    index = await load_index(store, RECORDING)
    assert set(index.tracks) == {"source", "180p", "aac"} and index.gaps() == []
    for name in index.tracks:
        written = await recorded_pts(store, index, name, tmp_path / "track.mp4")
        expected = [pts for pts in sorted(told.pts_us[name]) if written[0] - 500 <= pts <= written[-1] + 500]
        assert len(written) == len(expected) >= 90
        if name != "aac":
            assert written == expected
            assert await pictures(store, index, name, tmp_path / "track.mp4") == len(written)
    for a, b in pairwise(index.of("180p")):
        assert (b.start_us - a.start_us, a.duration_us) == (2_000_000, 2_000_000)
    assert index.tracks["source"].codec.startswith("avc1.") and index.tracks["source"].height == 360
    names = [found.key async for found in store.list(root(RECORDING))]
    assert any("/thumbs/" in name for name in names) and any("/sprites/0.jpg" in name for name in names)


async def test_a_killed_recorder_loses_nothing(tmp_path: Path) -> None:
    store = folder(tmp_path)
    async with running_relay(tmp_path) as relay, show(relay.endpoint) as told:
        spec = recorder_spec(relay.endpoint, store.url)
        for ms in (1_000, 3_000):
            async with running_process("live.recorder", spec, tmp_path) as child:
                await grown(child, ms)
                child.kill()
        async with running_process("live.recorder", spec, tmp_path) as child:
            await grown(child, 6_000)
            await finish(child, spec)
    index = await load_index(store, RECORDING)
    assert index.gaps() == []
    for name in ("source", "180p", "aac"):
        written = await recorded_pts(store, index, name, tmp_path / "track.mp4")
        expected = [pts for pts in sorted(told.pts_us[name]) if written[0] - 500 <= pts <= written[-1] + 500]
        assert len(written) == len(expected)
        if name != "aac":
            assert written == expected
            assert await pictures(store, index, name, tmp_path / "track.mp4") == len(written)

"""The transcoder between a real relay's `src` and `live`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from av.video.frame import VideoFrame

from skyriver.fabric import (
    SLOT_US,
    TICK_US,
    AudioTrack,
    CaptionTrack,
    Endpoint,
    MediaFrame,
    Publisher,
    VideoTrack,
    group_of,
    slot_of,
)
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.captions.model import decode_cues
from skyriver.services.live.intents import profile_spec
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.groups import AudioCutter, GroupCutter
from skyriver.services.live.model import PROFILES, ProfileName
from skyriver.services.live.workloads import transcoder
from tests.fabric.rig import SPACE, running_relay, service_grant
from tests.services.live.media import samples
from tests.services.live.workloads.harness import running, running_process
from tests.services.live.workloads.watching import watching

FPS = 30
BARS_US = 20 * 1_000_000 // FPS  # when the moving bars look the same again
INGEST = "ingest/ch_1"


def spec(relay: Endpoint, profile: ProfileName = ProfileName.LIGHT) -> dict[str, Any]:
    return {
        "channel_id": "ch_1",
        "tenant_id": "tn_1",
        "space": SPACE,
        "origins": [{"url": relay.url, "certificate_sha256": list(relay.certificate_sha256)}],
        "grant": service_grant(),
        "ingest": {"space": INGEST, "grant": service_grant(INGEST)},
        "profile": profile_spec(PROFILES[profile]),
    }


@asynccontextmanager
async def src(
    relay: Endpoint,
    *,
    name: str = "main",
    sound: bool = True,
    picture: bool = True,
    width: int = 960,
    height: int = 540,
    apart_from_us: int | None = None,
) -> AsyncIterator[int]:
    """A station's broadcast, played in real time and in a loop, two seconds long. Yields when it begins: now."""
    loop = asyncio.get_running_loop()
    units = samples.video(2, width=width, height=height, gop=45, bframes=2, start_us=0)
    aac = samples.sound(2, start_us=0)
    publisher = Publisher([relay], INGEST, lambda: service_grant(INGEST))
    broadcast = publisher.broadcast(name)
    codec = avc3_codec(units[0].payload) or ""
    video = broadcast.video("video", VideoTrack(codec, width, height, FPS)) if picture else None
    audio = broadcast.audio("audio", AudioTrack("mp4a.40.2", 44_100, 2, aac.config)) if sound else None

    clock = MediaClock()
    if apart_from_us is not None:  # the bars of the two then never stand at the same place
        await asyncio.sleep((BARS_US // 2 - (clock.now_us() - apart_from_us)) % BARS_US / 1e6)
    begin_us, begin_s = clock.now_us(), loop.time()

    async def play() -> None:
        cutter, audio_cutter = GroupCutter(), AudioCutter()
        for turn in range(1_000):
            pending = list(aac.units)
            for unit in units:
                pts_us = unit.pts_us + turn * 2_000_000
                ahead_s = begin_s + pts_us / 1e6 - loop.time()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)  # this is a publisher's pace, not a wait for something to happen
                stamp_us = begin_us + pts_us
                group = cutter.cut(stamp_us, keyframe=unit.keyframe)
                if video is not None:
                    video.write(unit.payload, stamp_us, keyframe=unit.keyframe, group=group)
                while audio is not None and pending and pending[0].pts_us <= unit.pts_us:
                    frame = pending.pop(0)
                    audio_us = begin_us + frame.pts_us + turn * 2_000_000
                    audio.write(frame.payload, audio_us, group=audio_cutter.cut(audio_us)[0])

    broadcast.announce()
    tasks = [asyncio.ensure_future(publisher.run()), asyncio.ensure_future(play())]
    try:
        yield begin_us
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def error_of(picture: VideoFrame, begin_us: int) -> float:
    """How far a 180p picture is from what was drawn for its time: mean error of the bars' luma, edges left out."""
    index = round(((picture.pts or 0) - begin_us) * FPS / 1e6) % (2 * FPS)
    row = memoryview(picture.planes[0])[90 * picture.planes[0].line_size :]
    errors = []
    for x in range(picture.width):
        phase = (x * 3 + index * 4) % 40
        if 8 <= phase < 32:
            errors.append(abs(row[x] - (200 if (x * 3 + index * 4) // 40 % 2 else 40)))
    return sum(errors) / len(errors)


def aligned(frames: list[MediaFrame]) -> bool:
    """Every group begins when its number says and ends with its slot at the latest; time goes forward."""
    begin = all(f.group == group_of(f.pts_us) for f in frames if f.keyframe)
    inside = all(slot_of(f.group * TICK_US) == slot_of(f.pts_us) for f in frames)
    return begin and inside and all(a.pts_us < b.pts_us for a, b in pairwise(frames))


async def test_src_becomes_a_ladder_with_both_audio_codecs(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint),
        running(transcoder.main, spec(relay.endpoint), tmp_path) as child,
    ):
        await child.says("ready")
        async with watching(relay.endpoint, "live") as watcher:
            catalog = await watcher.catalog()
            tracks = ("source", "360p", "180p", "aac", "opus")
            frames = dict(zip(tracks, await asyncio.gather(*(watcher.take(t, 90) for t in tracks)), strict=True))
            metrics = await child.says("metrics", lambda m: all(r["fps"] > 0 for r in m["renditions"]))

    assert set(catalog.video) == {"source", "360p", "180p"}
    assert set(catalog.audio) == {"aac", "opus"}
    assert (catalog.video["360p"].width, catalog.video["360p"].height) == (640, 360)
    assert catalog.video["180p"].codec.startswith("avc3.64")
    assert catalog.audio["opus"].description[:8] == b"OpusHead"
    assert {frame.payload for frame in frames["aac"]} <= {unit.payload for unit in samples.sound(2, start_us=0).units}
    for name in ("360p", "180p", "opus"):
        assert aligned(frames[name])
    for name, height in (("360p", 360), ("180p", 180), ("source", 540)):
        first = next(n for n, f in enumerate(frames[name]) if f.keyframe)
        pictures = samples.decode_video([(f.pts_us, f.payload) for f in frames[name][first:]])
        assert len(pictures) > 60 and pictures[-1].height == height
    names = {r["name"]: r for r in metrics["renditions"]}
    assert set(names) == {"source", "360p", "180p"}
    assert names["180p"]["bitrate_bps"] > 0 and metrics["delay_ms"] is not None


async def test_a_channel_with_a_loudness_has_both_audio_codecs_made(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint, picture=False),
        running(transcoder.main, spec(relay.endpoint) | {"loudness_lufs": -23}, tmp_path) as child,
    ):
        await child.says("ready")
        async with watching(relay.endpoint, "live") as watcher:
            catalog = await watcher.catalog()
            aac, opus = await asyncio.gather(watcher.take("aac", 90), watcher.take("opus", 90))
    published = samples.sound(2, start_us=0)
    made = catalog.audio["aac"]
    assert (made.sample_rate_hz, catalog.audio["opus"].sample_rate_hz) == (48_000, 48_000)
    assert made.description != published.config
    assert not {frame.payload for frame in aac} & {unit.payload for unit in published.units}
    for frames in (aac, opus):
        assert all(a.pts_us < b.pts_us and a.group <= b.group for a, b in pairwise(frames))


async def test_a_killed_transcoder_resumes_in_the_middle_of_its_slot(tmp_path: Path) -> None:
    """Nobody is disconnected: the same reader goes on, the new process's pictures follow in the same groups."""
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint) as begin_us,
        watching(relay.endpoint, "live") as watcher,
    ):
        async with running_process("live.transcoder", spec(relay.endpoint), tmp_path) as first:
            await first.says("ready")
            before = await watcher.take("180p", 45)
            first.kill()
        async with running_process("live.transcoder", spec(relay.endpoint), tmp_path) as second:
            await second.says("ready")
            after = await watcher.take("180p", 90)
    assert aligned(before + after)
    # Whatever was lost, each group shows the right pictures to its end: where the new process went on, with a keyframe.
    whole = [f for f in before + after if f.group > before[0].group]
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in whole])
    assert len(pictures) == len(whole)
    assert max(error_of(picture, begin_us) for picture in pictures) < 30
    gaps_us = [b.pts_us - a.pts_us for a, b in pairwise(before + after)]
    assert max(gaps_us) > 2_000_000 / FPS
    assert after[-1].pts_us - before[0].pts_us < 8 * SLOT_US


async def test_without_sound_there_is_no_audio_and_no_waiting_for_it(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint, sound=False),
        running(transcoder.main, spec(relay.endpoint), tmp_path),
        watching(relay.endpoint, "live") as watcher,
    ):
        assert aligned(await watcher.take("360p", 30))
        catalog = await watcher.catalog()
    assert set(catalog.video) == {"source", "360p", "180p"} and not catalog.audio


async def test_a_channel_of_sound_alone_is_heard(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint, picture=False),
        running(transcoder.main, spec(relay.endpoint), tmp_path),
        watching(relay.endpoint, "live") as watcher,
    ):
        assert len(await watcher.take("aac", 20)) == len(await watcher.take("opus", 20)) == 20
        catalog = await watcher.catalog()
    assert set(catalog.audio) == {"aac", "opus"} and not catalog.video


async def test_the_source_profile_passes_the_picture_through(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint),
        running(transcoder.main, spec(relay.endpoint, ProfileName.SOURCE), tmp_path),
        watching(relay.endpoint, "live") as watcher,
    ):
        assert len(await watcher.take("source", 30)) == 30
        catalog = await watcher.catalog()
    assert set(catalog.video) == {"source"} and set(catalog.audio) == {"aac", "opus"}


async def test_it_is_ready_before_its_input_is_there(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, running(transcoder.main, spec(relay.endpoint), tmp_path) as child:
        await child.says("ready")
        async with src(relay.endpoint), watching(relay.endpoint, "live") as watcher:
            assert await watcher.take("180p", 5)


async def test_another_ladder_asks_for_a_restart_and_a_new_grant_does_not(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, running(transcoder.main, spec(relay.endpoint), tmp_path) as child:
        await child.says("ready")
        child.tell("spec", spec=spec(relay.endpoint))  # the same but for its grant
        child.tell("spec", spec=spec(relay.endpoint, ProfileName.STANDARD))
        await child.says("restart_me")
    assert [e["event"] for e in child.events if e["event"] == "restart_me"] == ["restart_me"]


async def test_it_follows_relays_that_have_moved_without_a_restart(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path / "a") as one,
        running_relay(tmp_path / "b") as other,
        running(transcoder.main, spec(one.endpoint), tmp_path) as child,
    ):
        await child.says("ready")
        async with src(one.endpoint), watching(one.endpoint, "live") as watcher:
            assert await watcher.take("180p", 5)
        async with src(other.endpoint), watching(other.endpoint, "live") as watcher:
            child.tell("spec", spec=spec(other.endpoint))
            assert aligned(await watcher.take("180p", 5))
    assert [e for e in child.events if e["event"] == "restart_me"] == []


def cue_of(text: str, start_us: int, language: str = "en") -> dict[str, Any]:
    return {"language": language, "label": "", "start_us": start_us, "end_us": start_us + 4_000_000, "text": text}


def told(told_us: int) -> dict[str, int]:
    return {"told_us": told_us, "group": group_of(told_us)}


async def test_captions_are_tracks_of_the_broadcast_and_a_successor_goes_on_in_them(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint) as begin_us,
        watching(relay.endpoint, "live") as watcher,
    ):
        offered = spec(relay.endpoint) | {"captions": [{"language": "en", "label": "English"}]}
        async with running_process("live.transcoder", offered, tmp_path) as first:
            await first.says("ready")
            assert (await watcher.catalog()).captions == {"captions-en": CaptionTrack("en", "English")}
            frames = []
            for told_us, cue in (
                (0, cue_of("Good evening.", begin_us)),
                (1, cue_of("Good evening, all.", begin_us)),
                (2_000_000, cue_of("Welcome.", begin_us + 2_000_000)),
            ):
                first.tell("cue", language="en")  # damaged: costs nothing
                first.tell("cue", **cue, **told(begin_us + told_us))
                frames += await watcher.take("captions-en", 1)
            first.kill()
        async with running_process("live.transcoder", offered, tmp_path) as second:
            await second.says("ready")
            await watcher.take("180p", 30)  # which it writes
            for each in (cue_of("Back again.", begin_us + 9_000_000), cue_of("你好。", begin_us, language="zh")):
                second.tell("cue", **each, **told(begin_us + 9_000_000))
            [after] = await watcher.take("captions-en", 1)
            [other] = await watcher.take("captions-zh", 1)
    assert [frame.group for frame in frames] == [group_of(frame.pts_us) for frame in frames]
    texts = [[each.text for each in decode_cues(frame.payload)] for frame in (*frames, after, other)]
    both = ["Good evening, all.", "Welcome."]
    assert texts == [["Good evening."], ["Good evening, all."], both, ["Back again."], ["你好。"]]

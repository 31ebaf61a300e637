"""Two inputs and a slate, through real relays and the real transcoder: nothing stops the picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from skyriver.fabric import Endpoint, MediaFrame
from skyriver.services.live.model import ProfileName
from tests.fabric.rig import running_relay, service_grant
from tests.services.live.media import samples
from tests.services.live.workloads.harness import Child, running_process
from tests.services.live.workloads.test_transcoder import aligned, error_of, spec, src
from tests.services.live.workloads.watching import Watcher, watching

SLATE = {"title": "Main stage"}


def with_inputs(relay: Endpoint, profile: ProfileName = ProfileName.LIGHT, **inputs: Any) -> dict[str, Any]:
    return {**spec(relay, profile), "inputs": {"select": "auto", "revert_s": None, "slate": SLATE, **inputs}}


async def switched(child: Child, to: str) -> dict[str, Any]:
    """The next switch to this feed."""
    return await child.says("input_switched", lambda said: said["to"] == to)


async def read_until(watcher: Watcher, track: str, enough: Callable[[MediaFrame], bool]) -> list[MediaFrame]:
    """Frames of a track, to the first that is enough."""
    frames = []
    while True:
        frames += await watcher.take(track, 1)
        if enough(frames[-1]):
            return frames


def shown_in(frames: list[MediaFrame], main_us: int, backup_us: int) -> str:
    """Which input each picture is of: `m`, `b`, or `s` for what is neither, in order, without repetitions."""
    first = next(n for n, frame in enumerate(frames) if frame.keyframe)
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in frames[first:]])
    assert len(pictures) == len(frames) - first, "every frame can be decoded"
    letters = "".join(
        "m" if error_of(p, main_us) < 30 else "b" if error_of(p, backup_us) < 30 else "s" for p in pictures
    )
    return "".join(letter for letter, _ in groupby(letters))


async def test_a_lost_main_input_is_followed_by_the_backup_in_the_same_tracks(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        AsyncExitStack() as main,
        src(relay.endpoint, name="backup") as backup_us,
        running_process("live.transcoder", with_inputs(relay.endpoint), tmp_path) as child,
        watching(relay.endpoint, "live") as watcher,
    ):
        main_us = await main.enter_async_context(src(relay.endpoint, apart_from_us=backup_us))
        await child.says("metrics", lambda m: m["active"] == "main" and m["inputs"]["backup"]["health"] == "well")
        frames = await watcher.take("180p", 30)
        sound = await watcher.take("opus", 30)
        source = await watcher.take("source", 30)
        await main.aclose()
        said = await switched(child, "backup")
        assert (said["from"], said["reason"]) == ("main", "lost")
        last_us = frames[-1].pts_us
        frames += await read_until(watcher, "180p", lambda f: f.pts_us > last_us + 4_000_000)
        sound += await read_until(watcher, "opus", lambda f: f.pts_us > last_us + 4_000_000)
        source += await read_until(watcher, "source", lambda f: f.keyframe and f.pts_us > last_us + 4_000_000)
    assert aligned(frames) and aligned(sound)
    assert shown_in(frames, main_us, backup_us) == "mb"
    groups = [frame.group for frame in source]
    assert groups == sorted(groups)


async def test_a_slate_with_silence_keeps_every_track_alive_until_the_publisher_returns(tmp_path: Path) -> None:
    tracks = ("360p", "180p", "source", "aac", "opus")
    async with (
        running_relay(tmp_path) as relay,
        running_process("live.transcoder", with_inputs(relay.endpoint), tmp_path) as child,
        watching(relay.endpoint, "live") as watcher,
    ):
        async with src(relay.endpoint) as first_us:
            frames = {track: await watcher.take(track, 30) for track in tracks}
        assert (await switched(child, "slate"))["from"] == "main"
        metrics = await child.says("metrics")
        assert metrics["active"] == "slate"
        for track in tracks:
            frames[track] += await watcher.take(track, 50)
        async with src(relay.endpoint, apart_from_us=first_us) as second_us:
            said = await switched(child, "main")
            assert (said["from"], said["reason"]) == ("slate", "returned")
            back_us = max(f[-1].pts_us for f in frames.values())
            for track in tracks:
                frames[track] += await read_until(watcher, track, lambda f: f.pts_us > back_us + 3_000_000)
    assert aligned(frames["360p"]) and aligned(frames["180p"]) and aligned(frames["opus"])
    assert shown_in(frames["180p"], first_us, second_us) == "msb"
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in frames["source"]])
    assert {(p.width, p.height) for p in pictures} == {(960, 540)}, "the slate has the source's size"
    for track in ("aac", "opus"):
        times_us = [f.pts_us for f in frames[track]]
        assert times_us == sorted(set(times_us))


async def test_a_transcoder_that_starts_while_nobody_publishes_shows_the_slate_at_once(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        running_process("live.transcoder", with_inputs(relay.endpoint), tmp_path) as child,
        watching(relay.endpoint, "live") as watcher,
    ):
        await child.says("metrics", lambda m: m["active"] == "slate")
        assert aligned(await watcher.take("360p", 5))
        assert (await watcher.catalog()).video["source"].width == 1280


async def test_without_a_slate_nothing_is_shown_that_nobody_sent(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        running_process("live.transcoder", with_inputs(relay.endpoint, slate=None), tmp_path) as child,
        watching(relay.endpoint, "live") as watcher,
    ):
        async with src(relay.endpoint) as first_us:
            frames = await watcher.take("180p", 10)
        await child.says("metrics", lambda m: m["inputs"]["main"]["health"] == "lost")
        async with src(relay.endpoint, apart_from_us=first_us) as second_us:
            frames += await read_until(watcher, "180p", lambda f: f.pts_us > second_us + 3_000_000)
    assert aligned(frames)
    assert "s" not in shown_in(frames, first_us, second_us)
    assert not [said for said in child.events if said["event"] == "input_switched"]


async def test_by_hand_to_the_backup_and_by_policy_back_again(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint) as main_us,
        src(relay.endpoint, name="backup", apart_from_us=main_us) as backup_us,
        running_process("live.transcoder", with_inputs(relay.endpoint, revert_s=1), tmp_path) as child,
        watching(relay.endpoint, "live") as watcher,
    ):
        await child.says("metrics", lambda m: m["active"] == "main" and m["inputs"]["backup"]["health"] == "well")
        frames = await watcher.take("180p", 30)
        source = await watcher.take("source", 30)
        child.tell("spec", spec=with_inputs(relay.endpoint, revert_s=1, select="backup"))
        assert (await switched(child, "backup"))["reason"] == "manual"
        await child.says("metrics", lambda m: m["active"] == "backup")
        child.tell("spec", spec=with_inputs(relay.endpoint, revert_s=1))
        assert (await switched(child, "main"))["reason"] == "revert"
        frames += await read_until(watcher, "180p", lambda f: f.pts_us > frames[0].pts_us + 8_000_000)
        source += await read_until(watcher, "source", lambda f: f.pts_us > frames[-1].pts_us)
    assert aligned(frames)
    assert shown_in(frames, main_us, backup_us) == "mbm"
    steps_us = [later - sooner for sooner, later in pairwise(sorted(f.pts_us for f in source))]
    assert max(steps_us) < 1_000_000, "`source` stays with the old input until the new one's keyframe"


async def test_two_transcoders_of_one_channel_cut_the_same_groups_through_a_switch(tmp_path: Path) -> None:
    other_space = "live/ch_2"
    async with (
        running_relay(tmp_path) as relay,
        AsyncExitStack() as main,
        src(relay.endpoint, name="backup"),
        running_process("live.transcoder", with_inputs(relay.endpoint, revert_s=1), tmp_path / "a") as one,
        running_process(
            "live.transcoder",
            with_inputs(relay.endpoint, revert_s=1) | {"space": other_space, "grant": service_grant(other_space)},
            tmp_path / "b",
        ) as other,
        watching(relay.endpoint, "live") as ones,
        watching(relay.endpoint, "live", other_space) as others,
    ):
        await main.enter_async_context(src(relay.endpoint))
        both = lambda m: m["active"] == "main" and m["inputs"]["backup"]["health"] == "well"  # noqa: E731
        await asyncio.gather(one.says("metrics", both), other.says("metrics", both))
        frames = [await watcher.take("180p", 1) for watcher in (ones, others)]
        begin_us = max(f[0].pts_us for f in frames)
        await main.aclose()
        await asyncio.gather(switched(one, "backup"), switched(other, "backup"))
        async with src(relay.endpoint):
            await asyncio.gather(switched(one, "main"), switched(other, "main"))
            for watcher, seen in zip((ones, others), frames, strict=True):
                seen += await read_until(watcher, "180p", lambda f: f.pts_us > begin_us + 9_000_000)
    keys = [{(f.group, f.pts_us) for f in seen if f.keyframe and f.pts_us > begin_us + 2_000_000} for seen in frames]
    end_us = min(max(pts_us for _, pts_us in seen) for seen in keys)
    within = [{key for key in seen if key[1] <= end_us} for seen in keys]
    assert within[0] == within[1] and len(within[0]) >= 4

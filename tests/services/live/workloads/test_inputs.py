"""Two inputs and a slate, through real relays and the real transcoder: nothing stops the picture."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from skyriver.fabric import Endpoint, MediaFrame
from skyriver.platform.objects import open_store
from skyriver.services.live.media_files.storage import StoredFile, write_file
from skyriver.services.live.model import ProfileName
from tests.fabric.rig import SPACE, running_relay, service_grant
from tests.services.live.media import samples
from tests.services.live.media_files.films import film
from tests.services.live.workloads.harness import Child, running_process
from tests.services.live.workloads.test_transcoder import aligned, error_of, spec, src
from tests.services.live.workloads.watching import Watcher, watching

SLATE = {"title": "Main stage"}


def with_inputs(relay: Endpoint, profile: ProfileName = ProfileName.LIGHT, **inputs: Any) -> dict[str, Any]:
    return {**spec(relay, profile), "inputs": {"select": "auto", "revert_s": None, "slate": SLATE, **inputs}}


async def switched(child: Child, to: str) -> dict[str, Any]:
    """The next switch to this feed."""
    return await child.says("input_switched", lambda said: said["to"] == to)


class Taken:
    """Everything that a viewer gets of some tracks, read as it comes: a relay does not keep it for a slow reader."""

    def __init__(self, watcher: Watcher, *tracks: str) -> None:
        self.frames: dict[str, list[MediaFrame]] = {track: [] for track in tracks}
        self._changed = asyncio.Condition()
        self._tasks = [asyncio.ensure_future(self._read(watcher, track)) for track in tracks]

    async def _read(self, watcher: Watcher, track: str) -> None:
        while True:
            self.frames[track] += await watcher.take(track, 1)
            async with self._changed:
                self._changed.notify_all()

    async def until(self, enough: Callable[[MediaFrame], bool]) -> None:
        """Wait until the newest frame of each track is enough."""
        async with self._changed:
            await self._changed.wait_for(lambda: all(f and enough(f[-1]) for f in self.frames.values()))

    async def some(self, count: int) -> None:
        """Wait for so many frames more of each track."""
        wanted = {track: len(frames) + count for track, frames in self.frames.items()}
        async with self._changed:
            await self._changed.wait_for(lambda: all(len(self.frames[t]) >= n for t, n in wanted.items()))

    async def steps(self, track: str, step_us: int, count: int) -> list[MediaFrame]:
        """Wait until the newest frames of a track are so far apart; gives those."""

        def found() -> bool:
            newest = self.frames[track][-count:]
            return len(newest) == count and all(b.pts_us - a.pts_us == step_us for a, b in pairwise(newest))

        async with self._changed:
            await self._changed.wait_for(found)
        return self.frames[track][-count:]

    def newest_us(self) -> int:
        return max(frames[-1].pts_us for frames in self.frames.values())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def taking(relay: Endpoint, *tracks: str, space: str = SPACE) -> AsyncIterator[Taken]:
    """A viewer of these tracks for the length of a block."""
    async with watching(relay, "live", space) as watcher:
        taken = Taken(watcher, *tracks)
        try:
            yield taken
        finally:
            await taken.close()


def shown_in(frames: list[MediaFrame], main_us: int, backup_us: int) -> str:
    """Which input each picture is of: `m`, `b`, else `s` (also when moved by a tick); in order, none twice."""
    first = next(n for n, frame in enumerate(frames) if frame.keyframe)
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in frames[first:]])
    assert len(pictures) == len(frames) - first, "every frame can be decoded"
    letters = "".join("m" if error_of(p, main_us) < 4 else "b" if error_of(p, backup_us) < 4 else "s" for p in pictures)
    return "".join(letter for letter, _ in groupby(letters))


async def test_a_lost_main_input_is_followed_by_the_backup_in_the_same_tracks(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        AsyncExitStack() as main,
        src(relay.endpoint, name="backup") as backup_us,
        running_process("live.transcoder", with_inputs(relay.endpoint), tmp_path) as child,
        taking(relay.endpoint, "180p", "opus", "source") as taken,
    ):
        main_us = await main.enter_async_context(src(relay.endpoint, apart_from_us=backup_us))
        await child.says("metrics", lambda m: m["active"] == "main" and m["inputs"]["backup"]["health"] == "well")
        await taken.some(10)
        await main.aclose()
        said = await switched(child, "backup")
        assert (said["from"], said["reason"]) == ("main", "lost")
        last_us = taken.newest_us()
        await taken.until(lambda f: f.pts_us > last_us + 2_500_000)
    frames, sound, source = taken.frames.values()
    assert aligned(frames) and aligned(sound)
    assert re.fullmatch(".*m.*[bs]", shown_in(frames, main_us, backup_us))
    groups = [frame.group for frame in source]
    assert groups == sorted(groups)


async def test_a_slate_with_silence_keeps_every_track_alive_until_the_publisher_returns(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        running_process("live.transcoder", with_inputs(relay.endpoint), tmp_path) as child,
        taking(relay.endpoint, "360p", "180p", "source", "aac", "opus") as taken,
    ):
        async with src(relay.endpoint) as first_us:
            await taken.some(10)
        assert (await switched(child, "slate"))["from"] == "main"
        assert (await child.says("metrics"))["active"] == "slate"
        await taken.some(10)
        async with src(relay.endpoint, apart_from_us=first_us) as second_us:
            said = await switched(child, "main")
            assert (said["from"], said["reason"]) == ("slate", "returned")
            back_us = taken.newest_us()
            await taken.until(lambda f: f.pts_us > back_us + 2_500_000)
    large, small, source, aac, opus = taken.frames.values()
    assert aligned(large) and aligned(small) and aligned(opus)
    assert re.fullmatch("m.*s.*[bm]", shown_in(small, first_us, second_us))
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in source])
    assert {(p.width, p.height) for p in pictures} == {(960, 540)}, "the slate has the source's size"
    for sound in (aac, opus):
        times_us = [f.pts_us for f in sound]
        assert times_us == sorted(set(times_us))


async def test_a_transcoder_that_starts_while_nobody_publishes_shows_the_slate(tmp_path: Path) -> None:
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
        taking(relay.endpoint, "180p") as taken,
    ):
        async with src(relay.endpoint) as first_us:
            await taken.some(10)
        await child.says("metrics", lambda m: m["inputs"]["main"]["health"] == "lost")
        async with src(relay.endpoint, apart_from_us=first_us) as second_us:
            await taken.until(lambda f: f.pts_us > second_us + 2_500_000)
    assert aligned(taken.frames["180p"])
    assert shown_in(taken.frames["180p"], first_us, second_us) == "mb"
    assert not [said for said in child.events if said["event"] == "input_switched"]


async def test_by_hand_to_the_backup_and_by_policy_back_again(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        src(relay.endpoint) as main_us,
        src(relay.endpoint, name="backup", apart_from_us=main_us) as backup_us,
        running_process("live.transcoder", with_inputs(relay.endpoint, revert_s=1), tmp_path) as child,
        taking(relay.endpoint, "180p", "source") as taken,
    ):
        await child.says("metrics", lambda m: m["active"] == "main" and m["inputs"]["backup"]["health"] == "well")
        await taken.some(10)
        child.tell("spec", spec=with_inputs(relay.endpoint, revert_s=1, select="backup"))
        assert (await switched(child, "backup"))["reason"] == "manual"
        last_us = taken.newest_us()
        await taken.until(lambda f: f.pts_us > last_us + 2_000_000)
        child.tell("spec", spec=with_inputs(relay.endpoint, revert_s=1))
        await switched(child, "main")
        last_us = taken.newest_us()
        await taken.until(lambda f: f.pts_us > last_us + 2_500_000)
    frames, source = taken.frames.values()
    assert aligned(frames)
    assert re.fullmatch("m.*[bs].*m", shown_in(frames, main_us, backup_us))
    groups = [frame.group for frame in source]
    assert groups == sorted(groups)


async def test_two_transcoders_of_one_channel_cut_the_same_groups_through_switches(tmp_path: Path) -> None:
    other_space = "live/ch_2"
    policy = with_inputs
    async with (
        running_relay(tmp_path) as relay,
        AsyncExitStack() as main,
        src(relay.endpoint, name="backup"),
        running_process("live.transcoder", policy(relay.endpoint, revert_s=1), tmp_path / "a") as one,
        running_process(
            "live.transcoder",
            policy(relay.endpoint, revert_s=1) | {"space": other_space, "grant": service_grant(other_space)},
            tmp_path / "b",
        ) as other,
        taking(relay.endpoint, "180p") as ones,
        taking(relay.endpoint, "180p", space=other_space) as others,
    ):
        await main.enter_async_context(src(relay.endpoint))
        for child in (one, other):
            await child.says("metrics", lambda m: m["active"] == "main" and m["inputs"]["backup"]["health"] == "well")
        for taken in (ones, others):
            await taken.some(10)
        begin_us = max(ones.newest_us(), others.newest_us())
        await main.aclose()
        await asyncio.gather(switched(one, "backup"), switched(other, "backup"))
        async with src(relay.endpoint):
            await asyncio.gather(switched(one, "main"), switched(other, "main"))
            end_us = max(ones.newest_us(), others.newest_us()) + 2_500_000
            for taken in (ones, others):
                await taken.until(lambda f: f.pts_us > end_us)
    keys = [
        {f.group: f.pts_us for f in taken.frames["180p"] if f.keyframe and begin_us < f.pts_us <= end_us}
        for taken in (ones, others)
    ]
    assert set(keys[0]) == set(keys[1]) and len(keys[0]) >= 4
    # A loss is noticed by each for itself: the extra keyframe behind it may stand a few pictures apart, in one tick.
    apart = [group for group in keys[0] if keys[0][group] != keys[1][group]]
    assert len(apart) <= 1


async def test_a_film_is_a_slate_that_moves_and_sounds(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield film(seconds=4)

    store = open_store(f"file://{tmp_path / 'objects'}?reserve_bytes=0")
    await write_file(store, "media-files/t/f", chunks(), most_bytes=1 << 30)
    at = StoredFile(store.url, "media-files/t/f", len(film(seconds=4))).spec()
    async with (
        running_relay(tmp_path) as relay,
        running_process("live.transcoder", with_inputs(relay.endpoint, slate=SLATE | {"film": at}), tmp_path) as child,
        taking(relay.endpoint, "180p", "source", "aac") as taken,
    ):
        async with src(relay.endpoint):
            await taken.some(10)
        await switched(child, "slate")
        await taken.steps("source", 40_000, 60)
        source, sound = taken.frames["source"], taken.frames["aac"]
        begins = max(n for n, frame in enumerate(source[:-20]) if frame.keyframe)
    pictures = samples.decode_video([(frame.pts_us, frame.payload) for frame in source[begins:]])
    assert {(p.width, p.height) for p in pictures} == {(960, 540)}, "the film has the source's size"
    assert len({p.to_ndarray().tobytes() for p in pictures}) > len(pictures) // 2, "and moves"
    assert aligned(taken.frames["180p"])
    assert max(len(frame.payload) for frame in sound[-20:]) > 40, "silence has frames of a few bytes"
    times_us = [frame.pts_us for frame in sound]
    assert times_us == sorted(set(times_us))

"""What `kill -9` of the recorder costs a recording, on a whole cloud with the demo channel.

    python bench/recorder_kills.py [--kills 20] [--every 6] [--data DIR]

The recorder of a running show is killed through the API, again and again; its node's agent starts it anew. Then the
recording is ended, and every segment of every track is decoded strictly. A frame is missing where presentation times
of the source step by more than one and a half frames. What a recorder had journalled when it was killed is read from
its node's disk, and looked for in the recording: a frame is on the disk when it has come.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from skyriver.apps.cli.measure.cloud_process import running_cloud
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.client import Client, find_cloud
from skyriver.client.models import Recording
from skyriver.kernel.errors import WorldBroke
from skyriver.platform.objects import FolderStore, ObjectStore
from skyriver.services.live.recorder.journal import read_journal
from skyriver.services.live.recorder.layout import Index, init_key, segment_key
from skyriver.services.live.recorder.uploading import load_index

CHANNEL = "demo"
WINDOW_S = 4.0
PATIENCE_S = 90.0
SOURCE = "source"
COLUMNS = (
    "kills",
    "segments",
    "unreadable",
    "gaps",
    "frames on disk at the kills",
    "of these lost",
    "frames missing around kills",
    "frames missing elsewhere",
)


async def until(what: str, look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` finds, as soon as it is something."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := await look()):
        if time.monotonic() > deadline_s:
            raise WorldBroke(f"Waited {PATIENCE_S:.0f} s for {what}.")
        await asyncio.sleep(0.25)
    return found


async def recorded(sky: Client, state: str) -> Recording | None:
    """The newest recording, if it is in this state and holds something."""
    found = [one async for one in sky.recordings(CHANNEL)]
    return found[-1] if found and found[-1].state == state and found[-1].duration_ms else None


async def recorder(sky: Client) -> dict[str, Any] | None:
    """The recorder's workload while it is ready."""
    page = await sky._transport.request("GET", "/v1/workloads", query={"limit": 200})
    ready = (w for w in page["items"] if w["kind"] == "live.recorder" and w["state"] == "ready")
    return next(ready, None)


async def segments(store: ObjectStore, recording_id: str, index: Index) -> AsyncIterator[tuple[str, bytes, int]]:
    """Track, playable bytes and number of every segment."""
    for track in index.tracks:
        for segment in index.of(track):
            init = await store.get(init_key(recording_id, track, segment.init))
            yield track, init + await store.get(segment_key(recording_id, track, segment.number)), segment.number


def decode(data: bytes) -> tuple[list[int], int]:
    """Presentation times in µs, and frames that came out; raises at the first error."""
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams[0]
        stream.codec_context.options = {"err_detect": "explode"}
        times, frames = [], 0
        for packet in file.demux(stream):
            if packet.pts is not None and packet.time_base is not None:
                times.append(round(packet.pts * packet.time_base * 1_000_000))
            frames += len(packet.decode())
        return times, frames


def on_disk(data: Path, workload_id: str) -> set[int]:
    """The presentation times of the source in the journals that a killed recorder has left, µs."""
    found: set[int] = set()
    for path in data.glob(f"nodes/*/workloads/{workload_id}/*/journals/{SOURCE}.*"):
        if (journal := read_journal(path)) is not None:
            found.update(frame.pts_us for frame in journal.frames)
    return found


async def kill_and_count(data: Path, kills: int, every_s: float) -> tuple[Any, ...]:
    async with running_cloud(data, "--edges", "1"), Client(find_cloud(data)) as sky:
        await sky.recording_settings(CHANNEL, enabled=True)
        await until("the first seconds of the recording", lambda: recorded(sky, "recording"))
        killed_us: list[int] = []
        kept: set[int] = set()
        for number in range(kills):
            workload = await until("the recorder", lambda: recorder(sky))
            await asyncio.sleep(every_s * (0.75 + 0.5 * number / max(1, kills)))  # at every place of a slot
            killed_us.append(time.time_ns() // 1000)
            await sky._transport.request("POST", f"/v1/workloads/{workload['id']}/kill", body={"signal": "KILL"})
            kept |= await asyncio.to_thread(on_disk, data, workload["id"])
            print(f"kill {number + 1} of {kills}", flush=True)
        await until("the recorder", lambda: recorder(sky))
        await asyncio.sleep(every_s)
        await sky.recording_settings(CHANNEL, enabled=False)
        done = await until("the end of the recording", lambda: recorded(sky, "ready"))
    store = FolderStore(data / "objects")
    index = await load_index(store, done.id)
    total = unreadable = 0
    times: dict[str, list[int]] = {}
    async for track, body, number in segments(store, done.id, index):
        total += 1
        try:
            found, frames = await asyncio.to_thread(decode, body)
            if index.tracks[track].kind == "video" and frames != len(found):
                raise ValueError(f"{frames} of {len(found)} frames came out")
            times.setdefault(track, []).extend(found)
        except (av.FFmpegError, ValueError) as error:
            unreadable += 1
            print(f"{track}/{number}: {error}")
    source = sorted(times[SOURCE])
    frame_us = sorted(b - a for a, b in pairwise(source))[len(source) // 2]
    holes = [(a, b - a - frame_us) for a, b in pairwise(source) if b - a > 1.5 * frame_us]
    near = [loss for at, loss in holes if any(-1e6 <= at - kill <= WINDOW_S * 1e6 for kill in killed_us)]
    elsewhere = sum(loss for _, loss in holes) - sum(near)
    lost = len(kept - set(source))
    return (
        kills, total, unreadable, len(index.gaps()), len(kept), lost,
        round(sum(near) / frame_us), round(elsewhere / frame_us),
    )  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--every", type=float, default=6.0)
    arguments.add_argument("--data", type=Path)
    chosen = arguments.parse_args()
    print(header(), end="\n\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="skyriver-bench-") as folder:
        row = asyncio.run(kill_and_count(chosen.data or Path(folder), chosen.kills, chosen.every))
    goal = "Goal: nothing unreadable, nothing lost that was on the disk. What is missing elsewhere never came."
    print(f"\n{markdown(COLUMNS, [row])}\n\n{goal}")


if __name__ == "__main__":
    main()

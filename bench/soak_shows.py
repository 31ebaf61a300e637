"""An hour with three shows whose publishers come and go: memory, and whether picture and sound stay together.

    python bench/soak_shows.py [--data DIR] [--minutes 60] [--shows 3] [--reconnect-minutes 5]

Makes channels of its own in a running cloud and deletes them at the end. Each is pushed the demo's picture (with a
clock in it) and sound (with a beep on each full second); a viewer at an edge decodes both. The offset of a picture is
its media time minus the clock in it, that of the sound its media time minus the second of the beep: their difference
is how far picture and sound are apart, its change over the hour is drift. Memory has to be flat once caches are full.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections import deque
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.picture import PictureDecoder
from skyriver.apps.cli.measure.processes import cloud_processes, usage_of
from skyriver.client import Client, Cloud, find_cloud
from skyriver.fabric import Endpoint, MediaFrame, Subscriber
from skyriver.fabric.moq import certificate_hashes
from skyriver.services.live.media.demo_push import DemoPush
from skyriver.services.live.media.tone import BEEP_HZ, BEEP_LEVEL, BEEP_S

WIDTH, HEIGHT, FPS = 480, 270, 25
ROWS = 12
RATE_HZ = 48_000
SECOND_US = 1_000_000
PICTURE_TRACK, SOUND_TRACK = "source", "opus"
TICKET_S = 1800.0
COLUMNS = (
    "minute",
    "processes",
    "RSS MB",
    "PSS MB",
    "descriptors",
    "largest process",
    "A/V apart, ms",
    "longest gap ms",
)


@dataclass
class Show:
    """One channel, its publisher and what its viewer sees."""

    channel_id: str
    url: str
    picture_offsets_us: deque[int] = field(default_factory=lambda: deque(maxlen=250))
    sound_offsets_us: deque[int] = field(default_factory=lambda: deque(maxlen=10))
    last_picture_s: float | None = None
    longest_gap_ms: float = 0.0
    pictures: int = 0

    @property
    def apart_ms(self) -> float | None:
        """How much later the picture is than the sound."""
        if not self.picture_offsets_us or not self.sound_offsets_us:
            return None
        return (median(self.picture_offsets_us) - median(self.sound_offsets_us)) / 1000

    def picture(self, offset_us: int) -> None:
        now_s = time.monotonic()
        if self.last_picture_s is not None:
            self.longest_gap_ms = max(self.longest_gap_ms, (now_s - self.last_picture_s) * 1000)
        self.last_picture_s = now_s
        self.pictures += 1
        self.picture_offsets_us.append(offset_us)

    def take_gap_ms(self) -> float:
        gap_ms, self.longest_gap_ms = self.longest_gap_ms, 0.0
        return gap_ms


class BeepFinder:
    """Finds the middle of each beep in Opus packets: the loudest moment at the beep's frequency."""

    def __init__(self) -> None:
        self._decoder: Any = av.CodecContext.create("opus", "r")
        self._decoder.sample_rate = RATE_HZ
        self._window: deque[tuple[int, float]] = deque(maxlen=50)  # (media time, level) of the last second

    def find(self, frame: MediaFrame) -> int | None:
        """Media time of a beep's beginning, microseconds, once it has passed."""
        packet = av.Packet(frame.payload)
        packet.pts = frame.pts_us
        for decoded in self._decoder.decode(packet):
            samples = np.atleast_2d(decoded.to_ndarray()).mean(axis=0).astype(np.float64)
            phase = np.exp(-2j * np.pi * BEEP_HZ * np.arange(len(samples)) / RATE_HZ)
            self._window.append((frame.pts_us, abs(complex((samples * phase).mean())) * 2))
        levels = [level for _, level in self._window]
        if len(levels) < 12 or levels[-6] < BEEP_LEVEL / 4 or levels[-6] != max(levels[-12:]):
            return None
        near = list(self._window)[-9:-3]
        middle_us = sum(at_us * level for at_us, level in near) / sum(level for _, level in near) + 10_000
        return round(middle_us - BEEP_S / 2 * SECOND_US)


async def publish(show: Show, reconnect_s: float, offset_s: float) -> None:
    """Push for ever, in a process that is killed now and then."""
    first_s = offset_s
    while True:
        command = [sys.executable, __file__, "--push", show.url]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), first_s + reconnect_s)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        first_s = 0.0
        await asyncio.sleep(2)


async def watch(sky: Client, show: Show) -> None:
    """Decode picture and sound for ever; a new ticket before the old one ends."""
    while True:
        ticket = await sky.watch(show.channel_id)
        edges = [Endpoint(edge.url, certificate_hashes(edge.certificate_sha256)) for edge in ticket.edges]
        subscriber = Subscriber(edges, ticket.space, lambda grant=ticket.grant: grant, ticket.broadcast)  # type: ignore[misc]
        with suppress(TimeoutError):
            async with asyncio.timeout(TICKET_S), asyncio.TaskGroup() as tasks:
                tasks.create_task(subscriber.run())
                tasks.create_task(_pictures(subscriber, show))
                tasks.create_task(_sounds(subscriber, show))


async def _pictures(subscriber: Subscriber, show: Show) -> None:
    decoder = PictureDecoder()
    async for frame in subscriber.frames(PICTURE_TRACK):
        for picture in decoder.decode(frame):
            if picture.drawn_at_ms is not None:
                show.picture(picture.pts_us - picture.drawn_at_ms * 1000)


async def _sounds(subscriber: Subscriber, show: Show) -> None:
    finder = BeepFinder()
    async for frame in subscriber.frames(SOUND_TRACK):
        begun_us = finder.find(frame)
        if begun_us is not None:
            past_us = begun_us % SECOND_US
            show.sound_offsets_us.append(past_us - SECOND_US if past_us > SECOND_US // 2 else past_us)


def sample(minute: str, data: Path, shows: list[Show]) -> tuple[Any, ...]:
    used = usage_of(cloud_processes(data))
    largest = max(used, key=lambda one: one.rss_bytes)
    apart = [f"{show.apart_ms:.0f}" if show.apart_ms is not None else "-" for show in shows]
    return (
        minute,
        len(used),
        f"{sum(one.rss_bytes for one in used) / 1e6:.0f}",
        f"{sum(one.pss_bytes for one in used) / 1e6:.0f}",
        sum(one.descriptors for one in used),
        f"{largest.name} {largest.rss_bytes / 1e6:.0f} MB",
        " / ".join(apart),
        " / ".join(f"{show.take_gap_ms():.0f}" for show in shows),
    )


async def soak(cloud: Cloud, data: Path, minutes: float, count: int, reconnect_s: float) -> None:
    rows, shows = [], []
    async with Client(cloud) as sky, AsyncExitStack() as stack:
        for number in range(count):
            made = await sky.create_channel(f"Soak {number + 1}", profile="light")
            stack.push_async_callback(sky.delete_channel, made.channel.id)
            assert made.channel.ingest.rtmp_url is not None
            shows.append(Show(made.channel.id, f"{made.channel.ingest.rtmp_url}/{made.stream_key}"))
        work = [
            asyncio.ensure_future(each)
            for number, show in enumerate(shows)
            for each in (publish(show, reconnect_s, number * reconnect_s / count), watch(sky, show))
        ]
        try:
            from_s = time.monotonic()
            for number in range(1, ROWS + 1):
                due_s = from_s + minutes * 60 * number / ROWS
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                rows.append(sample(f"{(time.monotonic() - from_s) / 60:.0f}", data, shows))
                print("|", " | ".join(str(cell) for cell in rows[-1]), "|", file=sys.stderr, flush=True)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
    print(markdown(COLUMNS, rows))
    print(f"\n{count} shows of {WIDTH} x {HEIGHT} at {FPS} fps; publishers killed every {reconnect_s / 60:g} minutes.")
    print("Pictures decoded: " + ", ".join(str(show.pictures) for show in shows) + ".")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path("~/.skyriver"))
    arguments.add_argument("--minutes", type=float, default=60.0)
    arguments.add_argument("--shows", type=int, default=3)
    arguments.add_argument("--reconnect-minutes", type=float, default=5.0)
    arguments.add_argument("--push", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.push:
        DemoPush(chosen.push, width=WIDTH, height=HEIGHT, fps=FPS).run(threading.Event())
        return
    print(header(), end="\n\n", flush=True)
    data = chosen.data.expanduser()
    asyncio.run(soak(find_cloud(data), data, chosen.minutes, chosen.shows, chosen.reconnect_minutes * 60))


if __name__ == "__main__":
    main()

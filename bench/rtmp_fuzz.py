"""Malformed RTMP connections against a running cloud, while it serves a real channel through the same door.

    python -m bench.rtmp_fuzz [--data DIR] [--channel demo] [--connections 1200] [--at-once 20] [--seed 20240607]

Most conversations know a good stream key of a channel made for this, so that they get past the door. The table tells
whether the station lived through it, what it costs in memory, and what a viewer of the other channel noticed. Exits
with 1 when the station was restarted, the viewer lost the picture, or a real push is refused afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skyriver.apps.cli.child import child
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client, find_cloud
from skyriver.client.models import ChannelCreated
from tests.services.live.stations.rtmp.malformed import malformed

COLUMNS = (
    "connections",
    "seconds",
    "station restarts",
    "station MB before",
    "after",
    "viewer's longest gap, ms",
    "push",
)
KEYS = 4  # channels to attack on: one publisher at a time each
ANSWER_TIMEOUT_S = 10.0
LOST_PICTURE_MS = 2_000.0


@dataclass(frozen=True)
class Door:
    """Where the station listens, and keys that open it."""

    host: str
    port: int
    keys: tuple[str, ...]


async def attack(door: Door, rng: random.Random, key: str) -> None:
    """One conversation: sent in pieces, ended politely or rudely."""
    data = malformed(rng, key)
    reader, writer = await asyncio.open_connection(door.host, door.port)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            for at in range(0, len(data), step := rng.choice((1 << 20, 700, 97 if len(data) < 5000 else 997))):
                writer.write(data[at : at + step])
                await writer.drain()
            if rng.random() < 0.2:
                writer.transport.abort()
            else:
                writer.write_eof()
                while await reader.read(65536):
                    pass
    except (ConnectionError, TimeoutError):
        pass  # being hung up on, or held until a time-out of the station's, is what these are asking for
    finally:
        writer.close()


async def attack_all(door: Door, chosen: argparse.Namespace) -> None:
    numbers = iter(range(chosen.connections))

    async def attacker(key: str) -> None:
        for number in numbers:
            await attack(door, random.Random(chosen.seed * 100_000 + number), key)

    async with asyncio.TaskGroup() as tasks:
        for number in range(chosen.at_once):
            tasks.create_task(attacker(door.keys[number % len(door.keys)]))


async def station(sky: Client) -> dict[str, Any]:
    """The station as the overview shows it."""
    for site in (await sky.overview()).sites:
        for node in site.get("nodes", ()):
            for work in node.get("workloads", ()):
                if work.get("kind") == "live.station":
                    return dict(work)
    raise SystemExit("This cloud has no station.")


async def push(url: str, clip: Path) -> str:
    """What came of a real push."""
    async with child("the push", "-m", "skyriver.apps.cli.push_process") as pushing:
        pushing.tell("push", path=str(clip), url=url, loop=False)
        pushed = await pushing.hear("pushed", timeout_s=60)
    return f"{pushed['packets']} packets"


async def run(chosen: argparse.Namespace) -> int:
    async with Client(find_cloud(chosen.data)) as sky:
        made = [await sky.create_channel(f"Fuzz {chosen.seed} {number}") for number in range(KEYS)]
        try:
            return await measure(sky, made, chosen)
        finally:
            for channel in made:
                await sky.delete_channel(channel.channel.id)


async def measure(sky: Client, made: list[ChannelCreated], chosen: argparse.Namespace) -> int:
    rtmp_url = str(made[0].channel.ingest.rtmp_url)
    where = urlsplit(rtmp_url)
    door = Door(where.hostname or "127.0.0.1", where.port or 1935, tuple(str(one.stream_key) for one in made))
    before = await station(sky)
    watched = asyncio.Event()
    viewer = HeadlessViewer(sky, chosen.channel, on_first_frame=watched.set)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(viewer.run())
        await watched.wait()
        started_s = time.monotonic()
        await attack_all(door, chosen)
        took_s = time.monotonic() - started_s
        watching.cancel()
    gap_ms = float(viewer.as_json()["max_gap_ms"])
    after = await station(sky)
    pushed = await push(f"{rtmp_url}/{door.keys[0]}", chosen.clip) if chosen.clip else "not tried"
    restarts = after["restarts"] - before["restarts"]
    sizes = [f"{work['memory_bytes'] / 1e6:.0f}" for work in (before, after)]
    print(header())
    print(markdown(COLUMNS, [(chosen.connections, f"{took_s:.0f}", restarts, *sizes, f"{gap_ms:.0f}", pushed)]))
    return 1 if restarts or after["pid"] != before["pid"] or gap_ms > LOST_PICTURE_MS else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--channel", default="demo", help="The channel that is watched meanwhile.")
    parser.add_argument("--connections", type=int, default=1200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--seed", type=int, default=20240607)
    parser.add_argument("--clip", type=Path, help="A short film to push afterwards.")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())

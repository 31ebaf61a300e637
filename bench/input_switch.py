"""How long viewers miss the picture when the main encoder is killed and the backup goes on, again and again.

    python bench/input_switch.py [--data DIR] [--kills 30] [--gop-s 2]

Needs a running cloud (two core nodes: `skyriver up --cores 2`) and the ffmpeg command, which plays one prepared file
into both inputs of a channel of its own. Each kill is a SIGKILL of the main encoder; then the main one comes back, and
the channel returns to it by its policy before the next. The last rows: both encoders killed, until the slate is seen,
and back.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.summary import summarise
from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client, find_cloud
from skyriver.client.cloud import DEFAULT_DATA
from skyriver.client.models import Channel
from skyriver.kernel.clock import monotonic_s

COLUMNS = ("what", "times", "gap p50 ms", "p99 ms", "max ms")
WINDOW_S = 3.0
RENDITION = "180p"


async def prepare(file: Path, gop_s: float) -> None:
    """Ten seconds that can be looped: encoded once, so that the encoders of the benchmark cost nothing."""
    picture = ["-f", "lavfi", "-i", "testsrc2=size=960x540:rate=30", "-f", "lavfi", "-i", "sine=f=440:r=48000"]
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "1500k", "-g", str(round(gop_s * 30)), "-c:a", "aac"]
    command = ["ffmpeg", "-v", "error", *picture, "-t", "20", *codecs, "-pix_fmt", "yuv420p", "-f", "flv", str(file)]
    encoder = await asyncio.create_subprocess_exec(*command)
    if await encoder.wait():
        raise SystemExit("ffmpeg could not make the file to push")


@asynccontextmanager
async def encoder(file: Path, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """An encoder that sends until it is killed."""
    command = ["ffmpeg", "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(file), "-c", "copy", "-f", "flv", url]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(sky: Client, slug: str, fits: Callable[[Channel], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait until the channel is as it should be."""
    give_up_s = monotonic_s() + timeout_s
    while not fits(await sky.channel(slug)):
        if monotonic_s() > give_up_s:
            raise SystemExit(f"waited {timeout_s:.0f} s for {what}")
        await asyncio.sleep(0.2)


def shows(name: str) -> Callable[[Channel], bool]:
    """Whether viewers see this input."""
    return lambda channel: any(one.active and one.name == name for one in channel.inputs)


async def run(data: Path, kills: int, gop_s: float) -> None:
    async with Client(find_cloud(data)) as sky:
        made = await sky.create_channel("Input switch", profile="light", input_revert_s=2)
        slug = made.channel.slug
        try:
            backup = await sky.create_stream_key(slug, "backup", input_name="backup")
            doors = (await sky.channel(slug)).ingest
            urls = f"{doors.rtmp_url}/{made.stream_key}", f"{doors.backup.rtmp_url}/{backup.secret}"
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "loop.flv"
                await prepare(file, gop_s)
                rows = await measure(sky, slug, file, urls, kills)
            print(markdown(COLUMNS, rows))
        finally:
            await sky.delete_channel(slug)


async def measure(
    sky: Client, slug: str, file: Path, urls: tuple[str, str], kills: int
) -> list[tuple[str, int, float, float, float]]:
    main_url, backup_url = urls
    viewer = HeadlessViewer(sky, slug, track=RENDITION)
    lost_ms: list[float] = []
    back_ms: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        async with encoder(file, backup_url) as standby:
            await until(sky, slug, shows("backup"), "the backup's picture")
            watching = tasks.create_task(viewer.run())
            while not viewer.receives(0.5):  # noqa: ASYNC110 - a viewer tells nobody when it receives
                await asyncio.sleep(0.1)
            for _ in range(kills):
                async with encoder(file, main_url) as main:
                    began_s = monotonic_s()
                    await until(sky, slug, shows("main"), "the main input's picture")
                    await asyncio.sleep(1.0)
                    back_ms.append(viewer.arrivals.max_gap_ms(began_s, monotonic_s()))
                    await until(sky, slug, lambda channel: len(channel.inputs) == 2, "both inputs")
                    killed_s = monotonic_s()
                    main.kill()
                    await asyncio.sleep(WINDOW_S)
                    lost_ms.append(viewer.arrivals.max_gap_ms(killed_s, monotonic_s()))
            killed_s = monotonic_s()
            standby.kill()
            await until(sky, slug, lambda channel: channel.on_slate, "the slate")
            await asyncio.sleep(WINDOW_S)
            slate_ms = [viewer.arrivals.max_gap_ms(killed_s, monotonic_s())]
        began_s = monotonic_s()
        async with encoder(file, main_url):
            await until(sky, slug, shows("main"), "the main input after the slate")
            await asyncio.sleep(WINDOW_S)
            returned_ms = [viewer.arrivals.max_gap_ms(began_s, monotonic_s())]
        watching.cancel()
    measured = (
        ("main encoder killed, backup goes on", lost_ms),
        ("main is back and shown again", back_ms),
        ("both killed, until the slate", slate_ms),
        ("from the slate to the picture", returned_ms),
    )
    return [(what, s.count, s.p50, s.p99, s.max) for what, gaps in measured for s in [summarise(gaps)]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DEFAULT_DATA)
    arguments.add_argument("--kills", type=int, default=30)
    arguments.add_argument("--gop-s", type=float, default=2.0)
    chosen = arguments.parse_args()
    print(header(), end="\n\n", flush=True)
    asyncio.run(run(chosen.data, chosen.kills, chosen.gop_s))


if __name__ == "__main__":
    main()

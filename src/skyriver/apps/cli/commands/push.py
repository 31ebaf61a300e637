"""`push`: a file played into a channel, as if a camera sent it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyriver.apps.cli.options import ChannelOption, Data, Json

if TYPE_CHECKING:
    from skyriver.apps.cli.output import Step
    from skyriver.apps.cli.pusher import Pushed

PROGRESS_INTERVAL_S = 0.25


def register(app: typer.Typer) -> None:
    app.command()(push)


def push(
    file: Annotated[Path, typer.Argument(help="Any media file with video.", exists=True, dir_okay=False)],
    channel: ChannelOption,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at its end, until Ctrl-C.")] = False,
    key: Annotated[
        str | None,
        typer.Option(help="A stream key [default: one made for this push only].", envvar="SKYRIVER_STREAM_KEY"),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Push a file to a channel over RTMP, at the pace of real time; transcodes only what is not H.264 or AAC."""
    import asyncio

    from skyriver.apps.cli.output import print_json

    pushed = asyncio.run(_push(file, channel, loop, key, data, as_json))
    if as_json:
        print_json(
            {
                "media_s": round(pushed.media_s, 3),
                "packets": pushed.packets,
                "size_bytes": pushed.size_bytes,
                "rounds": pushed.rounds,
                "copied": pushed.copied,
            }
        )
    else:
        print(f"Pushed {pushed.media_s:.1f} s ({pushed.size_bytes / 1e6:.1f} MB).")


async def _push(file: Path, channel: str, loop: bool, key: str | None, data: Path | None, quiet: bool) -> Pushed:
    """Push with `key`, or with a key that lives as long as the push."""
    from skyriver.client import Client, find_cloud
    from skyriver.kernel.errors import NotReady

    async with Client(find_cloud(data)) as sky:
        target = await sky.channel(channel)
        if target.ingest.rtmp_url is None:
            raise NotReady(f"No station serves {channel} yet.", hint="Look at `skyriver status`, and try again.")
        if key is not None:
            return await _send(file, f"{target.ingest.rtmp_url}/{key}", loop, quiet)
        made = await sky.create_stream_key(target.id, f"push {file.name}"[:60])
        try:
            return await _send(file, f"{target.ingest.rtmp_url}/{made.secret}", loop, quiet)
        finally:
            await sky.delete_stream_key(target.id, made.id)


async def _send(file: Path, url: str, loop: bool, quiet: bool) -> Pushed:
    """Run the blocking push in a thread, tell its progress, and stop it when this task is cancelled."""
    import asyncio
    import threading

    from skyriver.apps.cli import pusher
    from skyriver.apps.cli.output import progress

    pushed, stop = pusher.Pushed(), threading.Event()
    length_s = None if loop else pusher.duration_s(file)

    async def tell(step: Step) -> None:
        while True:
            step(pushed.media_s, f"{pushed.media_s:.0f} s")
            await asyncio.sleep(PROGRESS_INTERVAL_S)

    with progress(f"Pushing {file.name}", length_s, quiet=quiet) as step:
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(tell(step))
            try:
                await asyncio.to_thread(pusher.push, file, url, loop=loop, stop=stop, pushed=pushed)
            finally:
                stop.set()  # when this task was cancelled, the thread ends within a packet or its network timeout
                telling.cancel()
    return pushed

"""`push`: a file played into a channel, as if a camera sent it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skyriver.apps.cli.options import ChannelOption, Data, Json


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
    """Push a file to a channel over RTMP. At the pace of real time; transcodes only what is not H.264 or AAC."""
    import asyncio

    from skyriver.apps.cli.output import print_json

    pushed = asyncio.run(_push(file, channel, loop, key, data, as_json))
    if as_json:
        print_json(
            {
                "media_s": round(pushed["media_s"], 3),
                **{name: pushed[name] for name in ("packets", "size_bytes", "rounds", "copied")},
            }
        )
    else:
        print(f"Pushed {pushed['media_s']:.1f} s ({pushed['size_bytes'] / 1e6:.1f} MB).")


async def _push(
    file: Path, channel: str, loop: bool, key: str | None, data: Path | None, quiet: bool
) -> dict[str, Any]:
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


async def _send(file: Path, url: str, loop: bool, quiet: bool) -> dict[str, Any]:
    """Run the push in a process of its own and tell its progress; cancelled, it ends with this block."""
    from skyriver.apps.cli.child import child
    from skyriver.apps.cli.output import progress
    from skyriver.apps.cli.pusher import duration_s
    from skyriver.kernel.errors import WorldBroke

    length_s = duration_s(file)
    with progress(f"Pushing {file.name}", None if loop else length_s, quiet=quiet) as step:
        async with child("the push", "-m", "skyriver.apps.cli.push_process") as pushing:
            pushing.tell("push", path=str(file), url=url, loop=loop)
            async for heard in pushing.events():
                if heard["event"] == "pushed":
                    return heard
                step(heard["media_s"], f"{heard['media_s']:.0f} s")
    raise WorldBroke("The push ended without a word.", hint="Its words are above, on stderr.")

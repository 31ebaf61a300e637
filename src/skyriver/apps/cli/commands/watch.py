"""`watch`: a headless viewer that tells what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyriver.apps.cli.options import Channel, Data, Json

if TYPE_CHECKING:
    from skyriver.apps.cli.output import Step
    from skyriver.client import Client


def register(app: typer.Typer) -> None:
    app.command()(watch)


def watch(
    channel: Channel,
    seconds: Annotated[float, typer.Option("--seconds", "-s", help="How long to watch.", min=0.5, max=86400)] = 10.0,
    track: Annotated[str | None, typer.Option(help="A video track [default: the source's picture].")] = None,
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Decode each frame, or only receive it.")] = True,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Watch a channel without a screen. Exits with 1 when no frame came."""
    from skyriver.apps.cli import exits
    from skyriver.apps.cli.output import print_fields, print_json, progress
    from skyriver.apps.cli.session import ask

    with progress(f"Watching {channel}", seconds, quiet=as_json) as step:

        async def run(sky: Client) -> dict[str, Any]:
            return await _watch(sky, channel, seconds, track, decode, step)

        seen = ask(data, run)
    if as_json:
        print_json(seen)
    else:
        latency = seen["latency_ms"]
        print_fields(
            [
                ("frames", seen["frames"]),
                ("picture", f"{seen['width']}x{seen['height']}"),
                ("first frame after", f"{seen['startup_ms']} ms"),
                ("latency", f"p50 {latency['p50']} ms, p99 {latency['p99']} ms ({seen['latency_of']} frames)"),
                ("longest gap", f"{seen['max_gap_ms']} ms"),
                ("edges", ", ".join(edge["site"] or edge["url"] for edge in seen["edges"])),
            ]
        )
    if not seen["frames"]:
        raise typer.Exit(exits.FAILED)


async def _watch(
    sky: Client, channel: str, seconds: float, track: str | None, decode: bool, step: Step
) -> dict[str, Any]:
    """Watch for `seconds` and return what was seen."""
    import asyncio
    import time

    from skyriver.apps.cli.measure.viewing import HeadlessViewer

    viewer = HeadlessViewer(sky, channel, track=track, decode=decode)
    started_s = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(viewer.run())
        while (passed_s := time.monotonic() - started_s) < seconds:
            step(passed_s, f"{viewer.arrivals.frames} frames")
            await asyncio.sleep(min(0.25, seconds - passed_s))
        watching.cancel()
    return viewer.as_json()

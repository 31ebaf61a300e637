"""Options that many commands share, and the completion of names that only the cloud knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

COMPLETION_TIMEOUT_S = 1.0  # a shell that hangs on TAB is worse than one that offers nothing


def complete_channel(context: typer.Context, incomplete: str) -> list[str]:
    """Slugs of the caller's channels that start with `incomplete`; nothing when the cloud is away."""
    import asyncio

    from skyriver.client import Client, find_cloud
    from skyriver.kernel.errors import SkyriverError

    async def slugs() -> list[str]:
        async with asyncio.timeout(COMPLETION_TIMEOUT_S), Client(find_cloud(context.params.get("data"))) as sky:
            return [channel.slug async for channel in sky.channels() if channel.slug.startswith(incomplete)]

    try:
        return asyncio.run(slugs())
    except (SkyriverError, TimeoutError):
        return []


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder of a cloud on this machine [default: SKYRIVER_URL, else ~/.skyriver].",
        show_default=False,
        file_okay=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Channel = Annotated[
    str,
    typer.Argument(metavar="CHANNEL", help="Slug or id of the channel.", autocompletion=complete_channel),
]
ChannelOption = Annotated[
    str,
    typer.Option("--channel", "-c", help="Slug or id of the channel.", autocompletion=complete_channel),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

"""The typed client of the Skyriver API: what the command line uses, and what any Python program may use.

    async with Client(find_cloud()) as sky:
        async for channel in sky.channels():
            print(channel.slug, channel.state)

Every failure is a `kernel.errors.SkyriverError` with a hint; a cloud that does not answer is `CloudNotReachable`.
"""

from __future__ import annotations

from skyriver.client.api import Client
from skyriver.client.cloud import Cloud, CloudNotReachable, find_cloud
from skyriver.client.events import ServerEvent
from skyriver.client.models import (
    ApiKey,
    Channel,
    Drill,
    Edge,
    Node,
    Site,
    StreamKey,
    Tenant,
    User,
    WatchTicket,
)

__all__ = [
    "ApiKey",
    "Channel",
    "Client",
    "Cloud",
    "CloudNotReachable",
    "Drill",
    "Edge",
    "Node",
    "ServerEvent",
    "Site",
    "StreamKey",
    "Tenant",
    "User",
    "WatchTicket",
    "find_cloud",
]

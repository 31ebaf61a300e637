"""The sites of a cloud on one machine, and the agents that run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skyriver.apps.cloud.processes import Supervised
from skyriver.apps.cloud.settings import CloudSettings
from skyriver.kernel.errors import WorldBroke

if TYPE_CHECKING:
    from skyriver.client import Client

PORTS_PER_NODE = 20  # a relay takes two, and a core node runs two relays


@dataclass(frozen=True)
class Place:
    """Where a site is said to be: far enough from the others to be seen on a map."""

    slug: str
    name: str
    region: str
    latitude: float
    longitude: float


PLACES = (
    Place("core", "Core", "cn-north", 39.9, 116.4),
    Place("edge-a", "Edge A", "cn-east", 31.2, 121.5),
    Place("edge-b", "Edge B", "cn-south", 22.5, 114.1),
)


def place(number: int) -> Place:
    """The place of the site with this number; 0 is the core."""
    if number < len(PLACES):
        return PLACES[number]
    slug = f"edge-{chr(ord('a') + number - 1)}"
    return Place(slug, slug.replace("-", " ").title(), "local", 20.0 + 3 * number, 100.0 + 2 * number)


async def agent(settings: CloudSettings, url: str, number: int) -> Supervised:
    """The agent of one site, not started yet; the first time it gets a site and a token to join it."""
    where = place(number)
    folder = settings.data / "nodes" / where.slug
    environment: dict[str, str] = {}
    if not (folder / "node.json").exists():
        environment["SKYRIVER_JOIN_TOKEN"] = await _join_token(settings, url, where, "edge" if number else "core")
    arguments = ["--url", url, "--data", str(folder), "--name", f"{where.slug}-1", "--address", settings.host]
    arguments += ["--metrics-host", settings.host, "--metrics-port", "0"]
    if settings.udp_port:
        first_port = settings.udp_port + number * PORTS_PER_NODE
        arguments += ["--ports", f"{first_port}-{first_port + PORTS_PER_NODE - 1}"]
    return Supervised(f"agent-{where.slug}", "skyriver.apps.agent", arguments, environment, settings.data)


async def _join_token(settings: CloudSettings, url: str, where: Place, role: str) -> str:
    from skyriver.client import Client, Cloud

    try:
        key = settings.cli_key_path.read_text().strip()
    except OSError as error:
        raise WorldBroke(
            f"Making the site {where.slug} failed: there is no API key in {settings.cli_key_path}.",
            hint="Make one for an owner (console, Access), and put it into that file.",
        ) from error
    async with Client(Cloud(url, key)) as sky:
        described: dict[str, Any] = {**vars(where), "role": role}
        return (await sky.create_join_token(await _site_id(sky, described))).token


async def _site_id(sky: Client, described: dict[str, Any]) -> str:
    slug = described.pop("slug")
    async for site in sky.sites():
        if site.slug == slug:
            return site.id
    return (await sky.create_site(slug, **described)).id

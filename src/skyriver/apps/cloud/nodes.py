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
    role: str


CORES = (
    Place("core", "Core", "cn-north", 39.9, 116.4, "core"),
    Place("core-b", "Core B", "cn-southwest", 30.6, 104.1, "core"),
)
EDGES = (
    Place("edge-a", "Edge A", "cn-east", 31.2, 121.5, "edge"),
    Place("edge-b", "Edge B", "cn-south", 22.5, 114.1, "edge"),
)


def places(settings: CloudSettings) -> list[Place]:
    """Every site's place: the first core, the edges, and further cores last, so that adding one moves no other."""
    cores = [_place("core", CORES, index) for index in range(settings.cores)]
    edges = [_place("edge", EDGES, index) for index in range(settings.edges)]
    return cores[:1] + edges + cores[1:]


def _place(role: str, known: tuple[Place, ...], index: int) -> Place:
    if index < len(known):
        return known[index]
    slug = f"{role}-{chr(ord('a') + index)}"
    return Place(slug, slug.replace("-", " ").title(), "local", 20.0 + 3 * index, 100.0 + 2 * index, role)


async def agent(settings: CloudSettings, url: str, number: int, where: Place) -> Supervised:
    """The agent of one site, not started yet; the first time it gets a site and a token to join it."""
    folder = settings.data / "nodes" / where.slug
    environment: dict[str, str] = {}
    if not (folder / "node.json").exists():
        environment["SKYRIVER_JOIN_TOKEN"] = await _join_token(settings, url, where)
    arguments = ["--url", url, "--data", str(folder), "--name", f"{where.slug}-1", "--address", settings.host]
    arguments += ["--metrics-host", settings.host, "--metrics-port", "0"]
    if settings.udp_port:
        first_port = settings.udp_port + number * PORTS_PER_NODE
        arguments += ["--ports", f"{first_port}-{first_port + PORTS_PER_NODE - 1}"]
    return Supervised(f"agent-{where.slug}", "skyriver.apps.agent", arguments, environment, settings.data)


async def _join_token(settings: CloudSettings, url: str, where: Place) -> str:
    from skyriver.client import Client, Cloud

    try:
        key = settings.cli_key_path.read_text().strip()
    except OSError as error:
        raise WorldBroke(
            f"Making the site {where.slug} failed: there is no API key in {settings.cli_key_path}.",
            hint="Make one for an owner (console, Access), and put it into that file.",
        ) from error
    async with Client(Cloud(url, key)) as sky:
        return (await sky.create_join_token(await _site_id(sky, dict(vars(where))))).token


async def _site_id(sky: Client, described: dict[str, Any]) -> str:
    slug = described.pop("slug")
    async for site in sky.sites():
        if site.slug == slug:
            return site.id
    return (await sky.create_site(slug, **described)).id

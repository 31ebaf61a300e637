"""`site …` and `node …`: the machines the cloud runs on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyriver.apps.cli.options import Data, Json

if TYPE_CHECKING:
    from skyriver.client import Client, Node
    from skyriver.client.models import JoinToken

sites = typer.Typer(help="Sites: places with machines.", no_args_is_help=True)
nodes = typer.Typer(help="Nodes: machines that run the agent.", no_args_is_help=True)


class SiteRole(StrEnum):
    """What a site's machines do."""

    CORE = "core"
    EDGE = "edge"


@sites.command("list")
def list_sites(data: Data = None, as_json: Json = False) -> None:
    """Every site."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.sites()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("site", "name", "region", "role", "id"), [(one.slug, one.name, one.region, one.role, one.id) for one in found]
    )


@sites.command("create")
def create_site(
    slug: Annotated[str, typer.Argument(help="Its name in addresses: lower-case letters, digits, hyphens.")],
    role: Annotated[SiteRole, typer.Option(help="core: stations, transcoders, origins. edge: viewers' relays.")],
    name: Annotated[str | None, typer.Option(help="What people call it [default: SLUG].")] = None,
    region: Annotated[str, typer.Option(help="Viewers of the same region are sent here first.")] = "",
    latitude: Annotated[float | None, typer.Option(min=-90, max=90)] = None,
    longitude: Annotated[float | None, typer.Option(min=-180, max=180)] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a site, before its first node joins."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    place = {"region": region, "latitude": latitude, "longitude": longitude}
    made = ask(data, lambda sky: sky.create_site(slug, role=role.value, name=name or slug, **place))
    if as_json:
        print_json(made)
    else:
        print(f"Made site {made.slug} ({made.id}). `skyriver node token {made.slug}` lets a machine join it.")


@nodes.command("list")
def list_nodes(data: Data = None, as_json: Json = False) -> None:
    """Every node, and whether it lives."""
    from skyriver.apps.cli.output import megabytes, print_json, print_table, rate
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.nodes()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("node", "site", "state", "address", "CPU cores", "memory", "viewers", "sent", "id"),
        [
            (
                *(one.name, one.site, one.state, one.address),
                f"{one.cpu:.2f} of {one.cores:g}",
                f"{megabytes(one.memory_bytes)} of {megabytes(one.memory_total_bytes)}",
                *(one.viewers, rate(one.egress_bps), one.id),
            )
            for one in found
        ],
    )


@nodes.command()
def drain(
    node: Annotated[str, typer.Argument(help="Name or id of the node.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let it take work again.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Move the work off a node and give it no more, so that it can be stopped."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    async def change(sky: Client) -> Node:
        return await sky.drain_node(await _node_id(sky, node), draining=not undo)

    changed = ask(data, change)
    if as_json:
        print_json(changed)
    else:
        print(f"{changed.name} {'takes work again' if undo else 'is draining'}.")


@nodes.command()
def token(
    site: Annotated[str, typer.Argument(help="Slug or id of the site the node will belong to.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a one-time token with which a machine may join a site."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask
    from skyriver.client import find_cloud

    async def make(sky: Client) -> JoinToken:
        return await sky.create_join_token(await _site_id(sky, site))

    made = ask(data, make)
    if as_json:
        print_json(made)
        return
    print_fields([("token", made.token), ("expires", made.expires_at)])
    print(f"On the new machine: skyriver node join {find_cloud(data).url} --token {made.token}")


@nodes.command()
def join(
    url: Annotated[str, typer.Argument(help="Address of the cloud's API.")],
    token: Annotated[
        str | None,
        typer.Option(
            help="A one-time token: `skyriver node token SITE` makes one. Needed the first time only.",
            envvar="SKYRIVER_JOIN_TOKEN",
        ),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Slug of the site the token is for; another one is refused.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of this node [default: the host's].")] = None,
    address: Annotated[str, typer.Option(help="Where viewers and other nodes reach this machine.")] = "127.0.0.1",
    ports: Annotated[
        str | None, typer.Option(help="UDP ports for relays, two each, such as 4443-4462 [default: any].")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve Prometheus metrics of this node here.")] = None,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the node keeps its key and plan.")] = Path(
        "~/.skyriver-node"
    ),
    as_json: Json = False,
) -> None:
    """Make this machine a node: join with a one-time token (the first time), then run its agent until Ctrl-C."""
    import os

    from skyriver.apps.agent import AgentSettings, run
    from skyriver.apps.agent.agent import parse_ports, say_on_stdout
    from skyriver.kernel.logs import set_up_logs

    first_port, last_port = parse_ports(ports) if ports else (0, 0)
    os.umask(0o077)  # the node's key, its plan and what its workloads write are nobody else's business
    set_up_logs(f"agent/{name or 'node'}", "info" if as_json else "warning")
    settings = AgentSettings(
        url=url,
        data=data.expanduser(),
        token=token,
        site=site,
        name=name,
        address=address,
        first_port=first_port,
        last_port=last_port,
        metrics_port=metrics_port,
    )
    run(settings, say_on_stdout if as_json else _say)


def _say(event: str, **fields: object) -> None:
    """What the agent tells, for people."""
    if event == "ready":
        print(f"Node {fields.get('node_id')} is running. Ctrl-C drains its work and stops it.", flush=True)


async def _node_id(sky: Client, name: str) -> str:
    from skyriver.kernel.errors import NotFound

    known = []
    async for node in sky.nodes():
        if name in (node.id, node.name):
            return node.id
        known.append(node.name)
    raise NotFound(f"There is no node {name}.", hint=f"Known: {', '.join(sorted(known)) or 'none'}.")


async def _site_id(sky: Client, name: str) -> str:
    from skyriver.kernel.errors import NotFound

    known = []
    async for site in sky.sites():
        if name in (site.id, site.slug):
            return site.id
        known.append(site.slug)
    raise NotFound(f"There is no site {name}.", hint=f"Known: {', '.join(sorted(known)) or 'none'}.")

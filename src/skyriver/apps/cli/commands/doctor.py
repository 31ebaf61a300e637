"""`doctor`: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from skyriver.apps.cli.options import Data, Json

if TYPE_CHECKING:
    from skyriver.apps.cli.checks import Finding
    from skyriver.client import Cloud


class Ports(NamedTuple):
    """The ports a cloud is meant to have."""

    console: int
    rtmp: int
    udp: int
    bus: int


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    port: Annotated[int, typer.Option(help="The port meant for the console and the API.")] = 7000,
    rtmp_port: Annotated[int, typer.Option(help="The port meant for publishers.")] = 1935,
    udp_port: Annotated[int, typer.Option(help="The first UDP port meant for relays.")] = 4433,
    bus_port: Annotated[int, typer.Option(help="The port meant for the bus.")] = 4222,
    host: Annotated[str, typer.Option(help="The address meant to serve on.")] = "127.0.0.1",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong here, and what to do. Checks ports, clock, disk, libraries and codecs; exits with 1 when
    something would not work."""
    import asyncio

    from skyriver.apps.cli import exits
    from skyriver.apps.cli.checks import Verdict
    from skyriver.apps.cli.output import print_json

    findings = asyncio.run(_look(data, host, Ports(port, rtmp_port, udp_port, bus_port)))
    failed = any(finding.verdict is Verdict.FAIL for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [vars(finding) for finding in findings]})
    else:
        _show(findings)
    if failed:
        raise typer.Exit(exits.FAILED)


async def _look(data: Path | None, host: str, ports: Ports) -> list[Finding]:
    """Every finding, in the order of a start: the program, the machine, then the cloud."""
    from skyriver.apps.cli.checks import clock, machine, ok, software
    from skyriver.client.cloud import DEFAULT_DATA

    cloud = await _running(data)
    up = cloud is not None
    findings = [software.python(), software.libraries(), *software.pins(), software.codecs(), software.bus()]
    findings += [software.srt(), *software.tools()]
    findings += [machine.memory(), machine.disk((data or DEFAULT_DATA).expanduser()), machine.udp_loopback()]
    findings += [
        machine.port("console and API", host, ports.console, "--port", ours=up),
        machine.port("RTMP", host, ports.rtmp, "--rtmp-port", ours=up),
        machine.port("first relay", host, ports.udp, "--udp-port", ours=up, udp=True, movable=True),
        machine.port("bus", "127.0.0.1", ports.bus, "--bus-port", ours=up, movable=True),
    ]
    if cloud is None:
        findings.append(ok("cloud", "none is up here"))
    else:
        findings += [ok("cloud", f"up at {cloud.url}"), await clock.against(cloud)]
    return findings


async def _running(data: Path | None) -> Cloud | None:
    """The cloud, if one is known and answers."""
    from skyriver.client import Client, find_cloud
    from skyriver.client.transport import Transport
    from skyriver.kernel.errors import SkyriverError

    try:
        cloud = find_cloud(data)
        async with Client(cloud, transport=Transport(cloud, attempts=1)) as sky:
            await sky.health()
    except SkyriverError:
        return None
    return cloud


def _show(findings: list[Finding]) -> None:
    from skyriver.apps.cli.checks import Verdict

    marks = {Verdict.OK: "ok  ", Verdict.WARN: "warn", Verdict.FAIL: "FAIL"}
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        print(f"{marks[finding.verdict]}  {finding.check:<{width}}  {finding.found}")
        if finding.advice:
            print(f"{'':<{width + 8}}-> {finding.advice}")

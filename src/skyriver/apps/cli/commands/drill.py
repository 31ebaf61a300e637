"""`drill`: kill a part of the cloud for real, and measure what viewers missed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyriver.apps.cli.options import ChannelOption, Data, Json

if TYPE_CHECKING:
    from skyriver.apps.cli.measure.drill import DrillReport
    from skyriver.client import Client

app = typer.Typer(help="Kill a part, and measure what viewers miss. `skyriver runbook` says what would take over.")
Times = Annotated[int, typer.Option("--times", "-n", help="How many kills.", min=1, max=1000)]
Viewers = Annotated[int, typer.Option("--viewers", help="How many headless viewers watch.", min=1, max=200)]


def register(root: typer.Typer) -> None:
    app.info.no_args_is_help = True
    root.add_typer(app, name="drill")
    root.command()(runbook)


@app.command()
def station(
    channel: ChannelOption, times: Times = 3, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill the station of the input that is shown; the other input must be shown, or the encoder come back."""
    _drill("station", channel, times, viewers, data, as_json)


@app.command()
def edge(
    channel: ChannelOption, times: Times = 10, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill the edge relay that most viewers are on; they must go on at another."""
    _drill("edge", channel, times, viewers, data, as_json)


@app.command()
def transcoder(
    channel: ChannelOption, times: Times = 5, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill the channel's transcoder; the picture must come back without a viewer being disconnected."""
    _drill("transcoder", channel, times, viewers, data, as_json)


@app.command()
def standby(
    channel: ChannelOption, times: Times = 3, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill the channel's standby transcoder; nobody may notice."""
    _drill("standby", channel, times, viewers, data, as_json)


@app.command()
def origin(
    channel: ChannelOption, times: Times = 5, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill the origin relay that the channel is published on."""
    _drill("origin", channel, times, viewers, data, as_json)


@app.command()
def delivery(
    channel: ChannelOption, times: Times = 3, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill the HTTP delivery with most viewers; those who watch over QUIC must not notice."""
    _drill("delivery", channel, times, viewers, data, as_json)


@app.command()
def recorder(
    channel: ChannelOption, times: Times = 3, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill what records the channel; nobody may notice, and the recording goes on where it stopped."""
    _drill("recorder", channel, times, viewers, data, as_json)


@app.command()
def api(
    channel: ChannelOption, times: Times = 5, viewers: Viewers = 4, data: Data = None, as_json: Json = False
) -> None:
    """Kill -9 the API process on this machine; viewers must notice nothing and nothing stored may be lost."""
    _drill("api", channel, times, viewers, data, as_json)


def runbook(channel: ChannelOption, data: Data = None, as_json: Json = False) -> None:
    """What carries each stage of a channel, and who takes over."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask
    from skyriver.client.models import Runbook

    async def look(sky: Client) -> Runbook:
        return await sky.runbook(channel)

    found = ask(data, look)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            line.stage,
            line.site or ("-" if line.running else "not running"),
            "takes over at once" if line.protected else "starts again" if line.running else "",
            f"{line.goal_ms} ms" if line.running else "",
            f"skyriver drill {line.stage} -c {channel}" if line.may_kill and line.running else "",
        )
        for line in found.stages
    ]
    print_table(("stage", "at", "when it dies", "goal", "try it"), rows)


def _drill(stage: str, channel: str, times: int, viewers: int, data: Path | None, as_json: bool) -> None:
    from skyriver.apps.cli.measure.drill import Stage, drill
    from skyriver.apps.cli.output import print_json, progress
    from skyriver.apps.cli.session import ask

    with progress(f"Killing the {stage}", times, quiet=as_json) as step:

        async def run(sky: Client) -> DrillReport:
            return await drill(sky, Stage(stage), channel, times=times, viewers=viewers, step=step)

        report = ask(data, run)
    if as_json:
        print_json(report.as_json())
    else:
        _show(report)


def _show(report: DrillReport) -> None:
    from skyriver.apps.cli.output import print_table

    seen: dict[str, Any] = report.as_json()
    rows = [("gap of the viewers it hit, ms", seen["gap_ms"]), ("gap of all viewers, ms", seen["gap_ms_all"])]
    if "api_back_ms" in seen:
        rows.append(("until new viewers are served again, ms", seen["api_back_ms"]))
    print_table(
        (f"drill {report.stage}, {seen['times']} kills, {report.viewers} viewers", "p50", "p99", "max", "values"),
        [(name, one["p50"], one["p99"], one["max"], one["count"]) for name, one in rows],
    )
    print(f"Viewers changed their edge {report.reconnects} times.")
    if "kept" in seen:
        print("Everything that was acknowledged is still stored." if seen["kept"] else "Something stored was LOST.")

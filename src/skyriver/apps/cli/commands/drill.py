"""`drill`: kill a part of the cloud for real, and measure what viewers missed."""

from __future__ import annotations

from collections.abc import Callable
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

DRILLS = (
    (
        "station",
        3,
        "Kill the station of the input that is shown; the other input must be shown, or the encoder come back.",
    ),
    ("edge", 10, "Kill the edge relay that most viewers are on; they must go on at another."),
    ("transcoder", 5, "Kill the channel's transcoder; the picture must come back without a viewer being disconnected."),
    ("standby", 3, "Kill the channel's standby transcoder; nobody may notice."),
    ("origin", 5, "Kill the origin relay that the channel is published on."),
    ("delivery", 3, "Kill the HTTP delivery with most viewers; those who watch over QUIC must not notice."),
    ("recorder", 3, "Kill what records the channel; nobody may notice, and the recording goes on where it stopped."),
    ("api", 5, "Kill -9 the API process on this machine; viewers must notice nothing and nothing stored may be lost."),
)
"""Stage, how many kills by default, and what is asked of it."""


def register(root: typer.Typer) -> None:
    app.info.no_args_is_help = True
    for stage, times_default, said in DRILLS:
        app.command(stage, help=said)(_command(stage, times_default))
    root.add_typer(app, name="drill")
    root.command()(runbook)


def _command(stage: str, times_default: int) -> Callable[..., None]:
    def command(
        channel: ChannelOption,
        times: Times = times_default,
        viewers: Viewers = 4,
        data: Data = None,
        as_json: Json = False,
    ) -> None:
        _drill(stage, channel, times, viewers, data, as_json)

    return command


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

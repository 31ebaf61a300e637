"""`bench`: measurements of the data plane, printed as tables."""

from __future__ import annotations

from typing import Annotated

import typer

from skyriver.apps.cli.options import ChannelOption, Data, Json

app = typer.Typer(help="Measure capacity and latency. What this machine can carry, and how late pictures arrive.")


def register(root: typer.Typer) -> None:
    app.info.no_args_is_help = True
    root.add_typer(app, name="bench")


@app.command()
def fanout(
    step: Annotated[int, typer.Option(help="Viewers added at each step.", min=1, max=1000)] = 50,
    most: Annotated[int, typer.Option(help="Stop at this many viewers.", min=1, max=5000)] = 400,
    seconds: Annotated[float, typer.Option(help="How long each step is measured.", min=2, max=600)] = 8.0,
    workers: Annotated[int, typer.Option(help="Processes that hold the viewers.", min=1, max=64)] = 2,
    as_json: Json = False,
) -> None:
    """How many viewers one relay carries at p99 < 100 ms, and what it does at 1.5 times its limit. Needs no cloud."""
    import asyncio

    from skyriver.apps.cli.measure import fanout as measuring
    from skyriver.apps.cli.measure.machine import describe
    from skyriver.apps.cli.output import print_json, print_table, progress

    plan = measuring.FanoutPlan(step=step, most=most, seconds=seconds, workers=workers)
    with progress("Adding viewers", None, quiet=as_json) as tell:
        report = asyncio.run(measuring.measure(plan, tell))
    if as_json:
        print_json({"machine": describe(), **report.as_json()})
        return
    print_table(measuring.COLUMNS, report.rows(), title="Fan-out of one relay, 1 Mbit/s at 30 fps")
    print(report.verdict())


@app.command()
def latency(
    channel: ChannelOption = "demo",
    seconds: Annotated[float, typer.Option(help="How long to watch.", min=2, max=3600)] = 30.0,
    viewers: Annotated[int, typer.Option(help="How many headless viewers decode at once.", min=1, max=50)] = 1,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """From the station to the decoded frame in a headless viewer, on a cloud that is up."""
    from skyriver.apps.cli.measure import latency as measuring
    from skyriver.apps.cli.measure.machine import describe
    from skyriver.apps.cli.output import print_json, print_table, progress
    from skyriver.apps.cli.session import ask

    with progress(f"Watching {channel}", seconds, quiet=as_json) as tell:
        report = ask(data, lambda sky: measuring.measure(sky, channel, seconds=seconds, viewers=viewers, tell=tell))
    if as_json:
        print_json({"machine": describe(), **report.as_json()})
    else:
        print_table(measuring.COLUMNS, report.rows(), title=f"Station to decoded frame, channel {channel}")

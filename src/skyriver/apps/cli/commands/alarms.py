"""`alarms …`: what somebody has to look at, and taking it on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from skyriver.apps.cli.options import Data, Json

app = typer.Typer(help="Alarms: what is wrong now, and what was.", no_args_is_help=True)


class State(StrEnum):
    OPEN = "open"
    CLEARED = "cleared"
    ALL = "all"


@app.command("list")
def list_alarms(
    state: Annotated[State, typer.Option(help="Which alarms.")] = State.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most, newest first.")] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Alarms of your tenant, newest first. The cloud's own are the operator's."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, first

    found = ask(data, lambda sky: first(limit, sky.alarms(state=state.value)))
    if as_json:
        print_json(found)
        return
    print_table(
        ("since", "severity", "what", "subject", "message", "taken on", "id"),
        [
            (a.raised_at, a.severity, a.kind, a.subject.name, a.message, a.acknowledged_at is not None, a.id)
            for a in found
        ],
    )


@app.command("ack")
def acknowledge(
    alarm: Annotated[str, typer.Argument(help="Id of the alarm.")], data: Data = None, as_json: Json = False
) -> None:
    """Take an alarm on, so that others need not. It stays open until what it is about is over."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    taken = ask(data, lambda sky: sky.acknowledge_alarm(alarm))
    if as_json:
        print_json(taken)
    else:
        print(f"{taken.message} Taken on.")


@app.command("watch")
def watch(data: Data = None, as_json: Json = False) -> None:
    """Print alarms as they are raised and cleared, until Ctrl-C."""
    import json

    from skyriver.apps.cli.session import ask
    from skyriver.client import Client

    async def follow(sky: Client) -> None:
        while True:  # the server ends each stream after ten minutes
            async for event in sky.events():
                if event.name != "alarm":
                    continue
                if as_json:
                    print(json.dumps(event.data), flush=True)
                else:
                    word = "over" if event.data["cleared_at"] else event.data["severity"]
                    print(f"{word:<9} {event.data['message']}", flush=True)

    ask(data, follow)

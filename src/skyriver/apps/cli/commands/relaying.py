"""`channel pull …` and `destination …`: what a channel takes from a URL, and where it is sent on to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from skyriver.apps.cli.commands.channels import InputName
from skyriver.apps.cli.options import Channel, Data, Json

if TYPE_CHECKING:
    from skyriver.client.models import Pull, RelayStatus

Into = Annotated[InputName, typer.Option("--input", help="Which input of the channel.")]

pulls = typer.Typer(help="Pulling a channel from a URL or an uploaded file.", no_args_is_help=True)
destinations = typer.Typer(help="Other platforms that get a channel while it is live.", no_args_is_help=True)


@pulls.command("set")
def set_pull(
    channel: Channel,
    url: Annotated[
        str | None,
        typer.Option(
            help="rtsp://, rtmp(s)://, srt://, or http(s):// with HLS or a file; asked for when left out, unseen.",
        ),
    ] = None,
    file: Annotated[str | None, typer.Option(help="An uploaded file's id, instead of a URL.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Play a file again and again.")] = False,
    into: Into = InputName.MAIN,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Pull an input from a URL or an uploaded file from now on."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    if url is None and file is None:
        url = typer.prompt("URL", hide_input=True)
    pull = ask(data, lambda sky: sky.set_pull(channel, url, file_id=file, loop=loop, input=into.value))
    if as_json:
        print_json(pull)
    else:
        print(f"{channel} ({pull.input}) is pulled from {_source(pull)}{' in a loop' if pull.loop else ''}.")


@pulls.command("show")
def show_pull(channel: Channel, into: Into = InputName.MAIN, data: Data = None, as_json: Json = False) -> None:
    """Where the channel is pulled from, and how that goes."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask

    pull = ask(data, lambda sky: sky.pull(channel, input=into.value))
    if as_json:
        print_json(pull)
        return
    print_fields([("source", _source(pull)), ("loop", pull.loop), ("state", _state(pull.status))])


@pulls.command("clear")
def clear_pull(channel: Channel, into: Into = InputName.MAIN, data: Data = None, as_json: Json = False) -> None:
    """Pull the channel no more."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.clear_pull(channel, input=into.value))
    if as_json:
        print_json({"cleared": channel})
    else:
        print(f"{channel} is not pulled any more.")


@destinations.command("list")
def list_destinations(channel: Channel, data: Data = None, as_json: Json = False) -> None:
    """Where the channel is sent on to, and how that goes."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.destinations(channel)))
    if as_json:
        print_json(found)
        return
    print_table(
        ("destination", "name", "url", "rendition", "state"),
        [(one.id, one.name, one.url, one.rendition, _state(one.status) if one.enabled else "off") for one in found],
    )


@destinations.command("add")
def add_destination(
    channel: Channel,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    url: Annotated[str, typer.Argument(help="The platform's server: rtmp(s):// or srt://.")],
    key: Annotated[
        str, typer.Option(prompt="Stream key", hide_input=True, help="The stream key there; asked for when left out.")
    ],
    rendition: Annotated[str, typer.Option(help="`source`, or a height such as 720p.")] = "source",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send the channel on to another platform whenever it is live."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    made = ask(data, lambda sky: sky.add_destination(channel, name, url, key=key, rendition=rendition))
    if as_json:
        print_json(made)
    else:
        print(f"{channel} goes to {made.name} ({made.id}) whenever it is live.")


@destinations.command("remove")
def remove_destination(
    channel: Channel,
    destination_id: Annotated[str, typer.Argument(metavar="DESTINATION", help="Id of the destination.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send the channel there no more."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.delete_destination(channel, destination_id))
    if as_json:
        print_json({"removed": destination_id})
    else:
        print(f"Removed {destination_id}.")


def _source(pull: Pull) -> str:
    return f"the file {pull.file_name}" if pull.file_id else pull.url


def _state(status: RelayStatus) -> str:
    return f"{status.state}: {status.error}" if status.error else status.state

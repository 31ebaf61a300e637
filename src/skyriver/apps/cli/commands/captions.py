"""`caption …`: live captions, line by line."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from skyriver.apps.cli.options import Channel, Data, Json

if TYPE_CHECKING:
    from skyriver.client import Client

app = typer.Typer(help="Live captions.", no_args_is_help=True)

Language = Annotated[str, typer.Option("--language", "-l", help="A language tag, such as en or zh-Hans.")]
LanguageArgument = Annotated[str, typer.Argument(help="A language tag, such as en or zh-Hans.")]


@app.command()
def send(
    channel: Channel,
    text: Annotated[
        str | None, typer.Argument(help="The line; without it, each line of standard input as it comes.")
    ] = None,
    language: Language = "en",
    start: Annotated[
        datetime | None, typer.Option(help="When to show it, local time [default: now]; an earlier start replaces.")
    ] = None,
    duration: Annotated[float, typer.Option(help="How long it stays, in seconds.")] = 4.0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show a line to the viewers of a running show. `my-recogniser | skyriver caption send stage` captions live."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    if text is None:
        ask(data, lambda sky: _send_lines(sky, channel, language, duration))
        return
    begin = start.astimezone() if start else None
    cue = ask(data, lambda sky: sky.send_cue(channel, language, text, start=begin, duration_s=duration))
    if as_json:
        print_json(cue)
    else:
        print(f"Shown from {cue.start:%H:%M:%S} to {cue.end:%H:%M:%S} UTC.")


@app.command("list")
def list_tracks(channel: Channel, data: Data = None, as_json: Json = False) -> None:
    """The languages that a channel has captions in."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.caption_tracks(channel)))
    if as_json:
        print_json(found)
        return
    print_table(("language", "label"), [(track.language, track.label) for track in found])


@app.command("set")
def set_track(
    channel: Channel,
    language: LanguageArgument,
    label: Annotated[str, typer.Option(help="What viewers read in their menu [default: the language's name].")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Have captions in a language on offer from a show's first second on, or rename them."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    track = ask(data, lambda sky: sky.set_caption_track(channel, language, label))
    if as_json:
        print_json(track)
    else:
        print(f"{channel} offers captions in {track.language}.")


@app.command()
def remove(channel: Channel, language: LanguageArgument, data: Data = None) -> None:
    """Offer captions in a language no more."""
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.remove_caption_track(channel, language))
    print(f"{channel} offers captions in {language} no more.")


async def _send_lines(sky: Client, channel: str, language: str, duration_s: float) -> None:
    """Each line when it comes, until there are no more. A line that is refused is told, and costs no other."""
    import asyncio

    from skyriver.kernel.errors import SkyriverError

    while line := await asyncio.to_thread(sys.stdin.readline):
        if not line.strip():
            continue
        try:
            await sky.send_cue(channel, language, line.strip(), duration_s=duration_s)
        except SkyriverError as error:
            print(f"Not shown: {error}", file=sys.stderr)

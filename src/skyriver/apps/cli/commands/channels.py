"""`channel …` and `channel key …`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from skyriver.apps.cli.options import Channel, Data, Json, Yes

if TYPE_CHECKING:
    from skyriver.client import Client, StreamKey
    from skyriver.client.models import Channel as ChannelModel

app = typer.Typer(help="Channels and their stream keys.", no_args_is_help=True)
keys = typer.Typer(help="Stream keys: what a publisher signs in with.", no_args_is_help=True)
app.add_typer(keys, name="key")


class Takeover(StrEnum):
    """What happens when a second publisher comes with a key of the same channel."""

    FIRST_WINS = "first_wins"
    TAKEOVER = "takeover"


class InputSelect(StrEnum):
    """Which of a channel's inputs is shown."""

    AUTO = "auto"
    MAIN = "main"
    BACKUP = "backup"


class InputName(StrEnum):
    """A channel's inputs."""

    MAIN = "main"
    BACKUP = "backup"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    slug: Annotated[str | None, typer.Option(help="Its name in addresses [default: made from NAME].")] = None,
    public: Annotated[bool, typer.Option("--public", help="Anyone may watch, without an account.")] = False,
    takeover: Annotated[Takeover, typer.Option(help="When a second publisher comes.")] = Takeover.FIRST_WINS,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Create a channel; prints where to push to and its first stream key, which is shown only once."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask

    made = ask(data, lambda sky: sky.create_channel(name, slug=slug, public=public, takeover=takeover.value))
    if as_json:
        print_json(made)
        return
    print_fields(
        [
            ("channel", f"{made.channel.slug} ({made.channel.id})"),
            ("server", made.channel.ingest.rtmp_url),
            ("stream key", made.stream_key),
        ]
    )
    print("Keep the stream key: it is not shown again.")


@app.command("list")
def list_channels(data: Data = None, as_json: Json = False) -> None:
    """Every channel you may see."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.channels()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("channel", "name", "state", "public", "viewers", "id"),
        [(one.slug, one.name, one.state, one.public, one.viewers, one.id) for one in found],
    )


@app.command()
def show(channel: Channel, data: Data = None, as_json: Json = False) -> None:
    """One channel: what arrives, what is sent, who watches."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    found = ask(data, lambda sky: sky.channel(channel))
    if as_json:
        print_json(found)
    else:
        _show(found)


@app.command("input")
def choose_input(
    channel: Channel,
    select: Annotated[InputSelect, typer.Argument(help="auto: main while it is well, else backup.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Choose which of a channel's inputs is shown."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    changed = ask(data, lambda sky: sky.choose_input(channel, select.value))
    if as_json:
        print_json(changed)
    else:
        _show(changed)


@app.command()
def delete(channel: Channel, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Delete a channel; its publisher and its viewers are cut off."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    if not yes and not as_json:
        typer.confirm(f"Delete channel {channel} and cut off everyone on it?", abort=True)
    ask(data, lambda sky: sky.delete_channel(channel))
    if as_json:
        print_json({"deleted": channel})
    else:
        print(f"Deleted {channel}.")


@keys.command("list")
def list_keys(channel: Channel, data: Data = None, as_json: Json = False) -> None:
    """The channel's stream keys (their secrets are not kept, and cannot be shown)."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.stream_keys(channel)))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "name", "input", "created"),
        [(key.id, key.name, key.input, key.created_at) for key in found],
    )


@keys.command("create")
def create_key(
    channel: Channel,
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    input_name: Annotated[InputName, typer.Option("--input", help="Which input it publishes to.")] = InputName.MAIN,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make another stream key; its secret is shown only once."""
    from skyriver.apps.cli.session import ask

    _show_key(ask(data, lambda sky: sky.create_stream_key(channel, name, input_name=input_name.value)), as_json)


@keys.command()
def rotate(
    channel: Channel,
    key_id: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Id of the key [default: the channel's only one].")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Replace a stream key; a publisher on the old one is cut off at once."""
    from skyriver.apps.cli.session import ask

    async def change(sky: Client) -> StreamKey:
        return await sky.rotate_stream_key(channel, key_id or await _only_key(sky, channel))

    _show_key(ask(data, change), as_json)


@keys.command()
def revoke(
    channel: Channel,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Revoke one stream key; a publisher on it is cut off."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.delete_stream_key(channel, key_id))
    if as_json:
        print_json({"revoked": key_id})
    else:
        print(f"Revoked {key_id}.")


async def _only_key(sky: Client, channel: str) -> str:
    from skyriver.kernel.errors import InvalidInput

    found = [key async for key in sky.stream_keys(channel)]
    if len(found) == 1:
        return found[0].id
    raise InvalidInput(
        f"{channel} has {len(found)} stream keys, so the one to rotate has to be named.",
        hint=f"Known: {', '.join(f'{key.id} ({key.name})' for key in found) or 'none'}.",
    )


def _show_key(key: StreamKey, as_json: bool) -> None:
    from skyriver.apps.cli.output import print_fields, print_json

    if as_json:
        print_json(key)
        return
    print_fields([("key", key.id), ("stream key", key.secret)])
    print("Keep the stream key: it is not shown again.")


def _show(channel: ChannelModel) -> None:
    from skyriver.apps.cli.output import print_fields, print_table, rate

    arriving = channel.input
    picture = None if arriving is None else f"{arriving.codec} {arriving.width}x{arriving.height} {arriving.fps} fps"
    print_fields(
        [
            ("channel", f"{channel.slug} ({channel.id})"),
            ("name", channel.name),
            ("state", channel.state),
            ("public", channel.public),
            ("second publisher", channel.takeover),
            ("server", channel.ingest.rtmp_url),
            ("server of the backup", channel.ingest.backup.rtmp_url),
            ("arriving", picture),
            ("shown", "the slate" if channel.on_slate else channel.input_select),
            ("viewers", channel.viewers),
        ]
    )
    if channel.inputs:
        print_table(
            ("input", "shown", "site", "picture", "fps", "bit rate", "since"),
            [
                (one.name, one.active, one.site, f"{one.width}x{one.height}", one.fps, rate(one.bitrate_bps), one.since)
                for one in channel.inputs
            ],
        )
    if channel.renditions:
        print_table(
            ("rendition", "width", "height", "bit rate"),
            [(one.name, one.width, one.height, rate(one.bitrate_bps)) for one in channel.renditions],
        )

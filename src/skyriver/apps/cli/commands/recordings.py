"""`recording …`: what was recorded, clips of it, and files."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyriver.apps.cli.options import Channel, Data, Json, Yes

if TYPE_CHECKING:
    from skyriver.client.models import Recording

app = typer.Typer(help="Recordings of shows, and clips of them.", no_args_is_help=True)

RecordingId = Annotated[str, typer.Argument(metavar="RECORDING", help="Id of a recording or a clip.")]


@app.command("list")
def list_recordings(
    channel: Annotated[str | None, typer.Argument(metavar="[CHANNEL]", help="Of this channel only.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """What was recorded, oldest first."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.recordings(channel)))
    if as_json:
        print_json(found)
        return
    print_table(
        ("recording", "name", "kind", "state", "start", "length", "size", "gaps"),
        [
            (one.id, one.name, one.kind, one.state, one.start, _length(one), _size(one.size_bytes), len(one.gaps))
            for one in found
        ],
    )


@app.command()
def settings(
    channel: Channel,
    record: Annotated[bool | None, typer.Option("--on/--off", help="Whether shows are recorded.")] = None,
    keep_days: Annotated[int | None, typer.Option(help="How long recordings are kept.")] = None,
    dvr_minutes: Annotated[int | None, typer.Option(help="How far back viewers may go; 0: not at all.")] = None,
    renditions: Annotated[str | None, typer.Option(help="`all` or `top`.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show how a channel is recorded, or change what is given."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask

    changes = {
        "enabled": record,
        "retention_days": keep_days,
        "dvr_minutes": dvr_minutes,
        "renditions": renditions,
    }
    now = ask(data, lambda sky: sky.recording_settings(channel, **changes))
    if as_json:
        print_json(now)
        return
    print_fields(
        [
            ("recording", "on" if now.enabled else "off"),
            ("kept", f"{now.retention_days} days"),
            ("viewers may go back", f"{now.dvr_minutes} minutes"),
            ("renditions", now.renditions),
        ]
    )


@app.command()
def clip(
    recording: RecordingId,
    start: Annotated[str, typer.Argument(help="Where it begins: seconds from the start, or a UTC time.")],
    end: Annotated[str, typer.Argument(help="Where it ends: the same.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "Clip",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Cut a clip, also of a show that is still running. It is ready in seconds."""
    from skyriver.apps.cli.output import print_fields, print_json
    from skyriver.apps.cli.session import ask
    from skyriver.client import Client

    async def cut(sky: Client) -> Recording:
        begin = (await sky.recording(recording)).start
        return await sky.create_clip(recording, name, _moment(start, begin), _moment(end, begin))

    made = ask(data, cut)
    if as_json:
        print_json(made)
        return
    print_fields([("clip", made.id), ("name", made.name), ("state", made.state), ("start", made.start)])


@app.command()
def download(
    recording: RecordingId,
    to: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="[default: RECORDING.mp4]", dir_okay=False)
    ] = None,
    rendition: Annotated[str | None, typer.Option(help="[default: the largest]")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Download a recording or a clip as one MP4 file."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask
    from skyriver.client import Client
    from skyriver.kernel.errors import WorldBroke

    target = to or Path(f"{recording}.mp4")

    async def fetch(sky: Client) -> int:
        size_bytes = 0
        try:
            with target.open("wb") as file:
                async for chunk in sky.download(recording, rendition):
                    file.write(chunk)
                    size_bytes += len(chunk)
        except OSError as error:
            raise WorldBroke(f"{target} cannot be written: {error.strerror}.", hint="Choose another FILE.") from error
        return size_bytes

    size_bytes = ask(data, fetch)
    if as_json:
        print_json({"file": str(target), "size_bytes": size_bytes})
    else:
        print(f"{target}: {_size(size_bytes)}")


@app.command()
def delete(recording: RecordingId, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Delete a recording or a clip for good; clips of a recording stay."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    if not yes and not as_json:
        typer.confirm(f"Delete {recording} for good?", abort=True)
    ask(data, lambda sky: sky.delete_recording(recording))
    if as_json:
        print_json({"deleted": recording})
    else:
        print(f"Deleted {recording}.")


def _moment(text: str, begin: datetime) -> datetime:
    """Seconds from the beginning, or a time of its own.

    Raises:
        InvalidInput: it is neither.
    """
    from datetime import UTC

    from skyriver.kernel.errors import InvalidInput

    try:
        return begin + timedelta(seconds=float(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no place in a recording.", hint="Say seconds from its start, or a time: 2026-05-01T20:15:00Z."
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _length(recording: Recording) -> str:
    seconds = recording.duration_ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"

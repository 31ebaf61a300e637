"""`file …` and `channel slate …`: uploaded films, and the one that is shown while nobody publishes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from skyriver.apps.cli.options import Channel, Data, Json

app = typer.Typer(help="Uploaded films: sources to pull from, and slates.", no_args_is_help=True)
slates = typer.Typer(help="What viewers see while no input has a picture.", no_args_is_help=True)
FileId = Annotated[str, typer.Argument(metavar="FILE", help="Id of an uploaded file.")]
_CHUNK_BYTES = 256 << 10


@app.command()
def upload(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The film.")],
    name: Annotated[str | None, typer.Option(help="What people call it [default: the path's last part].")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Upload a film of up to 2 GiB."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    file = ask(data, lambda sky: sky.upload_media_file(name or path.name, _chunks(path)))
    if as_json:
        print_json(file)
        return
    print(f"{file.name} is {file.id}: {file.video} {file.width}x{file.height}, {file.duration_ms / 1000:.1f} s.")
    for use, obstacle in (("pulled from", file.pull_obstacle), ("a slate", file.slate_obstacle)):
        if obstacle:
            print(f"It cannot be {use}. {obstacle}")


@app.command("list")
def list_files(data: Data = None, as_json: Json = False) -> None:
    """Your uploaded films."""
    from skyriver.apps.cli.output import print_json, print_table
    from skyriver.apps.cli.session import ask, everything

    found = ask(data, lambda sky: everything(sky.media_files()))
    if as_json:
        print_json(found)
        return
    print_table(
        ("file", "name", "size", "length", "video", "audio"),
        [
            (f.id, f.name, f"{f.size_bytes / 1e6:.1f} MB", f"{f.duration_ms / 1000:.1f} s", f.video, f.audio)
            for f in found
        ],
    )


@app.command()
def delete(file: FileId, data: Data = None, as_json: Json = False) -> None:
    """Delete a film that no channel needs."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.delete_media_file(file))
    if as_json:
        print_json({"deleted": file})
    else:
        print(f"Deleted {file}.")


@slates.command("film")
def set_film(channel: Channel, file: FileId, data: Data = None, as_json: Json = False) -> None:
    """Show an uploaded film of up to a minute in a loop, with its sound."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.set_slate_film(channel, file))
    if as_json:
        print_json({"channel": channel, "file_id": file})
    else:
        print(f"{channel} shows {file} while no input has a picture.")


@slates.command("clear")
def clear(channel: Channel, data: Data = None, as_json: Json = False) -> None:
    """Back to the picture with the channel's name."""
    from skyriver.apps.cli.output import print_json
    from skyriver.apps.cli.session import ask

    ask(data, lambda sky: sky.clear_slate(channel))
    if as_json:
        print_json({"cleared": channel})
    else:
        print(f"{channel} has the built-in slate again.")


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk

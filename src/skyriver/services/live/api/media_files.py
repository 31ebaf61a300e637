"""Uploaded files, and the one that is a channel's slate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from skyriver.platform.web import (
    Caller,
    Member,
    Page,
    Paging,
    Provided,
    Reader,
    RuntimeDep,
    Writer,
    fetch_page,
    problems,
)
from skyriver.services.live import slates
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.media_files import operations
from skyriver.services.live.media_files.uploads import Uploads
from skyriver.services.live.records import MediaFileRecord
from skyriver.services.live.shapes.channels import IdOrSlug
from skyriver.services.live.shapes.media_files import (
    FileName,
    MediaFileId,
    MediaFileShape,
    SlateFilm,
    SlateFilmShape,
    media_file_shape,
)

router = APIRouter(prefix="/v1", tags=["live"])
UPLOAD_PATH = "/v1/media-files"
UploadsDep = Annotated[Uploads, Provided(Uploads)]

_FILM_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "The picture."}}


@router.get("/media-files")
async def list_media_files(caller: Caller, session: Reader, paging: Paging) -> Page[MediaFileShape]:
    """Your uploaded files, and what is in them."""
    query = operations.files_of(caller.tenant_id)
    rows, cursor = await fetch_page(session, query, MediaFileRecord.id, paging, newest_first=True)
    return Page(items=[media_file_shape(file) for file in rows], next_cursor=cursor)


@router.post("/media-files", status_code=201, openapi_extra=_FILM_BODY, responses=problems(409, 413, 422, 429))
async def upload_media_file(name: FileName, request: Request, caller: Member, uploads: UploadsDep) -> MediaFileShape:
    """Upload a film of up to 2 GiB as the request's body, to pull an input from it or to show it as a slate.

    It is stored as it comes, and read once to see what it is; what is no film is refused and not kept.
    """
    return media_file_shape(await uploads.upload(caller, name, request.stream()))


@router.get("/media-files/{file_id}", responses=problems(404))
async def show_media_file(file_id: MediaFileId, caller: Caller, session: Reader) -> MediaFileShape:
    """One file."""
    return media_file_shape(await operations.find_file(session, caller.tenant_id, file_id))


@router.get("/media-files/{file_id}/poster", response_class=Response, responses=_PICTURE | problems(404))
async def show_media_file_poster(file_id: MediaFileId, caller: Caller, session: Reader) -> Response:
    """The file's first picture."""
    file = await operations.find_file(session, caller.tenant_id, file_id)
    return Response(file.poster, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.delete("/media-files/{file_id}", status_code=204, responses=problems(404, 409))
async def delete_media_file(file_id: MediaFileId, caller: Member, runtime: RuntimeDep, uploads: UploadsDep) -> None:
    """Delete a file. One that a channel needs is not deleted; the answer says which."""
    async with runtime.store.transaction() as session:
        file = await operations.begin_deletion(session, caller, file_id)
    await uploads.remove(file.tenant_id, file.id)


@router.get("/channels/{id_or_slug}/slate/film", responses=problems(404))
async def show_slate_film(id_or_slug: IdOrSlug, caller: Caller, session: Reader) -> SlateFilmShape:
    """Which film viewers see while no input has a picture, if it is one."""
    film = await slates.film_of(session, await own_channel(session, caller, id_or_slug))
    return SlateFilmShape(file_id=film.id if film else None, file_name=film.name if film else None)


@router.put("/channels/{id_or_slug}/slate/film", responses=problems(404, 422))
async def put_slate_film(
    id_or_slug: IdOrSlug, body: SlateFilm, caller: Member, session: Writer, live: LiveDep
) -> SlateFilmShape:
    """Show an uploaded film of up to a minute, in a loop and with its sound, while no input has a picture."""
    channel = await own_channel(session, caller, id_or_slug)
    file = await operations.find_file(session, caller.tenant_id, body.file_id)
    await slates.set_film(session, caller, channel, file)
    live.plan_after_commit(session)
    return SlateFilmShape(file_id=file.id, file_name=file.name)

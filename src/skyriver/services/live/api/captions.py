"""Live captions over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from skyriver.kernel.clock import utc_now
from skyriver.platform.web import Caller, Member, Page, Reader, RuntimeDep, Writer, problems
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.captions import operations
from skyriver.services.live.shapes.captions import (
    CaptionTrackPut,
    CaptionTrackShape,
    CueShape,
    LanguageInPath,
    NewCue,
    track_shape,
)
from skyriver.services.live.shapes.channels import IdOrSlug

router = APIRouter(prefix="/v1", tags=["captions"])


@router.get("/channels/{id_or_slug}/captions", responses=problems(404))
async def list_caption_tracks(id_or_slug: IdOrSlug, caller: Caller, session: Reader) -> Page[CaptionTrackShape]:
    """The languages that a channel has captions in: a few, on one page."""
    channel = await own_channel(session, caller, id_or_slug)
    tracks = await operations.tracks_of(session, channel)
    return Page(items=[track_shape(track) for track in tracks], next_cursor=None)


@router.put("/channels/{id_or_slug}/captions/{language}", responses=problems(404, 409))
async def set_caption_track(
    id_or_slug: IdOrSlug,
    language: LanguageInPath,
    body: CaptionTrackPut,
    caller: Member,
    session: Writer,
    live: LiveDep,
) -> CaptionTrackShape:
    """Have captions in a language on offer, from a show's first second on; or rename them."""
    channel = await own_channel(session, caller, id_or_slug)
    track, changed = await operations.set_track(session, caller, channel, language, body.label)
    if changed:
        live.plan_after_commit(session)
    return track_shape(track)


@router.delete("/channels/{id_or_slug}/captions/{language}", status_code=204, responses=problems(404))
async def remove_caption_track(
    id_or_slug: IdOrSlug, language: LanguageInPath, caller: Member, session: Writer, live: LiveDep
) -> None:
    """Offer captions in this language no more."""
    channel = await own_channel(session, caller, id_or_slug)
    await operations.remove_track(session, caller, channel, language)
    live.plan_after_commit(session)


@router.post("/channels/{id_or_slug}/captions", status_code=202, responses=problems(404, 409, 429, 503))
async def send_cue(id_or_slug: IdOrSlug, body: NewCue, caller: Member, runtime: RuntimeDep, live: LiveDep) -> CueShape:
    """Show a line to the viewers of a show. The first cue in a language puts it on offer."""
    async with runtime.store.session() as session:
        channel = await own_channel(session, caller, id_or_slug)
        live.caption_allowance.take(channel.id)
        track = await operations.find_track(session, channel, body.language)
    now = utc_now()
    cue = operations.cue_of(body.text, body.start, body.duration_s, now)
    operations.on_air(live.cloud, channel)
    if track is None:
        async with runtime.store.transaction() as session:
            channel = await own_channel(session, caller, id_or_slug)
            track, _ = await operations.set_track(session, caller, channel, body.language, None)
            live.plan_after_commit(session)
    await operations.send_cue(live.cloud, channel, track, cue, now)
    return CueShape(
        language=track.language,
        text=cue.text,
        start=operations.moment(cue.start_us),
        end=operations.moment(cue.end_us),
    )

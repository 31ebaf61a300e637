"""SRT passphrases of stream keys over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from skyriver.platform.web import Member, Provided, Writer, problems
from skyriver.services.live import srt_passphrases
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.shapes.channels import IdOrSlug, KeyId, stream_key_shape
from skyriver.services.live.shapes.srt_passphrases import NewSrtPassphrase, StreamKeyWithPassphrase
from skyriver.services.live.srt_passphrases import PassphraseSeal

router = APIRouter(prefix="/v1", tags=["live"])

SealDep = Annotated[PassphraseSeal, Provided(PassphraseSeal)]
_PATH = "/channels/{id_or_slug}/stream-keys/{key_id}/srt-passphrase"


@router.put(_PATH, responses=problems(404))
async def set_srt_passphrase(
    id_or_slug: IdOrSlug,
    key_id: KeyId,
    body: NewSrtPassphrase,
    caller: Member,
    session: Writer,
    live: LiveDep,
    seal: SealDep,
) -> StreamKeyWithPassphrase:
    """Have SRT connections with this key encrypted, from the next one on. RTMP is not concerned."""
    channel = await own_channel(session, caller, id_or_slug)
    key, passphrase = await srt_passphrases.set_passphrase(session, caller, seal, channel, key_id, body.passphrase)
    live.plan_after_commit(session)
    return StreamKeyWithPassphrase(**dict(stream_key_shape(key)), srt_passphrase=passphrase)


@router.delete(_PATH, status_code=204, responses=problems(404))
async def remove_srt_passphrase(
    id_or_slug: IdOrSlug, key_id: KeyId, caller: Member, session: Writer, live: LiveDep
) -> None:
    """Take unencrypted SRT connections with this key again, and encrypted ones no more."""
    channel = await own_channel(session, caller, id_or_slug)
    await srt_passphrases.remove_passphrase(session, caller, channel, key_id)
    live.plan_after_commit(session)

"""What a principal can do with channels and their stream keys.

Every operation takes an open session and the caller, sees only the caller's tenant (a foreign channel is not found, as
if it did not exist), and writes the audit log in the same transaction. Roles are demanded at the door (`api`); the
commit is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.ids import is_id
from skyriver.platform.fabric_keys import revoke_space
from skyriver.platform.identity import Principal, hash_secret, new_secret, record_audit
from skyriver.platform.identity.records import TenantRecord
from skyriver.services.live.errors import (
    ChannelNotFound,
    SlugTaken,
    StreamKeyNotFound,
    TooManyChannels,
    TooManyStreamKeys,
)
from skyriver.services.live.model import (
    CHANNELS_PER_TENANT_MAX,
    MAX_BITRATE_BPS,
    REVERT_AFTER_S,
    SLATE_MINUTES,
    SLUG_MAX_CHARS,
    STREAM_KEYS_PER_CHANNEL_MAX,
    InputName,
    LadderPolicy,
    ProfileName,
    Takeover,
    ingest_space_of,
    slug_from,
)
from skyriver.services.live.records import ChannelRecord, StreamKeyRecord
from skyriver.services.live.revoking import revoke_watching

FIRST_KEY_NAME = "first"


@dataclass(frozen=True)
class ChannelDraft:
    """A channel as its maker describes it; without a slug one is made from the name."""

    name: str
    slug: str | None = None
    public: bool = False
    takeover: Takeover = Takeover.FIRST_WINS
    profile: ProfileName = ProfileName.STANDARD
    standby: bool = True
    adaptive_quality: bool = True
    ladder: LadderPolicy = LadderPolicy.ADAPTIVE
    loudness_lufs: int = 0
    max_bitrate_bps: int = MAX_BITRATE_BPS
    input_revert_s: int = REVERT_AFTER_S
    slate_minutes: int = SLATE_MINUTES


@dataclass(frozen=True)
class ChannelChange:
    """What to change; None leaves a thing as it is."""

    name: str | None = None
    slug: str | None = None
    public: bool | None = None
    takeover: Takeover | None = None
    profile: ProfileName | None = None
    standby: bool | None = None
    adaptive_quality: bool | None = None
    ladder: LadderPolicy | None = None
    loudness_lufs: int | None = None
    max_bitrate_bps: int | None = None
    input_revert_s: int | None = None
    slate_minutes: int | None = None


# --- channels -----------------------------------------------------------------------------------------------------


def channels_of(caller: Principal) -> Select[ChannelRecord]:
    """The channels a caller may know of."""
    return select(ChannelRecord).where(ChannelRecord.tenant_id == caller.tenant_id)


async def find_channel(session: AsyncSession, tenant_id: str, id_or_slug: str) -> ChannelRecord:
    """A tenant's channel.

    Raises:
        ChannelNotFound: this tenant has none of that name, whether or not another has.
    """
    named = ChannelRecord.id == id_or_slug if is_id(id_or_slug) else ChannelRecord.slug == id_or_slug
    query = select(ChannelRecord).where(ChannelRecord.tenant_id == tenant_id, named)
    if (channel := await session.scalar(query)) is None:
        raise ChannelNotFound(id_or_slug)
    return channel


async def find_public_channel(session: AsyncSession, tenant_slug: str, channel_slug: str) -> ChannelRecord:
    """A channel that anybody may watch.

    Raises:
        ChannelNotFound: there is none, or it is not public: nobody learns which.
    """
    query = (
        select(ChannelRecord)
        .join(TenantRecord, TenantRecord.id == ChannelRecord.tenant_id)
        .where(TenantRecord.slug == tenant_slug, ChannelRecord.slug == channel_slug, ChannelRecord.public)
    )
    if (channel := await session.scalar(query)) is None:
        raise ChannelNotFound(f"{tenant_slug}/{channel_slug}")
    return channel


async def create_channel(session: AsyncSession, caller: Principal, draft: ChannelDraft) -> tuple[ChannelRecord, str]:
    """Make a channel and its first stream key.

    Returns:
        the channel, and the clear key, which nobody can ever read again.

    Raises:
        SlugTaken, TooManyChannels.
    """
    if await _count(session, channels_of(caller)) >= CHANNELS_PER_TENANT_MAX:
        raise TooManyChannels(CHANNELS_PER_TENANT_MAX)
    slug = draft.slug or await _free_slug(session, caller, draft.name)
    channel = ChannelRecord(
        tenant_id=caller.tenant_id,
        name=draft.name,
        slug=slug,
        public=draft.public,
        takeover=draft.takeover.value,
        profile=draft.profile.value,
        max_bitrate_bps=draft.max_bitrate_bps,
        input_revert_s=draft.input_revert_s,
        slate_minutes=draft.slate_minutes,
        standby=draft.standby,
        adaptive_quality=draft.adaptive_quality,
        ladder=draft.ladder.value,
        loudness_lufs=draft.loudness_lufs,
    )
    session.add(channel)
    await _flush_slug(session, slug)
    record_audit(session, caller, "channel.created", channel.id, name=channel.name, slug=slug)
    _, secret = await create_stream_key(session, caller, channel, FIRST_KEY_NAME)
    return channel, secret


async def change_channel(
    session: AsyncSession, caller: Principal, channel: ChannelRecord, change: ChannelChange
) -> ChannelRecord:
    """Change what is given. Running shows go on: a new profile reaches the transcoder as a new spec.

    Of a channel that is not public any more, every link and ticket until now ends: nobody knows who has them. Members
    ask for new ones.

    Raises:
        SlugTaken.
    """
    changed = {name: value for name, value in vars(change).items() if value is not None}
    if channel.public and change.public is False:
        await revoke_watching(session, channel.id, "its channel is not public any more")
    for name, value in changed.items():
        setattr(channel, name, value)
    await _flush_slug(session, channel.slug)
    if changed:
        record_audit(session, caller, "channel.changed", channel.id, **changed)
    return channel


async def delete_channel(session: AsyncSession, caller: Principal, channel: ChannelRecord) -> None:
    """Remove a channel, its keys and its state. Its workloads stop with the next plan, which is nudged at once.

    What was given to its viewers and publishers opens nothing any more.
    """
    await revoke_watching(session, channel.id, "its channel was deleted")
    await revoke_space(session, ingest_space_of(channel.id), "its channel was deleted")
    await session.delete(channel)
    record_audit(session, caller, "channel.deleted", channel.id, name=channel.name, slug=channel.slug)


# --- stream keys --------------------------------------------------------------------------------------------------


def stream_keys_of(channel: ChannelRecord) -> Select[StreamKeyRecord]:
    return select(StreamKeyRecord).where(StreamKeyRecord.channel_id == channel.id)


async def create_stream_key(
    session: AsyncSession, caller: Principal, channel: ChannelRecord, name: str, input_name: InputName = InputName.MAIN
) -> tuple[StreamKeyRecord, str]:
    """One more key for an input of a channel; the clear key is returned this once.

    Raises:
        TooManyStreamKeys.
    """
    if await _count(session, stream_keys_of(channel)) >= STREAM_KEYS_PER_CHANNEL_MAX:
        raise TooManyStreamKeys(STREAM_KEYS_PER_CHANNEL_MAX)
    secret = new_secret("pub")
    key = StreamKeyRecord(channel_id=channel.id, input=input_name.value, name=name, secret_sha256=hash_secret(secret))
    session.add(key)
    await session.flush()
    record_audit(
        session, caller, "stream_key.created", key.id, channel_id=channel.id, name=name, input=input_name.value
    )
    return key, secret


async def rotate_stream_key(
    session: AsyncSession, caller: Principal, channel: ChannelRecord, key_id: str
) -> tuple[StreamKeyRecord, str]:
    """Replace a key by a new one of the same name. Whoever publishes with the old one is disconnected.

    To change keys without a gap, create a second key, move the encoder to it, and revoke the first.

    Raises:
        StreamKeyNotFound.
    """
    old = await find_stream_key(session, channel, key_id)
    await session.delete(old)
    await session.flush()
    key, secret = await create_stream_key(session, caller, channel, old.name, InputName(old.input))
    key.sealed_srt_passphrase = old.sealed_srt_passphrase
    record_audit(session, caller, "stream_key.rotated", old.id, channel_id=channel.id, replaced_by=key.id)
    return key, secret


async def revoke_stream_key(session: AsyncSession, caller: Principal, channel: ChannelRecord, key_id: str) -> None:
    """End a key. Whoever publishes with it is disconnected.

    Raises:
        StreamKeyNotFound.
    """
    key = await find_stream_key(session, channel, key_id)
    await session.delete(key)
    record_audit(session, caller, "stream_key.revoked", key.id, channel_id=channel.id, name=key.name)


async def find_stream_key(session: AsyncSession, channel: ChannelRecord, key_id: str) -> StreamKeyRecord:
    """One of a channel's keys.

    Raises:
        StreamKeyNotFound.
    """
    key = await session.scalar(stream_keys_of(channel).where(StreamKeyRecord.id == key_id))
    if key is None:
        raise StreamKeyNotFound(key_id)
    return key


# --- within -------------------------------------------------------------------------------------------------------


async def _count(session: AsyncSession, query: Select[ChannelRecord] | Select[StreamKeyRecord]) -> int:
    return await session.scalar(select(func.count()).select_from(query.subquery())) or 0


async def _free_slug(session: AsyncSession, caller: Principal, name: str) -> str:
    """A slug from the name that this tenant does not use yet: `show`, else `show-2`, `show-3`…"""
    base = slug_from(name)[: SLUG_MAX_CHARS - 4].rstrip("-") or "channel"
    query = select(ChannelRecord.slug).where(ChannelRecord.tenant_id == caller.tenant_id)
    taken = set((await session.scalars(query.where(ChannelRecord.slug.startswith(base, autoescape=True)))).all())
    candidates = (base, *(f"{base}-{number}" for number in range(2, CHANNELS_PER_TENANT_MAX + 2)))
    return next(slug for slug in candidates if slug not in taken)


async def _flush_slug(session: AsyncSession, slug: str) -> None:
    """Write now, so that a slug that is taken (also by a create that runs beside this one) is the caller's error."""
    try:
        await session.flush()
    except IntegrityError as error:
        raise SlugTaken(slug) from error

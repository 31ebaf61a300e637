"""What a principal can do with a channel's pull and its destinations.

As in `service`: an open session and the caller come in, the audit log is written in the same transaction, and the
commit is the caller's. URLs and keys are sealed here; nobody reads them again but the workloads that need them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.fabric_keys.seal import Seal
from skyriver.platform.identity import Principal, hash_secret, new_secret, record_audit
from skyriver.services.live.media_files.errors import UnusableMedia
from skyriver.services.live.media_files.model import MediaFacts
from skyriver.services.live.media_files.operations import find_file
from skyriver.services.live.model import InputName
from skyriver.services.live.records import ChannelRecord, DestinationRecord, MediaFileRecord, PullRecord
from skyriver.services.live.relaying.addresses import read_destination, read_source, shown_destination
from skyriver.services.live.relaying.errors import BadRelayUrl, DestinationNotFound, PullNotFound, TooManyDestinations

DESTINATIONS_PER_CHANNEL_MAX = 10
"""Each is a process of its own that gets the whole channel from a relay."""


_AS_H264 = "Encode it anew before: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4"


class RelaySeal(Seal):
    """Seals what the URLs of pulls and destinations hold."""


@dataclass(frozen=True)
class PullDraft:
    """Where to pull from: a URL or an uploaded file; with neither, what is set stays."""

    url: str | None = field(default=None, repr=False)
    loop: bool = False
    enabled: bool = True
    file_id: str | None = None


@dataclass(frozen=True)
class DestinationDraft:
    """Where to push to. Without a key, the last part of the URL's path is the key."""

    name: str
    url: str = field(repr=False)
    key: str = field(default="", repr=False)
    rendition: str = "source"
    enabled: bool = True


@dataclass(frozen=True)
class DestinationChange:
    """What to change; None leaves a thing as it is. A new URL or a new key comes with the other one."""

    name: str | None = None
    url: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    rendition: str | None = None
    enabled: bool | None = None


# --- the pull -------------------------------------------------------------------------------------------------------


async def find_pull(session: AsyncSession, channel: ChannelRecord, name: InputName) -> PullRecord:
    """The pull of one of the channel's inputs.

    Raises:
        PullNotFound.
    """
    if (pull := await session.get(PullRecord, (channel.id, name.value))) is None:
        raise PullNotFound(channel.slug, name.value)
    return pull


async def set_pull(
    session: AsyncSession,
    caller: Principal,
    seal: RelaySeal,
    channel: ChannelRecord,
    draft: PullDraft,
    name: InputName = InputName.MAIN,
) -> PullRecord:
    """Set where an input is pulled from. It publishes with a stream key of its own, which nobody ever sees.

    Raises:
        BadRelayUrl: the URL cannot be pulled, or there is a file beside it.
        MediaFileNotFound, UnusableMedia: the file is not there, or cannot be pulled from.
        PullNotFound: nothing is set yet, and nothing was given.
    """
    if draft.url is not None and draft.file_id is not None:
        raise BadRelayUrl("An input is pulled from a URL or from a file, not from both.")
    file = await _find_source(session, channel, draft.file_id) if draft.file_id is not None else None
    pull = await session.get(PullRecord, (channel.id, name.value))
    if pull is None:
        if draft.url is None and file is None:
            raise PullNotFound(channel.slug, name.value)
        key = new_secret("pub")
        sealed_key = seal.close(key.encode(), key_label(channel.id, name))
        pull = PullRecord(channel_id=channel.id, input=name.value, key_sha256=hash_secret(key), sealed_key=sealed_key)
        session.add(pull)
    if draft.url is not None:
        pull.shown_url = read_source(draft.url).shown
        pull.sealed_url = seal.close(draft.url.encode(), url_label(channel.id, name))
        pull.file_id = None
    elif file is not None:
        pull.file_id, pull.shown_url, pull.sealed_url = file.id, file.name, None
    pull.loop, pull.enabled, pull.changed_at = draft.loop, draft.enabled, utc_now()
    await session.flush()
    record_audit(
        session,
        caller,
        "pull.set",
        channel.id,
        input=name.value,
        url=pull.shown_url,
        loop=draft.loop,
        enabled=draft.enabled,
    )
    return pull


async def _find_source(session: AsyncSession, channel: ChannelRecord, file_id: str) -> MediaFileRecord:
    file = await find_file(session, channel.tenant_id, file_id)
    if obstacle := MediaFacts.of(file.facts).pull_obstacle:
        raise UnusableMedia(f"An input cannot be pulled from this file. {obstacle}", hint=_AS_H264)
    return file


async def clear_pull(session: AsyncSession, caller: Principal, channel: ChannelRecord, name: InputName) -> None:
    """Pull no more. Its stream key ends with it.

    Raises:
        PullNotFound.
    """
    pull = await find_pull(session, channel, name)
    await session.delete(pull)
    record_audit(session, caller, "pull.cleared", channel.id, input=pull.input, url=pull.shown_url)


# --- destinations ---------------------------------------------------------------------------------------------------


def destinations_of(channel: ChannelRecord) -> Select[DestinationRecord]:
    return select(DestinationRecord).where(DestinationRecord.channel_id == channel.id)


async def find_destination(session: AsyncSession, channel: ChannelRecord, destination_id: str) -> DestinationRecord:
    """One of the channel's destinations.

    Raises:
        DestinationNotFound.
    """
    found = await session.scalar(destinations_of(channel).where(DestinationRecord.id == destination_id))
    if found is None:
        raise DestinationNotFound(destination_id)
    return found


async def add_destination(
    session: AsyncSession, caller: Principal, seal: RelaySeal, channel: ChannelRecord, draft: DestinationDraft
) -> DestinationRecord:
    """Send the channel on to one more platform, whenever it is live.

    Raises:
        BadRelayUrl, TooManyDestinations.
    """
    count = await session.scalar(select(func.count()).select_from(destinations_of(channel).subquery())) or 0
    if count >= DESTINATIONS_PER_CHANNEL_MAX:
        raise TooManyDestinations(DESTINATIONS_PER_CHANNEL_MAX)
    destination = DestinationRecord(
        id=new_id("ds"), channel_id=channel.id, name=draft.name, rendition=draft.rendition, enabled=draft.enabled
    )
    _set_address(destination, seal, draft.url, draft.key)
    session.add(destination)
    await session.flush()
    record_audit(session, caller, "destination.added", destination.id, channel_id=channel.id, url=destination.shown_url)
    return destination


async def change_destination(
    session: AsyncSession,
    caller: Principal,
    seal: RelaySeal,
    channel: ChannelRecord,
    destination_id: str,
    change: DestinationChange,
) -> DestinationRecord:
    """Change what is given; a running push goes on where it can.

    Raises:
        DestinationNotFound, BadRelayUrl.
    """
    destination = await find_destination(session, channel, destination_id)
    if (change.url is None) != (change.key is None):
        raise BadRelayUrl(
            "A new URL needs its stream key, and a new stream key its URL.",
            hint="Send both; the key is empty where the URL holds it.",
        )
    if change.url is not None and change.key is not None:
        _set_address(destination, seal, change.url, change.key)
    changed = {
        name: value
        for name in ("name", "rendition", "enabled")
        if (value := getattr(change, name)) is not None and value != getattr(destination, name)
    }
    for name, value in changed.items():
        setattr(destination, name, value)
    await session.flush()
    if change.url is not None:
        changed["url"] = destination.shown_url
    if changed:
        record_audit(session, caller, "destination.changed", destination.id, channel_id=channel.id, **changed)
    return destination


async def remove_destination(
    session: AsyncSession, caller: Principal, channel: ChannelRecord, destination_id: str
) -> None:
    """Send the channel there no more.

    Raises:
        DestinationNotFound.
    """
    destination = await find_destination(session, channel, destination_id)
    await session.delete(destination)
    record_audit(session, caller, "destination.removed", destination.id, channel_id=channel.id, name=destination.name)


def _set_address(destination: DestinationRecord, seal: RelaySeal, url: str, key: str) -> None:
    read_destination(url, key)
    destination.shown_url = shown_destination(url, key)
    destination.sealed_address = seal.close(json.dumps({"url": url, "key": key}).encode(), destination.id)


def url_label(channel_id: str, name: str) -> str:
    """What a pull's sealed URL is bound to."""
    return f"pull-url {channel_id}" + ("" if name == InputName.MAIN else f" {name}")


def key_label(channel_id: str, name: str) -> str:
    """What a pull's sealed stream key is bound to."""
    return f"pull-key {channel_id}" + ("" if name == InputName.MAIN else f" {name}")

"""The demo channel: there from the first start, public, and fed a generated picture through the real door.

Its feeder needs a clear stream key at every start, so this one key is kept: in a file that only this account can read,
beside the database, never in it. Everything here may be repeated, and interrupted anywhere: the next start repairs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.errors import WorldBroke
from skyriver.kernel.files import replace_private
from skyriver.platform.identity import Principal, hash_secret
from skyriver.platform.store import Store
from skyriver.services.live import service
from skyriver.services.live.errors import ChannelNotFound
from skyriver.services.live.model import ProfileName
from skyriver.services.live.records import ChannelRecord, FeederRecord, StreamKeyRecord
from skyriver.services.live.service import ChannelDraft

DEMO_SLUG = "demo"
DEMO_NAME = "Demo"
FEEDER_KEY_NAME = "demo feeder"


@dataclass(frozen=True)
class FeederShape:
    """The generated picture. Small on purpose: the whole demo cloud is to rest below 0.8 of a core."""

    width: int = 854
    height: int = 480
    fps: int = 30


class FeederKeys:
    """Clear stream keys of feeders, one file each, mode 0600 in a folder of mode 0700.

    They are on one machine on purpose: only the API process that has them plans feeders.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "feeder-keys"

    def read(self, channel_id: str) -> str | None:
        """The key, or None when this machine does not have it.

        Raises:
            WorldBroke: it may be there, and cannot be read.
        """
        try:
            return (self._folder / channel_id).read_text().strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WorldBroke(
                f"Tried to read the demo's stream key in {self._folder} and could not: {error.strerror}.",
                hint="Check that the data folder belongs to this user.",
            ) from error

    def write(self, channel_id: str, key: str) -> None:
        """Keep a key; after a crash there is the old file or the new one.

        Raises:
            WorldBroke: the folder cannot be written.
        """
        path = self._folder / channel_id
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_private(path, key)
        except OSError as error:
            raise WorldBroke(
                f"Tried to keep the demo's stream key in {path} and could not: {error.strerror}.",
                hint="Check that the data folder is writable and not full.",
            ) from error


async def ensure_demo(store: Store, owner: Principal, keys: FeederKeys, *, shape: FeederShape = FeederShape()) -> str:
    """Make sure that `owner`'s tenant has the demo channel with its feeder. Returns the channel's id.

    What people changed of the channel (its name, its profile, whether it is public) is left as they set it.
    """
    async with store.transaction() as session:
        channel = await _channel(session, owner)
        await _key(session, owner, channel, keys)
        feeder = await session.get(FeederRecord, channel.id)
        if feeder is None:
            feeder = FeederRecord(channel_id=channel.id)
            session.add(feeder)
        feeder.width, feeder.height, feeder.fps = shape.width, shape.height, shape.fps
        return channel.id


async def stop_demo(store: Store) -> None:
    """Feed nothing any more; the channels stay."""
    async with store.transaction() as session:
        await session.execute(delete(FeederRecord))


async def _channel(session: AsyncSession, owner: Principal) -> ChannelRecord:
    try:
        return await service.find_channel(session, owner.tenant_id, DEMO_SLUG)
    except ChannelNotFound:
        draft = ChannelDraft(DEMO_NAME, slug=DEMO_SLUG, public=True, profile=ProfileName.LIGHT)
        channel, _unused_first_key = await service.create_channel(session, owner, draft)
        return channel


async def _key(session: AsyncSession, owner: Principal, channel: ChannelRecord, keys: FeederKeys) -> None:
    """A feeder key that is both in the file and, as a hash, in the store; else a new one that is."""
    kept = keys.read(channel.id)
    query = service.stream_keys_of(channel).where(StreamKeyRecord.name == FEEDER_KEY_NAME)
    ours = (await session.scalars(query)).all()
    if kept is not None and hash_secret(kept) in {key.secret_sha256 for key in ours}:
        return
    for key in ours:
        await service.revoke_stream_key(session, owner, channel, key.id)
    await session.flush()
    _, secret = await service.create_stream_key(session, owner, channel, FEEDER_KEY_NAME)
    keys.write(channel.id, secret)  # before the commit: a file without its hash is replaced at the next start

"""SRT passphrases of stream keys: what a connection with that key must be encrypted with.

A stream key travels in the clear in an SRT handshake, as it does in plain RTMP. A passphrase never travels: with one,
nobody on the way can read the stream, or publish with the key that was overheard. Both ends derive the encryption key
from it (PBKDF2), so that a hash of it would not do: it is sealed for the store, and stations are told it in the clear.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.fabric_keys import Seal, WrongSeal
from skyriver.platform.identity import Principal, record_audit
from skyriver.services.live import service
from skyriver.services.live.records import ChannelRecord, StreamKeyRecord

SEAL_FILE = "srt-passphrase-seal.key"
_GENERATED_BYTES = 18  # 24 characters that need no escaping in an address

log = logging.getLogger(__name__)


class PassphraseSeal(Seal):
    """Seals SRT passphrases."""

    @classmethod
    def open_in(cls, data_dir: Path) -> PassphraseSeal:
        """The seal of this data folder; its key is made when there is none."""
        return cls(data_dir / "secrets" / SEAL_FILE)

    def read(self, key: StreamKeyRecord) -> str | None:
        """A key's passphrase; None where it has none.

        One that was sealed with another key file is made up anew, and told nobody: connections with that key are
        refused, which is better than to take them unencrypted.
        """
        if key.sealed_srt_passphrase is None:
            return None
        try:
            return self.open(key.sealed_srt_passphrase, _label(key.channel_id)).decode()
        except WrongSeal as error:
            log.error("Nobody can publish over SRT with the stream key %s: %s", key.id, error)
            return _UNREADABLE


_UNREADABLE = secrets.token_urlsafe(_GENERATED_BYTES)


async def set_passphrase(
    session: AsyncSession,
    caller: Principal,
    seal: PassphraseSeal,
    channel: ChannelRecord,
    key_id: str,
    passphrase: str | None,
) -> tuple[StreamKeyRecord, str]:
    """Demand encryption from whoever publishes over SRT with this key, from the next connection on.

    Returns:
        the key and its passphrase: `passphrase`, or one that was made up; nobody can read it again.

    Raises:
        StreamKeyNotFound.
    """
    key = await service.find_stream_key(session, channel, key_id)
    passphrase = passphrase or secrets.token_urlsafe(_GENERATED_BYTES)
    key.sealed_srt_passphrase = seal.close(passphrase.encode(), _label(channel.id))
    record_audit(session, caller, "stream_key.srt_passphrase_set", key.id, channel_id=channel.id, name=key.name)
    return key, passphrase


async def remove_passphrase(session: AsyncSession, caller: Principal, channel: ChannelRecord, key_id: str) -> None:
    """Take unencrypted connections with this key again. Repeating it does nothing.

    Raises:
        StreamKeyNotFound.
    """
    key = await service.find_stream_key(session, channel, key_id)
    if key.sealed_srt_passphrase is not None:
        key.sealed_srt_passphrase = None
        record_audit(session, caller, "stream_key.srt_passphrase_removed", key.id, channel_id=channel.id, name=key.name)


def _label(channel_id: str) -> str:
    """Sealed for its channel, so that a rotated key keeps its passphrase and no other channel can be given it."""
    return f"srt {channel_id}"

"""Who may publish: stream keys, compared by their hashes, and the words for a refusal."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from skyriver.services.live.model import InputName

MAX_KEY_CHARS = 256  # ours have 51; others' habits reach 120; more is an attack on the hash function


@dataclass(frozen=True, slots=True)
class Publication:
    """The right to publish into one channel, as `authorise` grants it."""

    channel_id: str
    tenant_id: str = ""
    takeover: bool = False
    """Whether a second publisher replaces the first; otherwise the first wins for as long as it is heard."""
    input: InputName = InputName.MAIN

    @property
    def input_id(self) -> str:
        """Names what is published to: one encoder at a time holds it."""
        return f"{self.channel_id}/{self.input.value}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a publisher is turned away, in its own terms. `code` and `description` travel in an RTMP onStatus message."""

    description: str
    code: str = "NetStream.Publish.BadName"
    """Publishers look for BadName (OBS: "invalid stream key"), Denied, or Rejected; any error ends the attempt."""
    retry: bool = False
    """Whether trying again later can help; otherwise encoders should stop asking."""


Authorise = Callable[[str], Publication | Refusal]
"""Judge a stream key. Called on the event loop for every publish: it must not block."""


UNKNOWN_KEY = Refusal(
    "This stream key is not known here. Copy it again from the channel's page: it may have been replaced or revoked."
)
NO_KEY = Refusal(
    "No stream key was sent. Push to rtmp://HOST/live and put the channel's stream key in the encoder's key field, "
    "or push to rtmp://HOST/live/KEY."
)


def key_sha256(key: str) -> str:
    """The form in which a stream key is stored and compared, hex."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """Every stream key this station accepts; itself an `Authorise`.

    Keys are random with 256 bits, so a plain SHA-256 is enough at rest. In memory the table is indexed by an HMAC
    of that hash under a secret of this process: how long a look-up takes says nothing about any stored hash.
    """

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._entries: dict[bytes, tuple[str, Publication]] = {}
        self._srt_passphrases: dict[bytes, str] = {}

    def replace(
        self,
        channels: Iterable[tuple[Publication, Iterable[str]]],
        srt_passphrases: Mapping[str, str] | None = None,
    ) -> None:
        """Set the whole table: pairs of a publication and the SHA-256 (hex) of each key that may start it.

        Args:
            srt_passphrases: SHA-256 of a key -> what an SRT connection with it must be encrypted with.
        """
        self._srt_passphrases = {self._blind(digest): text for digest, text in (srt_passphrases or {}).items()}
        self._entries = {
            self._blind(digest): (digest, publication) for publication, digests in channels for digest in digests
        }

    def srt_passphrase(self, key: str) -> str:
        """What an SRT connection with this key must be encrypted with; empty where it needs not be."""
        return self._srt_passphrases.get(self._blind(key_sha256(key)), "")

    def __call__(self, key: str) -> Publication | Refusal:
        """Judge a key in time that does not depend on how nearly right it is."""
        return self.by_sha256(key_sha256(key)) or UNKNOWN_KEY

    def by_sha256(self, digest: str) -> Publication | None:
        """What the key with this hash may publish now; None when it may nothing (any more)."""
        stored, publication = self._entries.get(self._blind(digest), ("", None))
        return publication if hmac.compare_digest(stored, digest) else None

    def _blind(self, digest: str) -> bytes:
        return hmac.digest(self._secret, digest.encode(), "sha256")


def split_key(app: str, stream_name: str) -> tuple[str, str]:
    """The application and the stream key out of a publisher's address, query strings dropped.

    Both common forms: `rtmp://host/live` with the key as stream name, and everything in the server's address
    (`rtmp://host/live/KEY`), where encoders with an empty key field send the key as a part of `app`.

    Returns:
        (application, key); the key is empty when there is none.
    """
    application, _, rest = app.partition("?")[0].strip("/").partition("/")
    name = stream_name.partition("?")[0].strip().strip("/")
    key = name or rest
    return application, key.rpartition("/")[2]

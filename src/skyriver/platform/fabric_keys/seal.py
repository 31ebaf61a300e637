"""Seals private keys for the store with a key that lies outside it, in a file of the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from skyriver.kernel.errors import WorldBroke

KEY_BYTES = 32
_NONCE_BYTES = 12


class WrongSeal(WorldBroke):
    """A sealed key cannot be opened: it was sealed with another key file."""

    code = "wrong_seal"


class Seal:
    """AES-256-GCM with the key in `path`, which is made when there is none; readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._file = f"{path.parent.name}/{path.name}"
        try:
            self._key = _read_or_make(path)
            self._cipher = AESGCM(self._key)
        except OSError as error:
            raise WorldBroke(
                f"Reading the key file {path} failed: {error.strerror}.",
                hint="Give this user read and write permission on the data folder, and check its free space.",
            ) from error
        except ValueError as error:
            raise WorldBroke(
                f"The key file {path} is damaged: it must hold {KEY_BYTES} bytes.", hint="Restore it from a backup."
            ) from error

    def close(self, secret: bytes, label: str) -> bytes:
        """Sealed `secret`; `label` (the key's id) is bound to it, so that seals cannot be swapped between rows."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, label.encode())

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for another purpose, the same in every process that has this key file (HKDF, RFC 5869)."""
        return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(self._key)

    def open(self, sealed: bytes, label: str) -> bytes:
        """What was sealed.

        Raises:
            WrongSeal: with another key file, or for another label, or damaged.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], label.encode())
        except InvalidTag as error:
            raise WrongSeal(
                f"The sealed key {label} does not open with this data folder's key file.",
                hint=f"Restore {self._file} from the backup that belongs to this database.",
            ) from error


def _read_or_make(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # unlike a rename it fails if another process was first, and then that one's key counts
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_bytes()

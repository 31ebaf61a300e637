"""Secrets: 256 random bits behind a prefix that says what they open. Shown once, stored as a SHA-256.

A fast hash is enough here because there is nothing to guess: 256 bits cannot be searched. Passwords are another
matter and live in `passwords`. The prefix lets log scrubbing and leak scanners recognise them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

SecretKind = Literal["key", "ses", "join", "pub"]
SECRET_BYTES = 32


def new_secret(kind: SecretKind) -> str:
    """A fresh secret such as `sky_key_…` (43 URL-safe characters after the prefix)."""
    return f"sky_{kind}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_secret(secret: str) -> str:
    """What is stored and looked up: the SHA-256 as 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_kind(secret: str) -> str | None:
    """`key`, `ses`, `join`, `pub`…, or None when this is no secret of ours."""
    parts = secret.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "sky" else None

"""Identifiers: a short prefix that names the kind, and 80 bits that sort by time of creation.

Layout: 40 bits of milliseconds since 2020-01-01 (enough until 2054) and 40 random bits, in Crockford's
base 32, lower case: `ch_0gk3v9xw2m7q4t1z`. Ids are names, never secrets.
"""

from __future__ import annotations

import re
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH_MS = 1_577_836_800_000
_CHARS = 16
ID_PATTERN = re.compile(rf"^[a-z]{{2,4}}_[{_ALPHABET}]{{{_CHARS}}}$")


def new_id(prefix: str) -> str:
    """A fresh id such as `ch_0gk3v9xw2m7q4t1z`; `prefix` is two to four lower-case letters."""
    millis = time.time_ns() // 1_000_000 - _EPOCH_MS
    value = ((millis & (1 << 40) - 1) << 40) | secrets.randbits(40)
    return f"{prefix}_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(75, -1, -5))


def is_id(text: str, prefix: str | None = None) -> bool:
    """Whether `text` has the shape of an id (and, if given, of that kind)."""
    return bool(ID_PATTERN.fullmatch(text)) and (prefix is None or text.startswith(f"{prefix}_"))

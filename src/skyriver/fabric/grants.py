"""Grants: short, scoped, signed rights to put and get broadcasts in one space.

A grant is a JSON Web Token (RFC 7519) signed with EdDSA over Ed25519 (RFC 8037), with the claims of moq-relay's token
format, so that its relays and ours accept the same grants:

- `root`: the space; the session's URL path must equal it, and every path is relative to it. A service's grant may name
  an ancestor of many spaces (`""` for all): an edge cannot know which space its next viewer wants.
- `put` / `get`: path prefixes that the session may publish / subscribe; `""` is the whole space. A prefix covers whole
  path segments only: `cam` covers `cam` and `cam/1`, never `camera`.
- `exp`, `iat`: seconds since the Unix epoch. `jti`: names the grant for the deny list and for usage.
- `iat_us`: when it was issued, to the microsecond; `by`: for whom (a user's or key's id). Our own, for denials.
- `cluster`: a service of the platform itself (station, transcoder, another relay).

Relays verify offline against cached public keys (a JWK Set, RFC 7517): the control plane may be down.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotAllowed, NotAuthenticated

MAX_GRANT_CHARS = 4096  # a grant travels in a URL; anything longer is an attack on the parser
LEEWAY_S = 5  # clocks of our own machines are kept by NTP; five seconds is generous
_PATH = re.compile(r"^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*$")


@dataclass(frozen=True)
class Grant:
    """The verified claims of one grant; see the module's text for their meaning."""

    root: str
    put: tuple[str, ...]
    get: tuple[str, ...]
    expires_at: datetime
    jti: str
    cluster: bool = False
    issued_us: int = 0
    by: str = ""

    def may_put(self, path: str) -> bool:
        """Whether the holder may publish the broadcast at `path` (relative to the space)."""
        return any(covers(prefix, path) for prefix in self.put)

    def may_get(self, path: str) -> bool:
        """Whether the holder may subscribe to the broadcast at `path` (relative to the space)."""
        return any(covers(prefix, path) for prefix in self.get)


@dataclass(frozen=True)
class Denial:
    """Grants that are refused although they are signed and have not expired.

    Attributes:
        subject: `jti <jti>`: that grant; `root <space>`: the grants of a space, but for the platform's own; `by <id>`:
            those that were issued for this user or API key.
        until: when the last of them would have expired.
        before_us: of `root` and `by`: only those issued before this time, microseconds since the Unix epoch; what was
            issued later is for the state of things since.
    """

    subject: str
    until: datetime
    before_us: int | None = None

    def covers(self, grant: Grant) -> bool:
        """Whether `grant` is one of them."""
        return self.subject in _subjects(grant) and (self.before_us is None or grant.issued_us < self.before_us)

    def entry(self) -> dict[str, Any]:
        """As the control plane tells it, in plans and on the bus."""
        return {"subject": self.subject, "before_us": self.before_us, "exp": int(self.until.timestamp())}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Denial:
        """Out of what the control plane tells; `{jti, exp}` is what plans of older versions have.

        Raises:
            ValueError, KeyError, TypeError: it is none.
        """
        subject = str(entry["subject"]) if "subject" in entry else f"jti {entry['jti']}"
        before_us = entry.get("before_us")
        return cls(subject, datetime.fromtimestamp(entry["exp"], UTC), None if before_us is None else int(before_us))


def _subjects(grant: Grant) -> tuple[str, ...]:
    named = f"jti {grant.jti}"
    return (named,) if grant.cluster else (named, f"root {grant.root}", f"by {grant.by}")


def covers(prefix: str, path: str) -> bool:
    """Whether `prefix` is `path` itself or a whole-segment ancestor of it; the empty prefix covers everything."""
    return prefix == "" or path == prefix or path.startswith(f"{prefix}/")


def is_space(path: str) -> bool:
    """Whether `path` can name a space or a broadcast: up to 200 unreserved characters, no segment of dots alone."""
    return len(path) <= 200 and bool(_PATH.match(path)) and not any(set(s) == {"."} for s in path.split("/"))


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key that signs grants; `key_id` is the JWT header's `kid`."""

    key_id: str
    private_key: Ed25519PrivateKey = field(repr=False)

    def sign(
        self,
        *,
        root: str,
        put: Sequence[str] = (),
        get: Sequence[str] = (),
        lifetime: timedelta,
        cluster: bool = False,
        now: datetime | None = None,
        jti: str | None = None,
        by: str = "",
    ) -> str:
        """A compact JWT. `lifetime` counts from `now` (UTC, default: the wall clock)."""
        issued = now or utc_now()
        claims: dict[str, Any] = {
            "root": root,
            "put": list(put),
            "get": list(get),
            "iat": int(issued.timestamp()),
            "iat_us": int(issued.timestamp() * 1_000_000),
            "exp": int((issued + lifetime).timestamp()),
            "jti": jti or secrets.token_urlsafe(12),
        }
        if cluster:
            claims["cluster"] = True
        if by:
            claims["by"] = by
        return jwt.encode(claims, self.private_key, algorithm="EdDSA", headers={"kid": self.key_id})

    def public_jwk(self) -> dict[str, str]:
        """The public half as a JWK (RFC 8037, section 2)."""
        jwk: dict[str, str] = jwt.algorithms.OKPAlgorithm.to_jwk(self.private_key.public_key(), as_dict=True)
        return {**jwk, "kid": self.key_id, "alg": "EdDSA", "use": "sig"}


class Verifier:
    """Verifies grants offline, against a JWK Set and a deny list that the owner keeps fresh.

    Args:
        jwks: a JWK Set, `{"keys": [...]}`; keys of other types than Ed25519 are ignored.
        now: the wall clock, for tests.
    """

    def __init__(self, jwks: Mapping[str, Any], *, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._denied: dict[str, Denial] = {}
        self.replace_keys(jwks)

    def replace_keys(self, jwks: Mapping[str, Any]) -> None:
        """Take a newer JWK Set; grants signed by a key that is no longer in it are refused from now on."""
        keys: dict[str, Ed25519PublicKey] = {}
        for jwk in jwks.get("keys", ()):
            if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519" and "kid" in jwk:
                key = jwt.algorithms.OKPAlgorithm.from_jwk(jwk)
                if isinstance(key, Ed25519PublicKey):
                    keys[jwk["kid"]] = key
        self._keys = keys

    def deny(self, *denials: Denial) -> None:
        """Refuse these grants until they would have expired, after which they are worthless anyway."""
        now = self._now()
        self._denied = {subject: kept for subject, kept in self._denied.items() if kept.until > now}
        for denial in denials:
            known = self._denied.get(denial.subject)
            stricter = known is None or (denial.before_us or 0) >= (known.before_us or 0)
            if denial.until > now and stricter:  # news may arrive twice, and in any order
                self._denied[denial.subject] = denial

    def is_denied(self, grant: Grant) -> bool:
        """Whether the grant is refused now."""
        found = (self._denied.get(subject) for subject in _subjects(grant))
        return any(denial is not None and denial.until > self._now() and denial.covers(grant) for denial in found)

    def verify(self, token: str | None, space: str) -> Grant:
        """The grant in `token`, which must be valid now and for exactly `space`.

        Raises:
            NotAuthenticated: no token, or one that is malformed, forged, unknown, expired or revoked.
            NotAllowed: a valid grant for another space.
        """
        if not token:
            raise NotAuthenticated("This relay was asked for a session without a grant.", hint="Ask the API for one.")
        if len(token) > MAX_GRANT_CHARS:
            raise NotAuthenticated(f"The grant is longer than {MAX_GRANT_CHARS} characters.", code="grant_malformed")
        claims = self._decode(token)
        grant = _grant(claims)
        if self.is_denied(grant):
            raise NotAuthenticated("The grant was revoked.", hint="Ask the API for a new one.", code="grant_revoked")
        if not (is_space(space) and (grant.root == space or (grant.cluster and covers(grant.root, space)))):
            raise NotAllowed(
                "The grant is for another space.", hint="Connect to the space it names.", code="foreign_space"
            )
        return grant

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise NotAuthenticated(
                    "The grant was signed by a key this relay does not know.", code="grant_unknown_key"
                )
            options: Any = {"require": ["exp", "jti", "root"], "verify_exp": False, "verify_iat": False}
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=["EdDSA"], options=options)
        except jwt.PyJWTError as error:
            raise NotAuthenticated("The grant is not a valid signed token.", code="grant_malformed") from error
        expires_s = claims["exp"]
        if not isinstance(expires_s, int) or expires_s + LEEWAY_S <= self._now().timestamp():
            raise NotAuthenticated("The grant has expired.", hint="Ask the API for a new one.", code="grant_expired")
        return claims


def _grant(claims: Mapping[str, Any]) -> Grant:
    def prefixes(name: str) -> tuple[str, ...]:
        value = claims.get(name, [])
        value = [value] if isinstance(value, str) else value  # moq-relay allows a single string
        if not isinstance(value, list) or not all(isinstance(p, str) and (p == "" or is_space(p)) for p in value):
            raise NotAuthenticated(f"The grant's {name!r} is not a list of paths.", code="grant_malformed")
        return tuple(value)

    root, jti = claims["root"], claims["jti"]
    rooted = isinstance(root, str) and (is_space(root) or (root == "" and claims.get("cluster") is True))
    if not (rooted and isinstance(jti, str) and 0 < len(jti) <= 64):
        raise NotAuthenticated("The grant's root or jti is malformed.", code="grant_malformed")
    return Grant(
        root=root,
        put=prefixes("put"),
        get=prefixes("get"),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        jti=jti,
        cluster=claims.get("cluster") is True,
        issued_us=_issued_us(claims),
        by=str(claims.get("by", ""))[:64],
    )


def _issued_us(claims: Mapping[str, Any]) -> int:
    """0 for a grant that does not say it: every denial of its subject covers it."""
    precise, seconds = claims.get("iat_us"), claims.get("iat")
    if isinstance(precise, int):
        return precise
    return int(seconds * 1_000_000) if isinstance(seconds, int | float) else 0

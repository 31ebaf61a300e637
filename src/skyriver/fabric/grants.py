"""Grants: short, scoped, signed rights to put and get broadcasts in one space.

A grant is a JSON Web Token (RFC 7519) signed with EdDSA over Ed25519 (RFC 8037), with the claims of moq-relay's token
format, so that its relays and ours accept the same grants:

- `root`: the space; the session's URL path must equal it, and every path is relative to it. A service's grant may name
  an ancestor of many spaces (`""` for all): an edge cannot know which space its next viewer wants.
- `put` / `get`: path prefixes that the session may publish / subscribe; `""` is the whole space. A prefix covers whole
  path segments only: `cam` covers `cam` and `cam/1`, never `camera`.
- `exp`, `iat`: seconds since the Unix epoch. `jti`: names the grant for the deny list and for usage.
- `cluster`: a service of the platform itself (station, transcoder, another relay).

Relays verify offline against cached public keys (a JWK Set, RFC 7517): the control plane may be down.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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

    def may_put(self, path: str) -> bool:
        """Whether the holder may publish the broadcast at `path` (relative to the space)."""
        return any(covers(prefix, path) for prefix in self.put)

    def may_get(self, path: str) -> bool:
        """Whether the holder may subscribe to the broadcast at `path` (relative to the space)."""
        return any(covers(prefix, path) for prefix in self.get)


def denials(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, datetime]]:
    """Which grants are denied, and until when, out of what the control plane tells: `{jti, exp}` each.

    `exp` is ISO 8601, or seconds since the Unix epoch.
    """
    for entry in entries:
        exp = entry["exp"]
        yield entry["jti"], datetime.fromisoformat(exp) if isinstance(exp, str) else datetime.fromtimestamp(exp, UTC)


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
    ) -> str:
        """A compact JWT. `lifetime` counts from `now` (UTC, default: the wall clock)."""
        issued = now or utc_now()
        claims: dict[str, Any] = {
            "root": root,
            "put": list(put),
            "get": list(get),
            "iat": int(issued.timestamp()),
            "exp": int((issued + lifetime).timestamp()),
            "jti": jti or secrets.token_urlsafe(12),
        }
        if cluster:
            claims["cluster"] = True
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
        self._denied: dict[str, datetime] = {}
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

    def deny(self, jti: str, until: datetime) -> None:
        """Refuse grant `jti` until `until` (its expiry, after which it is worthless anyway)."""
        now = self._now()
        self._denied = {j: t for j, t in self._denied.items() if t > now}
        if until > now:
            self._denied[jti] = until

    def is_denied(self, jti: str) -> bool:
        """Whether `jti` stands on the deny list now."""
        until = self._denied.get(jti)
        return until is not None and until > self._now()

    def denied(self) -> Collection[str]:
        """The grants that are refused at present."""
        return [jti for jti in self._denied if self.is_denied(jti)]

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
        if self.is_denied(grant.jti):
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
    )

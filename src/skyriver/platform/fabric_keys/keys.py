"""The cloud's grant keys: signs grants, publishes the public halves, revokes.

A grant's `jti` is `<tenant id>.<unique part>`: relays report it with every usage fact, and because it is signed nobody
can have another tenant billed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.fabric.grants import Denial, SigningKey, Verifier
from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.fabric_keys.records import DeniedGrantRecord, GrantKeyRecord, GrantRevocationRecord
from skyriver.platform.fabric_keys.seal import Seal, WrongSeal
from skyriver.platform.store import Store

log = logging.getLogger("skyriver.fabric_keys")

VIEWER_LIFETIME = timedelta(hours=4)  # a film's length and more; the player asks for a new one well before its end
SERVICE_LIFETIME = timedelta(hours=24)
SERVICE_RENEWAL = timedelta(hours=12)  # half of the life is left for a node that cannot reach the API
MAX_LIFETIME = timedelta(hours=24)
_PLATFORM = "-"  # the tenant part of the platform's own grants
_LOCK = 0x5B2


@dataclass(frozen=True)
class Minted:
    """A signed grant and what is needed to revoke it."""

    token: str = field(repr=False)
    jti: str
    expires_at: datetime


def tenant_of_jti(jti: str) -> str | None:
    """The tenant a grant was made for, from its `jti`; None for the platform's own grants."""
    tenant, dot, _ = jti.partition(".")
    return tenant if dot and tenant and tenant != _PLATFORM else None


class GrantKeys:
    """The signing keys of this cloud. Open it once per process; `refresh` picks up what other processes changed."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._signing: SigningKey | None = None
        self._jwks: dict[str, Any] = {"keys": []}
        self.verifier = Verifier(self._jwks)
        """Judges grants in this process; its deny list is as old as the last `refresh_denied`."""
        self._service: dict[tuple[str, ...], Minted] = {}

    @classmethod
    async def open(cls, store: Store, data_dir: Path) -> GrantKeys:
        """Load the keys, and make the first one if there is none."""
        keys = cls(store, await asyncio.to_thread(Seal, data_dir / "secrets" / "grant-seal.key"))
        await keys.refresh()
        await keys.refresh_denied()
        if keys._signing is None:
            await keys._make_key(only_if_none=True)
        return keys

    async def refresh(self) -> None:
        """Read the keys again. The newest one that we can open signs; all that may still be in use verify."""
        async with self._store.session() as session:
            oldest = utc_now() - MAX_LIFETIME - timedelta(hours=1)
            rows = (await session.scalars(select(GrantKeyRecord).order_by(GrantKeyRecord.created_at.desc()))).all()
        live = [row for row in rows if row.retired_at is None or row.retired_at > oldest]
        self._jwks = {"keys": [row.public_jwk for row in live]}
        self.verifier.replace_keys(self._jwks)
        self._signing = next((key for row in live if row.retired_at is None and (key := self._open(row))), None)

    async def refresh_denied(self) -> None:
        """Read the deny list again."""
        async with self._store.session() as session:
            denied = await denied_grants(session)
        self.verifier.deny(*denied)

    def derive_key(self, purpose: str) -> bytes:
        """A symmetric key of 32 bytes, for `purpose` alone: the same in every API process of this cloud."""
        return self._seal.derive(purpose)

    def jwks(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517) that relays verify grants with."""
        return self._jwks

    async def rotate(self) -> str:
        """Sign with a fresh key from now on; the old ones go on verifying until their last grant has expired."""
        return await self._make_key(only_if_none=False)

    def mint_viewer(
        self,
        space: str,
        *,
        tenant_id: str,
        get: tuple[str, ...] = ("",),
        put: tuple[str, ...] = (),
        lifetime: timedelta = VIEWER_LIFETIME,
        by: str = "",
        unique: str | None = None,
    ) -> Minted:
        """A fresh grant for one viewer (or, with `put`, one publisher) of `space`.

        Args:
            by: id of the user or API key that asks for it; with those, it ends. Empty: anybody may have it.
            unique: the part of its `jti` after the tenant: grants that are revoked together share it.
        """
        issued = utc_now()
        jti = f"{tenant_id}.{unique or secrets.token_urlsafe(12)}"
        lifetime = min(lifetime, MAX_LIFETIME)
        token = self._key().sign(root=space, put=put, get=get, lifetime=lifetime, now=issued, jti=jti, by=by)
        return Minted(token, jti, issued + lifetime)

    def mint_service(
        self,
        holder: str,
        space: str,
        *,
        tenant_id: str | None,
        put: tuple[str, ...],
        get: tuple[str, ...],
        now: datetime | None = None,
    ) -> Minted:
        """The grant of a piece of running work: the same token for twelve hours, from any process and at any restart.

        Args:
            holder: names the work and its generation; another holder gets another grant.
        """
        key = self._key()
        name = "\0".join((key.key_id, holder, space, tenant_id or "", *put, "\1", *get))
        digest = hashlib.sha256(name.encode()).digest()
        # Renewals are spread over the window by the name, or every workload of the cloud would be told at once.
        renewal_s = int(SERVICE_RENEWAL.total_seconds())
        shift_s = int.from_bytes(digest[:4]) % renewal_s
        started_s = (int((now or utc_now()).timestamp()) - shift_s) // renewal_s * renewal_s + shift_s
        cached = self._service.get(cache_key := (name, str(started_s)))
        if cached is None:
            if len(self._service) > 20_000:  # a day's worth of work on a large cloud; it is only a cache
                self._service.clear()
            issued = datetime.fromtimestamp(started_s, UTC)
            unique = hashlib.sha256(f"{name}\0{started_s}".encode()).hexdigest()[:24]
            jti = f"{tenant_id or _PLATFORM}.{unique}"
            token = key.sign(root=space, put=put, get=get, lifetime=SERVICE_LIFETIME, cluster=True, now=issued, jti=jti)
            cached = self._service[cache_key] = Minted(token, jti, issued + SERVICE_LIFETIME)
        return cached

    def _key(self) -> SigningKey:
        if self._signing is None:
            raise RuntimeError("Tried to sign a grant before the keys were opened.")
        return self._signing

    def _open(self, row: GrantKeyRecord) -> SigningKey | None:
        try:
            private = self._seal.open(row.private_sealed, row.id)
        except WrongSeal as error:
            log.error("%s Grants it signed stay valid; new ones are signed with another key.", error)
            return None
        return SigningKey(row.id, Ed25519PrivateKey.from_private_bytes(private))

    async def _make_key(self, *, only_if_none: bool) -> str:
        key = SigningKey(new_id("gk"), Ed25519PrivateKey.generate())
        sealed = self._seal.close(key.private_key.private_bytes_raw(), key.key_id)
        async with self._store.transaction() as session:
            if not self._store.is_sqlite:
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            in_use = (await session.scalars(select(GrantKeyRecord).where(GrantKeyRecord.retired_at.is_(None)))).all()
            usable = [row for row in in_use if self._open(row) is not None]
            if not (only_if_none and usable):
                now = utc_now()
                for row in in_use:
                    row.retired_at = now
                session.add(GrantKeyRecord(id=key.key_id, public_jwk=key.public_jwk(), private_sealed=sealed))
        await self.refresh()
        return self._key().key_id


async def deny_grant(session: AsyncSession, jti: str, expires_at: datetime, reason: str) -> bool:
    """Put a grant on the deny list, and drop what has expired from it. False: it stood there already, or is expired."""
    now = utc_now()
    await session.execute(delete(DeniedGrantRecord).where(DeniedGrantRecord.expires_at < now - timedelta(minutes=5)))
    if expires_at <= now or await session.get(DeniedGrantRecord, jti) is not None:
        return False
    session.add(DeniedGrantRecord(jti=jti, expires_at=expires_at, reason=reason))
    return True


async def revoke_space(session: AsyncSession, space: str, reason: str) -> None:
    """Revoke every grant that viewers and publishers have of a space until now; those from now on are good."""
    await _revoke(session, f"root {space}", reason)


async def revoke_issued_for(session: AsyncSession, principal_id: str, reason: str) -> None:
    """Revoke every grant that a user or an API key was given until now."""
    await _revoke(session, f"by {principal_id}", reason)


async def _revoke(session: AsyncSession, subject: str, reason: str) -> None:
    now = utc_now()
    gone = GrantRevocationRecord.expires_at < now - timedelta(minutes=5)
    await session.execute(delete(GrantRevocationRecord).where(gone))
    fresh = GrantRevocationRecord(subject=subject, issued_before=now, expires_at=now + MAX_LIFETIME, reason=reason)
    await session.merge(fresh)  # one for each subject, however often


async def denied_grants(session: AsyncSession) -> list[Denial]:
    """Every denial that matters now, by expiry."""
    now = utc_now()
    grants = await session.scalars(select(DeniedGrantRecord).where(DeniedGrantRecord.expires_at > now))
    subjects = await session.scalars(select(GrantRevocationRecord).where(GrantRevocationRecord.expires_at > now))
    found = [Denial(f"jti {row.jti}", row.expires_at) for row in grants]
    found += [Denial(row.subject, row.expires_at, int(row.issued_before.timestamp() * 1_000_000)) for row in subjects]
    return sorted(found, key=lambda denial: (denial.until, denial.subject))

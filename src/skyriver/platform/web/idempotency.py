"""Creates that may be repeated safely (the `Idempotency-Key` header).

    async def create_channel(body: NewChannel, caller: Member, writer: Writer, once: Once) -> CreatedChannel:
        async def create() -> CreatedChannel: ...
        return await once(writer, caller, body, CreatedChannel, create)

The answer is stored in the same transaction as what was created: either both are there or neither. An answer may hold
a secret that is shown once and must not lie in the store, so it is sealed (AES-256-GCM) with a key derived from the
caller's credential and the idempotency key, neither of which the store knows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import Conflict
from skyriver.platform.identity import Principal
from skyriver.platform.web.auth import Credential
from skyriver.platform.web.records import IdempotencyRecord

M = TypeVar("M", bound=BaseModel)
KEEP_ANSWERS = timedelta(hours=24)  # a client that retries for longer than a day has lost its answer anyway
_NONCE_BYTES = 12
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


class Idempotency:
    """Carries out a create once per `Idempotency-Key`; without the header it simply carries it out."""

    def __init__(self, key: str | None, credential: str, request: Request, response: Response) -> None:
        self._key = key
        self._credential = credential
        self._route = f"{request.method} {request.url.path}"
        self._response = response

    async def __call__(
        self,
        session: AsyncSession,
        caller: Principal,
        body: BaseModel,
        model: type[M],
        create: Callable[[], Awaitable[M]],
    ) -> M:
        """Run `create`, or return what it returned the first time (then with `Idempotency-Replayed: true`).

        Raises:
            Conflict: the key was used for another request.
        """
        if self._key is None:
            return await create()
        key_sha256 = _sha256(caller.tenant_id, caller.id, self._route, self._key)
        request_sha256 = _digest(self._key, self._route, body)
        await session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.created_at < utc_now() - KEEP_ANSWERS))
        seal = AESGCM(hashlib.sha256(f"idempotency\0{self._credential}\0{self._key}".encode()).digest())
        record = IdempotencyRecord(
            key_sha256=key_sha256, tenant_id=caller.tenant_id, request_sha256=request_sha256, answer=b""
        )
        if (known := await _claim(session, record)) is not None:
            if known.request_sha256 != request_sha256:
                raise Conflict(
                    "This Idempotency-Key was used for another request.",
                    hint="Use a fresh key for each thing you create.",
                    code="idempotency_key_reused",
                )
            self._response.headers["Idempotency-Replayed"] = "true"
            return model.model_validate_json(_open(seal, known.answer))
        answer = await create()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        record.answer = nonce + seal.encrypt(nonce, answer.model_dump_json().encode(), None)
        return answer


async def _claim(session: AsyncSession, record: IdempotencyRecord) -> IdempotencyRecord | None:
    """Insert `record`, or return the one that is there. A twin that is being carried out right now is waited for: on
    PostgreSQL by its unique index, on SQLite by the turn to write."""
    if (known := await session.get(IdempotencyRecord, record.key_sha256)) is not None:
        return known
    try:
        async with session.begin_nested():
            session.add(record)
    except IntegrityError:
        return await session.get_one(IdempotencyRecord, record.key_sha256)
    return None


def _open(seal: AESGCM, answer: bytes) -> bytes:
    try:
        return seal.decrypt(answer[:_NONCE_BYTES], answer[_NONCE_BYTES:], None)
    except InvalidTag as error:
        raise Conflict(
            "This was created already, under another session or key; its answer can only be shown to that one.",
            hint="List the things of this kind to find it.",
            code="idempotency_other_credential",
        ) from error


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _digest(key: str, route: str, body: BaseModel) -> str:
    """What tells requests apart, secrets and all: dumped as JSON, two different ones are the same `**********`.

    Keyed by the idempotency key, which the store does not have: a password cannot be guessed from it.
    """
    text = json.dumps(body.model_dump(), default=_plain, sort_keys=True)
    return hmac.new(key.encode(), f"{route}\0{text}".encode(), hashlib.sha256).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr | SecretBytes):
        value = value.get_secret_value()
    return _ANYTHING.dump_python(value, mode="json")


def _idempotency(
    request: Request,
    response: Response,
    credential: Credential,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=128, description="Any unique text: repeating the request repeats its answer."),
    ] = None,
) -> Idempotency:
    return Idempotency(idempotency_key, credential, request, response)


Once = Annotated[Idempotency, Depends(_idempotency)]

"""One request at a time over httpx: retries that are safe, errors that say what to do.

A request is repeated only when repeating cannot do a thing twice: a method that is safe or idempotent (RFC 9110 9.2),
a create that carries an Idempotency-Key, or a connection that was never made. Waits are capped and fully jittered,
and nothing is ever repeated on a refusal (4xx other than 429).
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import httpx

from skyriver import __version__
from skyriver.client.cloud import Cloud, CloudNotReachable
from skyriver.client.problems import error_of, retry_after_s
from skyriver.kernel.errors import InvalidInput, WorldBroke

ATTEMPTS = 4
FIRST_WAIT_S = 0.1
MAX_WAIT_S = 2.0
REQUEST_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 3.0
UPLOAD_TIMEOUT_S = 120.0  # of silence; an uploaded film is read once before the answer comes
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_WORTH_REPEATING = frozenset({429, 502, 503, 504})


class Transport:
    """Requests to one cloud with one credential. Use it as an async context manager, or call `close()`."""

    def __init__(self, cloud: Cloud, *, http: httpx.AsyncClient | None = None, attempts: int = ATTEMPTS) -> None:
        self.cloud = cloud
        self._attempts = attempts
        self._http = http or httpx.AsyncClient(
            base_url=cloud.url,
            verify=trust(cloud),
            timeout=httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        )
        self._http.headers["user-agent"] = f"skyriver/{__version__}"
        if cloud.token:
            self._http.headers["authorization"] = f"Bearer {cloud.token}"

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """The decoded JSON answer, or None for an empty one.

        Raises:
            CloudNotReachable: nothing answered, after every retry that was safe.
            SkyriverError: the problem the server answered with.
        """
        headers = {"idempotency-key": idempotency_key} if idempotency_key else {}
        repeatable = method in _IDEMPOTENT or idempotency_key is not None
        params = {name: value for name, value in (query or {}).items() if value is not None}
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                response = await self._http.request(method, path, json=body, params=params, headers=headers)
            except httpx.TransportError as error:
                never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if last or not (repeatable or never_sent):
                    raise self._not_reachable(method, path, error) from error
                await asyncio.sleep(_wait_s(attempt))
                continue
            except httpx.InvalidURL as error:
                raise InvalidInput(f"{self.cloud.url} is no address: {error}", hint="Check SKYRIVER_URL.") from error
            if response.status_code < 400:
                return _decoded(response)
            if last or not repeatable or response.status_code not in _WORTH_REPEATING:
                raise error_of(response)
            asked_s = retry_after_s(response)
            if asked_s is not None and asked_s > MAX_WAIT_S:
                raise error_of(response)  # waiting that long is the caller's decision
            await asyncio.sleep(asked_s if asked_s is not None else _wait_s(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """A GET whose body is read as it comes, without a read timeout; the caller owns the waiting. No retries."""
        timeout = httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=None)
        try:
            async with self._http.stream("GET", path, headers=dict(headers or {}), timeout=timeout) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise error_of(response)
                yield response
        except httpx.TransportError as error:
            raise self._not_reachable("GET", path, error) from error

    async def upload(self, path: str, content: AsyncIterator[bytes], *, query: Mapping[str, Any]) -> Any:
        """A POST whose body is sent as it is read; the answer may take as long as the body. No retries."""
        timeout = httpx.Timeout(UPLOAD_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            response = await self._http.post(path, content=content, params=dict(query), timeout=timeout)
        except httpx.TransportError as error:
            raise self._not_reachable("POST", path, error) from error
        if response.status_code >= 400:
            raise error_of(response)
        return _decoded(response)

    def _not_reachable(self, method: str, path: str, error: Exception) -> CloudNotReachable:
        why = str(error) or type(error).__name__
        return CloudNotReachable(
            f"Asked {self.cloud.url} for {method} {path} and got no answer: {why}.",
            hint="Is the cloud up? `skyriver up` starts one here; `skyriver doctor` finds what is in the way.",
        )


def trust(cloud: Cloud) -> ssl.SSLContext | bool:
    """What to check the cloud's certificate against: its own CA, else the system's."""
    if cloud.url.startswith("http://"):
        return False  # loading the system's CAs costs 20 ms, and nothing here would use them
    try:
        return ssl.create_default_context(cafile=str(cloud.ca)) if cloud.ca else ssl.create_default_context()
    except (OSError, ssl.SSLError) as error:
        raise WorldBroke(
            f"Cannot read the CA file {cloud.ca}: {error}.", hint="Restart the cloud; it writes the file anew."
        ) from error


def _wait_s(attempt: int) -> float:
    """Full jitter: uniform between nothing and the doubled, capped wait, so that clients do not come back in step."""
    return random.uniform(0.0, min(MAX_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)))


def _decoded(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise WorldBroke(
            f"{response.request.method} {response.request.url} answered something that is not JSON.",
            hint="Does the address really lead to a Skyriver API?",
        ) from error

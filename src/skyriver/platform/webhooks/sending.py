"""One attempt at one delivery: a signed POST to an address that was checked, bounded in time and size."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx

from skyriver import __version__
from skyriver.kernel.clock import Monotonic, monotonic_s, utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.webhooks.addresses import Resolve, address_of, read_url, resolve
from skyriver.platform.webhooks.model import signature

TIMEOUT_S = 10.0  # of the whole attempt; receivers are to answer first and work afterwards
ANSWER_BYTES_MAX = 1024  # read of what a receiver answers, for the log; the rest is not looked at
ERROR_CHARS_MAX = 300
GONE = 410


@dataclass(frozen=True)
class Message:
    """What is to be sent. The id stays the same at every attempt, so that a receiver can tell a repetition."""

    id: str
    body: bytes


@dataclass(frozen=True)
class Attempt:
    """How it went. `status` None: nobody answered, and `error` says why."""

    status: int | None
    error: str
    duration_ms: int

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver says that it wants no more, ever."""
        return self.status == GONE


class Sender:
    """Sends. Open it once."""

    def __init__(
        self,
        *,
        allow_private: bool,
        find: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = utc_now,
        monotonic: Monotonic = monotonic_s,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._allow_private = allow_private
        self._find = find
        self._now = now
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        # No connection is used twice: the pool knows them by address, and a certificate that was good for one tenant's
        # name says nothing of another's at the same address.
        # trust_env=False: a proxy from the environment would resolve the name itself, behind the guard.
        self._http = httpx.AsyncClient(
            verify=tls or ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, url: str, secret: str, message: Message) -> Attempt:
        """One attempt. Whatever the receiver or the network does becomes an `Attempt`, never an exception."""
        began_s = self._monotonic()
        status, error = None, ""
        try:
            async with asyncio.timeout(self._timeout_s):
                status, error = await self._post(url, secret, message)
        except TimeoutError:
            error = f"No answer within {self._timeout_s:g} s."
        except SkyriverError as refused:
            error = str(refused)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failed:
            error = f"{type(failed).__name__}: {failed}"
        return Attempt(status, error[:ERROR_CHARS_MAX], round((self._monotonic() - began_s) * 1000))

    async def _post(self, url: str, secret: str, message: Message) -> tuple[int, str]:
        target = read_url(url)
        address = await address_of(target, allow_private=self._allow_private, find=self._find)
        timestamp_s = int(self._now().timestamp())
        headers = {
            "host": target.host_header,
            "content-type": "application/json",
            "user-agent": f"Skyriver/{__version__}",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature(secret, message.id, timestamp_s, message.body),
        }
        request = self._http.build_request(
            "POST",
            target.at(address),
            content=message.body,
            headers=headers,
            extensions={"sni_hostname": target.host},
        )
        response = await self._http.send(request, stream=True)
        try:
            said = await _beginning(response) if not response.is_success else ""
        finally:
            await response.aclose()
        return response.status_code, said


async def _beginning(response: httpx.Response) -> str:
    """The beginning of what a receiver answered, printable."""
    said = b""
    async for piece in response.aiter_raw(ANSWER_BYTES_MAX):
        said += piece
        if len(said) >= ANSWER_BYTES_MAX:
            break
    return "".join(c for c in said.decode(errors="replace") if c.isprintable())[:ERROR_CHARS_MAX]

"""Where webhooks may go: the guard against server-side request forgery.

A tenant names the URL and the API process calls it, from inside the operator's network. So the name is resolved here,
every address it has must be a public one, and the connection is made to that very address: a name that resolves
differently a moment later (DNS rebinding) gains nothing. TLS still verifies the certificate against the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from skyriver.kernel.errors import InvalidInput, WorldBroke
from skyriver.kernel.networks import host_in_url, is_public
from skyriver.platform.webhooks.model import URL_CHARS_MAX

SHOWN_WORD_CHARS_MAX = 16
"""A path's first word that is longer may be the secret itself."""
DEFAULT_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port -> its IP addresses."""


class BadWebhookUrl(InvalidInput):
    code = "bad_webhook_url"


class PrivateAddress(WorldBroke):
    """The receiver's name leads into the operator's own network."""

    code = "private_address"


@dataclass(frozen=True)
class Target:
    """A webhook's URL in its parts. `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        shown = host_in_url(self.host)
        return shown if self.port == DEFAULT_PORTS[self.scheme] else f"{shown}:{self.port}"

    def at(self, address: str) -> str:
        """The URL with the host replaced by an address of it."""
        return f"{self.scheme}://{host_in_url(address)}:{self.port}{self.path}"


def read_url(url: str) -> Target:
    """A tenant's URL.

    Raises:
        BadWebhookUrl: it is not one that can be called.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        # As it goes onto the wire: a name outside ASCII in its IDNA form.
        host = (parts.hostname or "").encode("idna").decode() if parts.hostname else ""
    except ValueError as error:
        raise BadWebhookUrl(f"{url!r} is not a URL: {error}.", hint=_HINT) from error
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise BadWebhookUrl("A webhook's URL begins with https:// or http:// and names a host.", hint=_HINT)
    if parts.username is not None or parts.password is not None:
        raise BadWebhookUrl("A webhook's URL cannot hold a password.", hint="Messages are signed instead.")
    if parts.fragment or len(url) > URL_CHARS_MAX or not url.isprintable() or " " in url:
        raise BadWebhookUrl(f"A webhook's URL has {URL_CHARS_MAX} characters at most and no fragment.", hint=_HINT)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path)


def shown_url(url: str) -> str:
    """As much of a URL as may stand in logs: many services put their secret into the path or the query.

    Scheme, host and, of a path with more behind it, the first word: `https://hooks.example.com/services/…`.

    Raises:
        BadWebhookUrl.
    """
    target = read_url(url)
    first, slash, _rest = target.path.partition("?")[0].removeprefix("/").partition("/")
    prefix = f"{first}/" if slash and len(first) <= SHOWN_WORD_CHARS_MAX else ""
    shown = f"{target.scheme}://{target.host_header}/{prefix}"
    return shown if shown.removesuffix("/") == url.removesuffix("/") else f"{shown}…"


_HINT = "Give the full address of your receiver, e.g. https://hooks.example.com/skyriver."


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver.

    Raises:
        WorldBroke: it has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise WorldBroke(f"The name {host} could not be resolved: {error.strerror}.", code="no_such_host") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def address_of(target: Target, *, allow_private: bool, find: Resolve = resolve) -> str:
    """The address to connect to.

    Raises:
        PrivateAddress: one of its addresses is not public, and private ones are not allowed.
        WorldBroke: the name has no address.
    """
    addresses = await find(target.host, target.port)
    if not addresses:
        raise WorldBroke(f"The name {target.host} has no address.", code="no_such_host")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise PrivateAddress(
            f"{target.host} leads to an address inside a private network, where webhooks may not go.",
            hint="Use a receiver with a public address, or ask the operator for SKYRIVER_WEBHOOKS_ALLOW_PRIVATE=1.",
        )
    return addresses[0]

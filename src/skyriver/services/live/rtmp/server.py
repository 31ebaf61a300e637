"""The RTMP port: accepts publishers, asks who they are, and gives each publication to a task of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from .access import Authorise, Refusal
from .limits import Limits
from .publishing import Publishing

Serve = Callable[[Publishing], Awaitable[None]]
"""What is done with a publication. Runs in a task of the server; when it returns, the publisher is disconnected."""


class RtmpServer:
    """Many publishers on one port.

    Per channel there is at most one running `serve` task: a publisher that takes over (or comes back) is answered at
    once, and its task starts when the previous one has returned.

    Args:
        authorise: judges a stream key; `KeyRing` is one.
        serve: what to do with an accepted publication. An exception in it is logged and ends that publication only.
        host, port: where to listen; port 0 takes a free one.
    """

    def __init__(
        self, authorise: Authorise, serve: Serve, *, host: str = "127.0.0.1", port: int = 1935, limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits()

    async def open(self) -> None:
        """Bind the port. Raises WorldBroke (code `port_taken`) when another process has it."""
        raise NotImplementedError

    async def run(self) -> None:
        """Serve until cancelled; then every publication ends with STOPPED and its task is given time to finish."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The bound port."""
        raise NotImplementedError

    @property
    def live(self) -> Sequence[Publishing]:
        """The publications running now."""
        raise NotImplementedError

    def recheck(self, judge: Callable[[Publishing], Refusal | None]) -> int:
        """End every publication that `judge` refuses now (a key was revoked, a channel deleted); returns how many."""
        raise NotImplementedError

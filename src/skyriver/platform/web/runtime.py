"""What an API process has opened and routes may use. One per app, in `app.state.runtime`.

Parts provide things by their type (`runtime.provide(bus)`), and whoever needs one asks by type
(`runtime.get(Bus)`); routes write `bus: Annotated[Bus, Provided(Bus)]`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotReady
from skyriver.platform.identity import Principal
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from skyriver.platform.web.events import EventHub
from skyriver.platform.web.key_uses import KeyUses

T = TypeVar("T")
ReadinessCheck = Callable[[], Awaitable[None]]
"""Raises (with a message that says what is wrong) unless the thing it checks is ready."""
Authenticator = Callable[[Request, str], Awaitable[Principal | None]]
"""Looks at a bearer credential that is not one of ours, e.g. a node's JWT; None: not known here."""


class Runtime:
    """Everything opened for one app."""

    def __init__(self, settings: ControlPlaneSettings, store: Store, now: Callable[[], datetime] = utc_now) -> None:
        self.settings = settings
        self.store = store
        self.now = now
        self.hub = EventHub()
        self.key_uses = KeyUses(store, now)
        self.metrics = CollectorRegistry()
        self.readiness: dict[str, ReadinessCheck] = {"store": store.check}
        self.authenticators: list[Authenticator] = []
        self.jwks: Callable[[], Awaitable[dict[str, Any]]] | None = None
        self._provided: dict[type[Any], Any] = {}

    def provide(self, thing: object, *, kind: type[Any] | None = None) -> None:
        """Make `thing` known under its type, or under `kind` (an interface it implements)."""
        self._provided[kind or type(thing)] = thing

    def get(self, kind: type[T]) -> T:
        """What was provided under `kind`.

        Raises:
            NotReady: nothing was: this process runs without that part, or the part has not started yet.
        """
        if kind not in self._provided:
            raise NotReady(
                f"This needs the cloud's {kind.__name__}, which is not running in this process.",
                hint="Try again in a moment; if it persists, look at GET /readyz.",
            )
        return cast(T, self._provided[kind])


def runtime_of(request: Request) -> Runtime:
    """The app's runtime."""
    return cast(Runtime, request.app.state.runtime)


RuntimeDep = Annotated[Runtime, Depends(runtime_of)]


def Provided(kind: type[Any]) -> Any:  # noqa: N802 (used like fastapi.Depends)
    """A dependency on what a part provides: `keys: Annotated[GrantKeys, Provided(GrantKeys)]`."""

    def get(request: Request) -> Any:
        return runtime_of(request).get(kind)

    return Depends(get)

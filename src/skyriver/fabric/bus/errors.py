"""What can go wrong with the bus, in the caller's terms."""

from __future__ import annotations

from skyriver.kernel.errors import NotAuthenticated, NotReady, WorldBroke


class BusDown(NotReady):
    """The bus cannot be reached now. Nothing durable was lost: state is in the store, usage is spooled."""

    code = "bus_down"


class BusRefused(NotAuthenticated):
    """The bus is there and does not accept our user or password."""

    code = "bus_refused"


class NobodyAnswered(NotReady):
    """A request was sent, and no one is subscribed to answer it."""

    code = "nobody_answered"


class BusServerFailed(WorldBroke):
    """The nats-server process could not be started or ended on its own."""

    code = "bus_server_failed"

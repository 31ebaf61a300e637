"""What can go wrong between this cloud and other places, in words for the channel's people.

No message holds a URL: those carry passwords and stream keys.
"""

from __future__ import annotations

from skyriver.kernel.errors import InvalidInput, WorldBroke


class BadRelayUrl(InvalidInput):
    """A URL that can never be pulled from or pushed to."""

    code = "bad_relay_url"


class PrivateRelayAddress(WorldBroke):
    """A host that leads into the operator's own network, where tenants' URLs may not lead."""

    code = "private_address"


class FarSide(WorldBroke):
    """The other side cannot be reached, has refused us, or has gone."""

    code = "far_side"


class UnsupportedSource(InvalidInput):
    """A source that plays, and holds nothing that a channel can take."""

    code = "unsupported_source"

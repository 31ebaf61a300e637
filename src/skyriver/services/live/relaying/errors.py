"""What can go wrong between this cloud and other places, in words for the channel's people.

No message holds a URL: those carry passwords and stream keys.
"""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, InvalidInput, NotFound, WorldBroke


class BadRelayUrl(InvalidInput):
    """A URL that can never be pulled from or pushed to."""

    code = "bad_relay_url"


class PrivateRelayAddress(WorldBroke):
    """A host that leads into the operator's own network, where tenants' URLs may not lead."""

    code = "private_address"


class FarSide(WorldBroke):
    """The other side cannot be reached, has refused us, or has gone."""

    code = "far_side"


class SourceEnded(FarSide):
    """A source has come to its end, as files do."""

    code = "source_ended"


class UnsupportedSource(InvalidInput):
    """A source that plays, and holds nothing that a channel can take."""

    code = "unsupported_source"


class PullNotFound(NotFound):
    code = "pull_not_found"

    def __init__(self, slug: str, name: str) -> None:
        super().__init__(
            f"The {name} input of the channel {slug!r} is not pulled from anywhere.",
            hint="Set where from with PUT /v1/channels/{id}/pull.",
        )


class DestinationNotFound(NotFound):
    code = "destination_not_found"

    def __init__(self, destination_id: str) -> None:
        super().__init__(
            f"This channel has no destination {destination_id!r}.",
            hint="List them with GET /v1/channels/{id}/destinations.",
        )


class TooManyDestinations(Conflict):
    code = "too_many_destinations"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A channel can be sent to {limit} destinations.", hint="Remove one that is no longer used.")

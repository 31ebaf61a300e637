"""What can go wrong with channels, said in the caller's terms. Codes are stable: clients may switch on them."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, InvalidInput, NotFound, NotReady, TooMany


class ChannelNotFound(NotFound):
    code = "channel_not_found"

    def __init__(self, id_or_slug: str) -> None:
        super().__init__(
            f"There is no channel {id_or_slug!r}.",
            hint="List your channels with GET /v1/channels, or `skyriver channel list`.",
        )


class StreamKeyNotFound(NotFound):
    code = "stream_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"This channel has no stream key {key_id!r}.",
            hint="It may have been revoked already; list the keys with GET /v1/channels/{id}/stream-keys.",
        )


class SlugTaken(Conflict):
    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"You already have a channel with the slug {slug!r}.", hint="Choose another `slug`.")


class TooManyChannels(Conflict):
    code = "too_many_channels"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A tenant can have {limit} channels, and you have them all.", hint="Delete one first.")


class NotDelivered(NotReady):
    code = "not_delivered"

    def __init__(self) -> None:
        super().__init__(
            "No edge delivers over HTTP at this moment.", hint="Try again in a few seconds, or watch over MoQ."
        )


class TooManyStreamKeys(Conflict):
    code = "too_many_stream_keys"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A channel can have {limit} stream keys.", hint="Revoke one that is no longer used.")


class PublishTicketNotFound(NotFound):
    code = "publish_ticket_not_found"

    def __init__(self, ticket_id: str) -> None:
        super().__init__(
            f"This channel has no publish ticket {ticket_id!r}.",
            hint="It has ended or was revoked: ask for a new one with POST /v1/channels/{id}/publish-ticket.",
        )


class TooManyPublishTickets(Conflict):
    code = "too_many_publish_tickets"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} browsers have a ticket for this channel already.",
            hint="Close studios that are no longer used; a forgotten ticket ends by itself within the hour.",
        )


class NoOrigin(NotReady):
    code = "no_origin"

    def __init__(self) -> None:
        super().__init__("No relay can take a publisher at this moment.", hint="Try again in a second.")


class NothingToKill(Conflict):
    code = "nothing_to_kill"

    def __init__(self, stage: str, channel: str) -> None:
        super().__init__(
            f"No running {stage} serves the channel {channel!r} now, so there is nothing to kill.",
            hint="Publish to the channel first, and watch it if the stage is `edge`.",
        )


class WatchedTooOften(TooMany):
    code = "watched_too_often"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "Too many watch tickets were asked for from this address.",
            hint="A ticket lasts for minutes: keep it, and ask again later.",
            retry_after_s=retry_after_s,
        )


class NoPicture(InvalidInput):
    code = "no_picture"

    def __init__(self) -> None:
        super().__init__(
            "The slate could not be read as a picture.",
            hint="Send a PNG or JPEG of at most 40 million pixels as the body.",
        )


class PictureTooLarge(InvalidInput):
    code = "picture_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The slate is larger than {limit_bytes >> 20} MB.",
            hint="Save it as a JPEG of 1280 x 720, which is enough.",
        )

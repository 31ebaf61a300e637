"""What can go wrong with channels, said in the caller's terms. Codes are stable: clients may switch on them."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, NotFound, TooMany


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


class TooManyStreamKeys(Conflict):
    code = "too_many_stream_keys"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A channel can have {limit} stream keys.", hint="Revoke one that is no longer used.")


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

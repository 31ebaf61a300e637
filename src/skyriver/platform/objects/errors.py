"""What can go wrong with the object store, split by who has to act."""

from __future__ import annotations

from skyriver.kernel.errors import InvalidInput, NotFound, NotReady, WorldBroke


class ObjectNotFound(NotFound):
    code = "object_not_found"

    def __init__(self, key: str) -> None:
        super().__init__(f"The object store has no object {key!r}.")
        self.key = key


class StoreFull(WorldBroke):
    """Nothing can be written until somebody makes room; reading and deleting still work."""

    code = "object_store_full"


class StoreAway(NotReady):
    """The store cannot be reached now; the same call may succeed later."""

    code = "object_store_away"


class StoreRefused(WorldBroke):
    """The store is there and does not let us: credentials, permissions, a missing bucket."""

    code = "object_store_refused"


class BadStoreUrl(InvalidInput):
    code = "bad_object_store_url"

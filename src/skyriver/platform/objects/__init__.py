"""The object store: whole files by key, in a folder or in S3."""

from skyriver.platform.objects.errors import BadStoreUrl, ObjectNotFound, StoreAway, StoreFull, StoreRefused
from skyriver.platform.objects.folder import FolderStore
from skyriver.platform.objects.opening import open_store
from skyriver.platform.objects.store import ObjectInfo, ObjectStore

__all__ = [
    "BadStoreUrl",
    "FolderStore",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectStore",
    "StoreAway",
    "StoreFull",
    "StoreRefused",
    "open_store",
]

"""Which object store a URL means."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from skyriver.platform.objects.errors import BadStoreUrl
from skyriver.platform.objects.folder import RESERVE_BYTES, FolderStore
from skyriver.platform.objects.store import ObjectStore

_HINT = "Use file:///PATH, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME with credentials in the environment."


def open_store(url: str) -> ObjectStore:
    """The store at `url`. Nothing is connected to or written yet.

    Raises:
        BadStoreUrl: it is neither a folder's nor a bucket's.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            reserve_bytes = int(options.pop("reserve_bytes", RESERVE_BYTES))
            _nothing_left(url, options)
            return FolderStore(Path(unquote(parts.path)), reserve_bytes=reserve_bytes)
        if parts.scheme == "s3" and parts.netloc and not parts.username:
            from skyriver.platform.objects.s3 import BucketStore  # its library is not loaded where a folder serves

            endpoint, region = options.pop("endpoint", None), options.pop("region", None)
            _nothing_left(url, options)
            if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
                raise BadStoreUrl(f"The endpoint {endpoint!r} is no http or https address.", hint=_HINT)
            return BucketStore(parts.netloc, unquote(parts.path), endpoint=endpoint, region=region)
    except ValueError as error:
        raise BadStoreUrl(f"The object store's URL cannot be read: {error}.", hint=_HINT) from error
    raise BadStoreUrl("The object store's URL is neither a folder's nor an S3 bucket's.", hint=_HINT)


def _nothing_left(url: str, options: dict[str, str]) -> None:
    if options:
        raise BadStoreUrl(f"The object store's URL has unknown options: {', '.join(sorted(options))}.", hint=_HINT)

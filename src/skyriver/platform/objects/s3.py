"""An object store in an S3 bucket (or anything that speaks S3), through obstore.

Credentials come from the environment or the machine's role, as every AWS tool finds them; they are never in the URL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import obstore
from obstore import exceptions as fault
from obstore.store import S3Store

from skyriver.kernel.errors import SkyriverError
from skyriver.platform.objects.errors import ObjectNotFound, StoreAway, StoreFull, StoreRefused
from skyriver.platform.objects.store import ObjectInfo, check_key, check_size

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

CONNECT_TIMEOUT = timedelta(seconds=3)
REQUEST_TIMEOUT = timedelta(seconds=30)  # a segment of 2 s at 20 Mbit/s is 5 MB: enough at 2 Mbit/s
RETRIES = 2
RETRY_TIMEOUT = timedelta(seconds=10)  # longer waits are the callers': the recorder has a spool for them
# What S3 and its imitations answer when a quota or a disk is full (AWS itself has no such limit).
_FULL = ("QuotaExceeded", "XMinioStorageFull", "507 ", "InsufficientStorage", "NoSpaceLeft")
_REFUSED = ("NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", " 403 ", "credential")


class BucketStore:
    """Objects of one bucket, under a prefix.

    Args:
        endpoint: of another S3 than Amazon's; `http://` ones are for one's own network.
        region: default `us-east-1`, which imitations expect.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint: str | None = None, region: str | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._endpoint = endpoint
        self._region = region
        config: S3Config = {"virtual_hosted_style_request": False} if endpoint else {}
        if endpoint:
            config["endpoint"] = endpoint
        if region or endpoint:
            config["region"] = region or "us-east-1"
        client: ClientConfig = {
            "connect_timeout": CONNECT_TIMEOUT,
            "timeout": REQUEST_TIMEOUT,
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
        }
        retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT}
        self._store = S3Store(bucket, config=config, client_options=client, retry_config=retry)

    @property
    def url(self) -> str:
        place = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        query = {k: v for k, v in (("endpoint", self._endpoint), ("region", self._region)) if v}
        return f"{place}?{urlencode(query)}" if query else place

    async def put(self, key: str, body: bytes) -> None:
        check_size(key, body)
        with self._explained("write", key):
            await obstore.put_async(self._store, self._key(key), body, use_multipart=False)

    async def get(self, key: str) -> bytes:
        with self._explained("read", key):
            result = await obstore.get_async(self._store, self._key(key))
            return bytes(await result.bytes_async())

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        with self._explained("read", key):
            return bytes(await obstore.get_range_async(self._store, self._key(key), start=start, length=length))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        cut = len(self._prefix) + 1 if self._prefix else 0
        pages = obstore.list(self._store, self._key(prefix), chunk_size=1000)
        while True:
            with self._explained("list", prefix):
                page = await anext(aiter(pages), None)
            if not page:
                return
            for found in sorted(page, key=lambda entry: str(entry["path"])):
                yield ObjectInfo(str(found["path"])[cut:], int(found["size"]))

    async def copy(self, source: str, target: str) -> None:
        with self._explained("copy", source):
            await obstore.copy_async(self._store, self._key(source), self._key(target))

    async def delete(self, keys: Iterable[str]) -> None:
        names = [self._key(key) for key in keys]
        if not names:
            return
        with self._explained("delete", names[0]):
            await obstore.delete_async(self._store, names)

    def _key(self, key: str) -> str:
        check_key(key)
        return f"{self._prefix}/{key}" if self._prefix else key

    @contextmanager
    def _explained(self, attempt: str, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, fault.NotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise self._refused(attempt, key, error) from error
            raise ObjectNotFound(key) from error
        except (fault.PermissionDeniedError, fault.UnauthenticatedError, PermissionError) as error:
            raise self._refused(attempt, key, error) from error
        except SkyriverError:
            raise
        except (fault.BaseError, OSError, ValueError) as error:
            text = str(error)
            if any(sign in text for sign in _FULL):
                raise StoreFull(
                    f"Could not {attempt} {key} in {self.url}: the store says that it is full.",
                    hint="Delete recordings, shorten their retention, or raise the bucket's quota.",
                ) from error
            if any(sign in text for sign in _REFUSED):
                raise self._refused(attempt, key, error) from error
            raise StoreAway(
                f"Could not {attempt} {key} in {self.url}: {_first_line(text)}.",
                hint="Check the endpoint and the network; it is tried again.",
            ) from error

    def _refused(self, attempt: str, key: str, error: Exception) -> StoreRefused:
        return StoreRefused(
            f"Could not {attempt} {key} in {self.url}: {_first_line(str(error))}.",
            hint="Check that the bucket exists, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the machine's "
            "role): they may need s3:GetObject, PutObject, DeleteObject and ListBucket.",
        )


def _first_line(text: str) -> str:
    """An error's first line, bounded: the library adds its own stack below."""
    return text.strip().partition("\n")[0][:300].rstrip(".")

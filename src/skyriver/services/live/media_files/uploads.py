"""Uploads and deletions, which take longer than a request of the store: one keeper in each API process."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterable

from skyriver.kernel.errors import SkyriverError
from skyriver.platform.identity import Principal
from skyriver.platform.objects import ObjectStore
from skyriver.platform.objects.store import delete_prefix
from skyriver.platform.store import Store
from skyriver.services.live import slates
from skyriver.services.live.media_files import operations
from skyriver.services.live.media_files.confined import run_confined
from skyriver.services.live.media_files.errors import TooManyUploads
from skyriver.services.live.media_files.model import FILE_BYTES_MAX, UPLOADS_PER_TENANT_MAX, MediaFacts
from skyriver.services.live.media_files.storage import Stored, prefix_of, read_file, write_file
from skyriver.services.live.records import MediaFileRecord

UPLOADS_MAX = 8
"""At once, of all tenants: each holds up to 16 MiB."""
PROBES_MAX = 2
PROBE_WITHIN_S = 30.0

log = logging.getLogger(__name__)


class Uploads:
    """Brings files into the object store, and out of it again."""

    def __init__(self, store: Store, objects: ObjectStore) -> None:
        self._store = store
        self._objects = objects
        self._running: Counter[str] = Counter()
        self._probing = asyncio.Semaphore(PROBES_MAX)

    async def upload(self, caller: Principal, name: str, chunks: AsyncIterable[bytes]) -> MediaFileRecord:
        """Store, hash and probe a file.

        Raises:
            TooManyMediaFiles, TooManyUploads, UploadTooLarge, UploadBrokeOff, UnusableMedia.
            StoreFull, StoreAway, StoreRefused.
        """
        if self._running[caller.tenant_id] >= UPLOADS_PER_TENANT_MAX or self._running.total() >= UPLOADS_MAX:
            raise TooManyUploads("Too many files are being uploaded.", hint="Wait for one to end.", retry_after_s=10.0)
        self._running[caller.tenant_id] += 1
        try:
            return await self._upload(caller, name, chunks)
        finally:
            self._running[caller.tenant_id] -= 1

    async def _upload(self, caller: Principal, name: str, chunks: AsyncIterable[bytes]) -> MediaFileRecord:
        async with self._store.session() as session:
            lying = await operations.left_lying(session, caller.tenant_id)
        for file_id in lying:
            await self.remove(caller.tenant_id, file_id)
        async with self._store.transaction() as session:
            file, left_bytes = await operations.begin_upload(session, caller, name)
        prefix = prefix_of(caller.tenant_id, file.id)
        try:
            stored = await write_file(self._objects, prefix, chunks, most_bytes=min(FILE_BYTES_MAX, left_bytes))
            facts, poster = await self._probe(prefix, stored)
            async with self._store.transaction() as session:
                return await operations.finish_upload(session, caller, file.id, stored, facts, poster)
        except BaseException:
            # Also when the request is cancelled: what is not removed now is at the tenant's next upload.
            await asyncio.shield(asyncio.ensure_future(self.remove(caller.tenant_id, file.id)))
            raise

    async def _probe(self, prefix: str, stored: Stored) -> tuple[MediaFacts, bytes]:
        async def read(offset: int, size: int) -> bytes:
            return await read_file(self._objects, prefix, stored.size_bytes, offset, size)

        async with self._probing:
            told, picture = await run_confined("probe", {}, stored.size_bytes, read, within_s=PROBE_WITHIN_S)
            fitted = await asyncio.to_thread(slates.fit, picture)  # the child's word is not taken for it either
        return MediaFacts.of(told), fitted.jpeg

    async def remove(self, tenant_id: str, file_id: str) -> None:
        """Remove a file's bytes, then its row. What fails is tried again at the tenant's next upload."""
        try:
            await delete_prefix(self._objects, prefix_of(tenant_id, file_id))
            async with self._store.transaction() as session:
                await operations.forget(session, file_id)
        except SkyriverError as error:
            log.warning("a media file's bytes are left lying for now: %s", error)

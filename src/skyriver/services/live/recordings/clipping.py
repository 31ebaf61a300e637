"""Making a clip: its segments, pictures and index, as objects of its own.

A clip is a recording like any other and stays when its source is deleted. It is cut at segments (nothing is encoded
anew); the in-point and the out-point are in its end mark, and players and MP4 files honour them to the frame.
Interrupted, it is simply made again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from skyriver.platform.objects import ObjectNotFound, ObjectStore
from skyriver.services.live.recorder.ending import Ending, write_ending
from skyriver.services.live.recorder.layout import Index, chunk_of, index_key, init_key, segment_key, thumb_key
from skyriver.services.live.recorder.sheets import number_of
from skyriver.services.live.recorder.thumbnails import make_sheets
from skyriver.services.live.recorder.uploading import load_index
from skyriver.services.live.recordings.errors import OutsideRecording

_COPIES_AT_ONCE = 8


@dataclass(frozen=True)
class MadeClip:
    """What was made. Its times are those that were asked for, within what there is."""

    index: Index
    from_us: int
    to_us: int


async def make_clip(store: ObjectStore, source_id: str, clip_id: str, from_us: int, to_us: int) -> MadeClip:
    """Copy what lies within the times.

    Raises:
        OutsideRecording: the source has nothing of it.
        StoreAway, StoreFull, StoreRefused: the store fails us; it can be tried again.
    """
    whole = await load_index(store, source_id)
    index = whole.between(from_us, to_us)
    if index.reference is None:
        raise OutsideRecording("the recording has nothing between its start and its end")
    keys = {
        (segment_key(source_id, track, segment.number), segment_key(clip_id, track, segment.number))
        for track in index.tracks
        for segment in index.of(track)
    }
    keys |= {
        (init_key(source_id, track, segment.init), init_key(clip_id, track, segment.init))
        for track in index.tracks
        for segment in index.of(track)
    }
    await _copy_all(store, keys)
    pictures = range(number_of(from_us), number_of(to_us) + 1)
    await _copy_all(store, {(thumb_key(source_id, n), thumb_key(clip_id, n)) for n in pictures}, all_needed=False)
    for chunk in {chunk_of(number) for found in index.segments.values() for number in found}:
        await store.put(index_key(clip_id, chunk), index.chunk(chunk).to_json())
    await make_sheets(store, clip_id)
    made = MadeClip(index, max(from_us, index.start_us), min(to_us, index.end_us))
    await write_ending(store, clip_id, Ending(made.from_us, made.to_us))
    return made


async def _copy_all(store: ObjectStore, pairs: set[tuple[str, str]], *, all_needed: bool = True) -> None:
    gate = asyncio.Semaphore(_COPIES_AT_ONCE)

    async def copy(source: str, target: str) -> None:
        async with gate:
            try:
                await store.copy(source, target)
            except ObjectNotFound as error:
                if all_needed:
                    raise OutsideRecording("a part of it is being deleted") from error

    for result in await asyncio.gather(*(copy(*pair) for pair in sorted(pairs)), return_exceptions=True):
        if isinstance(result, BaseException):
            raise result

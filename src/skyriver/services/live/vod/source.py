"""A path of a recording -> bytes, out of the object store, with what is asked for often kept in memory.

    index.m3u8                  multivariant playlist
    <track>/index.m3u8          media playlist
    <track>/init-<hash>.mp4     init segment
    <track>/<number>.m4s        segment
    thumbs.vtt, sprites/<n>.jpg scrub pictures; of a running recording there are none yet
    poster.jpg                  a picture from its middle

The caller has checked that whoever asks may have the recording.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.kernel.errors import NotFound
from skyriver.platform.objects import ObjectNotFound, ObjectStore
from skyriver.services.live.recorder.ending import Ending, read_ending
from skyriver.services.live.recorder.layout import (
    Index,
    init_key,
    is_track_name,
    root,
    segment_key,
    sprite_key,
    thumb_key,
)
from skyriver.services.live.recorder.uploading import load_index
from skyriver.services.live.vod import mp4, playlists
from skyriver.services.live.vod.mp4 import Head, Plan, Track, sample_entry

RUNNING_FRESH_S = 1.0  # a running recording's index grows every two seconds
ENDED_FRESH_S = 300.0  # it does not change, but it may be deleted
MAX_RECORDINGS = 64
CACHE_BYTES = 64 * 1024 * 1024
_HEADS_AT_ONCE = 16
_PLANS_AT_ONCE, _PLANS_KEPT = 2, 2
"""A plan reads every segment's head and takes 16 bytes a frame, and each range of a file that is asked for needs it."""
_PLAYLIST, _VTT, _JPEG = playlists.CONTENT_TYPE, "text/vtt; charset=utf-8", "image/jpeg"


class NoSuchRecordingPart(NotFound):
    code = "no_such_recording_part"

    def __init__(self) -> None:
        super().__init__("There is no such part of this recording.", hint="It may have been deleted; load it again.")


@dataclass(frozen=True)
class Answer:
    """What a path stands for. `immutable`: the same path will never stand for anything else."""

    body: bytes
    content_type: str
    immutable: bool


@dataclass(frozen=True)
class _Known:
    index: Index
    ending: Ending | None
    at_s: float


class VodSource:
    """Belongs to one event loop.

    Args:
        cache_bytes: what segments and pictures may take in memory; the oldest are forgotten first.
    """

    def __init__(
        self, store: ObjectStore, *, cache_bytes: int = CACHE_BYTES, monotonic: Monotonic = monotonic_s
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._objects: OrderedDict[str, bytes] = OrderedDict()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._fetching: dict[str, asyncio.Future[bytes]] = {}
        self._loading: dict[str, asyncio.Future[_Known]] = {}
        self._pictures: OrderedDict[str, tuple[_Known, asyncio.Future[list[int]]]] = OrderedDict()
        self._plans: OrderedDict[tuple[str, str | None], tuple[_Known, Plan]] = OrderedDict()
        self._plan_turn = asyncio.Semaphore(_PLANS_AT_ONCE)

    async def get(self, recording_id: str, path: str, *, window_us: int | None = None) -> Answer:
        """The thing at `path`.

        Args:
            window_us: how much of the recording may be seen, back from its end, whether it still grows or not; None:
                all of it, and its scrub pictures.

        Raises:
            NoSuchRecordingPart: there is none.
            StoreAway, StoreRefused.
        """
        match path.split("/"):
            case ["index.m3u8"]:
                known = await self._recording(recording_id)
                return _text(playlists.multivariant(known.index, _view(known, window_us)), _PLAYLIST)
            case ["thumbs.vtt"]:
                return await self._thumbs(recording_id, window_us)
            case ["poster.jpg"]:
                return await self._poster(recording_id, window_us)
            case ["sprites", name] if window_us is None and (number := _number(name, ".jpg")) is not None:
                return Answer(await self._object(sprite_key(recording_id, number)), _JPEG, True)
            case [track, "index.m3u8"] if is_track_name(track):
                known = await self._recording(recording_id)
                if track not in known.index.tracks:
                    raise NoSuchRecordingPart
                return _text(playlists.media(known.index, track, _view(known, window_us)), _PLAYLIST)
            case [track, name] if is_track_name(track):
                return await self._media(recording_id, track, name, window_us)
        raise NoSuchRecordingPart

    async def index(self, recording_id: str) -> Index:
        """What the recording holds.

        Raises:
            NoSuchRecordingPart: nothing.
        """
        return (await self._recording(recording_id)).index

    async def file(self, recording_id: str, track: str | None = None) -> Plan:
        """The recording, or the clip, as one MP4 file: a video track (by default the largest) and the sound.

        Raises:
            NoSuchRecordingPart: there is no such track.
            DamagedRecording: it cannot be made.
        """
        async with self._plan_turn:
            known = await self._recording(recording_id)
            kept = self._plans.get((recording_id, track))
            if kept is not None and kept[0] is known:
                return kept[1]
            plan = await self._plan(recording_id, known, track)
            self._plans[recording_id, track] = known, plan
            self._plans.move_to_end((recording_id, track))
            while len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
            return plan

    async def _plan(self, recording_id: str, known: _Known, track: str | None) -> Plan:
        index = known.index
        videos = [info for info in index.videos() if track is None or info.name == track]
        if track is not None and not videos:
            raise NoSuchRecordingPart
        names = [info.name for info in (*videos[:1], *index.audios()[:1])]
        tracks = [await self._file_track(recording_id, index, name) for name in names]
        from_us, to_us = (known.ending.from_us, known.ending.to_us) if known.ending else (None, None)
        return await asyncio.to_thread(mp4.plan, tracks, from_us=from_us, to_us=to_us)

    async def piece(self, piece: mp4.Piece) -> bytes:
        """The bytes of a piece of a file."""
        try:
            return await self._store.get_range(piece.key, piece.start, piece.length)
        except ObjectNotFound as error:
            raise NoSuchRecordingPart from error

    # -- recordings ------------------------------------------------------------------------------------------------

    async def _recording(self, recording_id: str) -> _Known:
        """What is known of a recording; read again when that is old, once however many ask."""
        known = self._known.get(recording_id)
        if known is not None:
            fresh_s = RUNNING_FRESH_S if known.ending is None else ENDED_FRESH_S
            if self._monotonic() - known.at_s < fresh_s:
                return known
        running = self._loading.get(recording_id)
        if running is None:
            running = asyncio.ensure_future(self._load(recording_id, known))
            self._loading[recording_id] = running
            running.add_done_callback(lambda _done: self._loading.pop(recording_id))
        return await asyncio.shield(running)

    async def _load(self, recording_id: str, before: _Known | None) -> _Known:
        # The mark first: an index that is read after it is whole.
        ending = await read_ending(self._store, recording_id)
        running = before is not None and before.ending is None
        index = await load_index(self._store, recording_id, before.index if before and running else None)
        if not index.tracks:
            self._known.pop(recording_id, None)
            raise NoSuchRecordingPart
        self._known[recording_id] = known = _Known(index, ending, self._monotonic())
        self._known.move_to_end(recording_id)
        while len(self._known) > MAX_RECORDINGS:
            self._known.popitem(last=False)
        return known

    async def _media(self, recording_id: str, track: str, name: str, window_us: int | None) -> Answer:
        known = await self._recording(recording_id)
        info = known.index.tracks.get(track)
        if info is None:
            raise NoSuchRecordingPart
        content_type = f"{info.kind}/mp4"
        number = _number(name, ".m4s")
        if number is not None:
            segment = known.index.segments[track].get(number)
            limit_us = 0 if window_us is None else known.index.end_us - window_us - playlists.GRACE_US
            if segment is None or segment.end_us < limit_us:
                raise NoSuchRecordingPart
            return Answer(await self._object(segment_key(recording_id, track, number)), content_type, True)
        if name not in {segment.init for segment in known.index.segments[track].values()}:
            raise NoSuchRecordingPart
        return Answer(await self._object(init_key(recording_id, track, name)), content_type, True)

    async def _file_track(self, recording_id: str, index: Index, name: str) -> Track:
        info = index.tracks[name]
        segments = index.of(name)
        inits = {init: await self._object(init_key(recording_id, name, init)) for init in {s.init for s in segments}}
        entries = {init: sample_entry(body) for init, body in inits.items()}
        timescales = {timescale for _, timescale in entries.values()}
        if len(timescales) != 1:
            raise mp4.DamagedRecording(
                f"The track {name} changes its time scale, which one MP4 file cannot hold.",
                hint="Make clips of the parts before and after the change, and download those.",
            )
        gate = asyncio.Semaphore(_HEADS_AT_ONCE)

        async def head(number: int, length: int) -> bytes:
            async with gate:
                return await self.piece(mp4.Piece(segment_key(recording_id, name, number), 0, length))

        moofs = await asyncio.gather(*(head(segment.number, segment.head_bytes) for segment in segments))
        track = Track(timescales.pop(), info.kind == "video", info.width, info.height)
        for segment, moof in zip(segments, moofs, strict=True):
            key = segment_key(recording_id, name, segment.number)
            track.heads.append(Head(key, segment.size_bytes, moof, entries[segment.init][0], segment.start_us))
        return track

    # -- pictures --------------------------------------------------------------------------------------------------

    async def _thumbs(self, recording_id: str, window_us: int | None) -> Answer:
        known = await self._recording(recording_id)
        whole = known.ending is not None and window_us is None
        numbers = await self._numbers(recording_id, known) if whole else []
        return _text(playlists.thumbnails(numbers, known.index), _VTT)

    async def _poster(self, recording_id: str, window_us: int | None) -> Answer:
        known = await self._recording(recording_id)
        numbers = await self._numbers(recording_id, known)
        if not numbers:
            raise NoSuchRecordingPart
        middle = known.ending is not None and window_us is None
        number = numbers[len(numbers) // 2] if middle else numbers[-1]
        return Answer(await self._object(thumb_key(recording_id, number)), _JPEG, False)

    async def _numbers(self, recording_id: str, known: _Known) -> list[int]:
        """Which pictures there are; listed once for as long as the index is not read again, however many ask."""
        kept = self._pictures.get(recording_id)
        if kept is None or kept[0] is not known or _failed(kept[1]):
            kept = self._pictures[recording_id] = known, asyncio.ensure_future(self._list_pictures(recording_id))
            self._pictures.move_to_end(recording_id)
            while len(self._pictures) > MAX_RECORDINGS:
                self._pictures.popitem(last=False)
        return await asyncio.shield(kept[1])

    async def _list_pictures(self, recording_id: str) -> list[int]:
        names = [found.key.rpartition("/")[2] async for found in self._store.list(f"{root(recording_id)}/thumbs")]
        return [number for name in names if (number := _number(name, ".jpg")) is not None]

    # -- objects ---------------------------------------------------------------------------------------------------

    async def _object(self, key: str) -> bytes:
        """An object, fetched once however many ask for it at the same time."""
        if (body := self._objects.get(key)) is not None:
            self._objects.move_to_end(key)
            return body
        return await self._once(key, lambda: self._store.get(key))

    async def _once(self, key: str, fetch: Callable[[], Awaitable[bytes]]) -> bytes:
        running = self._fetching.get(key)
        if running is None:
            running = asyncio.ensure_future(fetch())
            self._fetching[key] = running
            running.add_done_callback(lambda done: self._fetched(key, done))
        try:
            return await asyncio.shield(running)
        except ObjectNotFound as error:
            raise NoSuchRecordingPart from error

    def _fetched(self, key: str, done: asyncio.Future[bytes]) -> None:
        del self._fetching[key]
        if done.cancelled() or done.exception() is not None:
            return
        self._objects[key] = done.result()
        self._cached_bytes += len(done.result())
        while self._cached_bytes > self._cache_bytes:
            self._cached_bytes -= len(self._objects.popitem(last=False)[1])


def _failed(task: asyncio.Future[list[int]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _view(known: _Known, window_us: int | None) -> playlists.View:
    ending = known.ending
    if ending is None:
        return playlists.View(ended=False, window_us=window_us)
    return playlists.View(True, ending.from_us, ending.to_us, window_us)


def _text(text: str, content_type: str) -> Answer:
    return Answer(text.encode(), content_type, False)


def _number(name: str, suffix: str) -> int | None:
    digits = name.removesuffix(suffix)
    return int(digits) if digits != name and digits.isascii() and digits.isdigit() and len(digits) <= 20 else None

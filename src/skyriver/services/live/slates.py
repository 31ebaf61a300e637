"""What a principal can do with a channel's inputs and its slate.

A slate's picture comes from outside: it is decoded once, here, within bounds, and only our own JPEG of it is kept. It
travels to the transcoder in its spec, so that a channel without any input needs nothing else to be alive.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterable
from dataclasses import dataclass

from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.platform.identity import Principal, record_audit
from skyriver.services.live.errors import NoPicture, PictureTooLarge
from skyriver.services.live.media.slate import DEFAULT_SIZE, SlateLook, draw
from skyriver.services.live.media_files.errors import UnusableMedia
from skyriver.services.live.media_files.model import MediaFacts
from skyriver.services.live.model import InputSelect
from skyriver.services.live.records import ChannelRecord, MediaFileRecord, SlateRecord

KINDS = ("image/png", "image/jpeg")
UPLOAD_MAX_BYTES = 5 << 20
PIXELS_MAX = 40_000_000  # 8K; a small file can claim any size, and is decoded to 3 bytes a pixel
FITTED_MAX_BYTES = 200 << 10
_QUALITIES = (88, 78, 66, 50, 35, 20)
_PREVIEW_SIZE = (640, 360)


@dataclass(frozen=True)
class FittedPicture:
    """A picture as it is kept: a JPEG of at most 1280 x 720 and 200 KB."""

    jpeg: bytes
    width: int
    height: int


async def choose_input(session: AsyncSession, caller: Principal, channel: ChannelRecord, select: InputSelect) -> None:
    """Choose by hand which input is shown, or leave it to the policy."""
    if channel.input_select == select.value:
        return
    record_audit(session, caller, "channel.input_chosen", channel.id, before=channel.input_select, now=select.value)
    channel.input_select = select.value
    await session.flush()


async def read_bounded(chunks: AsyncIterable[bytes]) -> bytes:
    """A request's body.

    Raises:
        PictureTooLarge: it is longer than 5 MB; the rest is not read.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > UPLOAD_MAX_BYTES:
            raise PictureTooLarge(UPLOAD_MAX_BYTES)
    return bytes(body)


def fit(picture: bytes) -> FittedPicture:
    """Decode a PNG or JPEG, and encode it as it is kept. Tenths of a second of one core: not on an event loop.

    Raises:
        NoPicture: it is neither, it is damaged, or it has more than 40 million pixels.
    """
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > PIXELS_MAX or min(opened.size) < 2:
                raise NoPicture
            opened.draft("RGB", DEFAULT_SIZE)  # a JPEG's decoder can leave out what would be thrown away
            image = opened.convert("RGBA") if opened.mode in ("RGBA", "LA", "P", "PA") else opened.convert("RGB")
    except NoPicture:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NoPicture from error
    image.thumbnail(DEFAULT_SIZE, Image.Resampling.LANCZOS)
    flat = Image.new("RGB", image.size)
    flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    for quality in _QUALITIES:
        jpeg = _jpeg(flat, quality)
        if len(jpeg) <= FITTED_MAX_BYTES:
            break
    return FittedPicture(jpeg, *flat.size)


async def set_slate(session: AsyncSession, caller: Principal, channel: ChannelRecord, picture: FittedPicture) -> None:
    """Keep a picture as the channel's slate."""
    row = await session.get(SlateRecord, channel.id)
    if row is None:
        row = SlateRecord(channel_id=channel.id)
        session.add(row)
    row.jpeg, row.width, row.height = picture.jpeg, picture.width, picture.height
    row.file_id = None
    row.sha256, row.updated_at = hashlib.sha256(picture.jpeg).hexdigest(), utc_now()
    record_audit(session, caller, "channel.slate_set", channel.id, sha256=row.sha256)
    await session.flush()


async def set_film(session: AsyncSession, caller: Principal, channel: ChannelRecord, file: MediaFileRecord) -> None:
    """Show an uploaded film as the channel's slate, in a loop, with its sound.

    Raises:
        UnusableMedia: it is too long for that.
    """
    if obstacle := MediaFacts.of(file.facts).slate_obstacle:
        raise UnusableMedia(f"This file cannot be a slate. {obstacle}", hint="Upload a shorter cut of it.")
    poster = file.poster or b""
    with Image.open(io.BytesIO(poster), formats=("JPEG",)) as opened:
        picture = FittedPicture(poster, *opened.size)
    await set_slate(session, caller, channel, picture)
    row = await session.get_one(SlateRecord, channel.id)
    row.file_id = file.id
    record_audit(session, caller, "channel.slate_film_set", channel.id, file_id=file.id)
    await session.flush()


async def film_of(session: AsyncSession, channel: ChannelRecord) -> MediaFileRecord | None:
    """The film that is the channel's slate; None where it is a picture."""
    row = await session.get(SlateRecord, channel.id)
    return await session.get(MediaFileRecord, row.file_id) if row is not None and row.file_id else None


async def delete_slate(session: AsyncSession, caller: Principal, channel: ChannelRecord) -> None:
    """Back to the built-in slate. Repeating it does nothing."""
    row = await session.get(SlateRecord, channel.id)
    if row is not None:
        await session.delete(row)
        record_audit(session, caller, "channel.slate_deleted", channel.id)


async def look_of(session: AsyncSession, channel: ChannelRecord) -> SlateLook:
    """What the channel's slate shows."""
    row = await session.get(SlateRecord, channel.id)
    return SlateLook(channel.name, row.jpeg if row else None)


def preview(look: SlateLook) -> bytes:
    """The slate as a small JPEG."""
    return _jpeg(draw(look, *_PREVIEW_SIZE), _QUALITIES[0])


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()

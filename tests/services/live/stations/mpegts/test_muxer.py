"""What the muxer writes, read again: by our own reader and by FFmpeg's."""

from __future__ import annotations

import io
import itertools

import av
import pytest
from av.container import InputContainer

from skyriver.services.live.stations import AudioConfig, AudioFrame, MediaEvent, VideoConfig, VideoFrame
from skyriver.services.live.stations.errors import UnsupportedMedia
from skyriver.services.live.stations.mpegts import TsReader, TsWriter
from skyriver.services.live.stations.mpegts.demuxer import PACKET_BYTES
from tests.services.live.stations.mpegts.muxed import FPS, SECONDS, transport_stream


def written(events: list[MediaEvent], **options: bool) -> bytes:
    writer = TsWriter(**options)
    kinds = (VideoConfig, VideoFrame, AudioConfig, AudioFrame)
    return b"".join(writer.write(event) for event in events if isinstance(event, kinds))


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_what_was_read_can_be_written_and_read_again(encoder: str) -> None:
    events: list[MediaEvent] = list(TsReader().feed(transport_stream(encoder)))
    data = written(events)
    reader = TsReader()
    again = list(reader.feed(data))
    assert len(data) % PACKET_BYTES == 0
    assert (reader.counters.continuity_errors, reader.counters.damaged) == (0, 0)
    for kind in (VideoFrame, AudioFrame):
        came, went = ([e for e in which if isinstance(e, kind)] for which in (events, again))
        assert [e.payload for e in came] == [e.payload for e in went]
        steps = [[b.pts_ms - a.pts_ms for a, b in itertools.pairwise(frames)] for frames in (came, went)]
        assert all(abs(a - b) <= 1 for a, b in zip(*steps, strict=True))


def test_ffmpeg_takes_it_from_any_keyframe_on() -> None:
    data = written(list(TsReader().feed(transport_stream())), has_audio=True)
    with av.open(io.BytesIO(data[len(data) // 2 // PACKET_BYTES * PACKET_BYTES :]), format="mpegts") as film:
        assert isinstance(film, InputContainer)
        kinds = sorted(stream.codec_context.name for stream in film.streams)
        pictures = len(list(film.decode(video=0)))
    assert kinds == ["aac", "h264"]
    assert pictures >= FPS * (SECONDS - 2)


def test_sound_alone_carries_the_clock() -> None:
    data = written(list(TsReader().feed(transport_stream(video=None))))
    clocks = [at for at in range(0, len(data), PACKET_BYTES) if data[at + 3] & 0x20 and data[at + 5] & 0x10]
    assert len(clocks) > 130
    with av.open(io.BytesIO(data), format="mpegts") as film:
        assert isinstance(film, InputContainer)
        assert len(list(film.decode(audio=0))) > 130


def test_nothing_is_written_before_it_is_described() -> None:
    assert TsWriter().write(VideoFrame(b"\0\0\0\1\x65", 0, 0, True)) == b""
    with pytest.raises(UnsupportedMedia):
        TsWriter().write(AudioConfig("opus", 48_000, 2, b"OpusHead"))

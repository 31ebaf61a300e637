"""Real encoders: the ffmpeg command, and ffmpeg's libraries with HEVC, in front of the real port."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys

import av
import pytest

from skyriver.kernel.clock import MediaClock
from skyriver.services.live.stations import AudioConfig, AudioFrame, EndReason, MediaEvent, VideoConfig, VideoFrame
from skyriver.services.live.timestamps import Timeline
from tests.services.live.stations.rtmp.doors import H264_AAC, Recorder, door, ffmpeg_push

ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")
pytestmark = [pytest.mark.ffmpeg, ffmpeg]


def decode(events: list[MediaEvent]) -> list[av.VideoFrame]:
    """The pictures in a publication, decoded from its Annex-B alone."""
    decoder = av.CodecContext.create("h264", "r")
    pictures = []
    for event in events:
        if isinstance(event, VideoFrame):
            packet = av.Packet(event.payload)
            packet.pts, packet.dts = event.pts_ms, event.dts_ms
            pictures += decoder.decode(packet)
    return pictures + decoder.decode(None)


@pytest.mark.parametrize("form", ["live/good", "live/good?bitrate=1", "live/good/"])
async def test_ffmpeg_with_b_frames_and_aac(form: str) -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        status, told = await ffmpeg_push(f"rtmp://127.0.0.1:{server.port}/{form}", seconds=3)
        assert status == 0, told
        publishing, events = await recorder.done.get()
    assert publishing.ended is not None
    assert publishing.ended.reason is EndReason.UNPUBLISHED
    config = next(event for event in events if isinstance(event, VideoConfig))
    assert (config.width, config.height, config.fps, config.chroma) == (320, 180, 25.0, "4:2:0")
    assert next(event for event in events if isinstance(event, AudioConfig)).sample_rate_hz == 44100
    frames = [event for event in events if isinstance(event, VideoFrame)]
    assert len(frames) == 75
    assert [i for i, frame in enumerate(frames) if frame.keyframe] == [0, 25, 50]
    assert all(b"\0\0\0\1\x67" in f.payload[:8] for f in frames if f.keyframe)
    assert len({frame.pts_ms - frame.dts_ms for frame in frames}) > 1, "B-frames were sent"
    pictures = decode(events)
    assert [(p.width, p.height) for p in pictures] == [(320, 180)] * 75
    times = [p.pts for p in pictures if p.pts is not None]
    assert all(b - a == 40 for a, b in itertools.pairwise(times)), "composition times put pictures in order"
    assert sum(isinstance(event, AudioFrame) for event in events) > 120


async def test_ffmpeg_through_the_normaliser_twice() -> None:
    """Two pushes into one timeline: DTS and PTS stay in order, and audio stays with video."""
    recorder, clock, timeline = Recorder(), MediaClock(), Timeline()
    last_us = 0
    async with door(recorder) as server:
        for _ in range(2):
            status, told = await ffmpeg_push(f"rtmp://127.0.0.1:{server.port}/live/good", seconds=1)
            assert status == 0, told
            _, events = await recorder.done.get()
            timeline.begin()
            for event in events:
                if isinstance(event, VideoFrame):
                    stamp = timeline.video(event.dts_ms, event.pts_ms, clock.now_us())
                    assert last_us < stamp.dts_us <= stamp.pts_us
                    last_us = stamp.dts_us
    assert timeline.jumps == 0


@pytest.mark.parametrize(
    ("codecs", "path", "words"),
    [
        (H264_AAC, "live/wrong", "This stream key is not known here"),
        (H264_AAC, "live", "No stream key was sent"),
        (H264_AAC, "vod/good", "There is no such application here"),
        (("-c:v", "libx264", "-c:a", "libmp3lame"), "live/good", "audio is MP3"),
        (("-c:v", "flv1", "-c:a", "aac"), "live/good", "video is Sorenson H.263"),
        (("-vn", "-c:a", "aac"), "live/good", "no H.264 video"),
    ],
)
async def test_ffmpeg_tells_its_user_why_it_was_refused(codecs: tuple[str, ...], path: str, words: str) -> None:
    async with door(Recorder()) as server:
        status, told = await ffmpeg_push(f"rtmp://127.0.0.1:{server.port}/{path}", *codecs, seconds=30)
    assert status != 0
    assert words in told


# A process of its own: in a thread, PyAV's calls would hold up the server they talk to.
PUSH_HEVC = """
import sys, av
av.logging.restore_default_callback()
av.logging.set_level(av.logging.ERROR)
container = av.open(sys.argv[1], "w", format="flv")
stream = container.add_stream("libx265", rate=25, options={"preset": "ultrafast", "x265-params": "log-level=0"})
stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
for number in range(500):
    frame = av.VideoFrame(320, 180, "yuv420p")
    frame.pts = number
    for packet in stream.encode(frame):
        container.mux(packet)
"""


async def test_hevc_is_refused_by_name() -> None:
    """Sent as Enhanced RTMP by a newer FFmpeg than the command's, which has no HEVC in FLV."""
    recorder = Recorder()
    async with door(recorder) as server:
        url = f"rtmp://127.0.0.1:{server.port}/live/good"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PUSH_HEVC, url, stderr=asyncio.subprocess.PIPE
        )
        _, told = await process.communicate()
        publishing, _ = await recorder.done.get()
    assert process.returncode == 1
    assert "video is HEVC (H.265)" in told.decode()
    assert publishing.ended is not None
    assert publishing.ended.reason is EndReason.REFUSED
    assert "HEVC (H.265)" in publishing.ended.message
    assert "H.264" in publishing.ended.message

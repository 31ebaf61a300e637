"""Real encoders: the ffmpeg command, and ffmpeg's libraries with HEVC, in front of the real port."""

from __future__ import annotations

import asyncio
import itertools
import shutil

import av
import imageio_ffmpeg
import pytest

from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.decoder import VideoDecoder
from skyriver.services.live.media.units import Unit
from skyriver.services.live.stations import (
    AudioConfig,
    AudioFrame,
    EndReason,
    MediaEvent,
    Notice,
    VideoConfig,
    VideoFrame,
)
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
    ],
)
async def test_ffmpeg_tells_its_user_why_it_was_refused(codecs: tuple[str, ...], path: str, words: str) -> None:
    async with door(Recorder()) as server:
        status, told = await ffmpeg_push(f"rtmp://127.0.0.1:{server.port}/{path}", *codecs, seconds=30)
    assert status != 0
    assert words in told


RECENT = imageio_ffmpeg.get_ffmpeg_exe()
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0:bframes=2", "-g", "25")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lookahead=0", "-g", "25")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25")


@pytest.mark.parametrize(
    ("codecs", "name", "sound"),
    [
        ((*HEVC, "-c:a", "aac"), "hev1.1.6.L60.90", "mp4a.40.2"),
        ((*AV1, "-c:a", "libopus", "-ac", "2"), "av01.0.00M.08", "opus"),
        ((*VP9, "-c:a", "aac"), "vp09.00.11.08", "mp4a.40.2"),
    ],
)
async def test_enhanced_rtmp_of_a_recent_ffmpeg(codecs: tuple[str, ...], name: str, sound: str) -> None:
    """The command of Debian 12 is older than Enhanced RTMP."""
    recorder = Recorder()
    async with door(recorder) as server:
        url = f"rtmp://127.0.0.1:{server.port}/live/good"
        status, told = await ffmpeg_push(
            url, "-rtmp_enhanced_codecs", "hvc1,av01,vp09,Opus", *codecs, "-pix_fmt", "yuv420p", program=RECENT
        )
        assert status == 0, told
        _, events = await recorder.done.get()
    config = next(event for event in events if isinstance(event, VideoConfig))
    assert (config.codec, config.width, config.height, config.bit_depth) == (name, 320, 180, 8)
    assert next(event for event in events if isinstance(event, AudioConfig)).codec == sound
    frames = [event for event in events if isinstance(event, VideoFrame)]
    assert frames[0].keyframe and [f.dts_ms for f in frames] == sorted(f.dts_ms for f in frames)
    decoder = VideoDecoder(name.partition(".")[0])
    pictures = [p for f in frames for p in decoder.decode(Unit(f.payload, f.pts_ms * 1000, f.keyframe))]
    pictures += decoder.flush()
    assert {(p.width, p.height) for p in pictures} == {(320, 180)}
    assert len(pictures) == len(frames) > 70
    assert decoder.errors == 0
    assert sum(isinstance(event, AudioFrame) for event in events) > 100


async def test_what_nobody_could_decode_is_refused_by_name() -> None:
    async with door(Recorder()) as server:
        url = f"rtmp://127.0.0.1:{server.port}/live/good"
        audio = ("-c:v", "libx264", "-c:a", "ac3")
        status, told = await ffmpeg_push(
            url, "-rtmp_enhanced_codecs", "ac-3", *audio, seconds=30, real_time=True, program=RECENT
        )
    assert status != 0
    assert "audio is AC-3" in told


async def test_other_tracks_are_left_out_and_told_once() -> None:
    """A recent ffmpeg sends two sounds as Enhanced RTMP's multitrack."""
    recorder = Recorder()
    async with door(recorder) as server:
        sounds = ("-f", "lavfi", "-i", "sine=880", "-map", "0:v", "-map", "1:a", "-map", "2:a")
        process = await asyncio.create_subprocess_exec(
            *(
                RECENT,
                "-v",
                "error",
                "-nostdin",
                "-f",
                "lavfi",
                "-i",
                "testsrc=s=320x180:r=25",
                "-f",
                "lavfi",
                "-i",
                "sine",
            ),
            *(*sounds, "-t", "2", *H264_AAC, "-f", "flv", f"rtmp://127.0.0.1:{server.port}/live/good"),
        )
        assert await process.wait() == 0
        _, events = await recorder.done.get()
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert "audio track (number 1)" in notice.message
    assert len([event for event in events if isinstance(event, AudioConfig)]) == 1

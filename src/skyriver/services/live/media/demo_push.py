"""Encodes the demo's picture and tone in real time and pushes them over RTMP, as any publisher's encoder would."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import av
from av.video.frame import PictureType

from skyriver.fabric import SLOT_US, slot_of
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.picture import DemoPicture
from skyriver.services.live.media.tone import FRAME_SAMPLES, RATE_HZ, Tone
from skyriver.services.live.media.units import MICROSECONDS

PRESET = "ultrafast"  # measured at 720p30: 0.07 core, superfast 0.11, veryfast 0.15
CRF = 24
MAX_BITRATE_BPS = 2_500_000
AUDIO_BITRATE_BPS = 64_000
OPEN_TIMEOUT_S, WRITE_TIMEOUT_S = 3.0, 3.0
LATE_US = 500_000
"""A machine that was asleep for longer leaves the missed pictures out, instead of drawing them all at once."""


@dataclass
class PushCounters:
    """What one push has sent."""

    pictures: int = 0
    pictures_left_out: int = 0
    bytes_sent: int = 0


class DemoPush:
    """One push, from connecting to its end. `run` blocks: give it a thread."""

    def __init__(self, url: str, *, width: int, height: int, fps: int) -> None:
        """`url` is the whole RTMP address, stream key included."""
        self._url = url
        self._size = width, height
        self._fps = fps
        self._picture = DemoPicture(width, height)
        self._tone = Tone()
        self.counters = PushCounters()

    def run(self, stop: threading.Event) -> None:
        """Push until `stop` is set.

        Raises:
            OSError, av.FFmpegError: the door is shut, has refused the key, or has gone away.
        """
        options = {
            "flush_packets": "1",
            "max_interleave_delta": "1",
            "flvflags": "no_duration_filesize",
            "tcp_nodelay": "1",
        }
        timeout = (OPEN_TIMEOUT_S, WRITE_TIMEOUT_S)
        with av.open(self._url, "w", format="flv", options=options, timeout=timeout) as out:
            video, audio = self._add_video(out), self._add_audio(out)
            # Everything slow happens before the first frame: a station takes that frame's arrival as its time.
            out.start_encoding()
            clock = MediaClock()
            start_us = clock.now_us()
            index, sample = 0, 0
            slot = -1
            while not stop.is_set():
                due_us = index * 1_000_000 // self._fps
                now_us = clock.now_us() - start_us
                if now_us < due_us:
                    stop.wait((due_us - now_us) / 1e6)
                elif now_us - due_us > LATE_US:
                    skipped = now_us * self._fps // 1_000_000 - index
                    index += skipped
                    self.counters.pictures_left_out += skipped
                    continue
                while sample * 1_000_000 // RATE_HZ <= due_us:
                    self._send(out, audio, self._sound(start_us, sample))
                    sample += FRAME_SAMPLES
                # Half a slot off the even seconds: the station's clock differs by milliseconds, and a keyframe that
                # fell now on this side of a slot's edge and now on the other would make uneven groups.
                wall_us = time.time_ns() // 1000
                keyframe = slot_of(wall_us + SLOT_US // 2) != slot
                slot = slot_of(wall_us + SLOT_US // 2)
                frame = self._picture.draw(wall_us)
                frame.pts, frame.time_base = due_us, MICROSECONDS
                frame.pict_type = PictureType.I if keyframe else PictureType.NONE
                self._send(out, video, frame)
                self.counters.pictures += 1
                index += 1

    def _sound(self, start_us: int, sample: int) -> av.AudioFrame:
        frame = self._tone.frame(start_us + sample * 1_000_000 // RATE_HZ)
        frame.pts = sample
        return frame

    def _send(
        self,
        out: av.container.OutputContainer,
        stream: av.VideoStream | av.AudioStream,
        frame: av.VideoFrame | av.AudioFrame,
    ) -> None:
        for packet in stream.encode(frame):  # type: ignore[arg-type]
            self.counters.bytes_sent += packet.size
            out.mux(packet)

    def _add_video(self, out: av.container.OutputContainer) -> av.VideoStream:
        video = out.add_stream("libx264", rate=self._fps)
        video.width, video.height = self._size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = MICROSECONDS
        video.codec_context.thread_count = 1
        video.codec_context.options = {
            "preset": PRESET,
            "tune": "zerolatency",
            "crf": str(CRF),
            "maxrate": str(MAX_BITRATE_BPS),
            "bufsize": str(MAX_BITRATE_BPS // 2),
            "g": "100000",  # keyframes are placed by the clock
            "forced-idr": "1",
            "x264-params": "scenecut=0:threads=1",
        }
        return video

    def _add_audio(self, out: av.container.OutputContainer) -> av.AudioStream:
        audio = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        audio.codec_context.bit_rate = AUDIO_BITRATE_BPS
        audio.codec_context.options = {"aac_coder": "fast"}
        return audio

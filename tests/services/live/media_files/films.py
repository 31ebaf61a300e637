"""Films for tests, by a recent ffmpeg."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import imageio_ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p")


@cache
def film(*options: str, seconds: float = 3, suffix: str = "mp4") -> bytes:
    """A moving picture of 320x180 and a tone; H.264 with B-frames and AAC unless `options` say otherwise."""
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={seconds}")
    sound = ("-f", "lavfi", "-i", f"sine=440:d={seconds}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{suffix}"
        command = (
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            *picture,
            *sound,
            *(options or (*H264, "-c:a", "aac")),
        )
        subprocess.run([*command, str(path)], check=True)
        return path.read_bytes()

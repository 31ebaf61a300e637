"""Real encoders for tests: the ffmpeg command, and files it made."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg command is not installed")

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "45", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "96k"]


@asynccontextmanager
async def pushing(
    url: str, *, inputs: list[str] | None = None, codecs: list[str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg pushes a moving picture (and a tone) in real time, with B-frames, until the block ends."""
    inputs = [*PICTURE, *SOUND] if inputs is None else inputs
    codecs = [*H264, *AAC] if codecs is None else codecs
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", *inputs, *codecs, "-f", "flv", url, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()

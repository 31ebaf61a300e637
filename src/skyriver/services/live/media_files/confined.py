"""Reading a stranger's file in a process that has nothing: no environment, no store, few resources, little time.

The child asks for bytes of the file over its pipe and answers with what it found (`confined_child`). A decoder that
fails, hangs or is taken over costs the child, and the caller gets an error.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import skyriver
from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.media_files.errors import UnusableMedia

ANSWER_BYTES_MAX = 64 << 20
READ_BYTES_MAX = 1 << 20
REQUEST, LENGTH, RESULT = struct.Struct(">QI"), struct.Struct(">I"), struct.Struct(">II")
READ, DONE = b"R", b"D"

Read = Callable[[int, int], Awaitable[bytes]]
"""(offset, size) -> bytes of the file."""


class ConfinedFailed(WorldBroke):
    """The child could not be started, or died without a word."""

    code = "confined_failed"


async def run_confined(
    job: str, arguments: dict[str, Any], size_bytes: int, read: Read, *, within_s: float
) -> tuple[dict[str, Any], bytes]:
    """Have a child do one job on one file. Cancelled, it is killed.

    Args:
        job: a name in `confined_child.JOBS`.

    Returns:
        (what it found, bytes that belong to it).

    Raises:
        UnusableMedia: the file is damaged, or no film; or reading it took too long or too much.
    """
    home = str(Path(next(iter(skyriver.__path__))).parent)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "skyriver.services.live.media_files.confined_child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PYTHONPATH": home, "MALLOC_ARENA_MAX": "2", "PATH": os.defpath},
        cwd="/",
        limit=READ_BYTES_MAX,
    )
    try:
        async with asyncio.timeout(within_s):
            return await _serve(child, {"job": job, "size_bytes": size_bytes, **arguments}, read)
    except TimeoutError as error:
        raise UnusableMedia("Reading this file took too long.", hint="Encode it anew, shorter or smaller.") from error
    except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
        raise UnusableMedia(
            "Reading this file went wrong: it is damaged, or needs more memory or time than a film may.",
            hint="Encode it anew: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4",
        ) from error
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _serve(child: asyncio.subprocess.Process, task: dict[str, Any], read: Read) -> tuple[dict[str, Any], bytes]:
    assert child.stdin is not None and child.stdout is not None
    text = json.dumps(task).encode()
    child.stdin.write(LENGTH.pack(len(text)) + text)
    while True:
        kind = await child.stdout.readexactly(1)
        if kind == DONE:
            told_bytes, blob_bytes = RESULT.unpack(await child.stdout.readexactly(RESULT.size))
            if told_bytes + blob_bytes > ANSWER_BYTES_MAX:
                raise ValueError("an answer that is too long")
            told = json.loads(await child.stdout.readexactly(told_bytes))
            blob = await child.stdout.readexactly(blob_bytes)
            if error := told.get("error"):
                raise UnusableMedia(str(error)[:300], hint=str(told.get("hint", ""))[:300])
            return told, blob
        if kind != READ:
            raise ValueError("an answer of no kind")
        offset, size = REQUEST.unpack(await child.stdout.readexactly(REQUEST.size))
        data = await read(offset, min(size, READ_BYTES_MAX))
        child.stdin.write(LENGTH.pack(len(data)) + data)
        await child.stdin.drain()

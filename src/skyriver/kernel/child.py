"""How a supervisor and its child process talk: one JSON object a line.

The child reads commands from stdin and writes events to stdout; stderr is for logs. End of file on stdin means that
the supervisor is gone: the child drains and exits, so that an agent that is killed never leaves workers behind.

Commands (supervisor -> child): `{"cmd": "spec", "spec": {...}}` first, and again when the spec changes;
`{"cmd": "drain"}`; kinds add their own. A kind that keeps what nobody else has (its spec says `leave_within_s`) is told
`{"cmd": "leave"}`, or `"leave": true` in its first command, when its work has gone elsewhere: it brings that away, says
`{"event": "left"}` and ends. Events (child -> supervisor): `{"event": "ready", ...}` once it serves,
`{"event": "metrics", ...}`, `{"event": "usage", ...}`, `{"event": "fatal", "message": ..., "hint": ...}`; kinds add
their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

MAX_LINE_BYTES = 8 * 1024 * 1024  # a station's spec lists every stream key of its tenants: about 200 bytes each


def environment_for_children() -> dict[str, str]:
    """What a child may inherit: this process's environment without our own settings.

    Some of those are passwords, and children parse what strangers send; what one of them needs it is given by name.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SKYRIVER_")}
    # glibc gives each thread an arena of its own, which keeps what a codec has freed: a third of a transcoder's memory.
    return {"MALLOC_ARENA_MAX": "2"} | inherited


class ChildChannel:
    """The child's end of the pipe pair. One task reads `commands()`; any task may `emit()`."""

    def __init__(self, reader: asyncio.StreamReader, write_fd: int) -> None:
        self._reader = reader
        self._write_fd = write_fd

    @classmethod
    async def open_stdio(cls) -> ChildChannel:
        """Take over stdin and stdout. Stray prints go to stderr from here on, so that they cannot corrupt events."""
        write_fd = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        return cls(reader, write_fd)

    async def commands(self) -> AsyncIterator[dict[str, Any]]:
        """Commands in order; ends when the supervisor is gone."""
        while line := await self._reader.readline():
            yield json.loads(line)

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event. A supervisor that has gone away is not an error here: stdin's end tells the child.

        Writes block when the pipe is full (64 KiB): a supervisor that stops reading for seconds is a fault
        that must be seen, not hidden in a growing buffer.
        """
        line = json.dumps({"event": event, **fields}, separators=(",", ":")).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._write_fd, line) :]
        except BrokenPipeError:
            pass

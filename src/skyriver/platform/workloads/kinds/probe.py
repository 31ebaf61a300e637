"""A workload that does nothing but answer: it proves placement, supervision, drain and usage without any media.

Spec: `{"usage": N, "source": S}` makes it emit N usage events when it starts; `{"fail": true}` makes it exit at once.
With `{"keeps": NAME}` it has a file of that name in its folder; told to `leave`, it ends by an error the first time,
while that file is there, and does as it was told the next.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import WorldBroke


async def main(channel: ChildChannel, first_spec: dict[str, Any]) -> None:
    """Serve until drained. Emits `ready` with its pid, and `spec` for every later spec it receives."""
    spec = first_spec["spec"]
    if spec.get("fail"):
        raise WorldBroke("The probe was told to fail.", hint="Take `fail` out of its spec.")
    kept = Path(first_spec["data_dir"]) / str(spec.get("keeps", ""))
    if first_spec.get("leave"):
        return _leave(channel, kept)
    if spec.get("keeps"):
        kept.touch()
    channel.emit("ready", pid=os.getpid(), value=spec.get("value"))
    now_us = time.time_ns() // 1000
    for seq in range(int(spec.get("usage", 0))):
        source = spec.get("source", f"probe-{os.getpid()}")
        channel.emit(
            "usage",
            source=source,
            seq=seq,
            space=spec.get("space", "probe/1"),
            jti=spec.get("jti", ""),
            bytes_sent=1000 + seq,
            bytes_received=10,
            from_us=now_us - 1_000_000,
            to_us=now_us,
            final=False,
        )
    async for command in channel.commands():
        if command["cmd"] == "spec":
            channel.emit("ready", pid=os.getpid(), value=command["spec"].get("value"))
        elif command["cmd"] == "leave":
            return _leave(channel, kept)
        elif command["cmd"] == "drain":
            channel.emit("drained")
            return


def _leave(channel: ChildChannel, kept: Path) -> None:
    if kept.is_file():
        kept.unlink()
        raise WorldBroke("The probe was told to keep something.", hint="It does so once.")
    channel.emit("left")

"""`live.feeder`: pushes a generated moving picture through the real RTMP door, for ever.

Spec: {rtmp_url, key, width, height, fps}. Metrics, 1 Hz: {connected, fps, bitrate_bps, pushes, pictures_left_out}.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from dataclasses import dataclass
from typing import Any

import av

from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.media.demo_push import DemoPush, PushCounters

RETRY_FIRST_S, RETRY_MAX_S = 0.2, 3.0
HEALTHY_S = 5.0  # a push that lasted this long starts the back-off again from the beginning

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeederSpec:
    """Where to push, and what."""

    rtmp_url: str
    key: str
    width: int = 1280
    height: int = 720
    fps: int = 30

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> FeederSpec:
        """Raises InvalidInput for a spec that cannot be fed."""
        try:
            parsed = cls(**{name: spec[name] for name in cls.__dataclass_fields__ if name in spec})
        except TypeError as error:
            raise InvalidInput(f"The feeder's spec is incomplete: {error}.") from error
        if parsed.width % 2 or parsed.height % 2 or parsed.width < 320 or parsed.height < 180:
            raise InvalidInput(
                f"The demo picture cannot be {parsed.width} x {parsed.height}.",
                hint="Width and height are even, from 320 x 180 up.",
            )
        return parsed


class Feeder:
    """Keeps one push running; a new spec starts a new push."""

    def __init__(self, spec: FeederSpec) -> None:
        self._spec = spec
        self._stop_push = threading.Event()
        self._counters = PushCounters()
        self._pushes = 0

    def follow(self, spec: FeederSpec) -> None:
        """Push as `spec` says from now on."""
        if spec != self._spec:
            self._spec = spec
            self._stop_push.set()

    async def run(self) -> None:
        """Push until cancelled. Reconnects with a capped, jittered back-off."""
        loop = asyncio.get_running_loop()
        delay_s = RETRY_FIRST_S
        while True:
            self._stop_push = threading.Event()
            spec = self._spec
            url = f"{spec.rtmp_url.rstrip('/')}/{spec.key}"
            push = DemoPush(url, width=spec.width, height=spec.height, fps=spec.fps)
            self._counters = push.counters
            self._pushes += 1
            started_s = loop.time()
            try:
                await _in_thread(push, self._stop_push)
                continue  # told to stop: the spec has changed
            except (OSError, av.FFmpegError) as error:
                log.warning("The push to %s ended and is tried again: %s", spec.rtmp_url, error)
            delay_s = RETRY_FIRST_S if loop.time() - started_s > HEALTHY_S else min(delay_s * 2, RETRY_MAX_S)
            await asyncio.sleep(delay_s * random.uniform(0.7, 1.0))

    async def report(self, channel: ChildChannel) -> None:
        """Emit metrics once a second until cancelled."""
        before, pictures, sent = self._counters, 0, 0
        while True:
            await asyncio.sleep(1.0)
            now = self._counters
            if now is not before:
                before, pictures, sent = now, 0, 0
            channel.emit(
                "metrics",
                connected=now.pictures > pictures,
                fps=now.pictures - pictures,
                bitrate_bps=(now.bytes_sent - sent) * 8,
                pushes=self._pushes,
                pictures_left_out=now.pictures_left_out,
            )
            pictures, sent = now.pictures, now.bytes_sent


async def _in_thread(push: DemoPush, stop: threading.Event) -> None:
    """Run the blocking push in a thread; cancellation stops it and waits for its end (seconds at most)."""
    thread = asyncio.ensure_future(asyncio.to_thread(push.run, stop))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({thread})
        raise


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Feed until told to drain or until the supervisor is gone."""
    feeder = Feeder(FeederSpec.parse(first["spec"]))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(feeder.run()), tasks.create_task(feeder.report(channel))]
        channel.emit("ready")
        async for command in channel.commands():
            if command["cmd"] == "spec":
                feeder.follow(FeederSpec.parse(command["spec"]))
            elif command["cmd"] == "drain":
                break
        for task in running:
            task.cancel()

"""`live.transcoder`: reads a channel's inputs (`main` and `backup` in its ingest space), publishes the one that is
shown as `live` in its viewers' space: the source, the ladder, AAC and Opus.

Spec: {channel_id, tenant_id, space, grant, ingest: {space, grant}, origins: [{url, certificate_sha256}],
profile: {renditions, audio}, inputs: {select, revert_s, last, last_offset_ms,
slate: {title, jpeg_base64}}, cost, adaptive_quality, ladder, loudness_lufs, captions:
[{language, label}], detectors}. Command of its own: `cue` {language, label, start_us, end_us, text, told_us, group}.
Metrics, 1 Hz: {renditions: [{name, width, height, bitrate_bps, fps, delay_ms, quality}], audio: [...],
delay_ms, active, inputs: {name: {health, offset_ms}}, detectors, ...counters}. Events: `ready`, `input_switched`.

Nothing of `live` is announced before the whole ladder is known (or `ANNOUNCE_WITHIN_S` have passed): a catalog that
grew track by track would make every viewer switch renditions each time a transcoder restarts. The broadcast is never
closed here, so that whoever replaces this process goes on in the same tracks.
"""

from __future__ import annotations

import asyncio
from typing import Any

from skyriver.kernel.child import ChildChannel
from skyriver.services.live.workloads.transcoder.spec import TranscoderSpec
from skyriver.services.live.workloads.transcoder.transcoding import Transcoder


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Transcode until told to drain or until the supervisor is gone."""
    transcoder = Transcoder(TranscoderSpec.parse(first["spec"]), channel)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(transcoder.run())
        async for command in channel.commands():
            if command["cmd"] == "drain":
                break
            if command["cmd"] == "cue":
                transcoder.caption(command)
            if command["cmd"] == "spec":
                spec = TranscoderSpec.parse(command["spec"])
                if transcoder.spec.needs_restart(spec):
                    channel.emit("restart_me", reason="the ladder or the space changed")
                    break
                transcoder.follow(spec)
        running.cancel()

"""The headless viewer on a real relay, with real pictures; only the API is a script that hands out tickets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from skyriver.apps.cli.measure.picture import PictureDecoder
from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client, Cloud
from skyriver.fabric import Endpoint, MediaFrame
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotReady
from tests.fabric.rig import SPACE, running_relay, viewer_grant

from .clips import annexb_pictures
from .small_cloud import publish


@asynccontextmanager
async def tickets(*endpoints: Endpoint) -> AsyncIterator[Client]:
    """A client of an API that answers everything with the same ticket."""
    ticket = {
        "channel_id": "ch_1",
        "space": SPACE,
        "grant": viewer_grant(get=("live",)),
        "expires_at": (utc_now() + timedelta(minutes=5)).isoformat(),
        "edges": [
            {"node_id": f"nd_{n}", "site": f"edge-{n}", "url": one.url, "certificate_sha256": one.certificate_sha256}
            for n, one in enumerate(endpoints)
        ],
    }
    body = json.dumps(ticket).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, Client(Cloud(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")) as sky:
        yield sky


@pytest.mark.parametrize("decode", [True, False])
async def test_a_viewer_sees_the_picture_and_measures_it(tmp_path: Path, decode: bool) -> None:
    first = asyncio.Event()
    async with running_relay(tmp_path) as relay, tickets(relay.endpoint) as sky, asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(publish([relay.endpoint]))
        viewer = HeadlessViewer(sky, "ch_1", decode=decode, on_first_frame=first.set)
        watching = tasks.create_task(viewer.run())
        await first.wait()
        watching.cancel()
        publishing.cancel()
    seen = viewer.as_json()
    assert (seen["width"], seen["height"], seen["decode_errors"]) == (320, 180, 0)
    assert seen["frames"] >= 1
    assert seen["startup_ms"] > 0
    assert seen["latency_of"] == ("decoded" if decode else "received")
    assert seen["edges"] == [{"node_id": "nd_0", "site": "edge-0", "url": relay.endpoint.url}]


async def test_no_edge_is_told() -> None:
    async with tickets() as sky:
        with pytest.raises(NotReady, match="No edge"):
            await HeadlessViewer(sky, "ch_1").run()


def test_decoding_begins_at_a_keyframe_and_survives_rubbish() -> None:
    units = annexb_pictures(10)
    decoder = PictureDecoder()
    frames = [MediaFrame(payload, number * 40_000, keyframe, 1) for number, (payload, keyframe) in enumerate(units)]
    assert decoder.decode(frames[1]) == []  # no keyframe yet
    pictures = [picture for frame in frames for picture in decoder.decode(frame)]
    assert [picture.pts_us for picture in pictures] == [frame.pts_us for frame in frames]  # one in, one out
    decoder.decode(MediaFrame(b"\x00\x00\x00\x01\x65" + b"\xff" * 100, 0, True, 2))
    again = [picture for frame in frames for picture in decoder.decode(frame)]
    assert len(again) == len(frames)

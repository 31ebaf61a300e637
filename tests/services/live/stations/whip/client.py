"""An independent WebRTC client for tests: aiortc, with pictures and sound of its own."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import httpx
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import AudioStreamTrack

from skyriver.services.live.stations.whip import WhipServer


class Stripes(VideoStreamTrack):
    """A picture that changes with each frame."""

    def __init__(self, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self._size = width, height
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        width, height = self._size
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes((self._count * 3 + plane.buffer_size % 7) & 255 for _ in range(1)) * plane.buffer_size)
        self._count += 1
        frame.pts, frame.time_base = pts, fractions.Fraction(time_base)
        return frame


class Client:
    """One publisher."""

    def __init__(self, url: str, key: str, *, tracks: tuple[MediaStreamTrack, ...] | None = None) -> None:
        self.url, self.key = url, key
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.session_url = ""
        for track in tracks if tracks is not None else (Stripes(), AudioStreamTrack()):
            self.peer.addTrack(track)
        codecs = RTCRtpSender.getCapabilities("video").codecs
        for transceiver in self.peer.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences([c for c in codecs if c.mimeType in ("video/H264", "video/rtx")])

    async def publish(self) -> httpx.Response:
        """Offer, and take the answer if there is one."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        answer = await post(self.url, self.key, self.peer.localDescription.sdp)
        if answer.status_code == 201:
            self.session_url = str(answer.url.join(answer.headers["Location"]))
            await self.peer.setRemoteDescription(RTCSessionDescription(sdp=answer.text, type="answer"))
        return answer

    async def close(self) -> None:
        await self.peer.close()


async def post(url: str, key: str, offer: str, **headers: str) -> httpx.Response:
    """One POST of an offer."""
    token = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20.0) as http:
        return await http.post(url, content=offer, headers={"Content-Type": "application/sdp", **token, **headers})


async def request(method: str, url: str, **arguments: Any) -> httpx.Response:
    """Any other request."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20.0) as http:
        return await http.request(method, url, **arguments)


@asynccontextmanager
async def client(url: str, key: str, **arguments: Any) -> AsyncIterator[Client]:
    """A client for the length of a block."""
    made = Client(url, key, **arguments)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def serving(server: WhipServer) -> AsyncIterator[str]:
    """A server for the length of a block; its URL."""
    await server.open()
    running = asyncio.ensure_future(server.run())
    try:
        yield f"http://127.0.0.1:{server.port}/whip"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

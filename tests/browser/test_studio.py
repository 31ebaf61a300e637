"""People go live from a browser: the studio's camera reaches a viewer in another browser, and WebRTC players too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from skyriver.apps.cli.measure.chromium import Page, running_chromium
from skyriver.apps.cli.measure.cloud_process import RunningCloud
from skyriver.apps.cli.measure.console_page import open_at, painted, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

STATE = "document.querySelector('[data-testid=show-state]')?.dataset.state"
NUMBERS = "document.querySelector('[data-testid=studio-numbers]')?.dataset"
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

# What a WHEP player does; resolves with the answer's status.
WHEP = """(async () => {
  const peer = new RTCPeerConnection();
  window.peer = peer;
  for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, srcObject: new MediaStream() });
  document.body.append(video);
  window.seen = 0;
  const count = () => { window.seen += 1; video.requestVideoFrameCallback(count); };
  video.requestVideoFrameCallback(count);
  peer.ontrack = (event) => video.srcObject.addTrack(event.track);
  await peer.setLocalDescription(await peer.createOffer());
  const headers = { "Content-Type": "application/sdp", Authorization: "Bearer GRANT" };
  const answer = await fetch("URL", { method: "POST", headers, body: peer.localDescription.sdp });
  if (answer.status === 201) await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return answer.status;
})()"""


@pytest_asyncio.fixture(loop_scope="session")
async def studio(needs: None, sky: RunningCloud) -> AsyncIterator[Page]:
    """A tab of another browser, one with a camera: a tab behind another one is slowed down."""
    async with running_chromium(*FAKE_CAMERA) as browser:
        page = await browser.page()
        await sign_in(page, sky.url, sky.email, sky.password)
        yield page


async def ask(page: Page, path: str, body: dict[str, str] | None = None) -> Any:
    """POST as whoever is signed in there."""
    headers = {"X-Skyriver-Csrf": "1", "Content-Type": "application/json"}
    options = json.dumps({"method": "POST", "headers": headers, "body": json.dumps(body or {})})
    return await page.evaluate(f"fetch({json.dumps(path)}, {options}).then((answer) => answer.json())")


async def test_a_camera_reaches_viewers_and_stops(studio: Page, signed_in: Page, sky: RunningCloud) -> None:
    await ask(signed_in, "/v1/channels", {"name": "From a browser", "slug": "from-a-browser"})
    await open_at(studio, sky.url, "/studio/from-a-browser")
    await studio.click("[data-testid=go-live]")
    await studio.wait_for(f"{STATE} === 'sending'", 60.0)
    await studio.wait_for(f"{NUMBERS}?.fps > 5 && {NUMBERS}?.bitrate > 50000", 60.0)

    await open_at(signed_in, sky.url, "/channels/from-a-browser")
    shown = await painted(signed_in, 10, 60.0)
    assert shown["width"] > 0

    ticket = await ask(signed_in, "/v1/channels/from-a-browser/watch")
    status = await signed_in.evaluate(WHEP.replace("GRANT", ticket["grant"]).replace("URL", ticket["whep_url"]))
    assert status == 201
    await signed_in.wait_for("window.seen >= 5", 60.0)

    await studio.click("[data-testid=go-live]")
    await studio.wait_for(f"{STATE} === 'off'")
    channel = "(await (await fetch('/v1/channels/from-a-browser')).json())"
    await signed_in.wait_for(f"(async () => {channel}.input === null)()", 15.0)
    assert studio.complaints == []

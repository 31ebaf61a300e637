"""People watch: the demo plays in a real browser, with sound, through a killed edge, and with nobody signed in."""

from __future__ import annotations

import pytest

from skyriver.apps.cli.measure.chromium import Chromium, Page
from skyriver.apps.cli.measure.cloud_process import RunningCloud
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, open_at, painted, stats, turn_sound_on

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# The picture on the canvas as a number that changes with any of its pixels (32-bit FNV-1a).
FINGERPRINT = """(() => {
  const canvas = document.querySelector("skyriver-player").shadowRoot.querySelector("canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
})()"""


async def test_the_demo_is_painted_for_who_has_not_signed_in(page: Page, sky: RunningCloud) -> None:
    await open_at(page, sky.url, "/login")
    await painted(page)
    first = await page.evaluate(FINGERPRINT)
    await painted(page, 30)
    assert await page.evaluate(FINGERPRINT) != first
    assert page.complaints == []


async def test_the_overview_shows_sites_nodes_and_the_demo(signed_in: Page) -> None:
    await painted(signed_in)
    await signed_in.wait_for("/core-1[^]*edge-a-1[^]*edge-b-1/.test(document.body.innerText)")
    await signed_in.wait_for("[...document.querySelectorAll('.number')].some((n) => /bit/.test(n.innerText))")
    assert signed_in.complaints == []


async def test_sound_is_decoded_and_keeps_time_with_the_picture(signed_in: Page, sky: RunningCloud) -> None:
    await open_at(signed_in, sky.url, "/channels/demo")
    await painted(signed_in)
    await turn_sound_on(signed_in)
    await signed_in.wait_for(f"{STATS}.audio_buffer_ms > 0 && {STATS}.audio_level > 0.01")
    # Beyond 80 ms of difference the player jumps instead of drifting; people notice at about 100 ms.
    await signed_in.wait_for(f"Math.abs({STATS}.audio_offset_ms) < 80")


async def test_frames_go_on_when_the_edge_under_the_player_is_killed(signed_in: Page, sky: RunningCloud) -> None:
    page = signed_in
    await open_at(page, sky.url, "/channels/demo")
    await painted(page, 30)
    await page.wait_for(f"{STATS}.warm_edge !== ''")
    before = await stats(page)
    await page.click("text=Kill this edge")
    await page.wait_for(f"{STATS}.edge_node_id !== '{before['edge_node_id']}' && {STATS}.switches > 0")
    after = await painted(page, 60)
    assert after["edge_node_id"] != before["edge_node_id"]
    await page.wait_for("document.querySelector('[data-testid=drill-result]')")
    # The spare that became the player's edge is replaced: by the killed edge, once its agent has started it again.
    await page.wait_for(f"{STATS}.warm_edge !== ''")


async def test_pause_and_play_lead_back_to_the_live_edge(signed_in: Page, sky: RunningCloud) -> None:
    await open_at(signed_in, sky.url, "/channels/demo")
    await painted(signed_in, 30)
    await signed_in.evaluate(f"{PLAYER}.pause()")
    await signed_in.wait_for(f"{STATS}.state === 'paused'")
    await signed_in.evaluate(f"{PLAYER}.play()")
    await painted(signed_in, 30)
    await signed_in.wait_for(f"{STATS}.state === 'playing' && {STATS}.latency_ms < 1500")


async def test_a_tab_that_was_frozen_goes_on_at_the_live_edge(
    browser: Chromium, signed_in: Page, sky: RunningCloud
) -> None:
    await open_at(signed_in, sky.url, "/channels/demo")
    await painted(signed_in, 30)
    await signed_in.send("Page.setWebLifecycleState", state="frozen")
    other = await browser.page()
    await open_at(other, sky.url, "/watch/skyriver/demo")
    await painted(other, 90)  # three seconds pass for somebody else
    await other.close()
    await signed_in.send("Page.setWebLifecycleState", state="active")
    # Chromium leaves it hidden, where players paint about once a second.
    await painted(signed_in, 3)
    await signed_in.wait_for(f"{STATS}.state === 'playing' && {STATS}.latency_ms < 1500")


async def test_an_address_that_leads_nowhere_says_so(signed_in: Page, sky: RunningCloud) -> None:
    await open_at(signed_in, sky.url, "/channels/no-such-channel")
    await signed_in.wait_for("document.body.innerText.includes('There is no channel with this address.')")
    await open_at(signed_in, sky.url, "/nowhere")
    await signed_in.wait_for("document.body.innerText.includes('There is no such page.')")

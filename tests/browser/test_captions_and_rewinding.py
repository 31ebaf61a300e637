"""Captions of a running show over MoQ and over LL-HLS, and its past: by keys, by the bar, and back to what is live."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from skyriver.apps.cli.measure.chromium import Page
from skyriver.apps.cli.measure.cloud_process import RunningCloud
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, painted
from skyriver.client import Client, find_cloud

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ROOT = f"{PLAYER}.shadowRoot"
CAPTIONS = f"{ROOT}.querySelector('.captions').textContent"
SEEK = f"{ROOT}.querySelector('.seek')"


async def talk(sky: Client, lines: list[str]) -> None:
    """Somebody captions, until nobody listens any more."""
    while True:
        lines.append(f"Line {len(lines)} <i>of</i> the show")
        await sky.send_cue("demo", "en", lines[-1], duration_s=4)
        await asyncio.sleep(2)  # a captioner's pace


@pytest.mark.parametrize("transport", ["moq", "hls"])
async def test_captions_are_shown_and_the_choice_is_remembered(page: Page, sky: RunningCloud, transport: str) -> None:
    lines: list[str] = []
    async with Client(find_cloud(sky.data)) as client:
        await client.set_caption_track("demo", "en", "Stage English")
        address = f"{sky.url}/embed.html?channel=skyriver/demo&transport={transport}"
        await page.open(address)
        await painted(page, 5)
        talking = asyncio.ensure_future(talk(client, lines))
        try:
            choice = f"{ROOT}.querySelector('select.captions-choice')"
            await page.wait_for(f"[...{choice}.options].some((option) => option.text === 'Stage English')")
            assert await page.evaluate(CAPTIONS) == ""
            await page.evaluate(f"{PLAYER}.focus()")
            await page.press("c")
            await page.wait_for(f"/Line \\d+ <i>of<\\/i> the show/.test({CAPTIONS})")
            await page.wait_for(f"{ROOT}.querySelector('.cc').getAttribute('aria-pressed') === 'true'")
            await page.open(address)
            await painted(page, 5)
            await page.wait_for(f"{CAPTIONS}.includes('Line')")
            await page.evaluate(f"{PLAYER}.focus()")
            await page.press("c")
            await page.wait_for(f"{CAPTIONS} === ''")
            assert await page.evaluate("localStorage.getItem('skyriver-captions')") is None
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        await client.remove_caption_track("demo", "en")
        if transport == "moq":  # a playlist of languages is read once
            await page.wait_for(f"{ROOT}.querySelector('.cc').hidden")


async def told(page: Page) -> dict[str, Any]:
    """What the bar says."""
    found: dict[str, Any] = await page.evaluate(
        f"({{min: Number({SEEK}.min), max: Number({SEEK}.max), text: {SEEK}.getAttribute('aria-valuetext')}})"
    )
    return found


async def test_viewers_go_back_in_a_running_show_and_come_back_to_it(page: Page, sky: RunningCloud) -> None:
    async with Client(find_cloud(sky.data)) as client:
        await page.open(f"{sky.url}/embed.html?channel=skyriver/demo&transport=moq")
        await painted(page, 5)
        assert await page.evaluate(f"{SEEK}.hidden")
        await client.recording_settings("demo", enabled=True, dvr_minutes=10)
        try:
            await page.open(f"{sky.url}/embed.html?channel=skyriver/demo&transport=moq")
            # The recording has to grow to something that is worth a bar.
            await page.wait_for(f"!{SEEK}.hidden", timeout_s=60)
            await page.wait_for(f"{SEEK}.getAttribute('aria-valuetext') === 'LIVE'")
            await page.evaluate(f"{PLAYER}.focus()")
            await page.press("Home")
            await page.wait_for(
                f"{STATS}.protocol === 'hls' && {STATS}.state === 'playing' && {STATS}.latency_ms > 8000"
            )
            bar = await told(page)
            assert bar["text"].startswith("-0:") and bar["max"] - bar["min"] >= 20
            before = await page.evaluate(f"{PLAYER}.currentTime")
            await page.press("ArrowRight")
            await page.wait_for(f"{PLAYER}.currentTime > {before} + 4")
            await page.evaluate(f"{ROOT}.querySelector('.live').click()")
            await page.wait_for(f"{STATS}.protocol === 'moq' && {STATS}.state === 'playing'")
            await page.evaluate(
                f"{SEEK}.value = Number({SEEK}.min) + 2; "
                f"for (const name of ['input', 'change']) {SEEK}.dispatchEvent(new Event(name))"
            )
            await page.wait_for(f"{STATS}.protocol === 'hls' && {STATS}.state === 'playing'")
            await page.press("End")
            await page.wait_for(f"{STATS}.protocol === 'moq' && {STATS}.state === 'playing'")
            # It was asked for before anything was recorded, which browsers note.
            assert [complaint for complaint in page.complaints if not complaint.endswith("/dvr")] == []
        finally:
            await client.recording_settings("demo", enabled=False)

"""People send: a channel made in the console plays what ffmpeg pushes to the server and key that the console shows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from skyriver.apps.cli.measure.chromium import Page
from skyriver.apps.cli.measure.cloud_process import RunningCloud
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, painted, stats, turn_sound_on

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="NOT RUN: there is no ffmpeg command here"),
    pytest.mark.asyncio(loop_scope="session"),
]

# What people send: H.264 with B-frames and AAC. Small, since this machine encodes, transcodes and decodes it at once.
SOURCE = "-re -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=frequency=440"
ENCODING = "-c:v libx264 -bf 2 -g 50 -preset veryfast -pix_fmt yuv420p -c:a aac -f flv"


@asynccontextmanager
async def pushing(target: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg, sending for the length of the block."""
    command = f"ffmpeg -nostdin -hide_banner -loglevel error {SOURCE} {ENCODING} {target}".split()
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def make_channel(page: Page, name: str) -> tuple[str, str]:
    """Fill in the form. Returns the server and the stream key that the console shows."""
    await page.click("text=New channel")
    await page.type("input[name=name]", name)
    await page.click("form button[type=submit]")
    await page.wait_for("document.querySelectorAll('pre.code').length >= 2")
    shown = "[...document.querySelectorAll('pre.code')].map((node) => node.innerText)"
    server = await page.evaluate(f"{shown}.find((text) => /^rtmp:\\S+$/.test(text))")
    key = await page.evaluate(f"{shown}.find((text) => /^sky_pub_\\S+$/.test(text))")
    return server, key


async def test_a_push_plays_with_sound_and_a_second_one_is_turned_away(signed_in: Page, sky: RunningCloud) -> None:
    page = signed_in
    server, key = await make_channel(page, "My show")
    await page.click("text=Open channel")
    await page.wait_for("document.body.innerText.includes('Nobody is sending.')")
    async with pushing(f"{server}/{key}"):
        await painted(page, 10)
        await page.evaluate(f"{PLAYER}.setAttribute('quality', 'source')")
        await turn_sound_on(page)
        await page.wait_for(f"{STATS}.audio_level > 0.01")
        await page.wait_for(f"{STATS}.width === 640 && {STATS}.height === 360")
        async with pushing(f"{server}/{key}") as second:
            _, said = await second.communicate()
        assert second.returncode != 0
        assert b"Another encoder is publishing" in said
        await page.wait_for("document.querySelector('[data-testid=incidents]')?.innerText.includes('Another encoder')")
        await painted(page, 10)
        assert (await stats(page))["state"] == "playing"


async def test_a_wrong_key_is_refused_in_words_that_help(signed_in: Page, sky: RunningCloud) -> None:
    server, key = await make_channel(signed_in, "Locked")
    async with pushing(f"{server}/{key[:-4]}xxxx") as wrong:
        _, said = await wrong.communicate()
    assert wrong.returncode != 0
    assert b"stream key is not known" in said

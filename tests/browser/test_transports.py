"""People watch over whatever their browser and their network can do: MoQ, and LL-HLS where MoQ is not to be had."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from skyriver.apps.cli.measure.chromium import Page
from skyriver.apps.cli.measure.cloud_process import RunningCloud
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, open_at, painted, turn_sound_on

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PAGE = "/watch/skyriver/demo"


async def before_the_page(page: Page, script: str) -> None:
    """Run this in every page that the tab opens, before the page's own scripts."""
    await page.send("Page.addScriptToEvaluateOnNewDocument", source=script)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A UDP port that takes every packet and answers none, as a firewall makes them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


async def test_moq_is_what_a_whole_browser_plays(page: Page, sky: RunningCloud) -> None:
    await open_at(page, sky.url, PAGE)
    shown = await painted(page, 30)
    assert shown["protocol"] == "moq"
    told = await page.evaluate(f"{PLAYER}.playback")
    assert told["protocol"] == "moq" and told["errors"] == 0 and told["startup_ms"] > 0 and told["watched_ms"] > 0
    # Nobody who watches over MoQ pays for the library of the other way.
    assert not await page.evaluate("performance.getEntriesByType('resource').some((entry) => /hls/.test(entry.name))")


@pytest.mark.parametrize("missing", ["WebTransport", "VideoDecoder"])
async def test_a_browser_without_it_plays_ll_hls(page: Page, sky: RunningCloud, missing: str) -> None:
    await before_the_page(page, f"delete globalThis.{missing};")
    await open_at(page, sky.url, PAGE)
    await page.wait_for(f"{STATS}?.protocol === 'll-hls'")
    shown = await painted(page, 60)
    assert shown["height"] > 0
    await turn_sound_on(page)
    # A machine that is too slow for parts falls back to whole segments, which is right and not what is tested here.
    await page.wait_for(f"{STATS}.state === 'playing' && ({STATS}.latency_ms < 5000 || {STATS}.protocol === 'hls')")


async def test_a_closed_udp_port_costs_a_moment_and_is_remembered(
    page: Page, sky: RunningCloud, deaf_port: int
) -> None:
    deaf = json.dumps(f"https://127.0.0.1:{deaf_port}")
    await before_the_page(
        page,
        f"""const ask = globalThis.fetch;
        globalThis.fetch = async (...asked) => {{
          const answer = await ask(...asked);
          if (!String(asked[0]).endsWith("/watch") || !answer.ok) return answer;
          const ticket = await answer.json();
          for (const edge of ticket.edges) edge.url = {deaf};
          return new Response(JSON.stringify(ticket), {{ headers: answer.headers }});
        }};""",
    )
    await open_at(page, sky.url, PAGE)
    first = await painted(page, 30)
    assert first["protocol"] == "ll-hls"
    assert (await page.evaluate(f"{PLAYER}.playback"))["errors"] > 0
    await page.send("Page.reload")
    await page.wait_for(f"{STATS}?.frames_painted > 0")
    # The second page does not try MoQ first: nothing went wrong there.
    assert (await page.evaluate(f"{PLAYER}.playback"))["last_error"] != "no_session"


async def test_the_page_may_force_the_way(page: Page, sky: RunningCloud) -> None:
    await open_at(page, sky.url, PAGE)
    await painted(page, 10)
    await page.evaluate(f"{PLAYER}.setAttribute('transport', 'hls')")
    await page.wait_for(f"{STATS}?.protocol === 'll-hls' && {STATS}.frames_painted > 10")
    await page.evaluate(f"{PLAYER}.setAttribute('transport', 'moq')")
    await page.wait_for(f"{STATS}?.protocol === 'moq' && {STATS}.frames_painted > 10")

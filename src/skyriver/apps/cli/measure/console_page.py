"""The console in a browser, used as a person uses it: fields, buttons, and what the player says of itself."""

from __future__ import annotations

import json
from typing import Any

from skyriver.apps.cli.measure.chromium import Page

PLAYER = "document.querySelector('skyriver-player')"
STATS = "window.skyriverPlayerStats?.()"
# A first frame after a first publisher: the station, a transcoder's start, its first two-second group, the edge.
PICTURE_S = 30.0


async def sign_in(page: Page, url: str, email: str, password: str) -> None:
    """Fill in the first screen."""
    await page.open(f"{url}/login")
    await page.type("input[name=email]", email)
    await page.type("input[name=password]", password)
    await page.click("form button[type=submit]")
    await page.wait_for("document.querySelector('nav')")


async def open_at(page: Page, url: str, path: str) -> None:
    """Go to a page of the console, and be there."""
    await page.open(url + path)
    await page.wait_for(f"location.pathname === {json.dumps(path)} && document.readyState === 'complete'")


async def stats(page: Page) -> dict[str, Any]:
    """What the player measures."""
    answer: dict[str, Any] = await page.wait_for(STATS)
    return answer


async def painted(page: Page, frames: int = 1, timeout_s: float = PICTURE_S) -> dict[str, Any]:
    """Wait until so many more frames than now have been painted. Returns the player's measurements then."""
    before = await page.evaluate(f"{STATS}?.frames_painted ?? 0")
    await page.wait_for(f"{STATS}?.frames_painted >= {before + frames}", timeout_s)
    return await stats(page)


async def turn_sound_on(page: Page) -> None:
    """Press the player's button for sound; returns when its audio context runs."""
    await page.wait_for(f"{PLAYER}.shadowRoot.querySelector('.sound[data-on]')")
    await page.evaluate(f"{PLAYER}.shadowRoot.querySelector('.sound').click()")
    await page.wait_for(f"{STATS}?.muted === false")

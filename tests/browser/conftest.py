"""A real cloud, and a real Chromium in front of it, for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bootstrap import console
from skyriver.apps.cli.measure.chromium import Chromium, Page, find_chromium, running_chromium
from skyriver.apps.cli.measure.cloud_process import RunningCloud, running_cloud
from skyriver.apps.cli.measure.console_page import sign_in
from skyriver.kernel.errors import NotReady

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def needs() -> None:
    """What these tests cannot do without; where it is missing they say so instead of failing."""
    try:
        find_chromium()
    except NotReady as error:
        pytest.skip(f"NOT RUN, browser tests: {error} {error.hint}")
    if not console.is_current(ROOT):
        pytest.skip("NOT RUN, browser tests: the console of these sources is not built: run ./skyriver once")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sky(needs: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCloud]:
    """A whole cloud with its demo channel."""
    async with running_cloud(tmp_path_factory.mktemp("sky")) as cloud:
        yield cloud


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(needs: None) -> AsyncIterator[Chromium]:
    """One browser; tabs have profiles of their own."""
    async with running_chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Chromium) -> AsyncIterator[Page]:
    """An empty tab in which nobody is signed in."""
    page = await browser.page()
    yield page
    await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def signed_in(page: Page, sky: RunningCloud) -> Page:
    """A tab in which the cloud's first user has signed in."""
    await sign_in(page, sky.url, sky.email, sky.password)
    return page

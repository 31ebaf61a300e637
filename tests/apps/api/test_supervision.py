"""Components: a failure is seen and followed by another try, a stop ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from skyriver.apps.api.supervision import FIRST_PAUSE_S, HEALTHY_AFTER_S, LONGEST_PAUSE_S, next_pause_s, stop, supervise
from skyriver.kernel.errors import NotReady
from skyriver.platform.manifest import Component, Part
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from skyriver.platform.web import Runtime
from tests.clouds import open_cloud


class Failing:
    """Fails as often as it is told, then goes on."""

    def __init__(self, times: int) -> None:
        self.starts = 0
        self.up = asyncio.Event()
        self._times = times

    async def run(self) -> None:
        self.starts += 1
        if self.starts <= self._times:
            raise RuntimeError("the bus is away")
        self.up.set()
        await asyncio.Event().wait()


def test_pauses_double_up_to_a_cap_and_start_over_after_a_healthy_run() -> None:
    pause_s, seen = FIRST_PAUSE_S, []
    for _ in range(10):
        pause_s = next_pause_s(pause_s, 0.0, jitter=lambda: 1.0)
        seen.append(pause_s)
    assert seen == sorted(seen) and seen[0] == 2 * FIRST_PAUSE_S and seen[-1] == LONGEST_PAUSE_S
    assert next_pause_s(LONGEST_PAUSE_S, HEALTHY_AFTER_S, jitter=lambda: 1.0) == FIRST_PAUSE_S
    assert next_pause_s(FIRST_PAUSE_S, 0.0, jitter=lambda: 0.0) == FIRST_PAUSE_S


async def test_a_failed_component_is_seen_and_started_again(store: Store, tmp_path: Path) -> None:
    runtime = Runtime(ControlPlaneSettings(data_dir=tmp_path), store)
    component = Failing(1)
    async with asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(supervise(component, runtime))
        while "Failing" not in runtime.readiness:  # noqa: ASYNC110 (lets it run; no time passes)
            await asyncio.sleep(0)
        with pytest.raises(NotReady, match="the bus is away"):
            await runtime.readiness["Failing"]()
        await component.up.wait()
        assert "Failing" not in runtime.readiness and component.starts == 2
        supervising.cancel()


async def test_parts_open_in_order_and_close_in_reverse(store: Store, tmp_path: Path) -> None:
    seen: list[str] = []

    def part(name: str) -> Part:
        @asynccontextmanager
        async def opened(_runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
            seen.append(f"open {name}")
            yield [Failing(0)]
            seen.append(f"close {name}")

        return Part(name, open=opened)

    async with open_cloud(store, tmp_path, parts=(part("a"), part("b")), services=()):
        seen.append("serving")
    assert seen == ["open a", "open b", "serving", "close b", "close a"]


class LosesOneCancellation:
    """What `asyncio.wait_for` may do to a component before Python 3.12."""

    def __init__(self) -> None:
        self.cancelled = 0

    async def run(self) -> None:
        while self.cancelled < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1


async def test_a_stop_outlasts_a_lost_cancellation(store: Store, tmp_path: Path) -> None:
    runtime = Runtime(ControlPlaneSettings(data_dir=tmp_path), store)
    component = LosesOneCancellation()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(supervise(component, runtime))
        await asyncio.sleep(0)
        await stop({"component": running})
    assert component.cancelled == 2

"""How a pull or a push is doing, for its people: a state, since when, and what went wrong last, in words."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from skyriver.kernel.clock import MediaClock

RETRY_FIRST_S = 1.0
HEALTHY_S = 10.0  # what lasted this long starts the back-off again from the beginning


class RelayState(StrEnum):
    CONNECTING = "connecting"
    RUNNING = "running"
    RETRYING = "retrying"
    ENDED = "ended"
    """A file was played to its end, and is not played again."""


@dataclass
class RelayStatus:
    """Where one pull or push is. `since_us` is UTC in microseconds."""

    state: RelayState = RelayState.CONNECTING
    since_us: int = 0
    error: str = ""
    attempts: int = 0

    def enter(self, state: RelayState, error: str | None = None) -> None:
        """Go on to `state`; an error stays until it is replaced, or until things run."""
        if state is not self.state or not self.since_us:
            self.since_us = MediaClock().now_us()
        self.state = state
        if error is not None:
            self.error = error
        elif state is RelayState.RUNNING:
            self.error = ""

    def fields(self) -> dict[str, Any]:
        """As metrics carry it."""
        return {
            "state": self.state.value,
            "since_us": self.since_us,
            "error": self.error[:300],
            "attempts": self.attempts,
        }


class Retry:
    """A capped, jittered back-off that starts anew after something has lasted."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._delay_s = RETRY_FIRST_S
        self._began_s = 0.0

    def begin(self) -> None:
        """An attempt begins."""
        self._began_s = asyncio.get_running_loop().time()

    async def wait(self) -> None:
        """Wait before the next one."""
        if asyncio.get_running_loop().time() - self._began_s > HEALTHY_S:
            self._delay_s = RETRY_FIRST_S
        await asyncio.sleep(self._delay_s * random.uniform(0.7, 1.0))
        self._delay_s = min(self._delay_s * 2, self._longest_s)

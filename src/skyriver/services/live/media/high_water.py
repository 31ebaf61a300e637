"""How far each input's media time has come, on disk: a station that restarts never goes back.

Viewers wait for groups later than what they have; a station whose wall clock was set back by an hour while it was down
would otherwise publish an hour of groups that nobody takes.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

SAVED_EVERY_S = 1.0
MARGIN_US = 2_000_000  # what may have been published since the last save
STEP_MAX_US = 24 * 3600 * 1_000_000
"""A mark further in the future than a day was left by a broken clock, and is not waited for."""

log = logging.getLogger(__name__)


class HighWater:
    """The highest media time published, by input id. Reads at the start, writes when told to."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "high-water.json"
        self._marks_us: dict[str, int] = {}
        self._saved_us: dict[str, int] = self._load()

    def floor_us(self, input_id: str, now_us: int) -> int:
        """Media time of this input must go on above this; 0 when nothing is known."""
        if input_id in self._marks_us:
            return self._marks_us[input_id]
        saved_us = self._saved_us.get(input_id)
        if saved_us is None or saved_us > now_us + STEP_MAX_US:
            return 0
        return saved_us + MARGIN_US if saved_us + MARGIN_US > now_us else saved_us

    def raise_to(self, input_id: str, pts_us: int) -> None:
        """Something was published at this time."""
        if pts_us > self._marks_us.get(input_id, 0):
            self._marks_us[input_id] = pts_us

    def keep_only(self, input_ids: Mapping[str, object]) -> None:
        """Forget the inputs that are no longer ours."""
        self._marks_us = {i: us for i, us in self._marks_us.items() if i in input_ids}
        self._saved_us = {i: us for i, us in self._saved_us.items() if i in input_ids}

    def save(self) -> None:
        """Write the marks, if any has moved. A disk that refuses is logged, not fatal: the show goes on."""
        marks_us = self._saved_us | self._marks_us
        if marks_us == self._saved_us:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(marks_us))
            os.replace(fresh, self._path)
        except OSError as error:
            log.warning("Could not write %s: %s. A restart may repeat media times.", self._path, error)
            return
        self._saved_us = marks_us

    def _load(self) -> dict[str, int]:
        try:
            stored = json.loads(self._path.read_text())
            return {str(input_id): int(us) for input_id, us in stored.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.warning("Could not read %s, so media times start from the clock: %s", self._path, error)
            return {}

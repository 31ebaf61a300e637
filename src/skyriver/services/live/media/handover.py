"""One track, made by two threads in turn: what the first has made comes before what the second makes.

A rendition that is carried by another one is made by its own thread until a slot ends, and from then on by the other
one's; and back. Threads run ahead of each other by some pictures, so that what comes early waits here.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from skyriver.fabric import TICK_US, slot_of
from skyriver.services.live.media.units import Encoded, Output, Sink

WAITING_MAX = 90
"""Three seconds: whoever has not handed over by then has died."""
LATE_SLOTS = 1
"""Who is behind may have lost all pictures of the slot in which makers change, and comes with the next one."""


@dataclass
class _Line:
    handed_slot: int = -1
    awaited_slot: int | None = None
    waiting: deque[Encoded] = field(default_factory=deque)


class Handover:
    """Between the encoders' threads and the engine's sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}

    def put(self, output: Output) -> None:
        """An output of whoever makes the track at its time."""
        if not isinstance(output, Encoded):
            self._sink(output)
            return
        with self._lock:
            line = self._lines.get(output.track)
            if line is None or line.awaited_slot is None or slot_of(output.group * TICK_US) < line.awaited_slot:
                self._sink(output)
                return
            line.waiting.append(output)
            if len(line.waiting) > WAITING_MAX:
                self._open(line)

    def hand_over(self, track: str, slot: int) -> None:
        """Whoever made this track before `slot` has made all of it."""
        with self._lock:
            line = self._lines.setdefault(track, _Line())
            line.handed_slot = max(line.handed_slot, slot)
            if line.awaited_slot is not None and line.handed_slot >= line.awaited_slot - LATE_SLOTS:
                self._open(line)

    def take_over(self, track: str, slot: int) -> None:
        """Who makes it from `slot` on begins with it."""
        with self._lock:
            line = self._lines.setdefault(track, _Line())
            if line.handed_slot < slot - LATE_SLOTS:
                line.awaited_slot = slot

    def _open(self, line: _Line) -> None:
        line.awaited_slot = None
        while line.waiting:
            self._sink(line.waiting.popleft())

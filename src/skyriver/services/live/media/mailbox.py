"""A bounded box between two threads. Putting never waits in live use, so that a dead worker cannot stop its feeder.

A `queue.Queue` is not enough: the classic deadlock of a transcoder is a decoder that waits for ever in `put` for
an encoder thread that has died. Here the live feeder either gets a refusal or pushes out the oldest item.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class MailboxClosed(Exception):
    """The box was closed and is empty."""


class Mailbox(Generic[T]):
    """A first-in first-out box of at most `limit` items.

    Overflow is the putter's choice at each call: `offer` refuses the new item, `push` drops the oldest one, and
    `wait` waits (files and benchmarks, where losing a frame would be wrong and nobody is live).
    """

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, item: T) -> bool:
        """Put without waiting; False if the box is full or closed."""
        with self._changed:
            if self._closed or len(self._items) >= self._limit:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def push(self, item: T) -> int:
        """Put without waiting; returns how many of the oldest items were dropped to make room."""
        with self._changed:
            if self._closed:
                return 1
            dropped = 0
            while len(self._items) >= self._limit:
                self._items.popleft()
                dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return dropped

    def wait(self, item: T, timeout_s: float = 60.0) -> bool:
        """Put, waiting for room; False if the box was closed or nothing was taken for `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._limit, timeout_s)
            if self._closed or len(self._items) >= self._limit:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self) -> T:
        """The oldest item; waits for one. Raises MailboxClosed once the box is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if not self._items:
                raise MailboxClosed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def clear(self) -> int:
        """Throw away what waits; returns how many items that were."""
        with self._changed:
            count = len(self._items)
            self._items.clear()
            self._changed.notify_all()
            return count

    def close(self, *, drain: bool = False) -> None:
        """No more items. Unless `drain`, what waits is thrown away. Wakes everybody."""
        with self._changed:
            self._closed = True
            if not drain:
                self._items.clear()
            self._changed.notify_all()

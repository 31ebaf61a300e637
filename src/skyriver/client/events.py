"""Server-sent events, read as an async iterator (WHATWG HTML, section 9.2 "Server-sent events")."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from skyriver.kernel.errors import WorldBroke

MAX_EVENT_CHARS = 8 * 1024 * 1024  # an overview of some ten thousand workloads; beyond it something is wrong


@dataclass(frozen=True)
class ServerEvent:
    """One event: its name ("message" when the server gave none), its decoded JSON, and its id if it has one."""

    name: str
    data: Any
    id: str | None = None


class EventParser:
    """Feed it lines without their ends; it hands back an event at each blank line that closes one."""

    def __init__(self) -> None:
        self._name = ""
        self._data: list[str] = []
        self._chars = 0
        self._id: str | None = None

    def feed(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._chars += len(value)
            if self._chars > MAX_EVENT_CHARS:
                raise WorldBroke(f"An event grew past {MAX_EVENT_CHARS} characters.", hint="Is this a Skyriver API?")
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        return None  # comments (an empty field: keep-alives), `retry` and unknown fields need no answer

    def _dispatch(self) -> ServerEvent | None:
        name, data = self._name or "message", "\n".join(self._data)
        self._name, self._data, self._chars = "", [], 0
        if not data:
            return None
        try:
            return ServerEvent(name, json.loads(data), self._id)
        except ValueError as error:
            raise WorldBroke(f"The event `{name}` is not JSON.", hint="Is this a Skyriver API?") from error


async def events_of(lines: AsyncIterator[str]) -> AsyncGenerator[ServerEvent, None]:
    """Every event in `lines`, in order; an event that the end cuts off is dropped, as the specification says."""
    parser = EventParser()
    async for line in lines:
        if (event := parser.feed(line)) is not None:
            yield event

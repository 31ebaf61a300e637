"""What `up` says: what it is starting, where everything is once it serves, and that it stops.

For people on a terminal in words, progress on stderr; for programs (`--json`) as events on stdout, one JSON object a
line: `{"event": "starting", "what": ...}`, `{"event": "ready", "url": ...}`, `{"event": "stopping"}`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from skyriver.apps.cloud.settings import CloudSettings


@dataclass(frozen=True)
class Login:
    """The operator's first login. `is_new`: made at this very start, so this is the moment to show it."""

    email: str
    password: str
    is_new: bool


class Announcer:
    """Speaks for one `up`."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings

    def starting(self, what: str) -> None:
        """Something is being started."""
        if self._settings.as_json:
            self._event("starting", what=what)
        else:
            print(f"skyriver: starting {what}", file=sys.stderr, flush=True)

    def left_over(self, names: list[str]) -> None:
        """An earlier `up` was killed, and what it left has been ended."""
        if names and self._settings.as_json:
            self._event("left_over", ended=names)
        elif names:
            words = f"ended what an earlier start had left running: {', '.join(names)}"
            print(f"skyriver: {words}", file=sys.stderr, flush=True)

    def ready(self, url: str, rtmp_url: str, login: Login | None) -> None:
        """Everything serves."""
        settings = self._settings
        if settings.as_json:
            where = {"url": url, "rtmp_url": rtmp_url, "data": str(settings.data)}
            self._event("ready", **where, first_start=bool(login and login.is_new))
            return
        lines = [
            ("Skyriver is up:", url),
            *self._login_lines(login),
            ("Push to:", f"{rtmp_url}   (stream keys: the channel's page, or `skyriver channel create`)"),
            ("Data and logs:", str(settings.data)),
        ]
        told = "\n".join(f"  {name:<17} {value}" for name, value in lines)
        print(f"\n{told}\n  Ctrl-C stops it.\n", flush=True)

    def stopping(self) -> None:
        """It was asked to stop."""
        if self._settings.as_json:
            self._event("stopping")
        else:
            print("\nskyriver: stopping", file=sys.stderr, flush=True)

    def _login_lines(self, login: Login | None) -> list[tuple[str, str]]:
        kept = self._settings.first_login_path
        if login is None:
            return [("Log in:", "with the account you have")]
        if login.is_new:
            return [("First login:", f"{login.email}  {login.password}"), ("", f"(shown once; kept in {kept})")]
        return [("Log in:", f"with the account you have, or the first one, in {kept}")]

    @staticmethod
    def _event(event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)

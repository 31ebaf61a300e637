"""Structured logs: one JSON object a line on stderr, with every credential scrubbed before it is written.

A grant travels in a URL's query (`?jwt=`), so whatever prints a URL would leak it; scrubbing therefore happens
in the formatter, on the finished line, where nothing can be forgotten.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

# JWTs in any position, query credentials, our own secrets (`sky_…`), bearer headers, and RTMP paths with a stream key.
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_QUERY = re.compile(r"([?&](?:jwt|token|key|secret|password)=)[^&\s\"'\\]+", re.IGNORECASE)
_OURS = re.compile(r"\bsky_([a-z]{2,6})_[0-9A-Za-z_-]{8,}")
_BEARER = re.compile(r"(Bearer\s+)[\w.~+/=-]+", re.IGNORECASE)
_USERINFO = re.compile(r"(://[^/\s:@]*:)[^@/\s]+@")  # postgresql://user:password@host, nats://…
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def scrub(text: str) -> str:
    """`text` without grants, keys and passwords."""
    text = _JWT.sub("[grant]", text)
    text = _USERINFO.sub(r"\1[scrubbed]@", text)
    text = _QUERY.sub(r"\1[scrubbed]", text)
    text = _OURS.sub(r"sky_\1_[scrubbed]", text)
    return _BEARER.sub(r"\1[scrubbed]", text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at` (UTC), `level`, `from`, `message`, and the record's extra fields."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "at": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "from": record.name,
            "message": record.getMessage(),
        }
        entry |= {k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")}
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return scrub(json.dumps(entry, default=str, ensure_ascii=False))


def set_up_logs(process: str, level: str = "info") -> None:
    """Send this process's logs to stderr as JSON lines. `process` names it, e.g. `relay/edge-a`."""
    import time

    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter(process)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())

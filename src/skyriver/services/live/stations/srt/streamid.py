"""The stream id of an SRT caller: who publishes what (SRT Access Control guidelines, Haivision).

Taken: the stream key alone (`KEY`, `live/KEY`), and the standard's form `#!::r=KEY,m=publish`, where `u=` may stand
for `r=`. A caller that wants to be sent something is told that this is no place for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from skyriver.services.live.stations.access import MAX_KEY_CHARS

_STANDARD = "#!::"


@dataclass(frozen=True, slots=True)
class Caller:
    """What a stream id says."""

    key: str
    """Empty when there is none, or one that is too long to be one."""
    publishes: bool = True


def read_stream_id(stream_id: bytes) -> Caller:
    """Read a stream id as it came over the wire."""
    text = unquote(stream_id.decode("utf-8", errors="replace")).strip("\0 ")  # some encoders send %23 for #
    if not text.startswith(_STANDARD):
        return Caller(_key(text))
    fields = dict(pair.partition("=")[::2] for pair in text[len(_STANDARD) :].split(","))
    mode = fields.get("m", "publish")  # the standard's default is `request`, and encoders leave it out all the same
    return Caller(_key(fields.get("r") or fields.get("u", "")), publishes=mode == "publish")


def _key(resource: str) -> str:
    key = resource.partition("?")[0].strip("/ ").rpartition("/")[2]
    return key if len(key) <= MAX_KEY_CHARS else ""

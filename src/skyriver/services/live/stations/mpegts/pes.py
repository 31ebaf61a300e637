"""Packetized elementary streams: packets of one PID put together, and their times (ISO/IEC 13818-1, 2.4.3.6)."""

from __future__ import annotations

from dataclasses import dataclass

_WRAP = 1 << 33  # of PTS and DTS, in 90 kHz: 26.5 hours
_WIRE = 1 << 32  # of a publication's times, in ms
_TICKS_PER_MS = 90
_HEADER_BYTES = 9


@dataclass(frozen=True, slots=True)
class Pes:
    """One PES packet. Times in ticks of 90 kHz as they came, 33 bits; None where it has none."""

    pts: int | None
    dts: int | None
    payload: bytes
    random_access: bool
    """The muxer says that decoding can begin here (2.4.3.5, random_access_indicator)."""


class PesReader:
    """Puts the PES packets of one PID together.

    A video packet has no length as a rule: its end is only known when the next one begins, a whole frame later. But a
    muxer fills up the last transport packet of a PES packet with stuffing, and has no reason to do so in any other
    one: such a packet ends its PES packet here at once. A muxer that stuffs elsewhere shows it by what follows, and is
    then taken at its word: `_stuffing_ends` goes off.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted: int | None = None
        self._random_access = False
        self._open = False
        self._ended_early = False
        self._stuffing_ends = True
        self.damaged = 0
        """PES packets that were left out: too long, or with a header that makes no sense."""

    @property
    def held_bytes(self) -> int:
        """Bytes of the unfinished packet."""
        return self._size

    def lose(self) -> None:
        """Packets are missing: what was begun cannot be finished."""
        if self._open:
            self.damaged += 1
        self._reset(opened=False)

    def feed(self, payload: bytes, *, starts: bool, random_access: bool, stuffed: bool) -> list[Pes]:
        """PES packets that this transport packet completes: none, one or two."""
        done = []
        if starts:
            if self._open and (finished := self._finish()) is not None:
                done.append(finished)
            self._reset(opened=True)
            self._random_access = random_access
            self._wanted = _length(payload)
        elif not self._open:
            if payload and self._ended_early:  # it went on after its stuffing: this muxer uses it otherwise
                self._ended_early, self._stuffing_ends = False, False
                self.damaged += 1
            return done
        self._pieces.append(payload)
        self._size += len(payload)
        if self._size > self._max_bytes:
            self.lose()
            return done
        whole = self._wanted is not None and self._size >= self._wanted
        if whole or (stuffed and self._wanted is None and self._stuffing_ends):
            if (finished := self._finish()) is not None:
                done.append(finished)
            self._reset(opened=False)
            self._ended_early = not whole
        return done

    def _finish(self) -> Pes | None:
        data = b"".join(self._pieces)
        pes = _parse(data if self._wanted is None else data[: self._wanted], random_access=self._random_access)
        self.damaged += pes is None
        return pes

    def _reset(self, *, opened: bool) -> None:
        self._pieces, self._size, self._wanted, self._open = [], 0, None, opened
        self._ended_early = False


class WireClock:
    """Times of 33 bits in 90 kHz as wire times of 32 bits in ms, across the wraps of both."""

    def __init__(self) -> None:
        self._last: int | None = None

    def wire_ms(self, pts: int, dts: int) -> tuple[int, int]:
        """(dts_ms, pts_ms), as `VideoFrame` has them."""
        last = dts if self._last is None else self._last
        unwrapped = last + (dts - last + _WRAP // 2) % _WRAP - _WRAP // 2
        self._last = unwrapped
        dts_ms = round(unwrapped / _TICKS_PER_MS) % _WIRE
        composition = (pts - dts + _WRAP // 2) % _WRAP - _WRAP // 2
        return dts_ms, dts_ms + round(composition / _TICKS_PER_MS)


def _length(payload: bytes) -> int | None:
    """How many bytes the packet has in all; None where it does not say."""
    size = int.from_bytes(payload[4:6], "big") if len(payload) >= 6 else 0
    return 6 + size if size else None


def _parse(data: bytes, *, random_access: bool) -> Pes | None:
    if len(data) < _HEADER_BYTES or data[:3] != b"\0\0\1" or data[6] & 0xC0 != 0x80:
        return None
    begins = _HEADER_BYTES + data[8]
    if begins > len(data):
        return None
    pts = dts = None
    if data[7] & 0x80 and data[8] >= 5:
        pts = dts = _time(data, 9)
        if data[7] & 0x40 and data[8] >= 10:
            dts = _time(data, 14)
    return Pes(pts, dts, data[begins:], random_access)


def _time(data: bytes, at: int) -> int:
    """33 bits spread over 5 bytes (2.4.3.7)."""
    high = int.from_bytes(data[at + 1 : at + 3], "big") >> 1
    low = int.from_bytes(data[at + 3 : at + 5], "big") >> 1
    return (data[at] >> 1 & 7) << 30 | high << 15 | low

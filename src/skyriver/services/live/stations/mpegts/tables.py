"""Program tables: which packets belong together, and what is in them (ISO/IEC 13818-1, 2.4.4)."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SECTION_BYTES = 1024  # 2.4.4.3: a PAT or PMT section is no longer
_PAT, _PMT = 0, 2
_REGISTRATION = 5  # descriptor tags, 2.6.1 and ETSI EN 300 468, 6.1
_BY_DESCRIPTOR = {0x56: "teletext", 0x59: "DVB subtitles", 0x6A: "AC-3", 0x7A: "E-AC-3", 0x7B: "DTS"}
_BY_REGISTRATION = {b"AC-3": "AC-3", b"EAC3": "E-AC-3", b"HEVC": "HEVC", b"AV01": "AV1", b"Opus": "Opus"}
_BY_REGISTRATION |= {b"BSSD": "SMPTE 302M", b"VVC ": "VVC (H.266)", b"fLaC": "FLAC", b"DTS1": "DTS", b"DTS2": "DTS"}
_PRIVATE = 0x06

H264, HEVC, AAC = "H.264", "HEVC", "AAC"
_KINDS = {0x1B: H264, 0x24: HEVC, 0x0F: AAC, 0x11: "AAC in LATM", 0x03: "MPEG audio (MP2 or MP3)"}
_KINDS |= {0x04: "MPEG audio (MP2 or MP3)", 0x81: "AC-3", 0x87: "E-AC-3", 0x82: "DTS", 0x01: "MPEG-1 video"}
_KINDS |= {0x02: "MPEG-2 video", 0x10: "MPEG-4 part 2", 0x33: "VVC (H.266)", 0xD1: "Dirac", 0xEA: "VC-1"}
_KINDS |= {0x42: "AVS", 0xD2: "AVS2", 0xD4: "AVS3", 0x21: "JPEG 2000", 0x06: "", 0x80: "LPCM"}
VIDEO_KINDS = frozenset((H264, HEVC, "MPEG-1 video", "MPEG-2 video", "MPEG-4 part 2", "VVC (H.266)", "Dirac", "VC-1"))
VIDEO_KINDS |= {"AVS", "AVS2", "AVS3", "JPEG 2000", "AV1"}
AUDIO_KINDS = frozenset((AAC, "AAC in LATM", "MPEG audio (MP2 or MP3)", "AC-3", "E-AC-3", "DTS", "Opus", "FLAC"))
AUDIO_KINDS |= {"SMPTE 302M", "LPCM"}


@dataclass(frozen=True, slots=True)
class ElementaryStream:
    """One stream of a program. `kind` is its codec's name; empty for data that is neither picture nor sound."""

    pid: int
    kind: str


class SectionReader:
    """Puts the sections of one PID together; damaged ones are left out."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._begun = False

    def feed(self, payload: bytes, *, starts: bool) -> list[bytes]:
        """Whole sections, checked, that this packet completes."""
        if starts:
            pointer = payload[0] if payload else 0
            done = self._take(payload[1 : 1 + pointer]) if self._begun else []
            self._data = bytearray()
            self._begun = True
            return done + self._take(payload[1 + pointer :])
        return self._take(payload) if self._begun else []

    def _take(self, piece: bytes) -> list[bytes]:
        self._data += piece
        sections: list[bytes] = []
        while len(self._data) >= 3 and self._data[0] != 0xFF:
            size = 3 + (int.from_bytes(self._data[1:3], "big") & 0xFFF)
            if size > MAX_SECTION_BYTES:
                break
            if len(self._data) < size:
                return sections
            section = bytes(self._data[:size])
            del self._data[:size]
            if crc_32(section) == 0:
                sections.append(section)
        if len(self._data) >= 3:  # stuffing, or damage: wait for the next beginning
            self._data.clear()
            self._begun = False
        return sections


def programs(section: bytes) -> list[int] | None:
    """PIDs of the program maps that a PAT section lists; None if it is no PAT that is valid now."""
    if section[0] != _PAT or len(section) < 12 or not section[5] & 1:
        return None
    entries = section[8:-4]
    return [
        int.from_bytes(entries[at + 2 : at + 4], "big") & 0x1FFF
        for at in range(0, len(entries) - 3, 4)
        if entries[at] or entries[at + 1]  # program 0 is the network's
    ]


def streams(section: bytes) -> list[ElementaryStream] | None:
    """The elementary streams that a PMT section lists; None if it is no PMT that is valid now."""
    if section[0] != _PMT or len(section) < 16 or not section[5] & 1:
        return None
    found, end = [], len(section) - 4
    at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    while at + 5 <= end:
        pid = int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        size = int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF
        descriptors = section[at + 5 : min(at + 5 + size, end)]
        found.append(ElementaryStream(pid, _kind(section[at], descriptors)))
        at += 5 + size
    return found


def _kind(stream_type: int, descriptors: bytes) -> str:
    kind = _KINDS.get(stream_type)
    if kind is None or stream_type == _PRIVATE:
        return _described(descriptors) if stream_type == _PRIVATE else ""
    return kind


def _described(descriptors: bytes) -> str:
    """What private data are, by their descriptors; empty when those do not say."""
    at = 0
    while at + 2 <= len(descriptors):
        tag, body = descriptors[at], descriptors[at + 2 : at + 2 + descriptors[at + 1]]
        if tag == _REGISTRATION and body[:4] in _BY_REGISTRATION:
            return _BY_REGISTRATION[body[:4]]
        if tag in _BY_DESCRIPTOR:
            return _BY_DESCRIPTOR[tag]
        at += 2 + descriptors[at + 1]
    return ""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return tuple(table)


_CRC = _crc_table()


def crc_32(data: bytes) -> int:
    """CRC-32/MPEG-2 (annex A); 0 over a section with its own CRC at the end."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _CRC[value >> 24 ^ byte]
    return value

"""What libsrt measures on a connection: the head of its CBytePerfMon."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """What libsrt counted on one connection since it began, and measures now."""

    received_packets: int
    lost_packets: int
    """Missed at first; most of them came again in time."""
    retransmitted_packets: int
    dropped_packets: int
    """Never came in time: these are holes in the stream."""
    rtt_ms: float
    bandwidth_bps: int
    """The link's capacity as libsrt estimates it."""
    latency_ms: int
    """The time in which a lost packet may still come again, as agreed with the caller."""


def _fields(kind: type, *names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, kind) for name in names)


class PerfMon(ctypes.Structure):
    """The head of CBytePerfMon (srt.h), down to the last field that is read here."""

    _fields_ = (
        *_fields(ctypes.c_int64, "msTimeStamp", "pktSentTotal", "pktRecvTotal"),
        *_fields(ctypes.c_int, "pktSndLossTotal", "pktRcvLossTotal", "pktRetransTotal", "pktSentACKTotal"),
        *_fields(ctypes.c_int, "pktRecvACKTotal", "pktSentNAKTotal", "pktRecvNAKTotal"),
        *_fields(ctypes.c_int64, "usSndDurationTotal"),
        *_fields(ctypes.c_int, "pktSndDropTotal", "pktRcvDropTotal", "pktRcvUndecryptTotal"),
        *_fields(ctypes.c_uint64, "byteSentTotal", "byteRecvTotal", "byteRcvLossTotal", "byteRetransTotal"),
        *_fields(ctypes.c_uint64, "byteSndDropTotal", "byteRcvDropTotal", "byteRcvUndecryptTotal"),
        *_fields(ctypes.c_int64, "pktSent", "pktRecv"),
        *_fields(ctypes.c_int, "pktSndLoss", "pktRcvLoss", "pktRetrans", "pktRcvRetrans", "pktSentACK"),
        *_fields(ctypes.c_int, "pktRecvACK", "pktSentNAK", "pktRecvNAK"),
        *_fields(ctypes.c_double, "mbpsSendRate", "mbpsRecvRate"),
        *_fields(ctypes.c_int64, "usSndDuration"),
        *_fields(ctypes.c_int, "pktReorderDistance"),
        *_fields(ctypes.c_double, "pktRcvAvgBelatedTime"),
        *_fields(ctypes.c_int64, "pktRcvBelated"),
        *_fields(ctypes.c_int, "pktSndDrop", "pktRcvDrop", "pktRcvUndecrypt"),
        *_fields(ctypes.c_uint64, "byteSent", "byteRecv", "byteRcvLoss", "byteRetrans"),
        *_fields(ctypes.c_uint64, "byteSndDrop", "byteRcvDrop", "byteRcvUndecrypt"),
        *_fields(ctypes.c_double, "usPktSndPeriod"),
        *_fields(ctypes.c_int, "pktFlowWindow", "pktCongestionWindow", "pktFlightSize"),
        *_fields(ctypes.c_double, "msRTT", "mbpsBandwidth"),
        *_fields(ctypes.c_int, "byteAvailSndBuf", "byteAvailRcvBuf"),
        *_fields(ctypes.c_double, "mbpsMaxBW"),
        *_fields(ctypes.c_int, "byteMSS", "pktSndBuf", "byteSndBuf", "msSndBuf", "msSndTsbPdDelay"),
        *_fields(ctypes.c_int, "pktRcvBuf", "byteRcvBuf", "msRcvBuf", "msRcvTsbPdDelay"),
    )

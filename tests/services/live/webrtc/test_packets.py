"""RTP, RTCP and STUN: what comes in is checked, what goes out can be read by others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import aioice.stun
import aiortc.rtp
import pytest

from skyriver.services.live.webrtc import rtp, stun
from skyriver.services.live.webrtc.errors import BadPacket
from skyriver.services.live.webrtc.h264 import Depacketiser, packetise
from skyriver.services.live.webrtc.lip_sync import LipSync
from skyriver.services.live.webrtc.reorder import InOrder, Reorder

PASSWORD = "a password of twenty-two"


def check() -> bytes:
    """A connectivity check as another implementation makes it."""
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    message.attributes["USERNAME"] = "ours:theirs"
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(PASSWORD.encode())
    return bytes(message)


def test_a_check_is_read_and_its_answer_is_read_by_others() -> None:
    request = stun.parse_request(check())
    assert request is not None
    assert (request.local_fragment, request.use_candidate) == ("ours", True)
    assert request.is_signed_with(PASSWORD) and not request.is_signed_with("another")
    for address in (("203.0.113.7", 40_000), ("2001:db8::7", 40_001)):
        answer = aioice.stun.parse_message(stun.success(request, address, PASSWORD))
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == address
        assert answer.check_message_integrity(PASSWORD.encode())


def as_others_read(packet: bytes) -> list[Any]:
    return list(aiortc.rtp.RtcpPacket.parse(packet))


def test_reports_and_requests_are_read_by_others() -> None:
    block = rtp.Reception(7, 12, 345, 70_000, 90, 1, 2)
    whole = rtp.receiver_report(1, [block]) + rtp.maximum_bitrate(1, [7], 2_500_000)
    report, remb = as_others_read(whole)
    assert (report.reports[0].packets_lost, report.reports[0].fraction_lost) == (345, 12)
    bps, ssrcs = aiortc.rtp.unpack_remb_fci(remb.fci)
    assert ssrcs == [7] and 2_490_000 <= bps <= 2_500_000
    (nack,) = as_others_read(rtp.negative_acknowledgement(1, 7, [65_535, 0, 3, 40]))
    assert sorted(number % 65_536 for number in nack.lost) == [0, 3, 40, 65_535]
    described = rtp.sender_report(5, 1 << 40, 9, 10, 11) + rtp.source_description(5, "skyriver")
    sent, description = as_others_read(described)
    assert (sent.sender_info.ntp_timestamp, description.chunks[0].items) == (1 << 40, [(1, b"skyriver")])


def test_what_others_report_is_read() -> None:
    nack = aiortc.rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=7)
    nack.lost = [5, 9, 600]
    pli = aiortc.rtp.RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7)
    found = list(rtp.parse_rtcp(bytes(nack) + bytes(pli)))
    assert found == [rtp.Lost(7, (5, 9, 600)), rtp.KeyframeRequest(7)]


def test_noise_is_refused_and_never_a_fault_of_ours() -> None:
    seed = 7
    dice = random.Random(seed)
    samples = [check(), rtp.receiver_report(1, [rtp.Reception(7, 1, 2, 3, 4, 5, 6)])]
    samples.append(rtp.build_rtp(rtp.RtpPacket(96, True, 1, 2, 3, b"abc")))
    for _ in range(6000):
        noise = bytearray(dice.choice(samples))
        for _ in range(dice.randint(1, 8)):
            noise[dice.randrange(len(noise))] = dice.randrange(256)
        del noise[dice.randint(1, len(noise)) :]
        for read in (stun.parse_request, rtp.parse_rtp, lambda data: list(rtp.parse_rtcp(data))):
            with suppress(BadPacket):
                read(bytes(noise))


# --- order ----------------------------------------------------------------------------------------------------------


def packet(sequence: int, timestamp: int = 0, payload: bytes = b"x", *, marker: bool = False) -> rtp.RtpPacket:
    return rtp.RtpPacket(96, marker, sequence & 0xFFFF, timestamp, 7, payload)


def numbers(items: Iterator[InOrder]) -> list[tuple[int, bool]]:
    return [(item.packet.sequence, item.after_hole) for item in items]


def test_packets_come_into_order_over_the_wrap_of_their_numbers() -> None:
    order = Reorder(patience_s=0.2)
    assert numbers(order.take(packet(65_534), 0.0)) == [(65_534, False)]
    assert numbers(order.take(packet(0), 0.01)) == []
    assert order.to_ask(0.01) == [65_535]
    assert order.to_ask(0.02) == []  # asked a moment ago
    assert numbers(order.take(packet(65_535), 0.03)) == [(65_535, False), (0, False)]
    assert numbers(order.take(packet(65_535), 0.04)) == []  # came twice
    assert (order.lost, order.to_ask(1.0)) == (0, [])


def test_a_hole_is_asked_for_and_given_up_in_time() -> None:
    order = Reorder(patience_s=0.2, retry_s=0.05)
    numbers(order.take(packet(10), 0.0))
    assert numbers(order.take(packet(13), 0.0)) == []
    assert order.to_ask(0.0) == [11, 12]
    assert order.to_ask(0.06) == [11, 12]
    assert numbers(order.expire(0.19)) == []
    assert numbers(order.expire(0.21)) == [(13, True)]
    assert (order.lost, order.to_ask(0.3)) == (2, [])
    assert numbers(order.take(packet(12), 0.3)) == []  # too late


def test_any_order_of_any_loss_ends_in_order_and_bounded() -> None:
    seed = 11
    dice = random.Random(seed)
    order = Reorder(patience_s=0.1, max_held=64)
    numbers_sent = list(range(65_000, 70_000))
    arriving = [n + dice.randint(0, 20) * dice.random() for n in numbers_sent if dice.random() > 0.05]
    order_of = sorted(range(len(arriving)), key=arriving.__getitem__)
    out: list[int] = []
    for step, index in enumerate(order_of):
        for item in order.take(packet(numbers_sent[index]), step / 1000):
            out.append(item.packet.sequence)
    out += [item.packet.sequence for item in order.expire(1e9)]
    unwrapped = [n if n > 30_000 else n + 65_536 for n in out]
    assert unwrapped == sorted(set(unwrapped))
    assert len(out) > 4000


# --- pictures ---------------------------------------------------------------------------------------------------------


SPS, PPS, IDR, SLICE = b"\x67abc", b"\x68d", b"\x65" + bytes(5000), b"\x41" + bytes(2500)


def sent(nals: list[bytes], sequence: int, timestamp: int) -> list[rtp.RtpPacket]:
    return [packet(sequence + i, timestamp, p, marker=m) for i, (p, m) in enumerate(packetise(nals))]


def test_pictures_survive_the_way_through_packets() -> None:
    depacketiser = Depacketiser()
    packets = sent([SPS, PPS, IDR], 0, 900) + sent([SLICE], 100, 3900)
    assert all(len(p.payload) <= 1110 for p in packets)
    found = [unit for p in packets for unit in depacketiser.take(InOrder(p, False))]
    assert found == [(900, [SPS, PPS, IDR]), (3900, [SLICE])]


def test_after_a_hole_nothing_comes_out_before_a_keyframe() -> None:
    depacketiser = Depacketiser()
    key, first, second = (sent([SPS, PPS, IDR], 0, 0), sent([SLICE], 9, 1), sent([SLICE], 20, 2))

    def take(packets: list[rtp.RtpPacket], *, hole: bool = False) -> int:
        return len([u for i, p in enumerate(packets) for u in depacketiser.take(InOrder(p, hole and i == 0))])

    assert take(first) == 0  # nobody can decode what began before
    assert take(key) == 1 and take(second) == 1
    assert take(first[1:], hole=True) == 0
    assert take(second) == 0
    assert take(key) == 1 and take(second) == 1
    assert depacketiser.dropped == 3


# --- lips -------------------------------------------------------------------------------------------------------------


def ntp(seconds: float) -> int:
    return int(seconds * (1 << 32))


def test_sound_moves_to_where_reports_say_it_belongs() -> None:
    sync = LipSync()
    assert sync.wire_ms("video", 90_000, 10_000.0) == 10_000
    assert sync.wire_ms("audio", 48_000, 10_180.0) == 10_180  # it was made together with the picture, and came later
    sync.report("video", rtp.SenderReport(1, ntp(5000.0), 90_000))
    sync.report("audio", rtp.SenderReport(2, ntp(5000.0), 48_000))
    assert sync.wire_ms("video", 90_000 + 9000, 10_100.0) == 10_100
    assert sync.wire_ms("audio", 48_000 + 4800, 10_280.0) == 10_100
    sync.report("audio", rtp.SenderReport(2, ntp(5000.110), 48_000 + 4800))  # 10 ms of drift: by small steps
    assert sync.wire_ms("audio", 48_000 + 9600, 10_380.0) == 10_202


@pytest.mark.parametrize("wall", [0.0, 99_000.0])
def test_nonsense_in_reports_moves_nothing(wall: float) -> None:
    sync = LipSync()
    sync.wire_ms("video", 0, 1000.0)
    sync.wire_ms("audio", 0, 1000.0)
    sync.report("video", rtp.SenderReport(1, ntp(5000.0), 0))
    sync.report("audio", rtp.SenderReport(2, ntp(wall), 0))
    assert sync.wire_ms("audio", 4800, 1100.0) == 1100


def test_times_go_on_over_the_wrap_of_rtp() -> None:
    sync = LipSync()
    first = sync.wire_ms("video", (1 << 32) - 3000, 500.0)
    assert sync.wire_ms("video", 0, 533.0) - first == 33

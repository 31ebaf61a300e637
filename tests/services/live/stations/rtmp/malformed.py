"""Hostile and broken RTMP conversations, the same for the same seed; also for `bench/rtmp_fuzz.py`."""

from __future__ import annotations

import random

from tests.services.live.stations.rtmp.wire import HANDSHAKE, setup, whole_stream


def malformed(rng: random.Random, good_key: str) -> bytes:
    """One hostile or broken conversation."""
    key = good_key if rng.random() < 0.7 else "bad"
    stream = bytearray(whole_stream(key, chunk_bytes=rng.choice((1, 128, 4096))))
    kind = rng.randrange(9)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 4000))
    if kind == 1:
        return b"\x03" + rng.randbytes(rng.randrange(0, 6000))
    if kind == 2:
        return HANDSHAKE + rng.randbytes(rng.randrange(1, 3000))
    if kind == 3:
        return setup(key) + rng.randbytes(rng.randrange(1, 3000))
    if kind == 4:
        return bytes(stream[: rng.randrange(len(stream))])
    if kind == 5:  # bit flips after the handshake
        for _ in range(rng.randint(1, 20)):
            stream[rng.randrange(3073, len(stream))] ^= 1 << rng.randrange(8)
        return bytes(stream)
    if kind == 6:  # a piece repeated or left out
        a, b = sorted(rng.randrange(3073, len(stream)) for _ in range(2))
        return bytes(stream[:b] + stream[a:]) if rng.random() < 0.5 else bytes(stream[:a] + stream[b:])
    if kind == 7:  # claims of endless messages
        claim = rng.choice((0xFFFFFF, 0x800000, 0x10000)).to_bytes(3, "big")
        header = b"\x06\0\0\0" + claim + bytes((rng.randrange(256),)) + b"\1\0\0\0"
        return setup(key) + header + bytes(rng.randrange(60_000))
    return rng.choice(
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\1\0\1\xfc", b"SSH-2.0-x\r\n", b"\x03")
    )

"""What an RTSP server may say on its way to FFmpeg: never a redirect, however it is cut or dressed."""

from __future__ import annotations

import random

import pytest

from skyriver.services.live.relaying.rtsp_door import HEADER_BYTES_MAX, RedirectWatch

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n"
MEDIA = b"$\x00\x00\x0cRTSP/1.0 302"
REDIRECT = b"RTSP/1.0 302 Found\r\nLocation: rtsp://10.0.0.1/\r\n\r\n"


def passes(data: bytes, seed: int | None = None) -> bool:
    """Whether all of it goes through, whole or cut at random places."""
    watch = RedirectWatch()
    if seed is None:
        return watch.allows(data)
    chance, at = random.Random(seed), 0
    while at < len(data):
        step = chance.randint(1, 7)
        if not watch.allows(data[at : at + step]):
            return False
        at += step
    return True


@pytest.mark.parametrize("seed", [None, *range(20)])
def test_answers_bodies_and_media_pass(seed: int | None) -> None:
    assert passes(OK + MEDIA + MEDIA + OK + b"RTSP/1.0 401 Unauthorized\r\n\r\n", seed)


@pytest.mark.parametrize("seed", [None, *range(20)])
def test_a_redirect_does_not(seed: int | None) -> None:
    assert not passes(OK + MEDIA + REDIRECT, seed)


@pytest.mark.parametrize(
    "said",
    [
        REDIRECT,
        b"\r\n" + REDIRECT,
        b"RTSP/1.0  302 Found\r\n\r\n",
        b"RTSP/1.0 +302 Found\r\n\r\n",
        b"RTSP/1.0\x0b200 302\r\n\r\n",
        b"RTSP/1.0 \x00302\r\n\r\n",
        b"RTSP/2.0 302 Found\r\n\r\n",
        b"RT\rSP/1.0 3\r02 Found\r\n\r\n",
        b"REDIRECT rtsp://a.test/ RTSP/1.0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nl: 200\r\n\r\n" + REDIRECT,
        b"RTSP/1.0 200 OK\r\nX: y\rContent-Length: 200\r\n\r\n" + REDIRECT,
        b"RTSP/1.0 200 OK\r\nContent-LengthX: 200\r\n\r\n" + REDIRECT,
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0x20\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"A" * (HEADER_BYTES_MAX + 1),
    ],
)
def test_nor_what_only_looks_harmless(said: bytes) -> None:
    assert not passes(said)


def test_noise_is_bounded() -> None:
    for seed in range(200):
        watch = RedirectWatch()
        chance = random.Random(seed)
        for _ in range(50):
            if not watch.allows(chance.randbytes(chance.randint(1, 400))):
                break

"""The catalog and container that players understand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.fabric.hang import AudioTrack, Catalog, VideoTrack, decode_frame, encode_frame
from skyriver.kernel.errors import InvalidInput


@given(st.binary(max_size=200), st.integers(0, (1 << 62) - 1))
def test_frames_survive_the_container(payload: bytes, pts_us: int) -> None:
    decoded_us, decoded = decode_frame(encode_frame(payload, pts_us))
    assert (decoded_us, bytes(decoded)) == (pts_us, payload)


@pytest.mark.parametrize(
    ("pts_us", "header"),
    [(37, "25"), (15293, "7bbd"), (494878333, "9d7f3e7d"), (151288809941952652, "c2197c5eff14e88c")],
)
def test_timestamps_are_quic_integers(pts_us: int, header: str) -> None:
    """The examples of RFC 9000, appendix A.1."""
    assert encode_frame(b"", pts_us).hex() == header


@pytest.mark.parametrize("pts_us", [-1, 1 << 62])
def test_a_timestamp_out_of_range_is_refused(pts_us: int) -> None:
    with pytest.raises(InvalidInput):
        encode_frame(b"x", pts_us)


@given(st.binary(max_size=12))
def test_any_bytes_decode_or_are_refused(frame: bytes) -> None:
    try:
        pts_us, payload = decode_frame(frame)
    except InvalidInput:
        return
    assert pts_us >= 0 and len(payload) < len(frame)


def test_a_catalog_survives_json_and_keeps_foreign_sections() -> None:
    catalog = Catalog(
        {"720p": VideoTrack("avc3.42c01e", 1280, 720, 30.0, 2_000_000, "720p")},
        {"aac": AudioTrack("mp4a.40.2", 48000, 2, bytes.fromhex("1190"), 128_000)},
        {"clock": {"wall": 1}},
    )
    assert Catalog.from_json(catalog.to_json()) == catalog


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{",
        b'{"video":{"renditions":{"a":{}}}}',
        b'{"audio":{"renditions":{"a":{"codec":"x"}}}}',
        pytest.param(b"[" * 100_000, id="deep"),
        b'{"video":{"renditions":{"\\ud800":{"codec":"avc3.42c01e"}}}}',
        b'{"audio":{"renditions":{"a":{"codec":"opus","sampleRate":1e999,"numberOfChannels":2}}}}',
    ],
)
def test_a_broken_catalog_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidInput):
        Catalog.from_json(document)


def test_a_huge_catalog_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(InvalidInput):
        Catalog.from_json(b'{"a":"' + b"x" * 300_000 + b'"}')

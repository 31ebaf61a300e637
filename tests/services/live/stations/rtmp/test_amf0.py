from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.services.live.stations.rtmp import amf0
from skyriver.services.live.stations.rtmp.errors import MalformedRtmp

scalars = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(values, max_size=5))
def test_round_trip(sent: list[amf0.Value]) -> None:
    assert amf0.decode(amf0.encode(*sent)) == sent


@given(st.lists(values, max_size=3), st.data())
def test_cut_anywhere_is_refused_or_shorter(sent: list[amf0.Value], data: st.DataObject) -> None:
    encoded = amf0.encode(*sent)
    cut = data.draw(st.integers(0, len(encoded)))
    try:
        assert len(amf0.decode(encoded[:cut])) <= len(sent)
    except MalformedRtmp:
        assert cut < len(encoded)


@given(st.binary(max_size=200))
def test_garbage_is_refused_in_our_words(garbage: bytes) -> None:
    try:
        amf0.decode(garbage)
    except MalformedRtmp as error:
        assert str(error)


def test_specification_examples() -> None:
    """AMF0 2.2 to 2.13: each marker once."""
    assert amf0.decode(bytes.fromhex("003ff0000000000000")) == [1.0]
    assert amf0.decode(bytes.fromhex("0101")) == [True]
    assert amf0.decode(bytes.fromhex("020003666f6f")) == ["foo"]
    assert amf0.decode(bytes.fromhex("0300016102000162000009")) == [{"a": "b"}]
    assert amf0.decode(bytes.fromhex("05060d")) == [None, None, None]
    assert amf0.decode(bytes.fromhex("080000000100016102000162000009")) == [{"a": "b"}]
    assert amf0.decode(bytes.fromhex("0a000000020501" + "00")) == [[None, False]]
    assert amf0.decode(bytes.fromhex("0b40000000000000000000")) == [2.0]
    assert amf0.decode(bytes.fromhex("0c00000003666f6f")) == ["foo"]
    assert amf0.decode(bytes.fromhex("10000143" + "00016102000162000009")) == [{"a": "b"}]


def test_long_strings() -> None:
    assert amf0.decode(amf0.encode("x" * 70_000)) == ["x" * 70_000]


@pytest.mark.parametrize("hostile", [b"\x03\x00\x01a" * 5000, b"\x0a\0\0\0\1" * 5000, b"\x0a\xff\xff\xff\xff\x05"])
def test_hostile_nesting_and_counts_are_bounded(hostile: bytes) -> None:
    with pytest.raises(MalformedRtmp):
        amf0.decode(hostile)

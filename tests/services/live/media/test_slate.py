"""The slate: decodable from either of its groups, silent, and drawn from whatever it is given."""

from __future__ import annotations

import io

import av
import pytest
from av.audio.frame import AudioFrame
from PIL import Image

from skyriver.services.live.media.slate import SlateLook, SlateShape, draw, make_slate
from tests.services.live.media import samples


def test_its_groups_alternate_and_each_can_be_joined() -> None:
    slate = make_slate(SlateLook("Große Bühne"), SlateShape(320, 180))
    assert slate.codec.startswith("avc3.64")
    first, second = slate.gops
    for order in ((first, second, first), (second, first, first[:3])):
        units = [unit for gop in order for unit in gop]
        pictures = samples.decode_video(list(enumerate(units)))
        assert len(pictures) == len(units)
        assert {(p.width, p.height) for p in pictures} == {(320, 180)}


@pytest.mark.parametrize(("rate_hz", "channels"), [(44_100, 2), (48_000, 1)])
def test_its_sound_is_silence_in_the_sources_shape(rate_hz: int, channels: int) -> None:
    slate = make_slate(SlateLook(), SlateShape(64, 64, rate_hz, channels))
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = slate.sound_config
    heard: list[AudioFrame] = []
    for _ in range(5):
        heard += decoder.decode(av.Packet(slate.sound[0]))
    assert heard and all(f.rate == rate_hz and f.layout.nb_channels == channels for f in heard)
    assert not any(any(bytes(plane)) for f in heard for plane in f.planes)


def test_without_sound_there_is_none() -> None:
    assert make_slate(SlateLook(), SlateShape(64, 64, 0, 0)).sound == ()


def test_a_picture_keeps_its_shape_on_black() -> None:
    out = io.BytesIO()
    Image.new("RGB", (100, 100), (250, 0, 0)).save(out, "JPEG")
    image = draw(SlateLook("x", out.getvalue()), 320, 180)
    assert image.size == (320, 180)
    left, middle = image.getpixel((5, 90)), image.getpixel((160, 90))
    assert left == (0, 0, 0) and isinstance(middle, tuple) and middle[0] > 200


def test_a_name_in_other_letters_is_left_out_and_a_long_one_fits() -> None:
    assert draw(SlateLook("天河"), 640, 360).tobytes() == draw(SlateLook(), 640, 360).tobytes()
    long = draw(SlateLook("W" * 60), 640, 360)
    assert long.crop((0, 0, 20, 360)).tobytes() == draw(SlateLook(), 640, 360).crop((0, 0, 20, 360)).tobytes()


def test_a_source_of_odd_size_has_an_even_slate() -> None:
    shape = SlateShape.like((321, 181), 48_000, 6)
    assert shape == SlateShape(320, 180, 48_000, 2)
    assert len(make_slate(SlateLook(), shape).gops) == 2

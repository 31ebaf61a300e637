"""The pure part of live channels: their ladders, their names."""

from __future__ import annotations

from pydantic import TypeAdapter

from skyriver.platform.web.fields import Slug
from skyriver.services.live.model import (
    PROFILES,
    ProfileName,
    Rendition,
    channel_of,
    fit_ladder,
    home_of,
    slug_from,
    space_of,
)


class TestLadder:
    def test_keeps_the_shape_and_even_sizes(self) -> None:
        fitted = fit_ladder(PROFILES[ProfileName.STANDARD].renditions, 1920, 800)
        assert [(r.name, r.width, r.height) for r in fitted] == [("480p", 854, 356), ("270p", 480, 200)]

    def test_an_upright_picture_gets_an_upright_ladder(self) -> None:
        fitted = fit_ladder([Rendition("480p", 854, 480, 1)], 1080, 1920)
        assert [(r.width, r.height) for r in fitted] == [(480, 854)]

    def test_never_enlarges_nor_repeats_the_source(self) -> None:
        assert fit_ladder(PROFILES[ProfileName.HIGH].renditions, 640, 360) == ()
        assert fit_ladder([Rendition("480p", 854, 480, 1)], 854, 480) == ()

    def test_absurd_shapes_still_give_legal_sizes(self) -> None:
        (line,) = fit_ladder([Rendition("270p", 480, 270, 1)], 8192, 2)
        assert (line.width, line.height) == (480, 2)

    def test_every_profile_goes_down(self) -> None:
        for profile in PROFILES.values():
            assert {a.codec for a in profile.audio} == {"aac", "opus"}
            bitrates = [r.bitrate_bps for r in profile.renditions]
            assert bitrates == sorted(bitrates, reverse=True)


class TestNames:
    def test_slugs(self) -> None:
        assert slug_from("Main Stage — Évora!") == "main-stage-evora"
        assert slug_from("天河") == ""
        assert slug_from("A") == ""
        slug = TypeAdapter(Slug)
        for name in ("x" * 300, "a" * 39 + " b", "Ωmega 2", "--a--b--"):
            slug.validate_python(slug_from(name))

    def test_spaces(self) -> None:
        assert channel_of(space_of("ch_1")) == "ch_1"
        for foreign in ("play/ch_1", "live/", "live", "live/a/b", ""):
            assert channel_of(foreign) is None

    def test_only_the_channels_of_a_lost_node_move(self) -> None:
        channels = [f"ch_{i}" for i in range(200)]
        before = {c: home_of(c, ["n1", "n2", "n3"]) for c in channels}
        after_loss = {c: home_of(c, ["n3", "n1"]) for c in channels}
        assert all(after_loss[c] == home for c, home in before.items() if home != "n2")
        assert {before[c] for c in channels} == {"n1", "n2", "n3"}
        assert home_of("ch_1", []) is None

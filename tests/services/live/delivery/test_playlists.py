"""Playlists of real parts against the rules: RFC 8216, its low-latency successor, and Apple's authoring rules.

Each rule is looked at after every single part of a show, with a player's eyes: what a playlist promises, the next ones
must keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from skyriver.kernel.clock import utc_now
from skyriver.services.live.delivery.feed import ChannelFeed
from skyriver.services.live.delivery.manifest import mpd
from skyriver.services.live.delivery.playlists import media_playlist, multivariant
from skyriver.services.live.delivery.ring import LISTED_SEGMENTS, TrackRing
from tests.services.live.cmaf.tracks import frames, pictures, read
from tests.services.live.delivery.edge import SLOT, add, feed_of, push, sound_units, video_units
from tests.services.live.media import samples
from tests.services.live.media.samples import START_US


@dataclass
class ListedPart:
    uri: str
    duration_s: float
    independent: bool


@dataclass
class ListedSegment:
    sequence: int
    date: datetime
    init: str
    parts: list[ListedPart]
    uri: str = ""
    duration_s: float = 0.0
    gap: bool = False


@dataclass
class Playlist:
    """A media playlist as a player reads it; the last segment has no URI while it is open."""

    tags: dict[str, str]
    segments: list[ListedSegment]
    skipped: int
    hint: str
    reports: dict[str, dict[str, str]] = field(default_factory=dict)

    def number(self, tag: str, attribute: str = "") -> float:
        return float(attributes(self.tags[tag])[attribute] if attribute else self.tags[tag])

    @property
    def complete(self) -> list[ListedSegment]:
        return [segment for segment in self.segments if segment.uri]


def attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)}


def parse(text: str) -> Playlist:
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert text.endswith("\n")
    tags: dict[str, str] = {}
    playlist = Playlist(tags, [], 0, "")
    init, parts, duration_s = "", list[ListedPart](), 0.0
    date: datetime | None = None
    gap = False

    def close(uri: str) -> None:
        nonlocal date, parts, gap
        assert date is not None
        sequence = int(tags["EXT-X-MEDIA-SEQUENCE"]) + playlist.skipped + len(playlist.segments)
        playlist.segments.append(ListedSegment(sequence, date, init, parts, uri, duration_s, gap))
        date, parts, gap = None, [], False

    for line in lines[1:]:
        tag, _, value = line.removeprefix("#").partition(":")
        match tag if line.startswith("#") else "URI":
            case "EXT-X-MAP":
                init = attributes(value)["URI"]
            case "EXT-X-GAP":
                gap = True
            case "EXT-X-PROGRAM-DATE-TIME":
                date = datetime.fromisoformat(value)
            case "EXT-X-PART":
                found = attributes(value)
                parts.append(ListedPart(found["URI"], float(found["DURATION"]), found.get("INDEPENDENT") == "YES"))
            case "EXTINF":
                duration_s = float(value.rstrip(","))
            case "URI":
                close(line)
            case "EXT-X-SKIP":
                playlist.skipped = int(attributes(value)["SKIPPED-SEGMENTS"])
            case "EXT-X-PRELOAD-HINT":
                playlist.hint = attributes(value)["URI"]
            case "EXT-X-RENDITION-REPORT":
                playlist.reports[attributes(value)["URI"]] = attributes(value)
            case _:
                assert tag not in tags, f"{tag} twice"
                tags[tag] = value
    if parts:
        duration_s = 0.0
        close("")
    return playlist


def evening(name: str, slots: int) -> Iterator[tuple[ChannelFeed, TrackRing]]:
    """A channel after each part of one of its tracks; the other tracks go along."""
    feed = feed_of(0.2)
    other = "aac" if name == "180p" else "180p"
    units = {"180p": video_units(slots)[12:], "aac": sound_units(slots)[19:]}
    rest = frames(units[other])
    before = 0
    for frame in frames(units[name]):
        push(feed, name, frame)
        while rest and rest[0].pts_us <= frame.pts_us:
            push(feed, other, rest.pop(0))
        ring = feed.tracks[name].ring
        if ring.part_count > before:
            before = ring.part_count
            yield feed, ring


@pytest.mark.parametrize("name", ["180p", "aac"])
def test_every_playlist_of_an_evening_keeps_the_rules(name: str) -> None:
    seen: dict[int, str] = {}
    hint = ""
    for feed, ring in evening(name, 20):
        playlist = parse(media_playlist(ring, feed.others(name)))
        target_s = playlist.number("EXT-X-TARGETDURATION")
        part_target_s = playlist.number("EXT-X-PART-INF", "PART-TARGET")
        control = attributes(playlist.tags["EXT-X-SERVER-CONTROL"])
        assert target_s == 2
        assert control["CAN-BLOCK-RELOAD"] == "YES"
        assert float(control["PART-HOLD-BACK"]) >= 3 * part_target_s - 1e-9
        assert float(control["CAN-SKIP-UNTIL"]) >= 6 * target_s
        assert int(playlist.tags["EXT-X-VERSION"]) >= 9
        for segment in playlist.segments:
            assert segment.init
            assert segment.date is not None
            for part in segment.parts:
                assert part.duration_s <= part_target_s
            assert all(part.duration_s >= 0.85 * part_target_s for part in segment.parts[:-1])
            if segment.parts:
                assert segment.parts[0].independent
        for segment in playlist.complete:
            assert round(segment.duration_s) <= target_s
            assert seen.setdefault(segment.sequence, segment.uri) == segment.uri, "a sequence number names one segment"
            if segment.parts:
                assert sum(part.duration_s for part in segment.parts) == pytest.approx(segment.duration_s, abs=5e-6)
        for one, following in pairwise(playlist.segments):
            passed_s = (following.date - one.date).total_seconds()
            assert passed_s == pytest.approx(one.duration_s, abs=0.002), "dates go on as durations say"
        newest = playlist.segments[-1]
        if hint:
            assert hint == newest.parts[-1].uri, "the part that was hinted at is the one that came"
        hint = playlist.hint
        assert len(playlist.complete) <= LISTED_SEGMENTS
        listed = [segment for segment in playlist.segments if segment.parts]
        assert sum(s.duration_s or sum(p.duration_s for p in s.parts) for s in listed) < 5 * target_s
        (report,) = playlist.reports.values()
        other = feed.others(name)[0]
        assert int(report["LAST-MSN"]) == other.segments[-1].sequence
        assert int(report["LAST-PART"]) == len(other.segments[-1].parts) - 1
    assert len(playlist.complete) >= 6, "a live playlist has at least six segments"
    assert next(iter(seen)) == SLOT, "media sequence numbers are slots"
    assert sorted(seen) == list(range(SLOT, SLOT + len(seen)))


def test_a_delta_update_and_what_is_known_make_the_whole() -> None:
    skipped = set()
    known: dict[int, ListedSegment] = {}
    for feed, ring in evening("180p", 16):
        whole = parse(media_playlist(ring, feed.others("180p")))
        delta = parse(media_playlist(ring, feed.others("180p"), skip=True))
        skipped.add(delta.skipped)
        first = int(whole.tags["EXT-X-MEDIA-SEQUENCE"])
        assert int(delta.tags["EXT-X-MEDIA-SEQUENCE"]) == first
        merged = [known[first + n] for n in range(delta.skipped)] + delta.segments
        assert [(s.sequence, s.uri, s.date) for s in merged] == [(s.sequence, s.uri, s.date) for s in whole.segments]
        assert (delta.hint, delta.reports) == (whole.hint, whole.reports)
        known |= {segment.sequence: segment for segment in whole.complete}
    assert {0, 2, 5} <= skipped


def test_what_is_missing_is_named_so_that_durations_add_up_to_media_time() -> None:
    feed = feed_of(2.5)
    ring = feed.tracks["180p"].ring
    add(feed, "180p", video_units(9, begin_us=START_US + 12_000_000))
    playlist = parse(media_playlist(ring))
    assert [segment.gap for segment in playlist.segments] == [False] * 3 + [True] * 4 + [False] * 9
    for one, following in pairwise(playlist.segments):
        passed_s = (following.date - one.date).total_seconds()
        assert passed_s == pytest.approx(one.duration_s, abs=0.002)
        assert one.duration_s <= playlist.number("EXT-X-TARGETDURATION")
    sequences = {segment.uri: segment.sequence for segment in playlist.segments if not segment.gap}
    assert sequences == {f"{s.number}.m4s" if s.complete else "": s.sequence for s in ring.listed()}
    delta = parse(media_playlist(ring, skip=True))
    assert delta.skipped > 7, "what is missing is skipped as well"
    assert [(s.sequence, s.uri) for s in delta.segments] == [
        (s.sequence, s.uri) for s in playlist.segments[delta.skipped :]
    ]


def test_after_a_long_interruption_the_playlist_begins_anew_and_numbers_go_on() -> None:
    feed = feed_of(3.0)
    before = parse(media_playlist(feed.tracks["180p"].ring))
    add(feed, "180p", video_units(2, begin_us=START_US + 3_600_000_000))
    after = parse(media_playlist(feed.tracks["180p"].ring))
    assert not any(segment.gap for segment in after.segments)
    assert after.segments[0].uri == f"{SLOT + 1800}.m4s"
    assert after.segments[0].sequence > before.segments[-1].sequence


def test_tracks_never_differ_in_discontinuities_whatever_happens_to_one_of_them() -> None:
    feed = feed_of(4.0)
    add(feed, "source", samples.video(4.0))
    add(feed, "source", samples.video(4.0, width=320, height=180, start_us=START_US + 4_000_000))  # another input
    add(feed, "180p", video_units(2, begin_us=START_US + 20_000_000))  # the ladder was away for a while
    for track in feed.tracks.values():
        text = media_playlist(track.ring, feed.others(track.ring.name))
        assert "DISCONTINUITY" not in text
        # What joins them instead: the media's own times are those that the playlist says, in every track.
        listed = [segment for segment in parse(text).segments if segment.uri and not segment.gap]
        held = [segment for segment in track.ring.segments if segment.complete]
        for said, segment in zip(listed, held, strict=True):
            # The sound's dates are never less cut down than the picture's: hls.js would wait for what it has.
            cut_us = segment.start_us - said.date.timestamp() * 1e6
            assert 0 <= cut_us + 0.5 < 1001 if segment.init.video else 2000 <= cut_us + 0.5 < 3001
            assert said.init == segment.init.name
            decoded = pictures(segment.parts) if segment.init.video else [pts for _, pts, _, _ in read(segment.parts)]
            assert decoded[0] == pytest.approx(segment.start_us, abs=100)
    inits = [segment.init.name for segment in feed.tracks["source"].ring.segments]
    assert inits[0] == inits[1] != inits[2] == inits[3]


def test_another_size_has_a_map_of_its_own() -> None:
    feed = feed_of(2.0)
    add(feed, "180p", samples.video(4.0, start_us=START_US + 4_000_000))
    playlist = parse(media_playlist(feed.tracks["180p"].ring))
    assert len({segment.init for segment in playlist.segments}) == 2
    inits = [segment.init for segment in playlist.segments]
    assert inits[0] == inits[1] != inits[2] == inits[3]


def test_a_source_of_long_gops_has_longer_segments_and_says_so() -> None:
    feed = feed_of(1.0)
    add(feed, "source", samples.video(16.0, gop=125))
    playlist = parse(media_playlist(feed.tracks["source"].ring))
    assert playlist.number("EXT-X-TARGETDURATION") == 4
    assert all(round(segment.duration_s) <= 4 for segment in playlist.complete)
    numbers = [segment.sequence for segment in playlist.segments]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_slow_track_has_longer_parts_and_one_pause_changes_nothing() -> None:
    feed = feed_of(1.0)
    units = video_units(6)
    add(feed, "180p", [unit for n, unit in enumerate(units) if n >= 60 and not 130 <= n < 170])
    add(feed, "slow", samples.video(8.0, fps=2, gop=4))
    paused, slow = (parse(media_playlist(feed.tracks[name].ring)) for name in ("180p", "slow"))
    assert paused.number("EXT-X-PART-INF", "PART-TARGET") == 0.22
    assert 0.5 <= slow.number("EXT-X-PART-INF", "PART-TARGET") <= 0.51


def test_the_multivariant_playlist_says_what_a_player_chooses_by() -> None:
    feed = feed_of()
    add(feed, "source", samples.video(16.0))
    videos, audio = feed.renditions()
    lines = multivariant(videos, audio).splitlines()
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in lines
    (media,) = (attributes(line) for line in lines if line.startswith("#EXT-X-MEDIA:"))
    assert (media["TYPE"], media["URI"], media["CHANNELS"]) == ("AUDIO", "aac/index.m3u8", "2")
    variants = [(attributes(tag), uri) for tag, uri in pairwise(lines) if tag.startswith("#EXT-X-STREAM-INF:")]
    assert [uri for _, uri in variants] == ["180p/index.m3u8", "source/index.m3u8"]
    for found, uri in variants:
        ring = feed.tracks[uri.split("/")[0]].ring
        sound = feed.tracks["aac"].ring
        peak_bps = max(s.size_bytes * 8e6 / s.duration_us for s in ring.segments if s.complete)
        peak_bps += max(s.size_bytes * 8e6 / s.duration_us for s in sound.segments if s.complete)
        assert peak_bps <= int(found["BANDWIDTH"]) <= 1.25 * peak_bps
        assert int(found["AVERAGE-BANDWIDTH"]) <= int(found["BANDWIDTH"])
        assert re.fullmatch(r"avc1\.[0-9a-f]{6},mp4a\.40\.2", found["CODECS"])
        assert found["AUDIO"] == media["GROUP-ID"]
        assert found["FRAME-RATE"] == "30.000"
        assert found["CLOSED-CAPTIONS"] == "NONE"
    assert [found["RESOLUTION"] for found, _ in variants] == ["320x180", "640x360"]


def test_sound_alone_is_a_variant() -> None:
    feed = feed_of()
    del feed.tracks["180p"]
    videos, audio = feed.renditions()
    text = multivariant(videos, audio)
    assert "#EXT-X-MEDIA" not in text
    assert text.splitlines()[-1] == "aac/index.m3u8"


def test_the_manifest_lists_the_segments_that_there_are() -> None:
    feed = feed_of()
    add(feed, "180p", video_units(3, begin_us=START_US + 40_000_000))
    videos, audio = feed.renditions()
    rings = {name: track.ring for name, track in feed.tracks.items()}
    root = ElementTree.fromstring(mpd(videos, audio, rings, now=utc_now(), available_s=30.0))
    space = {"d": "urn:mpeg:dash:schema:mpd:2011"}
    assert root.attrib["type"] == "dynamic"
    found = {one.attrib["id"]: one for one in root.findall(".//d:Representation", space)}
    assert list(found) == ["180p", "aac"]
    for name, one in found.items():
        template = one.find("d:SegmentTemplate", space)
        assert template is not None
        assert template.attrib["initialization"].removeprefix("$RepresentationID$/") in rings[name].inits
        listed = [(int(s.attrib["t"]), int(s.attrib["d"])) for s in one.findall(".//d:S", space)]
        assert listed == [(s.start_us, s.duration_us) for s in rings[name].listed() if s.complete]
    starts = [int(s.attrib["t"]) for s in found["180p"].findall(".//d:S", space)]
    assert starts[-2:] == [START_US + 40_000_000, START_US + 42_000_000], "the interruption is left out"

"""Captions over HLS: in step with the other playlists, each cue where it is on the screen, nothing of a stranger's."""

from __future__ import annotations

from skyriver.fabric import SLOT_US, CaptionTrack
from skyriver.services.live.captions.model import KEPT_CUES, Cue, decode_cues, encode_cues, with_cue
from skyriver.services.live.delivery.captions import MAX_CUES, CaptionFeed, segment_text
from tests.services.live.cmaf.tracks import frames
from tests.services.live.delivery.edge import SLOT, feed_of, push, running_edge, video_units
from tests.services.live.media.samples import START_US

S = 1_000_000


def at(second: float, text: str, duration_s: float = 2) -> Cue:
    start_us = START_US + int(second * S)
    return Cue(start_us, start_us + int(duration_s * S), text)


async def test_a_language_is_a_rendition_in_step_with_the_sound() -> None:
    feed = feed_of()
    feed.captions["captions-en"] = one = CaptionFeed(CaptionTrack("en", 'The "English"'))
    one.add([at(1, "First."), at(3, "Over\nthe edge", 2)])
    async with running_edge(feed) as edge:
        variants = (await edge.get(f"{edge.base}/index.m3u8")).body.decode()
        assert 'TYPE=SUBTITLES,GROUP-ID="captions",NAME="The \'English\'",LANGUAGE="en"' in variants
        assert variants.count('SUBTITLES="captions"') == 1
        answer = await edge.get(f"{edge.base}/captions-en/index.m3u8")
        lines = answer.body.decode().splitlines()
        sound = (await edge.get(f"{edge.base}/aac/index.m3u8")).body.decode().splitlines()
        for tag in ("#EXT-X-MEDIA-SEQUENCE", "#EXT-X-TARGETDURATION", "#EXTINF"):
            mine, theirs = ([line for line in each if line.startswith(tag)] for each in (lines, sound))
            assert mine == theirs and mine
        names = [line for line in lines if not line.startswith("#")]
        assert names[:3] == [f"{SLOT}.vtt", f"{SLOT + 1}.vtt", f"{SLOT + 2}.vtt"]
        texts = [(await edge.get(f"{edge.base}/captions-en/{name}")).body.decode() for name in names[:3]]
        gone = await edge.get(f"{edge.base}/captions-en/{SLOT - 1}.vtt")
        assert (gone.status, (await edge.get(f"{edge.base}/captions-fr/index.m3u8")).status) == (404, 404)
    assert ["First." in text for text in texts] == [True, True, False]  # it ends a second into the second segment
    assert ["Over\nthe edge\n" in text for text in texts] == [False, True, True]


async def test_a_playlist_that_is_asked_for_ahead_comes_with_its_segment() -> None:
    feed = feed_of()
    feed.captions["captions-en"] = CaptionFeed(CaptionTrack("en"))
    ring = feed.tracks["180p"].ring
    async with running_edge(feed) as edge:
        assert feed.pace is feed.tracks["aac"].ring
        del feed.tracks["aac"]
        assert feed.pace is ring
        newest = ring.segments[-1].sequence
        refused = await edge.get(f"{edge.base}/captions-en/index.m3u8?_HLS_msn={newest + 9}")
        assert refused.status == 400
        for frame in frames(video_units(10)[round(8.3 * 60) :]):
            push(feed, "180p", frame)
        answer = await edge.get(f"{edge.base}/captions-en/index.m3u8?_HLS_msn={newest}")
        assert f"{ring.segments[-2].number}.vtt" in answer.body.decode()


def test_times_are_those_of_the_media_clock() -> None:
    text = segment_text([at(-1, "Before.", 3)], START_US, START_US + SLOT_US)
    zero_us = START_US - 120 * S
    assert f"X-TIMESTAMP-MAP=MPEGTS:{zero_us * 9 // 100 % (1 << 33)},LOCAL:00:00:00.000" in text
    assert "00:01:59.000 --> 00:02:02.000\nBefore.\n" in text


def test_a_cue_cannot_bring_markup_or_cues_of_its_own() -> None:
    text = segment_text([at(0, "<b>a</b> & b\n\n00:00:00.000 --> 00:00:09.000\nforged")], START_US, START_US + SLOT_US)
    assert "&lt;b&gt;a&lt;/b&gt; &amp; b" in text
    assert text.count(" --> ") == 1 and "00:00:00.000 --&gt; 00:00:09.000" in text


def test_a_feed_forgets_the_oldest_and_a_correction_replaces() -> None:
    feed = CaptionFeed(CaptionTrack("en"))
    feed.add(at(second, str(second)) for second in range(MAX_CUES + 5))
    feed.add([at(7, "corrected")])
    assert len(feed.cues) == MAX_CUES and min(feed.cues) == at(5, "").start_us
    assert feed.cues[at(7, "").start_us].text == "corrected"


def test_a_frame_holds_what_somebody_who_joins_now_should_see() -> None:
    cues: tuple[Cue, ...] = ()
    for second in range(30):
        cues = with_cue(cues, at(second, str(second)))
    assert [cue.text for cue in cues] == [str(second) for second in range(22, 30)] and len(cues) == KEPT_CUES
    assert [cue.text for cue in with_cue(cues, at(29, "29, corrected"))][-1] == "29, corrected"
    assert decode_cues(encode_cues(cues)) == cues
    for damaged in (b"", b"{}", b"[1]", b'[{"start_us":5,"end_us":5,"text":""}]', b"[" * 100_000, b"\xff"):
        assert decode_cues(damaged) == ()

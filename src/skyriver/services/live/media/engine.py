r"""The transcoding engine: one channel's H.264 and AAC in, its ladder and Opus out. No network, no event loop.

Theory of operation
-------------------
    video(unit) -> [inbox] -> decoder thread -> [pictures] -> rendition thread -> sink
                                            \-> [pictures] -> rendition thread -> sink      (one a rendition)
    audio(unit) -> [inbox] -> audio thread -> sink

The source itself and its sound do not pass through here: whoever feeds the engine publishes them untouched. A channel
with a loudness of its own is the exception: its sound is made here in both codecs.

Every box is bounded, and in live use nothing ever waits to put. What overflow does:
- compressed video: the whole inbox is thrown away and decoding goes on at the next keyframe, since a picture whose
  reference is missing cannot be decoded;
- pictures: the oldest one is dropped; the rest still encodes well. A machine too slow for the ladder would gather
  seconds of compressed video before the inbox is full: from BEHIND_UNITS on, most pictures are decoded only, so that
  the ladder loses pictures rather than time;
- audio: the newest frame is dropped, and makes a gap of 20 ms.
Keyframes are placed by time (the first picture of each 2-second slot), so that no drop can move a boundary.

A cold start in the middle of a slot gets the slot so far in one go. Those pictures are decoded, which costs a
millisecond each, but not encoded: the first picture out is the one at the live edge, as a keyframe, in the slot's own
group (see `live_edge`).

When the source becomes another one (`splice`), the decoder gives out what it still holds and begins anew with the GOP
that the new source is in the middle of. Of that, what is later than the last picture shown is encoded, the first one as
a keyframe that opens a group of its own: the ladder goes on where it was, without waiting for the source's keyframe.

Threads, not processes: scaling, encoding and decoding release the GIL. An error in any of them is counted and the
codec is opened anew; no thread ends before `close`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.frame import VideoFrame

from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.aac import AAC
from skyriver.services.live.media.counters import Counters
from skyriver.services.live.media.decoder import H264, VideoDecoder
from skyriver.services.live.media.ladder import JOIN_TIMEOUT_S, Ladder
from skyriver.services.live.media.live_edge import LiveEdge
from skyriver.services.live.media.mailbox import Mailbox, MailboxClosed
from skyriver.services.live.media.opus import OPUS
from skyriver.services.live.media.quality import ChosenLadder, LadderChooser, QualityProbe, Verdict
from skyriver.services.live.media.sound import Coding, SoundTranscoder
from skyriver.services.live.media.units import Sink, SoundSource, Splice, Unit
from skyriver.services.live.media.video_encoder import gpu_encoder
from skyriver.services.live.model import Rendition

INBOX_UNITS = 300  # compressed video: 5 s at 60 fps, so that a whole slot can arrive at once on a cold start
BEHIND_UNITS, BEHIND_ONE_OF = 8, 3  # a quarter of a second at 30 fps; then a third of the pictures is encoded
AUDIO_UNITS = 250  # 5 s of AAC

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Looks at what passes, from the engine's threads. It must be quick, not raise, and change nothing."""

    def picture(self, frame: VideoFrame) -> None:
        """One decoded picture, stamped in microseconds."""
        ...

    def sound(self, frame: AudioFrame) -> None:
        """Decoded sound: 48 kHz, interleaved floats, mono or stereo."""
        ...


class Engine:
    """Transcodes one channel.

    Args:
        renditions: the ladder as boxes; what is not smaller than the source is left out, again whenever it changes.
        sink: gets every output, from several threads, in order within a track.
        opus_bitrate_bps: for stereo; 0 for no sound at all.
        aac_bitrate_bps: the same for AAC, which is made where the source's sound is Opus.
        loudness_lufs: programme loudness that the sound is brought to, in AAC and Opus, whichever the source's is. 0
            leaves it as it comes.
        live: drop rather than wait. False for files and benchmarks: feeding waits, and nothing is left out.
        fps: the source's nominal rate, a hint to rate control.
        clock: media time now; its differences tell a burst from the publisher's pace.
        adaptive_quality: let samples of the pictures decide how good each rendition must be, below its bit rate, and
            which renditions there are.
        fixed_ladder: keep to `renditions` and their bit rates all the same.
        observer: sees what is decoded. Without a ladder only keyframes are decoded for it: they cost next to nothing.
    """

    def __init__(
        self,
        renditions: Sequence[Rendition],
        sink: Sink,
        *,
        opus_bitrate_bps: int = 96_000,
        aac_bitrate_bps: int = 128_000,
        loudness_lufs: int = 0,
        live: bool = True,
        fps: float = 30.0,
        clock: Callable[[], int] | None = None,
        adaptive_quality: bool = False,
        fixed_ladder: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self._sink = sink
        self._live = live
        self._observer = observer
        self._keyframes_only = not renditions
        self._clock = clock or MediaClock().now_us
        self._edge = LiveEdge()
        self._encode_from_us: int | None = None if live else 0
        self._left_out = 0  # in a row, while behind
        self._last_us = -1  # the newest picture that went on to the ladder
        self._opus_bitrate_bps = opus_bitrate_bps
        self._aac_bitrate_bps = aac_bitrate_bps
        self._loudness_lufs = loudness_lufs
        self._video_codec = H264
        self.counters = Counters()
        self._inbox: Mailbox[Unit | Splice] = Mailbox(INBOX_UNITS)
        by_software = adaptive_quality and bool(renditions) and gpu_encoder() is None
        self._chooser = LadderChooser(fixed=fixed_ladder or not by_software)
        self._probe = QualityProbe(self._chooser.measured) if by_software else None
        self._ladder = Ladder(
            renditions,
            sink,
            self.counters,
            fps=fps,
            live=live,
            measure=self._probe.offer if self._probe is not None else None,
            chooser=self._chooser,
        )
        self._audio_inbox: Mailbox[Unit | SoundSource] = Mailbox(AUDIO_UNITS)
        self._overflowed = threading.Event()
        self._threads: list[threading.Thread] = []
        if renditions or observer is not None:
            self._threads.append(threading.Thread(target=self._decode, name="decode", daemon=True))
        if opus_bitrate_bps:
            self._threads.append(threading.Thread(target=self._transcode_audio, name="opus", daemon=True))
        for thread in self._threads:
            thread.start()

    def video(self, unit: Unit) -> None:
        """Feed one access unit (H.264, HEVC: Annex-B; parameter sets before each keyframe). Never waits when live."""
        if self._keyframes_only and not unit.keyframe:
            return
        if self._encode_from_us is None:
            now_us = self._clock()
            if self._edge.arrive(unit.pts_us, now_us, now_us - unit.pts_us):
                self._encode_from_us = unit.pts_us
        if not self._live:
            self._inbox.wait(unit)
        elif not self._inbox.offer(unit):
            self.counters.units_dropped += 1 + self._inbox.clear()
            self._overflowed.set()

    def configure_video(self, codec: str) -> None:
        """What the video is (RFC 6381): before the first unit if it is not H.264, and whenever it changes."""
        self._video_codec = codec.partition(".")[0]

    def configure_audio(self, source: SoundSource) -> None:
        """What the audio is: before the first frame, and whenever it changes."""
        self._put_audio(source)

    def audio(self, unit: Unit) -> None:
        """Feed one raw AAC frame, or one Opus packet. Never waits when live."""
        self._put_audio(unit)

    def splice(self, splice: Splice) -> None:
        """The source is another one from here on. Never waits; what has not been decoded yet is shown first."""
        if self._keyframes_only:
            splice = Splice(splice.gop[:1], splice.codec, splice.from_us)
        if self._encode_from_us is None:  # the present has not been reached yet: it is where the new source is
            self._encode_from_us = splice.gop[-1].pts_us if splice.gop else 0
        if not self._inbox.offer(splice):
            self.counters.units_dropped += self._inbox.clear()
            self._inbox.offer(splice)

    @property
    def quality(self) -> Mapping[str, Verdict]:
        """The last measurement of each rendition; empty without `adaptive_quality`."""
        return self._chooser.now()[1]

    @property
    def chosen(self) -> ChosenLadder:
        """The ladder that holds now."""
        return self._chooser.now()[0]

    def close(self, *, drain: bool = False) -> None:
        """Stop every thread, after finishing what waits if `drain`. Takes at most a few seconds."""
        self._inbox.close(drain=drain)
        self._audio_inbox.close(drain=drain)
        for thread in self._threads:
            thread.join(None if drain else JOIN_TIMEOUT_S)
        self._ladder.close(drain=drain)
        if self._probe is not None:
            self._probe.close(None if drain else JOIN_TIMEOUT_S)

    def _put_audio(self, item: Unit | SoundSource) -> None:
        if not self._live:
            self._audio_inbox.wait(item)
        elif not self._audio_inbox.offer(item):
            self.counters.audio_dropped += 1

    def _codings(self, source: SoundSource) -> list[Coding]:
        """What is made of this sound: the one of AAC and Opus that the publisher does not send, or both."""
        if self._loudness_lufs:
            return [AAC, OPUS]
        return [AAC if source.is_opus else OPUS]

    def _open_sound(self, source: SoundSource) -> list[SoundTranscoder]:
        lufs, sounds = self._loudness_lufs, list[SoundTranscoder]()
        heard = self._observer.sound if self._observer is not None else None
        for coding in self._codings(source):
            track, rate_bps = ("aac", self._aac_bitrate_bps) if coding is AAC else ("opus", self._opus_bitrate_bps)
            made = SoundTranscoder(track, source, coding, bitrate_bps=rate_bps, loudness_lufs=lufs, heard=heard)
            sounds.append(made)
            heard = None  # it is heard once
        return sounds

    def _decode(self) -> None:
        decoder = VideoDecoder(self._video_codec)
        try:
            while True:
                unit = self._inbox.take()
                if isinstance(unit, Splice):
                    decoder = self._begin_anew(decoder, unit)
                    continue
                if self._video_codec != decoder.codec:
                    decoder = VideoDecoder(self._video_codec)
                if self._overflowed.is_set():
                    self._overflowed.clear()
                    decoder.lose()
                behind = self._live and len(self._inbox) >= BEHIND_UNITS
                self._decode_unit(decoder, unit, behind=behind)
        except MailboxClosed:
            for picture in decoder.flush() if not self._live else ():
                self._encode(picture)

    def _decode_unit(self, decoder: VideoDecoder, unit: Unit, *, behind: bool = False) -> None:
        pictures = decoder.decode(unit)
        self.counters.decode_errors += decoder.take_errors()
        for picture in pictures:
            if self._observer is not None:
                self._observer.picture(picture)
            self._encode(picture, behind=behind)

    def _begin_anew(self, old: VideoDecoder, splice: Splice) -> VideoDecoder:
        for picture in old.flush():
            self._encode(picture)
        self._encode_from_us = max(splice.from_us, self._last_us + 1, self._encode_from_us or 0)
        self._ladder.ask_keys(self._encode_from_us)
        self._video_codec = splice.codec.partition(".")[0]
        decoder = VideoDecoder(self._video_codec)
        for unit in splice.gop:
            self._decode_unit(decoder, unit)
        return decoder

    def _encode(self, picture: VideoFrame, *, behind: bool = False) -> None:
        begin_us = self._encode_from_us
        if begin_us is None or (picture.pts or 0) < begin_us:
            self.counters.caught_up += 1
        elif behind and self._left_out < BEHIND_ONE_OF - 1:
            self._left_out += 1
            self.counters.pictures_dropped += 1
        else:
            self._left_out = 0
            self._last_us = max(self._last_us, picture.pts or 0)
            self._ladder.put(picture)

    def _transcode_audio(self) -> None:
        sounds: list[SoundTranscoder] = []
        while True:
            try:
                item = self._audio_inbox.take()
            except MailboxClosed:
                return
            try:
                if isinstance(item, SoundSource):
                    if [sound.coding for sound in sounds] == self._codings(item):
                        for sound in sounds:
                            sound.configure(item)
                        continue
                    sounds = self._open_sound(item)
                    for sound in sounds:
                        self._sink(sound.track)
                else:
                    for sound in sounds:
                        for encoded in sound.transcode(item):
                            self._sink(encoded)
            except (FFmpegError, ValueError) as error:
                sounds = sounds if isinstance(item, Unit) else []
                self.counters.encode_errors += 1
                log.warning("A piece of audio could not be transcoded and was left out: %s", error)

"""Our transcoding engine against the ffmpeg command doing the same: CPU, and the delay that transcoding adds.

    python bench/transcode.py [--seconds 20] [--rounds 5] [--delay-seconds 20]

One 720p source (H.264, AAC) becomes 720p, 480p and 360p, AAC and Opus. Both decode with one thread, scale with the same
filter, encode with x264's same preset, tune, quality, cap and keyframes, one thread each, and make the same sounds. In
turns, `--rounds` times; the medians are compared. (A channel of 720p would get its 720p and its AAC passed through.)

CPU is user + system time for a second of media. Each side does the file once and three times over in one process, and
the difference counts: start-up (Python's imports, opening codecs) is shown on its own, since a channel starts once.

The delay is measured live: units come at the source's pace, and the time from giving one to the engine to each
rendition's packet is taken. It is what transcoding adds, the wait for the processor included. The source has no
B-frames: those would come before they can be shown, which is no delay of the transcoder's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import av
from av.bitstream import BitStreamFilterContext

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.services.live.media import ladder
from skyriver.services.live.media.aac import AAC
from skyriver.services.live.media.detectors import DetectorSettings, Watch
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.opus import OPUS
from skyriver.services.live.media.quality import CRF_DEFAULT, SAMPLE_PICTURES, Sample
from skyriver.services.live.media.quality.chooser import SAMPLE_EVERY_SLOTS
from skyriver.services.live.media.quality.probe import measure_ladder
from skyriver.services.live.media.sound import Coding
from skyriver.services.live.media.units import Encoded, Output, SoundSource, Unit
from skyriver.services.live.media.video_encoder import PRESET, VBV_S
from skyriver.services.live.model import Rendition

LADDER = (
    Rendition("720p", 1280, 720, 3_000_000),
    Rendition("480p", 854, 480, 1_400_000),
    Rendition("360p", 640, 360, 800_000),
)
SOURCE_SIZE = "1280x720"
FPS = 30
AAC_BPS, OPUS_BPS = 128_000, 96_000
START_US = 1_700_000_000_000_000
LOOPS = 3  # of the file in the longer run of each round
CPU_COLUMNS = (
    "what",
    "cores",
    "lowest to highest",
    "against ffmpeg",
    "goal",
    "start-up s",
    "Mbit/s",
)
DELAY_COLUMNS = ("rendition", "pictures", "p50 ms", "p95 ms", "p99 ms", "max ms", "goal")


def make_file(path: Path, seconds: int) -> None:
    """A picture with motion and detail everywhere: hard for an encoder, and the same for both."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size={SOURCE_SIZE}:rate={FPS}", "-f", "lavfi", "-i", "sine=frequency=440"]
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "60", "-c:a", "aac", "-ac", "2"]
    command = ["ffmpeg", "-v", "error", "-y", *inputs, "-t", str(seconds), *codecs, str(path)]
    subprocess.run(command, check=True)


def units_of(path: Path, times: int) -> Iterator[tuple[str, Unit]]:
    """The file's units in the order in which they lie in it, `times` over, with times that go on; kinds by name."""
    offset_us = START_US
    for _ in range(times):
        last_us = offset_us
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            annexb = BitStreamFilterContext("h264_mp4toannexb", video)
            for packet in container.demux(video, audio):
                if not packet.size:
                    continue
                kind, time_base = packet.stream.type, packet.time_base
                parts = [packet] if kind == "audio" else annexb.filter(packet)
                for part in parts:
                    pts_us = offset_us + int((part.pts or 0) * time_base * 1_000_000)
                    last_us = max(last_us, pts_us)
                    yield kind, Unit(bytes(part), pts_us, part.is_keyframe)
        offset_us = last_us + 1_000_000 // FPS


def sound_of(path: Path) -> SoundSource:
    with av.open(str(path)) as container:
        return SoundSource("mp4a.40.2", bytes(container.streams.audio[0].codec_context.extradata or b""))


class BothSounds(Engine):
    """Makes AAC and Opus, whichever comes in: what the command is asked for, too."""

    def _codings(self, source: SoundSource) -> list[Coding]:
        return [AAC, OPUS]


def engine_for(sink: Callable[[Output], None], *, live: bool, detectors: bool) -> Engine:
    # 720p of 720p, which channels never get.
    vars(ladder)["fit_ladder"] = lambda renditions, width, height: tuple(renditions)
    watch = Watch(DetectorSettings()) if detectors else None
    return BothSounds(
        LADDER, sink, opus_bitrate_bps=OPUS_BPS, aac_bitrate_bps=AAC_BPS, live=live, fps=FPS, observer=watch
    )


def transcode(path: Path, times: int, *, detectors: bool) -> dict[str, int]:
    """Run the engine over the file, as fast as it takes it; the bytes that came out, by track."""
    sent: dict[str, int] = {}

    def sink(output: Output) -> None:
        if isinstance(output, Encoded):
            sent[output.track] = sent.get(output.track, 0) + len(output.payload)

    engine = engine_for(sink, live=False, detectors=detectors)
    engine.configure_audio(sound_of(path))
    for kind, unit in units_of(path, times):
        (engine.video if kind == "video" else engine.audio)(unit)
    engine.close(drain=True)
    return sent


def delays(path: Path, seconds: int) -> dict[str, list[float]]:
    """Feed the engine at the source's pace; milliseconds from a picture's arrival to its packet, by rendition."""
    arrived: dict[int, float] = {}
    taken: dict[str, list[float]] = {}

    def sink(output: Output) -> None:
        if isinstance(output, Encoded) and (at_s := arrived.get(output.pts_us)) is not None:
            taken.setdefault(output.track, []).append((time.perf_counter() - at_s) * 1000)

    engine = engine_for(sink, live=True, detectors=True)
    engine.configure_audio(sound_of(path))
    begun_s, pictures = time.perf_counter(), count()
    due_s = 0.0
    for kind, unit in units_of(path, 100):
        if kind == "audio":
            engine.audio(unit)
            continue
        due_s = next(pictures) / FPS
        if due_s > seconds:
            break
        time.sleep(max(0.0, begun_s + due_s - time.perf_counter()))
        arrived[unit.pts_us] = time.perf_counter()
        engine.video(unit)
    engine.close()
    return {name: found for name, found in taken.items() if name in {rendition.name for rendition in LADDER}}


def probe_cpu_s(path: Path) -> float:
    """What measuring one sample of all renditions takes."""
    with av.open(str(path)) as container:
        pictures = [frame for frame, _ in zip(container.decode(video=0), range(SAMPLE_PICTURES), strict=False)]
    samples = [
        Sample(r, tuple(p.reformat(r.width, r.height, "yuv420p", interpolation="FAST_BILINEAR") for p in pictures), FPS)
        for r in LADDER
    ]
    before_s = time.process_time()
    measure_ladder(samples)
    return time.process_time() - before_s


def ffmpeg_command(ffmpeg: str, path: Path, times: int, out: Path) -> list[str]:
    """The same work for the ffmpeg command."""
    command = [ffmpeg, "-v", "error", "-y", "-filter_threads", "1", "-stream_loop", str(times - 1)]
    command += ["-threads", "1", "-i", str(path)]
    for r in LADDER:
        command += ["-map", "0:v", "-sws_flags", "fast_bilinear", "-s", f"{r.width}x{r.height}", "-c:v", "libx264"]
        command += ["-preset", PRESET, "-tune", "zerolatency", "-crf", str(CRF_DEFAULT), "-threads", "1"]
        command += ["-maxrate", str(r.bitrate_bps), "-bufsize", str(int(r.bitrate_bps * VBV_S))]
        command += ["-force_key_frames", "expr:gte(t,n_forced*2)", "-x264-params", "scenecut=0", "-g", "100000"]
        command += ["-f", "h264", str(out / f"{r.name}.h264")]
    command += ["-map", "0:a", "-c:a", "aac", "-b:a", str(AAC_BPS), str(out / "a.aac")]
    return [*command, "-map", "0:a", "-c:a", "libopus", "-b:a", str(OPUS_BPS), str(out / "a.opus")]


def cpu_s(command: list[str]) -> tuple[float, str]:
    """What a command uses, user and system, and what it prints."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return used() - before, done.stdout


class Side:
    """One way of doing the work, round after round."""

    def __init__(self, name: str, command: Callable[[int], list[str]], seconds: int) -> None:
        self.name = name
        self.steady: list[float] = []
        self.start_s: list[float] = []
        self.printed = ""
        self._command = command
        self._seconds = seconds

    def run(self) -> None:
        once_s, self.printed = cpu_s(self._command(1))
        more_s, _ = cpu_s(self._command(LOOPS))
        self.steady.append((more_s - once_s) / (self._seconds * (LOOPS - 1)))
        self.start_s.append(once_s - self.steady[-1] * self._seconds)

    def row(self, other: Side | None, sent_bytes: int) -> tuple[str, ...]:
        against = [mine / theirs for mine, theirs in zip(self.steady, other.steady, strict=True)] if other else []
        return (
            self.name,
            f"{median(self.steady):.3f}",
            f"{min(self.steady):.3f} to {max(self.steady):.3f}",
            f"{median(against):.2f}" if against else "",
            "1.1" if against else "",
            f"{median(self.start_s):.2f}",
            f"{sent_bytes * 8 / self._seconds / 1e6:.2f}",
        )


def compare_cpu(source: Path, seconds: int, rounds: int, ffmpeg: str) -> list[tuple[str, ...]]:
    """The rows of the CPU table."""

    def ours(*flags: str) -> Callable[[int], list[str]]:
        return lambda times: [sys.executable, __file__, "--child", str(source), "--times", str(times), *flags]

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        theirs = Side("ffmpeg", lambda times: ffmpeg_command(ffmpeg, source, times, out), seconds)
        plain = Side("ours", ours(), seconds)
        seeing = Side("ours, with detectors", ours("--detectors"), seconds)
        rows = []
        for _ in range(rounds):
            for side in (plain, theirs, seeing):
                side.run()
        subprocess.run(ffmpeg_command(ffmpeg, source, 1, out), check=True)
        their_bytes = sum((out / f"{r.name}.h264").stat().st_size for r in LADDER)
    rows.append(theirs.row(None, their_bytes))
    for side in (plain, seeing):
        sent = json.loads(side.printed)
        rows.append(side.row(theirs, sum(sent[r.name] for r in LADDER)))
    every_s = SAMPLE_EVERY_SLOTS * 2
    measured_s = median(probe_cpu_s(source) for _ in range(3))
    rows.append(("quality probe, on top", f"{measured_s / every_s:.3f}", "", "", "", "", ""))
    return rows


def delay_rows(source: Path, seconds: int) -> list[tuple[str, ...]]:
    """The rows of the delay table, the slowest rendition of each picture last."""
    taken = delays(source, seconds)
    slowest = [max(each) for each in zip(*taken.values(), strict=False)]
    rows = []
    for name, found in (*taken.items(), ("the slowest of each picture", slowest)):
        cuts = quantiles(found, n=100, method="inclusive")
        figures = (f"{value:.1f}" for value in (cuts[49], cuts[94], cuts[98], max(found)))
        rows.append((name, str(len(found)), *figures, "p95 < 40" if found is slowest else ""))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay-seconds", type=int, default=20)
    parser.add_argument("--ffmpeg", default="ffmpeg")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--detectors", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(transcode(chosen.child, chosen.times, detectors=chosen.detectors)))
        return
    print(header(), end="\n\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_file(source, chosen.seconds)
        if chosen.rounds:
            print(markdown(CPU_COLUMNS, compare_cpu(source, chosen.seconds, chosen.rounds, chosen.ffmpeg)), flush=True)
        if chosen.delay_seconds:
            print(markdown(DELAY_COLUMNS, delay_rows(source, chosen.delay_seconds)))


if __name__ == "__main__":
    main()

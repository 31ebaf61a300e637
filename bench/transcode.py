"""CPU of our transcoding engine against the ffmpeg command doing the same ladder.

    python bench/transcode.py [--seconds 20] [--size 1280x720] [--rounds 3]

Both read the same file (H.264 with B-frames, AAC), scale with the same filter, encode with x264's same preset, quality
and cap, and make Opus. Core-seconds per second of media, user + system; less is better. Fed as fast as they take it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import av
from av.bitstream import BitStreamFilterContext

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.quality import CRF_DEFAULT
from skyriver.services.live.media.units import Encoded, Output, SoundSource, Unit
from skyriver.services.live.media.video_encoder import PRESET, VBV_S
from skyriver.services.live.model import PROFILES, ProfileName, Rendition, fit_ladder

COLUMNS = ("ladder", "ours", "ffmpeg", "ours / ffmpeg", "our Mbit/s", "ffmpeg's Mbit/s")


def make_file(path: Path, size: str, seconds: int) -> None:
    """A picture with motion and detail everywhere: hard for an encoder, and the same for both."""
    inputs = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30", "-f", "lavfi", "-i", "sine=frequency=440"]
    codecs = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "60", "-c:a", "aac", "-ac", "2"]
    command = ["ffmpeg", "-v", "error", "-y", *inputs, "-t", str(seconds), *codecs, str(path)]
    subprocess.run(command, check=True)


def transcode(path: Path, renditions: tuple[Rendition, ...]) -> int:
    """Run the engine over a file; returns the bytes of video that came out. Runs in a child of the benchmark."""
    sent_bytes = 0

    def sink(output: Output) -> None:
        nonlocal sent_bytes
        if isinstance(output, Encoded) and output.track != "opus":
            sent_bytes += len(output.payload)

    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        annexb = BitStreamFilterContext("h264_mp4toannexb", video)
        engine = Engine(renditions, sink, live=False)
        engine.configure_audio(SoundSource("mp4a.40.2", bytes(audio.codec_context.extradata or b"")))
        for packet in container.demux(video, audio):
            if packet.stream is audio and packet.size:
                engine.audio(Unit(bytes(packet), _time_us(packet), True))
            elif packet.stream is video and packet.size:
                for unit in annexb.filter(packet):
                    engine.video(Unit(bytes(unit), _time_us(unit), unit.is_keyframe))
        engine.close(drain=True)
    return sent_bytes


def _time_us(packet: av.Packet[Any]) -> int:
    return 1_700_000_000_000_000 + int((packet.pts or 0) * packet.time_base * 1_000_000)


def ffmpeg_command(path: Path, renditions: tuple[Rendition, ...], out: Path) -> list[str]:
    """The same work for the ffmpeg command: one decoder, a scaler and an encoder for each rendition, Opus."""
    command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", str(path)]
    for rendition in renditions:
        command += ["-map", "0:v", "-sws_flags", "fast_bilinear", "-s", f"{rendition.width}x{rendition.height}"]
        command += [
            "-c:v",
            "libx264",
            "-preset",
            PRESET,
            "-tune",
            "zerolatency",
            "-crf",
            str(CRF_DEFAULT),
            "-threads",
            "1",
        ]
        command += ["-maxrate", str(rendition.bitrate_bps), "-bufsize", str(int(rendition.bitrate_bps * VBV_S))]
        command += ["-force_key_frames", "expr:gte(t,n_forced*2)", "-x264-params", "scenecut=0", "-g", "100000"]
        command += ["-f", "h264", str(out / f"{rendition.name}.h264")]
    return [*command, "-map", "0:a", "-c:a", "libopus", "-b:a", "96k", "-compression_level", "5", str(out / "a.opus")]


def cpu_s(work: Callable[[], object]) -> float:
    """What the children that `work` starts and waits for have used."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    work()
    return used() - before


def run_ours(path: Path, profile: ProfileName) -> int:
    """The engine in a process of its own, as in production."""
    command = [sys.executable, __file__, "--child", str(path), profile.value]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(path: Path, profile: ProfileName, seconds: int, rounds: int) -> tuple[object, ...]:
    """One row: both, in turn, `rounds` times; the medians."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ladder = fit_ladder(PROFILES[profile].renditions, stream.width, stream.height)
    ours, theirs, our_bytes = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for _ in range(rounds):
            ours.append(cpu_s(lambda: run_ours(path, profile)))
            theirs.append(cpu_s(lambda: subprocess.run(ffmpeg_command(path, ladder, out), check=True)))
        our_bytes = run_ours(path, profile)
        their_bytes = sum((out / f"{rendition.name}.h264").stat().st_size for rendition in ladder)
    names = " + ".join(f"{r.width}x{r.height}" for r in ladder) + " + Opus"
    our_core, their_core = median(ours) / seconds, median(theirs) / seconds
    rates = (f"{size * 8 / seconds / 1e6:.2f}" for size in (our_bytes, their_bytes))
    return names, f"{our_core:.3f}", f"{their_core:.3f}", f"{our_core / their_core:.2f}", *rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        path, profile = chosen.child
        print(transcode(Path(path), PROFILES[ProfileName(profile)].renditions))
        return
    print(header(), end="\n\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        make_file(source, chosen.size, chosen.seconds)
        profiles = (ProfileName.LIGHT, ProfileName.STANDARD, ProfileName.HIGH)
        print(markdown(COLUMNS, [compare(source, profile, chosen.seconds, chosen.rounds) for profile in profiles]))


if __name__ == "__main__":
    main()

"""What capped, content-adapted quality saves against a fixed bit rate: bits and VMAF of the same pictures, by clip.

    python bench/quality.py [--seconds 8] [--height 480]

Each generated clip of another kind is encoded three times at one size: at the rendition's whole bit rate (what a
ladder of fixed bit rates does), at quality 23 below that rate, and at the quality that the transcoder's own probe
chooses from a sample of the clip. VMAF is libvmaf's, against the scaled original. Needs the test requirements.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import imageio_ffmpeg
from av.video.frame import PictureType, VideoFrame

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.services.live.media.quality import CRF_DEFAULT, SAMPLE_PICTURES, Sample
from skyriver.services.live.media.quality.probe import measure
from skyriver.services.live.media.units import MICROSECONDS
from skyriver.services.live.media.video_encoder import open_x264
from skyriver.services.live.model import PROFILES, ProfileName, Rendition, fit_ladder

FPS = 30
SIZE = "1280x720"
GOP_PICTURES = 60
PROBED_AT = 90  # the picture with which the transcoder's first sample begins
COLUMNS = (
    "clip",
    "fixed kbit/s",
    "VMAF",
    "CRF 23 kbit/s",
    "VMAF",
    "adapted",
    "kbit/s",
    "VMAF",
    "bits saved",
    "VMAF lost",
)

CLIPS = {
    "slides": "color=c=white:size={s}:rate={r},drawgrid=w=160:h=90:c=black@0.3,"
    "drawbox=x='200+400*mod(floor(t/4),2)':y=200:w=400:h=200:c=blue:t=fill",
    "talking head": "gradients=size={s}:rate={r}:speed=0.002:c0=0x806040:c1=0x304050:seed=3,format=yuv420p,"
    "noise=alls=3:allf=t[room];color=c=0xd0a080:size=200x260:rate={r}[head];"
    "[room][head]overlay=x='540+14*sin(2*t)':y='230+8*sin(3*t)'",
    "sport, a pan": "mandelbrot=size={s}:rate={r}:end_scale=0.02:maxiter=300",
    "film grain": "gradients=size={s}:rate={r}:speed=0.005:seed=5,format=yuv420p,noise=alls=16:allf=t+u",
    "game graphics": "testsrc2=size={s}:rate={r}",
    "confetti": "life=size=320x180:rate={r}:mold=10:ratio=0.1:seed=1:death_color=#C83232:life_color=#00ff00,"
    "scale={s}:flags=neighbor,format=yuv420p",
    "scrolling text": "testsrc=size={s}:rate={r},scroll=v=0.008",
}


@dataclass(frozen=True)
class Encoded:
    """One encoding of a clip."""

    bitrate_bps: int
    vmaf: float


def generate(ffmpeg: str, source: str, seconds: float, path: Path) -> None:
    """The clip, without loss."""
    graph = source.format(s=SIZE, r=FPS)
    lossless = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p"]
    command = [ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", graph, "-t", str(seconds), *lossless, str(path)]
    subprocess.run(command, check=True)


def scaled(path: Path, rendition: Rendition) -> Iterator[VideoFrame]:
    """The clip's pictures at the rendition's size, as the transcoder scales them."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            small = frame.reformat(rendition.width, rendition.height, "yuv420p", interpolation="FAST_BILINEAR")
            small.pts, small.time_base = index * 1_000_000 // FPS, MICROSECONDS
            yield small


def write(path: Path, rendition: Rendition, out: Path, *, crf: int | None) -> int:
    """Encode the clip; returns the bytes."""
    encoder = open_x264(rendition, FPS, crf=crf, cap_bps=rendition.bitrate_bps)
    size_bytes = 0
    with out.open("wb") as file:
        for index, picture in enumerate(scaled(path, rendition)):
            picture.pict_type = PictureType.I if index % GOP_PICTURES == 0 else PictureType.NONE
            for packet in encoder.encode(picture):
                size_bytes += file.write(bytes(packet))
        for packet in encoder.encode(None):
            size_bytes += file.write(bytes(packet))
    return size_bytes


def vmaf(ffmpeg: str, encoded: Path, original: Path, rendition: Rendition) -> float:
    """FFmpeg's VMAF of an encoding against the scaled original."""
    graph = (
        f"[1:v]scale={rendition.width}:{rendition.height}:flags=fast_bilinear[ref];"
        f"[0:v]setpts=N/{FPS}/TB[a];[ref]setpts=N/{FPS}/TB[b];[a][b]libvmaf=n_threads=2"
    )
    command = [ffmpeg, "-v", "info", "-r", str(FPS), "-i", str(encoded), "-i", str(original)]
    done = subprocess.run([*command, "-lavfi", graph, "-f", "null", "-"], capture_output=True, text=True, check=True)
    found = re.search(r"VMAF score: ([0-9.]+)", done.stderr)
    if found is None:
        raise SystemExit(f"FFmpeg told no VMAF score:\n{done.stderr[-2000:]}")
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--height", type=int, default=480)
    arguments = parser.parse_args()
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    ladder = [r for profile in (ProfileName.HIGH, ProfileName.STANDARD) for r in PROFILES[profile].renditions]
    (rendition,) = fit_ladder([next(r for r in ladder if r.height == arguments.height)], 1280, 721)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, source in CLIPS.items():
            clip, out = Path(folder) / "clip.mkv", Path(folder) / "out.h264"
            generate(ffmpeg, source, arguments.seconds, clip)
            pictures = [p for i, p in enumerate(scaled(clip, rendition)) if 0 <= i - PROBED_AT < SAMPLE_PICTURES]
            verdict = measure(Sample(rendition, tuple(pictures), FPS))

            def trial(crf: int | None, clip: Path = clip, out: Path = out) -> Encoded:
                size_bytes = write(clip, rendition, out, crf=crf)
                return Encoded(round(size_bytes * 8 / arguments.seconds), vmaf(ffmpeg, out, clip, rendition))

            fixed, default, adapted = trial(None), trial(CRF_DEFAULT), trial(verdict.crf)
            rows.append(
                (
                    name,
                    *(f"{fixed.bitrate_bps / 1000:.0f}", f"{fixed.vmaf:.1f}"),
                    *(f"{default.bitrate_bps / 1000:.0f}", f"{default.vmaf:.1f}"),
                    *(
                        "whole rate" if verdict.crf is None else f"CRF {verdict.crf}",
                        f"{adapted.bitrate_bps / 1000:.0f}",
                        f"{adapted.vmaf:.1f}",
                    ),
                    f"{1 - adapted.bitrate_bps / fixed.bitrate_bps:.0%}",
                    f"{fixed.vmaf - adapted.vmaf:.1f}",
                )
            )
    print(header())
    print(f"{rendition.width} x {rendition.height}, {FPS} fps, cap {rendition.bitrate_bps / 1e6:g} Mbit/s\n")
    print(markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()

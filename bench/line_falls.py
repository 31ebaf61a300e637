"""The line falls from 4 to 0.7 Mbit/s for twenty seconds and comes back: what a viewer in Chromium sees and hears.

    sudo python -m bench.line_falls [--rtt 40] [--fall 0.7] [--seconds 20] [--latency ultra-low]

A cloud in one network namespace, Chromium with the console's watch page in another, an impaired line between them (see
link.py). The player plays over Media over QUIC with sound; its own measurements are read ten times a second. Told: the
first frame, the longest gap of the sound, how long the picture took to go on in a lower rendition, its age before,
during and after the fall. Needs root, Linux and Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.impaired import CLOUD_PORT, SERVER, inside, line, running, start_cloud
from skyriver.apps.cli.measure.chromium import Page, running_chromium
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, painted, turn_sound_on
from skyriver.apps.cli.measure.machine import header, markdown

RATE_MBPS, SETTLE_S, AFTER_S = 4.0, 20.0, 20.0
SAMPLE_S = 0.1
COLUMNS = ("second", "line Mbit/s", "over", "rendition", "age ms", "sound buffer ms", "stalls", "sound gap ms")


def make_film(path: Path) -> None:
    """A minute of a moving picture that needs its 2.4 Mbit/s, and speech-like sound."""
    picture = "mandelbrot=size=1280x720:rate=30:end_scale=0.02:maxiter=200"
    sound = "aevalsrc='0.3*sin(2*PI*220*t)*lt(mod(t,0.7),0.5)':s=48000"
    video = ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "2400k", "-maxrate", "2400k", "-bufsize", "1200k"]
    audio = ["-g", "60", "-bf", "0", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k"]
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", "60"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *video, *audio, str(path)], check=True)


def start_show(stack: ExitStack, folder: Path) -> None:
    """A public channel with a full ladder, fed with the film in a loop."""
    make_film(folder / "film.mp4")
    cli = inside("skA", sys.executable, "-m", "skyriver.apps.cli")
    where = ["--data", str(folder / "cloud")]
    subprocess.run([*cli, "channel", "create", "Line", "--public", *where], check=True, stdout=subprocess.DEVNULL)
    push = [*cli, "push", str(folder / "film.mp4"), "--channel", "line", "--loop", *where]
    stack.enter_context(running(push, stdout=subprocess.DEVNULL))


async def sample(page: Page, from_s: float, until_s: float, told: list[tuple[float, dict[str, Any]]]) -> None:
    while time.monotonic() < until_s:
        seen = await page.evaluate(STATS)
        if seen:
            told.append((time.monotonic() - from_s, seen))
        await asyncio.sleep(SAMPLE_S)


async def watch(command: Any, fall_mbps: float, fall_s: float, latency: str) -> None:
    """In the far namespace: play, and tell what is seen. `command` sends a line to the link."""
    told: list[tuple[float, dict[str, Any]]] = []
    secure = f"--unsafely-treat-insecure-origin-as-secure=http://{SERVER}:{CLOUD_PORT}"  # WebTransport wants it
    async with running_chromium(secure) as browser:
        page = await browser.page()
        await page.open(f"http://{SERVER}:{CLOUD_PORT}/watch/skyriver/line")
        await painted(page)
        first = await page.evaluate(STATS)
        await page.evaluate(f"{PLAYER}.setAttribute('latency', '{latency}')")
        await turn_sound_on(page)
        await asyncio.sleep(SETTLE_S)
        await page.evaluate(f"{PLAYER}.resetGaps()")
        from_s = time.monotonic()
        await sample(page, from_s, from_s + 5, told)
        command(f"rate {fall_mbps}")
        await sample(page, from_s, from_s + 5 + fall_s, told)
        command(f"rate {RATE_MBPS}")
        await sample(page, from_s, from_s + 5 + fall_s + AFTER_S, told)
    tell(told, first, fall_mbps, fall_s)


def tell(told: list[tuple[float, dict[str, Any]]], first: dict[str, Any], fall_mbps: float, fall_s: float) -> None:
    rows = []
    for second in range(0, round(5 + fall_s + AFTER_S), 2):
        near = [seen for at_s, seen in told if second <= at_s < second + 0.5]
        if near:
            seen = near[0]
            rate = fall_mbps if 5 <= second < 5 + fall_s else RATE_MBPS
            numbers = (round(seen["latency_ms"]), round(seen["audio_buffer_ms"]), seen["stalls"])
            rows.append((second, rate, seen["protocol"], seen["rendition"], *numbers, round(seen["audio_gap_ms_max"])))
    print(markdown(COLUMNS, rows))
    before = [seen for at_s, seen in told if at_s < 5]
    lower = next((at_s for at_s, seen in told if at_s > 5 and seen["rendition"] != before[-1]["rendition"]), None)
    after = [(at_s - 5 - fall_s, seen["latency_ms"]) for at_s, seen in told if at_s > 5 + fall_s]
    late = [at_s for at_s, age_ms in after if age_ms >= 300]
    end = told[-1][1]
    print(f"\nFirst frame of the page {first['startup_ms']:.0f} ms after loading began (ticket, session, first group).")
    print(f"Rendition before the fall: {before[-1]['rendition']}; a lower one after: ", end="")
    print(f"{lower - 5:.1f} s." if lower is not None else "never.")
    gap_ms, still_ms = end["audio_gap_ms_max"], end["paint_gap_ms_max"]
    print(f"Longest gap of the sound: {gap_ms:.0f} ms; longest still picture {still_ms:.0f} ms.")
    print(f"Age of the picture for good below 300 ms {max(late, default=0.0):.1f} s after the line was back.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", type=float, default=40)
    parser.add_argument("--fall", type=float, default=0.7, help="Mbit/s")
    parser.add_argument("--seconds", type=float, default=20, help="how long it stays fallen")
    parser.add_argument("--latency", default="ultra-low")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watch:
        asyncio.run(watch(lambda word: print(f"LINK {word}", flush=True), chosen.fall, chosen.seconds, chosen.latency))
        return
    print(header(), end="\n\n", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skyriver-bench-")))
        link = stack.enter_context(line(chosen.rtt))
        assert link.stdin is not None
        link.stdin.write(f"rate {RATE_MBPS}\nloss {chosen.loss}\n")
        link.stdin.flush()
        start_cloud(stack, folder / "cloud", "--no-demo")
        start_show(stack, folder)
        time.sleep(8)
        command = inside("skB", sys.executable, "-m", "bench.line_falls", "--watch", "--fall", str(chosen.fall))
        command += ["--seconds", str(chosen.seconds), "--latency", chosen.latency]
        watching = stack.enter_context(running(command, stdout=subprocess.PIPE))
        assert watching.stdout is not None
        for said in watching.stdout:
            if said.startswith("LINK "):
                link.stdin.write(said.removeprefix("LINK "))
                link.stdin.flush()
            else:
                print(said, end="", flush=True)


if __name__ == "__main__":
    main()

"""MoQ, LL-HLS and RTMP through one and the same bad line: start-up, stalls, and the age of the picture.

    sudo python bench/impaired.py [--loss 0 1 3 5] [--rtt 40] [--seconds 30]

A cloud and an nginx-rtmp run in one network namespace, viewers in another, a line with random loss and delay between
them (see link.py). All three get the same picture with a clock in it, pushed by the same program; the age is read from
the decoded picture. LL-HLS comes over TLS (TCP), RTMP over TCP. A model player begins with the first picture, keeps
`BUFFER_MS` in hand and stops when a picture is later than that; each stop adds to its delay, as in any player.

Needs root, Linux, Debian's nginx with libnginx-mod-rtmp.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import av
import httpx

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.picture import _drawn_at_ms
from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client, Cloud
from skyriver.services.live.media.demo_push import DemoPush

SERVER, BUFFER_MS = "10.77.0.1", 200
BEGIN_S = 1.0  # a group so far, or the parts of a segment, come at once
WIDTH, HEIGHT, FPS = 854, 480, 30
CLOUD_PORT, RTMP_PORT, NGINX_PORT = 7470, 7471, 7472
PROTOCOLS = ("moq", "ll-hls", "rtmp")
COLUMNS = ("loss", "protocol", "first picture ms", "stops", "stopped ms", "age p50 ms", "p95", "max", "pictures")
NGINX = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
rtmp {{ server {{ listen {host}:{port}; application bench {{ live on; }} }} }}
"""


@dataclass
class Seen:
    """What one viewer saw: (seconds since it asked, age in ms) of every decoded picture."""

    pictures: list[tuple[float, float]]

    def row(self) -> tuple[str, ...]:
        """The table's numbers; ages once the burst of the beginning is over."""
        if not self.pictures:
            return ("never", "-", "-", "-", "-", "-", "0")
        begun_s = self.pictures[0][0] + BEGIN_S
        first_ms = min(age for at_s, age in self.pictures if at_s <= begun_s)
        steady = [age for at_s, age in self.pictures if at_s > begun_s] or [first_ms]
        stops, stopped_ms = _stops(steady, first_ms + BUFFER_MS)
        ages = sorted(steady)
        at = {share: ages[min(len(ages) - 1, int(len(ages) * share))] for share in (0.5, 0.95, 1.0)}
        numbers = (self.pictures[0][0] * 1000, stops, stopped_ms, at[0.5], at[0.95], at[1.0], len(ages))
        return tuple(f"{number:.0f}" for number in numbers)


def _stops(ages_ms: list[float], delay_ms: float) -> tuple[int, float]:
    """How often, and for how long, a player that shows everything `delay_ms` late has nothing to show."""
    stops, stopped_ms = 0, 0.0
    for age_ms in ages_ms:
        if age_ms > delay_ms:
            stops += 1
            stopped_ms += age_ms - delay_ms
            delay_ms = age_ms
    return stops, stopped_ms


# --- viewers, each in a process of its own in the far namespace -----------------------------------------------------


def receive(protocol: str, url: str, key: str, seconds: float) -> Seen:
    """Watch for a while."""
    return {"moq": receive_moq, "ll-hls": receive_hls, "rtmp": receive_rtmp}[protocol](url, key, seconds)


def receive_moq(url: str, key: str, seconds: float) -> Seen:
    async def watch() -> Seen:
        async with Client(Cloud(url, key)) as sky:
            viewer = HeadlessViewer(sky, "demo", track="source", decode=True)
            asked_s = time.monotonic()
            running = asyncio.ensure_future(viewer.run())
            await asyncio.sleep(seconds)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return Seen([(a.at_s - asked_s, a.latency_ms) for a in viewer.arrivals.since(0)])

    return asyncio.run(watch())


def receive_rtmp(url: str, key: str, seconds: float) -> Seen:
    pictures: list[tuple[float, float]] = []
    asked_s = time.monotonic()
    options = {"rtmp_live": "live", "fflags": "nobuffer", "flags": "low_delay", "probesize": "4096"}
    with av.open(url, options=options | {"analyzeduration": "0"}, timeout=(10, 10)) as container:
        for packet in container.demux(video=0):
            for picture in packet.decode():
                _note(pictures, picture, asked_s)
            if time.monotonic() - asked_s > seconds:
                break
    return Seen(pictures)


def receive_hls(url: str, key: str, seconds: float) -> Seen:
    """A small LL-HLS client: blocking reloads, parts as they come."""
    pictures: list[tuple[float, float]] = []
    asked_s = time.monotonic()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the cloud's certificate is its own
    with httpx.Client(verify=context, timeout=20) as http:
        found = http.post(f"{key}/v1/public/skyriver/demo/watch", json={})
        master_url = url + "/hls/" + found.json()["hls"][0]["url"].split("/hls/", 1)[1]
        media_url = urljoin(master_url, _source_playlist(http.get(master_url).text))
        playlist, wanted = http.get(media_url).text, ""
        init = http.get(urljoin(media_url, _found(r'EXT-X-MAP:URI="([^"]+)"', playlist)[-1])).content
        part_uris = [uri for uri, independent in _parts(playlist) if independent]
        fetched = part_uris[-1] if part_uris else ""
        decoder: Any = None
        began = False
        while time.monotonic() - asked_s < seconds:
            for uri, _ in _parts(playlist):
                began = began or uri == fetched
                if not began or (uri <= wanted and wanted):
                    continue
                wanted = uri
                decoder = _decode_part(init, http.get(urljoin(media_url, uri)).content, decoder, pictures, asked_s)
            playlist = http.get(media_url, params=_next_part(playlist)).text
    return Seen(pictures)


def _source_playlist(master: str) -> str:
    lines = master.splitlines()
    variants = [(lines[i], lines[i + 1]) for i in range(len(lines) - 1) if lines[i].startswith("#EXT-X-STREAM-INF")]
    return max(variants, key=lambda v: int(_found(r"[:,]BANDWIDTH=(\d+)", v[0])[0]))[1]


def _parts(playlist: str) -> list[tuple[str, bool]]:
    return [
        (_found(r'URI="([^"]+)"', line)[0], "INDEPENDENT=YES" in line)
        for line in playlist.splitlines()
        if line.startswith("#EXT-X-PART:")
    ]


def _next_part(playlist: str) -> dict[str, str]:
    """The query of a blocking reload that is answered with the next part (RFC 8216bis, 6.2.5.2)."""
    number = int(_found(r"EXT-X-MEDIA-SEQUENCE:(\d+)", playlist)[0])
    parts = 0
    for line in playlist.splitlines():
        if line.startswith("#EXTINF"):
            number, parts = number + 1, 0
        elif line.startswith("#EXT-X-PART:"):
            parts += 1
    return {"_HLS_msn": str(number), "_HLS_part": str(parts)}


def _found(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text)


def _decode_part(init: bytes, part: bytes, decoder: Any, pictures: list[tuple[float, float]], asked_s: float) -> Any:
    with av.open(BytesIO(init + part), "r", format="mp4") as container:
        stream = container.streams.video[0]
        if decoder is None:
            decoder = av.CodecContext.create("h264", "r")
            decoder.extradata = stream.codec_context.extradata
            decoder.options = {"flags": "low_delay"}
            decoder.thread_count = 1
        for packet in container.demux(stream):
            if packet.size:
                for picture in decoder.decode(packet):
                    _note(pictures, picture, asked_s)
    return decoder


def _note(pictures: list[tuple[float, float]], picture: Any, asked_s: float) -> None:
    drawn_ms = _drawn_at_ms(picture)
    if drawn_ms is not None:
        pictures.append((time.monotonic() - asked_s, time.time_ns() / 1e6 - drawn_ms))


# --- the near side --------------------------------------------------------------------------------------------------


def inside(namespace: str, *command: str) -> list[str]:
    """A command line that runs in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def ourselves(*arguments: str) -> list[str]:
    return [sys.executable, __file__, *arguments]


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def line(rtt_ms: float) -> Iterator[subprocess.Popen[str]]:
    """The impaired link; write commands to its stdin."""
    command = [sys.executable, str(Path(__file__).with_name("link.py")), "--rtt", str(rtt_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("The link could not be made: this needs root, Linux and /dev/net/tun.")
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(30)


def start_cloud(stack: ExitStack, data: Path, *more: str) -> None:
    arguments = ["--data", str(data), "--host", SERVER, "--port", str(CLOUD_PORT), "--rtmp-port", str(RTMP_PORT)]
    command = inside(
        "skA", sys.executable, "-m", "skyriver.apps.cli", "up", "--json", "--edges", "1", *arguments, *more
    )
    cloud = stack.enter_context(running(command, stdout=subprocess.PIPE))
    assert cloud.stdout is not None
    for said in cloud.stdout:
        if json.loads(said)["event"] == "ready":
            return
    raise SystemExit("The cloud did not start.")


def start_nginx(stack: ExitStack, folder: Path) -> None:
    """nginx-rtmp, fed with the same picture."""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, host=SERVER, port=NGINX_PORT))
    command = inside("skA", "nginx", "-c", str(config), "-p", str(folder), "-e", f"{folder}/error.log")
    stack.enter_context(running(command))
    time.sleep(1)
    push = ourselves("--push", f"rtmp://{SERVER}:{NGINX_PORT}/bench/demo")
    stack.enter_context(running(inside("skA", *push)))


def secure_delivery_url(data: Path) -> str:
    """Where LL-HLS is served with TLS; the viewers' tickets name it only when its certificate is publicly trusted."""
    with sqlite3.connect(f"file:{data / 'skyriver.db'}?mode=ro", uri=True) as store:
        (ready,) = store.execute("select ready from workloads where kind = 'live.delivery'").fetchone()
    return str(json.loads(ready)["secure_url"])


def watch(protocol: str, data: Path, seconds: float) -> Seen:
    cloud_url, key = f"http://{SERVER}:{CLOUD_PORT}", (data / "cli-key").read_text().strip()
    url, word = {
        "moq": (cloud_url, key),
        "ll-hls": (secure_delivery_url(data), cloud_url),
        "rtmp": (f"rtmp://{SERVER}:{NGINX_PORT}/bench/demo", "-"),
    }[protocol]
    command = inside("skB", *ourselves("--receive", protocol, "--url", url, "--seconds", str(seconds)))
    told = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"BENCH_KEY": word}, timeout=seconds + 90
    )
    if told.returncode:
        print(f"{protocol}: {told.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return Seen([])
    return Seen([tuple(pair) for pair in json.loads(told.stdout)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", type=float, nargs="+", default=[0, 1, 3, 5], help="percent, each way")
    parser.add_argument("--rtt", type=float, default=40)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--receive", choices=PROTOCOLS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--push", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.push:
        DemoPush(chosen.push, width=WIDTH, height=HEIGHT, fps=FPS).run(threading.Event())
        return
    if chosen.receive:
        seen = receive(chosen.receive, chosen.url, os.environ["BENCH_KEY"], chosen.seconds)
        print(json.dumps(seen.pictures))
        return
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skyriver-bench-")))
        link = stack.enter_context(line(chosen.rtt))
        assert link.stdin is not None
        start_cloud(stack, folder / "cloud")
        start_nginx(stack, folder)
        for loss in chosen.loss:
            link.stdin.write(f"loss {loss}\n")
            link.stdin.flush()
            for protocol in PROTOCOLS:
                rounds = [watch(protocol, folder / "cloud", chosen.seconds).row() for _ in range(chosen.rounds)]
                typical = sorted(rounds, key=lambda row: row[3])[len(rounds) // 2]
                rows.append((f"{loss:g} %", protocol, *typical))
    print(header())
    print(f"RTT {chosen.rtt:g} ms, {WIDTH} x {HEIGHT} at {FPS} fps, {chosen.seconds:g} s each, buffer {BUFFER_MS} ms\n")
    print(markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()

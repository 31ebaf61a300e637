"""Many LL-HLS viewers at one edge: is every part there in time?

    python bench/hls_viewers.py [--viewers 1000] [--seconds 30] [--workers 1] [--sound]

It brings its own relay, show (640x360 at 30 frames/s) and edge in one process, and the viewers in others.

Each viewer has a grant of its own and keeps two connections. On one it asks for the playlist that has the next part in
it (`_HLS_msn`, `_HLS_part`, `_HLS_skip`), which blocks until there is one; on the other it gets each new part, to the
last byte. A part is late when that comes more than PART-HOLD-BACK later after the part's own time than the promptest
part of all: a player that holds back as told would have stalled. The load costs as much CPU as the edge, so that on a
small machine the two compete.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import uvloop

from skyriver.apps.cli.measure.machine import header, markdown

_PART = re.compile(rb'#EXT-X-PART:DURATION=([\d.]+),URI="(\d+)\.(\d+)\.m4s"')
_SEQUENCE = re.compile(rb"#EXT-X-MEDIA-SEQUENCE:(\d+)")
_DATE = re.compile(rb"#EXT-X-PROGRAM-DATE-TIME:(\S+)")
_HOLD_BACK = re.compile(rb"PART-HOLD-BACK=([\d.]+)")


@dataclass
class Tally:
    """What all viewers of one process have seen. `delays_s`: from the end of a part's own time to its last byte."""

    playlists: int = 0
    parts: int = 0
    bytes: int = 0
    errors: int = 0
    hold_back_s: float = 0.0
    delays_s: list[float] = field(default_factory=list)


class Pipe(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._buffer = bytearray()
        self._wanted = -1
        self._status = 0
        self._done: Callable[[int, bytes], None] = lambda status, body: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()

    def ask(self, path: bytes, done: Callable[[int, bytes], None]) -> None:
        self._done = done
        self._transport.write(b"GET " + path + b" HTTP/1.1\r\nHost: bench\r\n\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if self._wanted < 0:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(buffer[:end])
            self._status = int(head[9:12])
            at = head.lower().find(b"content-length: ")
            self._wanted = int(head[at + 16 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            del buffer[: end + 4]
        if len(buffer) >= self._wanted:
            body = bytes(buffer)
            buffer.clear()
            self._wanted = -1
            self._done(self._status, body)


class Viewer:
    """Follows one rendition."""

    def __init__(self, base: bytes, tally: Tally) -> None:
        self._base = base
        self._tally = tally
        self._lists = Pipe(self._ended)
        self._media = Pipe(self._ended)
        self._position: tuple[int, int] | None = None  # the newest part that was asked for
        self._offset = 0  # of media sequence numbers against segments' own
        self._queue: list[tuple[int, int, float]] = []
        self._fetching = False
        self.stopped = False

    async def start(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self._lists, host, port)
        await loop.create_connection(lambda: self._media, host, port)
        self._lists.ask(self._base + b"/index.m3u8", self._listed)

    def _ended(self) -> None:
        self._tally.errors += not self.stopped
        self.stopped = True

    def _listed(self, status: int, body: bytes) -> None:
        if self.stopped:
            return
        if status != 200:
            self._tally.errors += 1
            self._lists.ask(self._base + b"/index.m3u8", self._listed)
            return
        self._tally.playlists += 1
        self._take(body)
        assert self._position is not None
        number, index = self._position
        query = b"/index.m3u8?_HLS_msn=%d&_HLS_part=%d&_HLS_skip=YES" % (number - self._offset, index + 1)
        self._lists.ask(self._base + query, self._listed)

    def _take(self, body: bytes) -> None:
        """Put new parts into the queue; a first playlist only says where the live edge is."""
        first = self._position is None
        if first:
            self._tally.hold_back_s = max(self._tally.hold_back_s, float(_HOLD_BACK.search(body)[1]))  # type: ignore[index]
            last = body.rindex(b"#EXT-X-PROGRAM-DATE-TIME")
            segments = body.count(b"#EXT-X-PROGRAM-DATE-TIME")
            newest = int(_SEQUENCE.search(body)[1]) + segments - 1  # type: ignore[index]
            part = _PART.search(body, last)
            self._offset = int(part[2]) - newest if part else 0
        for block in body.split(b"#EXT-X-PROGRAM-DATE-TIME:")[-2:]:
            at = block.split(b"\n", 1)[0]
            end_s = datetime.fromisoformat(at.decode()).timestamp() if at[:2] == b"20" else 0.0
            for duration, number, index in _PART.findall(block):
                end_s += float(duration)
                position = int(number), int(index)
                if self._position is None or position > self._position:
                    self._position = position
                    if not first:
                        self._queue.append((*position, end_s))
        if not self._fetching:
            self._fetch()

    def _fetch(self) -> None:
        if not self._queue or self.stopped:
            self._fetching = False
            return
        self._fetching = True
        number, index, end_s = self._queue.pop(0)

        def done(status: int, body: bytes) -> None:
            if status == 200:
                self._tally.parts += 1
                self._tally.bytes += len(body)
                self._tally.delays_s.append(time.time() - end_s)
            else:
                self._tally.errors += 1
            self._fetch()

        self._media.ask(self._base + b"/%d.%d.m4s" % (number, index), done)


async def watch(port: int, grants: list[str], seconds: float, tracks: list[str]) -> Tally:
    """A viewer for each grant, for so long; they come over five seconds, which are not counted."""
    tally = Tally()
    everybody = []
    for n, grant in enumerate(grants):
        for track in tracks:
            viewer = Viewer(f"/hls/{grant}/ch_1/{track}".encode(), tally)
            await viewer.start("127.0.0.1", port)
            everybody.append(viewer)
        if n % max(1, len(grants) // 50) == 0:
            await asyncio.sleep(0.1)
    await asyncio.sleep(2.0)
    counted = Tally(hold_back_s=tally.hold_back_s)
    for viewer in everybody:
        viewer._tally = counted
    await asyncio.sleep(seconds)
    for viewer in everybody:
        viewer.stopped = True
    return counted


async def edge(viewers: int) -> None:
    """The edge: prints its port and grants for its viewers, serves until killed."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from skyriver.fabric.grants import Verifier
    from skyriver.services.live.delivery.server import DeliveryServer
    from tests.fabric.rig import JWKS, SIGNER, running_relay, viewer_grant
    from tests.services.live.delivery.show import on_air

    with tempfile.TemporaryDirectory(prefix="skyriver-bench-") as folder:
        async with running_relay(Path(folder)) as relay, on_air(relay.endpoint):
            service = SIGNER.sign(root="live", get=[""], cluster=True, lifetime=timedelta(hours=1))
            server = DeliveryServer(Verifier(JWKS), (relay.endpoint,), lambda: service)
            port = await server.listen("127.0.0.1", 0)
            grants = [viewer_grant(lifetime=timedelta(hours=1)) for _ in range(viewers)]
            print(json.dumps({"port": port, "grants": grants}), flush=True)
            await server.run()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--viewers", type=int, default=1000)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--sound", action="store_true", help="each viewer follows the sound as well")
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--role", choices=("edge", "worker"), help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tracks = ["source", *(["aac"] if chosen.sound else [])]
    if chosen.role == "edge":
        uvloop.run(edge(chosen.viewers))
    elif chosen.role == "worker":
        told = json.loads(sys.stdin.readline())
        print(json.dumps(vars(uvloop.run(watch(told["port"], told["grants"], chosen.seconds, tracks)))))
    else:
        print(header(), end="\n\n", flush=True)
        command = [sys.executable, __file__, "--role", "edge", "--viewers", str(chosen.viewers)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                report(chosen, tracks, process)
            finally:
                process.kill()


def report(chosen: argparse.Namespace, tracks: list[str], process: subprocess.Popen[str]) -> None:
    """Run the load, print the table."""
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    server = psutil.Process(process.pid)
    command = [sys.executable, __file__, "--role", "worker", "--seconds", str(chosen.seconds)]
    command += ["--sound"] if chosen.sound else []
    before, begun_s = server.cpu_times(), time.monotonic()
    with ThreadPoolExecutor(chosen.workers) as pool:
        shares = [{"port": told["port"], "grants": told["grants"][n :: chosen.workers]} for n in range(chosen.workers)]
        tallies = list(pool.map(lambda share: run_worker(command, share), shares))
    after, passed_s = server.cpu_times(), time.monotonic() - begun_s
    delays = sorted(delay for tally in tallies for delay in tally.delays_s)
    if not delays:
        raise SystemExit("No part came at all.")
    hold_back_s = max(tally.hold_back_s for tally in tallies)
    late = sum(delay - delays[0] > hold_back_s for delay in delays)
    cpu = (after.user + after.system - before.user - before.system) / passed_s
    mbps = sum(tally.bytes for tally in tallies) * 8 / chosen.seconds / 1e6
    after_ms = [
        round((delays[min(len(delays) - 1, int(len(delays) * q))] - delays[0]) * 1000) for q in (0.5, 0.95, 0.99)
    ]
    row: tuple[Any, ...] = (chosen.viewers, "+".join(tracks), len(delays), late, sum(tally.errors for tally in tallies))
    row += (*after_ms, round((delays[-1] - delays[0]) * 1000), round(mbps), f"{cpu:.0%}")
    columns = ("viewers", "tracks", "parts", "late", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms")
    print(markdown((*columns, "Mbit/s of parts", "of a core, the edge"), [row]))
    print(f"\nDelays are against the promptest part of all; late is more than {hold_back_s * 1000:.0f} ms.")


def run_worker(command: list[str], share: dict[str, Any]) -> Tally:
    done = subprocess.run(command, input=json.dumps(share) + "\n", stdout=subprocess.PIPE, text=True, check=True)
    return Tally(**json.loads(done.stdout))


if __name__ == "__main__":
    main()

"""CPU and memory of taking RTMP publishers: our server against nginx-rtmp, in the same run.

    python bench/rtmp_ingest.py [--publishers 20] [--seconds 20] [--rounds 3] [--mbps 2.5]

The publishers are ffmpeg commands that send one prepared file in real time (H.264 720p30 with B-frames, AAC). Ours is
the server as the station runs it, with a task that reads every event of every publication, so chunks, FLV and the
conversion to Annex-B are all paid for. nginx-rtmp takes the chunks and has nobody to send them to: it does less.
Per cent of one core per publisher, user + system, median of the rounds; less is better.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.services.live.stations import KeyRing, Publication, Publishing, Reception, VideoFrame, key_sha256
from skyriver.services.live.stations.rtmp import RtmpServer

COLUMNS = ("server", "publishers", "Mbit/s each", "CPU per publisher, % of a core", "memory, MB")
NGINX_PORT = 19351
NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")  # Debian's libnginx-mod-rtmp
CONNECT_TIMEOUT_S = 60.0
SETTLE_S = 3.0  # the connections' opening burst is over


@dataclass(frozen=True)
class Measured:
    """One server in one round."""

    cpu_per_publisher: float
    memory_bytes: int


async def serve(publishers: int) -> None:
    """Ours, in a process of its own: prints the port, then serves until it is killed."""
    keys = KeyRing()
    keys.replace([(Publication(f"ch_{i}"), [key_sha256(f"key-{i}")]) for i in range(publishers)])

    async def read(publishing: Publishing) -> None:
        size_bytes = 0
        async for event in publishing:
            if isinstance(event, VideoFrame):
                size_bytes += len(event.payload)

    server = RtmpServer(Reception(keys, read), port=0)
    await server.open()
    print(server.port, flush=True)
    await server.run()


@contextmanager
def ours(publishers: int, loop: str) -> Iterator[tuple[int, psutil.Process]]:
    """Our server's port and process."""
    command = [sys.executable, __file__, "--serve", loop, "--publishers", str(publishers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        try:
            yield int(child.stdout.readline()), psutil.Process(child.pid)
        finally:
            child.kill()


@contextmanager
def nginx(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """nginx-rtmp's port and its one worker."""
    config = folder / "nginx.conf"
    config.write_text(
        f"load_module {NGINX_MODULE};\ndaemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log;\nevents {{ worker_connections 1024; }}\n"
        f"rtmp {{ access_log off; server {{ listen 127.0.0.1:{NGINX_PORT}; chunk_size 4096; "
        "application live { live on; record off; } } }\n"
    )
    command = ["nginx", "-c", str(config), "-p", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield NGINX_PORT, psutil.Process(child.pid)
        finally:
            child.terminate()


def make_file(path: Path, mbps: float) -> None:
    """Ten seconds of a moving picture at a constant bit rate."""
    inputs = ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30", "-f", "lavfi", "-i", "sine=frequency=440"]
    rate = f"{mbps - 0.128:.3f}M"
    video = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "60", "-b:v", rate, "-maxrate", rate]
    video += ["-bufsize", rate, "-x264-params", "nal-hrd=cbr:filler=0", "-pix_fmt", "yuv420p"]
    audio = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, "-t", "10", *video, *audio, str(path)], check=True)


@contextmanager
def pushing(source: Path, port: int, publishers: int) -> Iterator[None]:
    """ffmpeg publishers, killed at the end."""
    with ExitStack() as stack:
        for number in range(publishers):
            url = f"rtmp://127.0.0.1:{port}/live/key-{number}"
            command = ["ffmpeg", "-v", "quiet", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(source)]
            child = stack.enter_context(subprocess.Popen([*command, "-c", "copy", "-f", "flv", url]))
            stack.callback(child.kill)
        yield


def measure(port: int, process: psutil.Process, source: Path, publishers: int, seconds: float) -> Measured:
    """CPU of `process` while everybody pushes."""
    with pushing(source, port, publishers):
        give_up_at = time.monotonic() + CONNECT_TIMEOUT_S
        while _established(process) < publishers:
            if time.monotonic() > give_up_at:
                raise SystemExit(f"Only {_established(process)} of {publishers} publishers connected to port {port}.")
            time.sleep(0.2)
        time.sleep(SETTLE_S)
        before, started = process.cpu_times(), time.monotonic()
        time.sleep(seconds)
        after, elapsed_s = process.cpu_times(), time.monotonic() - started
        if _established(process) < publishers:
            raise SystemExit(f"Some publishers on port {port} left during the measurement: it says nothing.")
        used_s = after.user + after.system - before.user - before.system
        return Measured(100 * used_s / elapsed_s / publishers, process.memory_info().rss)


def _established(process: psutil.Process) -> int:
    return sum(connection.status == psutil.CONN_ESTABLISHED for connection in process.net_connections("tcp"))


def compare(chosen: argparse.Namespace) -> list[tuple[object, ...]]:
    """Every server in every round, in turn."""
    rounds: dict[str, list[Measured]] = {"skyriver (uvloop)": [], "skyriver (asyncio)": []}
    with_nginx = shutil.which("nginx") is not None and NGINX_MODULE.exists()
    if with_nginx:
        rounds["nginx-rtmp"] = []
    else:
        print("nginx-rtmp is not installed (Debian: apt install nginx libnginx-mod-rtmp): ours alone.\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.flv"
        make_file(source, chosen.mbps)
        for _ in range(chosen.rounds):
            for server, results in rounds.items():
                opened = nginx(folder) if server == "nginx-rtmp" else ours(chosen.publishers, server[10:-1])
                with opened as (port, process):
                    results.append(measure(port, process, source, chosen.publishers, chosen.seconds))
        real_mbps = source.stat().st_size * 8 / 10 / 1e6
    return [
        (
            server,
            chosen.publishers,
            f"{real_mbps:.2f}",
            f"{median(m.cpu_per_publisher for m in results):.2f}",
            f"{median(m.memory_bytes for m in results) / 1e6:.0f}",
        )
        for server, results in rounds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--serve", choices=("uvloop", "asyncio"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve == "uvloop":
        import uvloop

        uvloop.run(serve(chosen.publishers))
    elif chosen.serve == "asyncio":
        asyncio.run(serve(chosen.publishers))
    else:
        print(header(), end="\n\n", flush=True)
        print(markdown(COLUMNS, compare(chosen)))


if __name__ == "__main__":
    main()

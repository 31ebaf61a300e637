"""Bytes for each CPU-second of the server, with TLS: our delivery against nginx, in one run.

    python bench/delivery.py [--size 200000] [--seconds 5] [--connections 8] [--rounds 3]

Both serve one object of the given size to the same client over the same kind of connection (TLS 1.3, keep-alive), one
after the other and in turns; what counts is the CPU time of the server's process alone. Needs nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.fabric import VideoTrack
from skyriver.fabric.certificates import load_or_issue
from skyriver.fabric.grants import SigningKey, Verifier
from skyriver.kernel.clock import monotonic_s
from skyriver.services.live.cmaf import InitSegment, Part, segmenter_for
from skyriver.services.live.delivery.connection import Connection
from skyriver.services.live.delivery.feed import ChannelFeed, Track
from skyriver.services.live.delivery.ring import TrackRing
from skyriver.services.live.delivery.routes import Routes
from skyriver.services.live.delivery.server import tls_context
from skyriver.services.live.delivery.sessions import Sessions

NGINX = """\
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate.chain_path};
        ssl_certificate_key {certificate.key_path};
        ssl_protocols TLSv1.3;
        root {folder};
    }}
}}
"""


async def serve(port: int, folder: Path, size: int) -> None:
    """Our server with one part in its ring; prints the path to ask for."""
    key = SigningKey("bench", Ed25519PrivateKey.generate())
    init = InitSegment(b"\0", "avc1.64001f", 1_000_000, 1280, 720)
    ring = TrackRing("source")
    ring.append(Part(1, 0, 2_000_000, 200_000, os.urandom(size), init, True, False), (1, 1))
    description = VideoTrack("avc3.64001f", 1280, 720)
    feed = ChannelFeed("ch_1", "live/ch_1", (), lambda: "")
    feed.tracks["source"] = Track(description, ring, segmenter_for(description))
    sessions = Sessions(Verifier({"keys": [key.public_jwk()]}), lambda usage: None)
    routes = Routes(sessions, lambda channel_id: feed)
    context = tls_context(load_or_issue(folder, ("127.0.0.1",)))
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(routes.handle, monotonic_s, lambda connection: None), "127.0.0.1", port, ssl=context
    )
    grant = key.sign(root="live/ch_1", get=[""], lifetime=timedelta(hours=1))
    print(f"/hls/{grant}/ch_1/source/1.0.m4s", flush=True)
    await server.serve_forever()


class Client(asyncio.Protocol):
    """Asks for the same thing again and again, and counts bytes."""

    def __init__(self, path: str, size: int) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        self.size = size
        self.received = 0
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._left = -1
        self._transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._left < 0:  # heads are far smaller than what one read brings
            assert data.startswith(b"HTTP/1.1 200"), data[:100]
            self._left = self.size + data.index(b"\r\n\r\n") + 4
        self._left -= len(data)
        if self._left <= 0:
            self._ask()


async def load(port: int, path: str, size: int, seconds: float, connections: int) -> int:
    """Bytes received in so long."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: Client(path, size), "127.0.0.1", port, ssl=context)
        clients.append(client)
    before = sum(client.received for client in clients)
    await asyncio.sleep(seconds)
    return sum(client.received for client in clients) - before


def measure(pid: int, port: int, path: str, size: int, seconds: float, connections: int) -> tuple[float, float]:
    """(MB for each CPU-second of the process, MB/s)."""
    process = psutil.Process(pid)
    before, begun_s = process.cpu_times(), time.monotonic()
    received = uvloop.run(load(port, path, size, seconds, connections))
    after, passed_s = process.cpu_times(), time.monotonic() - begun_s
    used_s = after.user + after.system - before.user - before.system
    return received / used_s / 1e6, received / passed_s / 1e6


@contextmanager
def ours(folder: Path, size: int) -> Iterator[tuple[int, int, str]]:
    """Our server in a process of its own: (pid, port, path)."""
    port = free_port()
    command = [sys.executable, __file__, "serve", str(port), str(folder), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, port, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def nginx(folder: Path, size: int) -> Iterator[tuple[int, int, str]]:
    """nginx with one worker and the object in a file: (pid, port, path)."""
    port = free_port()
    (folder / "object").write_bytes(os.urandom(size))
    folder.chmod(0o755)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, certificate=load_or_issue(folder, ("127.0.0.1",))))
    with subprocess.Popen(["nginx", "-c", str(config), "-p", str(folder), "-e", f"{folder}/error.log"]) as process:
        try:
            wait_for(port)
            yield process.pid, port, "/object"
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("nginx did not start.")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        return uvloop.run(serve(int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--size", type=int, default=200_000)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--connections", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    if shutil.which("nginx") is None:
        raise SystemExit("This comparison needs nginx: apt-get install nginx.")
    print(header(), end="\n\n", flush=True)
    results: dict[str, list[tuple[float, float]]] = {"delivery": [], "nginx": []}
    for _ in range(chosen.rounds):
        for name, start in (("delivery", ours), ("nginx", nginx)):
            with (
                tempfile.TemporaryDirectory(prefix="skyriver-bench-") as folder,
                start(Path(folder), chosen.size) as (pid, port, path),
            ):
                found = measure(pid, port, path, chosen.size, chosen.seconds, chosen.connections)
            results[name].append(found)
            print(f"{name}: {found[0]:.0f} MB for a CPU-second, {found[1]:.0f} MB/s", file=sys.stderr)
    rows = []
    for name, rounds in results.items():
        efficiency, speed = (round(statistics.median(column)) for column in zip(*rounds, strict=True))
        rows.append((name, efficiency, speed))
    print(markdown(("server", "MB for a CPU-second (median)", "MB/s (median)"), rows))
    print(f"\nDelivery serves {rows[0][1] / rows[1][1]:.2f} times as many bytes for a CPU-second as nginx.")


if __name__ == "__main__":
    main()

"""nginx with its RTMP module (Debian: libnginx-mod-rtmp), started for a comparison on a port of its own."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from skyriver.kernel.errors import WorldBroke

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
START_TIMEOUT_S = 5.0
APP = "bench"
_CONFIG = """\
load_module {module};
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
rtmp {{
    server {{
        listen 127.0.0.1:{port};
        chunk_size 4096;
        application {app} {{ live on; }}
    }}
}}
"""


@dataclass(frozen=True)
class NginxRtmp:
    """A running server."""

    host: str
    port: int
    pid: int


def installed() -> bool:
    """Whether this machine can run the comparison."""
    return shutil.which("nginx") is not None and MODULE.exists()


@asynccontextmanager
async def nginx_rtmp() -> AsyncIterator[NginxRtmp]:
    """One worker process, no master: its CPU and memory are all there is to count."""
    with tempfile.TemporaryDirectory(prefix="skyriver-bench-") as folder:
        port = _free_port()
        config = _write_config(Path(folder), port)
        process = await asyncio.create_subprocess_exec(
            *("nginx", "-c", str(config), "-p", folder, "-e", f"{folder}/error.log"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await _serving(port, process)
            yield NginxRtmp("127.0.0.1", port, process.pid)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _write_config(folder: Path, port: int) -> Path:
    path = folder / "nginx.conf"
    path.write_text(_CONFIG.format(module=MODULE, folder=folder, port=port, app=APP))
    return path


async def _serving(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
    raise WorldBroke("nginx ended before it served.", hint="Run `nginx -t` to see what is wrong with the installation.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

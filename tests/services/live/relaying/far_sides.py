"""Other platforms, for tests: nginx with its RTMP module, as many of them run it."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") if MODULE.exists() else None

_CONFIG = """
load_module {module};
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port};
    application app {{ live on; }}
    application guarded {{ live on; on_publish http://127.0.0.1:9/nobody; }}
}} }}
"""


class Nginx:
    """One nginx, which takes every key at `/app` and none at `/guarded`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    async def start(self) -> None:
        """Start it, and return when it listens."""
        assert NGINX is not None
        config = self._folder / "nginx.conf"
        config.write_text(_CONFIG.format(module=MODULE, folder=self._folder, port=self.port))
        self._process = await asyncio.create_subprocess_exec(
            NGINX, "-c", str(config), "-p", str(self._folder), stderr=asyncio.subprocess.DEVNULL
        )
        while self._process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)  # the socket has no event for being bound
                continue
            writer.close()
            return
        raise AssertionError("nginx ended at its start")

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[Nginx]:
    """A running nginx for the length of a block."""
    server = Nginx(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()

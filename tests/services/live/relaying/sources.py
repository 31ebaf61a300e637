"""Real sources for tests: files and HLS over HTTP, a camera over RTSP by GStreamer."""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import re
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"  # GStreamer's bindings are the system's, not ours

_CAMERA = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GLib, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_service("0")
auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "user")
auth.add_basic(GstRtspServer.RTSPAuth.make_basic("user", "pa55word"), token)
server.set_auth(auth)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
allowed = "user,media.factory.access=(boolean)true,media.factory.construct=(boolean)true;"
factory.add_role_from_structure(Gst.Structure.from_string(allowed)[0])
factory.set_launch(
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 "
    "! x264enc tune=zerolatency key-int-max=25 ! rtph264pay name=pay0 pt=96 "
    "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 )"
)
server.get_mount_points().add_factory("/camera", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


@functools.cache
def has_camera() -> bool:
    """Whether GStreamer's RTSP server and its encoders are installed."""
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
        "Gst.init(None); assert all(Gst.ElementFactory.find(n) for n in ('x264enc', 'rtph264pay', 'alawenc'))"
    )
    if not os.path.exists(SYSTEM_PYTHON):
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


@asynccontextmanager
async def camera() -> AsyncIterator[int]:
    """A camera at rtsp://user:pa55word@127.0.0.1:PORT/camera: H.264 and G.711. Yields its port."""
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON, "-c", _CAMERA, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, with ranges; `/away/…` redirects to what follows."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests say enough."""

    def send_head(self) -> BytesIO | None:
        if self.path.startswith("/away/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/away/"))
            self.end_headers()
            return None
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return None
        data = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin, end = (int(wanted[1]), int(wanted[2] or len(data) - 1)) if wanted else (0, len(data) - 1)
        if begin >= len(data):
            self.send_error(416)
            return None
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end - begin + 1))
        self.end_headers()
        return BytesIO(data[begin : end + 1])


@contextmanager
def files(folder: Path) -> Iterator[str]:
    """The files of a folder over HTTP. Yields the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make(folder: Path, name: str, *options: str, seconds: int = 2) -> Path:
    """A moving picture with B-frames and a tone, by the ffmpeg command."""
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={seconds}")
    sound = ("-f", "lavfi", "-i", f"sine=440:d={seconds}")
    h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p")
    command = ["ffmpeg", "-v", "error", "-y", *picture, *sound, *h264, *options, str(folder / name)]
    subprocess.run(command, check=True)
    return folder / name

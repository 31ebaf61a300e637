"""How old a picture is over HLS, from the feeder's clock to Chromium's screen: our LL-HLS beside nginx-rtmp's HLS.

    python bench/hls_glass.py [--data DIR] [--seconds 300] [--nginx-seconds 60]

The same picture with a clock in it goes into the cloud's demo channel (transcoded, packaged, played by the player's HLS
side at an edge) and into nginx-rtmp (its HLS with fragments of two seconds, played by hls.js with its defaults). The
clock is read from the video element in each refresh of the display, one after the other in the same browser.
Needs Debian's nginx with libnginx-mod-rtmp.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyriver.apps.cli.measure.chromium import Page, running_chromium
from skyriver.apps.cli.measure.clock_watch import Seen, watch_clock
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, painted, stats
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.summary import percentile, summarise
from skyriver.client import find_cloud
from skyriver.services.live.media.demo_push import DemoPush

RTMP_PORT, HTTP_PORT = 7481, 7482
WIDTH, HEIGHT, FPS = 854, 480, 30
STALL_MS = 200
SETTLE_S = 10.0
HLS_JS = Path(__file__).parents[1] / "console" / "node_modules" / "hls.js" / "dist" / "hls.min.js"
COLUMNS = (
    "what",
    "seconds",
    "pictures",
    "age p50 ms",
    "p95 ms",
    "max ms",
    "ran dry",
    f"stood still > {STALL_MS} ms",
    "longest still ms",
    "first picture ms",
)
NGINX = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
rtmp {{ server {{ listen 127.0.0.1:{rtmp}; application bench {{
  live on; hls on; hls_path {folder}/hls; hls_fragment 2s; hls_playlist_length 12s; }} }} }}
http {{
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; access_log off;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; text/html html; application/javascript js; }}
  server {{ listen 127.0.0.1:{http}; root {folder}; add_header Cache-Control no-cache; }} }}
"""
PAGE = """<!doctype html><video muted autoplay playsinline></video><script src="hls.js"></script><script>
const video = document.querySelector("video"), hls = new Hls();
hls.loadSource("hls/demo.m3u8"); hls.attachMedia(video); video.play();
</script>"""


@contextmanager
def process(*command: str) -> Iterator[None]:
    with subprocess.Popen(command) as running:
        try:
            yield
        finally:
            running.terminate()
            running.wait(10)


def row(what: str, seconds: float, seen: Seen, first_ms: float) -> tuple[object, ...]:
    ages = summarise(seen.ages_ms, digits=0)
    return (
        what,
        f"{seconds:g}",
        ages.count,
        round(ages.p50),
        round(percentile(seen.ages_ms, 95)),
        round(ages.max),
        seen.waits,
        seen.stalls(STALL_MS),
        round(max(seen.gaps_ms)),
        round(first_ms),
    )


async def ours(page: Page, url: str, seconds: float) -> tuple[object, ...]:
    await page.open(f"{url}/watch/skyriver/demo")
    await painted(page)
    await page.evaluate(f"{PLAYER}.setAttribute('transport', 'hls')")
    await page.wait_for(f"{STATS}?.protocol === 'll-hls' && {STATS}.state === 'playing'")
    before = await stats(page)
    await asyncio.sleep(SETTLE_S)
    seen = await watch_clock(page, f"{PLAYER}.shadowRoot.querySelector('video')", seconds)
    after = await stats(page)
    # What a player that gave parts up shows is another thing, and no measurement of this one.
    fell = "" if after["protocol"] == "ll-hls" and seen.elements == 1 else f", fell to {after['protocol']}"
    return row(f"LL-HLS{fell}", seconds, seen, before["startup_ms"])


def lay_out(folder: Path) -> Path:
    """nginx's files; returns its configuration."""
    (folder / "hls").mkdir()
    folder.chmod(0o755)
    shutil.copy(HLS_JS, folder / "hls.js")
    (folder / "index.html").write_text(PAGE)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, rtmp=RTMP_PORT, http=HTTP_PORT))
    return config


async def nginx(page: Page, seconds: float) -> tuple[object, ...]:
    with tempfile.TemporaryDirectory(prefix="skyriver-bench-") as folder:
        config = lay_out(Path(folder))
        with process("nginx", "-c", str(config), "-p", folder, "-e", f"{folder}/error.log"):
            await asyncio.sleep(1)
            with process(sys.executable, __file__, "--push", f"rtmp://127.0.0.1:{RTMP_PORT}/bench/demo"):
                await asyncio.sleep(10)  # four fragments, so that a player may begin
                await page.open(f"http://127.0.0.1:{HTTP_PORT}/index.html")
                await page.wait_for("document.querySelector('video')")
                first_ms = await page.evaluate(_FIRST)
                await asyncio.sleep(SETTLE_S)
                seen = await watch_clock(page, "document.querySelector('video')", seconds)
                return row("nginx-rtmp HLS", seconds, seen, first_ms)


async def run(data: Path | None, seconds: float, nginx_seconds: float) -> None:
    async with running_chromium() as browser:
        page = await browser.page()
        rows = [await ours(page, find_cloud(data).url, seconds)]
        print("|", " | ".join(str(cell) for cell in rows[0]), "|", flush=True)
        await page.close()
        page = await browser.page()
        rows.append(await nginx(page, nginx_seconds))
    print("\n" + markdown(COLUMNS, rows))


_FIRST = """new Promise((resolve) => {
  const video = document.querySelector("video"), from = performance.timeOrigin;
  const look = () => (video.currentTime > 0 ? resolve(Date.now() - from) : requestAnimationFrame(look));
  look();
})"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--seconds", type=float, default=300.0)
    arguments.add_argument("--nginx-seconds", type=float, default=60.0)
    arguments.add_argument("--push", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.push:
        DemoPush(chosen.push, width=WIDTH, height=HEIGHT, fps=FPS).run(threading.Event())
        return
    print(header(), end="\n\n", flush=True)
    asyncio.run(run(chosen.data, chosen.seconds, chosen.nginx_seconds))


if __name__ == "__main__":
    main()

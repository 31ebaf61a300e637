"""People wind back: the player on a recording, with two sound tracks, captions and a seek bar, by keys and by menu."""

from __future__ import annotations

import asyncio
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from skyriver.apps.cli.measure.chromium import Page
from skyriver.apps.cli.measure.cloud_process import RunningCloud
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, painted

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ffmpeg,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="NOT RUN: there is no ffmpeg command here"),
    pytest.mark.asyncio(loop_scope="session"),
]

LENGTH_S = 24
HLS = "-f hls -hls_time 4 -hls_playlist_type vod -hls_segment_type fmp4"
PICTURE = (
    f"-f lavfi -i testsrc2=size=320x180:rate=25 -t {LENGTH_S} -c:v libx264 -preset ultrafast -g 100 -pix_fmt yuv420p"
)
SOUND = f"-f lavfi -i sine=frequency=440 -t {LENGTH_S} -c:a aac"
MAIN = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Stage",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="en/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="解说",LANGUAGE="zh",AUTOSELECT=YES,URI="zh/index.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",LANGUAGE="en",AUTOSELECT=YES,URI="text/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=600000,RESOLUTION=320x180,CODECS="avc1.42c015,mp4a.40.2",AUDIO="a",SUBTITLES="s"
picture/index.m3u8
"""
TEXT = f"#EXTM3U\n#EXT-X-TARGETDURATION:{LENGTH_S}\n#EXTINF:{LENGTH_S},\nall.vtt\n#EXT-X-ENDLIST\n"
CUES = "WEBVTT\n\n00:00.000 --> 00:23.000\nA river in the sky\n"
SPRITE = "WEBVTT\n\n00:00.000 --> 00:24.000\nsprite.jpg#xywh=0,0,160,90\n"


class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


async def encode(folder: Path, name: str, what: str) -> None:
    (folder / name).mkdir()
    command = f"ffmpeg -nostdin -loglevel error {what} {HLS} index.m3u8".split()
    process = await asyncio.create_subprocess_exec(*command, cwd=folder / name)
    assert await process.wait() == 0


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and where it is served."""
    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def test_a_recording_is_sought_in_and_its_tracks_are_chosen(
    page: Page, sky: RunningCloud, shelf: tuple[Path, str]
) -> None:
    folder, served = shelf
    await encode(folder, "picture", PICTURE)
    await encode(folder, "en", SOUND)
    shutil.copytree(folder / "en", folder / "zh")
    (folder / "text").mkdir()
    for name, text in {"main.m3u8": MAIN, "text/index.m3u8": TEXT, "text/all.vtt": CUES, "t.vtt": SPRITE}.items():
        (folder / name).write_text(text)
    await page.open(f"{sky.url}/embed.html?src={quote(served + '/main.m3u8')}&thumbnails={quote(served + '/t.vtt')}")
    shown = await painted(page, 5)
    assert shown["protocol"] == "hls"
    root = f"{PLAYER}.shadowRoot"
    assert await page.evaluate(f"{PLAYER}.duration > 23 && {PLAYER}.duration < 26")
    await page.wait_for(f"!{root}.querySelector('.seek').hidden")

    await page.evaluate(f"{PLAYER}.focus()")
    await page.press("k")
    await page.wait_for(f"{PLAYER}.paused && {STATS}.state === 'paused'")
    before = await page.evaluate(f"{PLAYER}.currentTime")
    await page.press("ArrowRight")
    await page.wait_for(f"Math.abs({PLAYER}.currentTime - {before} - 5) < 0.3")
    await page.press(".")
    await page.wait_for(f"{PLAYER}.currentTime - {before} > 5.01")
    await page.press("Home")
    await page.wait_for(f"{PLAYER}.currentTime < 0.5")
    await page.press("k")

    await page.press("c")
    await page.wait_for(f"{root}.querySelector('.captions').textContent === 'A river in the sky'")
    await page.evaluate(
        f"""(() => {{
          const choose = (name, value) => {{
            const select = {root}.querySelector(name);
            select.value = value;
            select.dispatchEvent(new Event('change'));
          }};
          const sound = {root}.querySelector('select.audio');
          choose('select.audio', [...sound.options].find((option) => option.text === '解说').value);
          choose('select.rate', '2');
        }})()"""
    )
    await page.wait_for(f"{root}.querySelector('video').playbackRate === 2")
    await page.wait_for(f"{root}.querySelector('select.audio').selectedOptions[0].text === '解说'")
    await painted(page, 10)
    assert page.complaints == []

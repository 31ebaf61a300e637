"""The clock in the picture, read in a browser off whatever element shows it: how old each new picture is on the screen.

Reads once in each refresh of the display, so a picture is as old as its drawing, encoding, delivery, cushion and
decoding made it; the screen's own refresh, 17 ms at 60 Hz, comes on top. Both clocks are one clock only where the
publisher runs on the browser's machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.apps.cli.measure.chromium import Page
from skyriver.services.live.media import clock_strip

MAX_AGE_MS = 120_000  # further off than this it is no clock


@dataclass(frozen=True)
class Seen:
    """What was on the screen.

    `ages_ms`: of each new picture. `gaps_ms`: between each and the one before, and since the last. `waits`: how often
    the media element stopped for want of media (a canvas never says so). `elements`: how many there were, one after
    the other; a player that changes its transport makes a new one.
    """

    ages_ms: list[float]
    gaps_ms: list[float]
    waits: int
    elements: int

    def stalls(self, longer_ms: float) -> int:
        """How often a picture stood still for longer than that."""
        return sum(gap > longer_ms for gap in self.gaps_ms)


async def watch_clock(page: Page, element: str, seconds: float) -> Seen:
    """Read for so long. `element` is JavaScript for the canvas or video, asked anew in each refresh."""
    told = await page.evaluate(
        _WATCH
        % {
            "element": element,
            "seconds": seconds,
            "max_age_ms": MAX_AGE_MS,
            "bits": clock_strip.BITS,
            "left": clock_strip.LEFT,
            "right": clock_strip.RIGHT,
            "middle": (clock_strip.TOP + clock_strip.BOTTOM) / 2,
        }
    )
    return Seen(**told)


# Runs after the page's own painting in each refresh: a later request is called later.
_WATCH = """new Promise((resolve) => {
  const strip = document.createElement("canvas");
  const ages_ms = [], gaps_ms = [], heard = new Set();
  const end = performance.now() + %(seconds)s * 1000;
  let shown = 0, shown_at, waits = 0;
  const read = (element) => {
    const width = element.videoWidth ?? element.width, height = element.videoHeight ?? element.height;
    if (!width) return 0;
    if (strip.width !== width) { strip.width = width; strip.height = 1; }
    const context = strip.getContext("2d", { willReadFrequently: true });
    context.drawImage(element, 0, Math.floor(height * %(middle)s), width, 1, 0, 0, width, 1);
    const { data } = context.getImageData(0, 0, width, 1);
    let time = 0;
    for (let bit = 0; bit < %(bits)s; bit++) {
      const x = Math.floor(width * (%(left)s + (%(right)s - %(left)s) * (bit + 0.5) / %(bits)s));
      time = time * 2 + (data[4 * x] > 127 ? 1 : 0);
    }
    return time;
  };
  const look = () => {
    const element = %(element)s, now = performance.now();
    if (element && !heard.has(element)) {
      heard.add(element);
      element.addEventListener("waiting", () => waits++);
    }
    const time = element ? read(element) : 0;
    const age = Date.now() - time;
    if (time !== shown && Math.abs(age) < %(max_age_ms)s) {
      ages_ms.push(age);
      if (shown_at !== undefined) gaps_ms.push(now - shown_at);
      shown_at = now;
    }
    shown = time;
    if (now < end) { requestAnimationFrame(look); return; }
    gaps_ms.push(now - (shown_at ?? end - %(seconds)s * 1000));
    resolve({ ages_ms, gaps_ms, waits, elements: heard.size });
  };
  requestAnimationFrame(look);
})"""

"""A headless Chromium, driven over its debugging pipe: for measurements and tests of what people really see.

The Chrome DevTools Protocol over file descriptors 3 (to the browser) and 4 (from it), one JSON message between NUL
bytes: no port, nothing to install. https://chromedevtools.github.io/devtools-protocol/

Clicks and keys are the browser's own input events, so an element that is covered or disabled is not pressed.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from skyriver.kernel.errors import NotReady, WorldBroke

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # A page kept for going back freezes what waits in it, and with it who waits for its answer.
    "--disable-features=BackForwardCache",
    "--mute-audio",  # the machine's loudspeakers only: the page's own sound is decoded and can be measured
    "--autoplay-policy=no-user-gesture-required",
)
GOODBYE_S = 5.0
WAIT_S = 20.0
NAVIGATED = ("navigated", "context was destroyed", "Cannot find context", "Promise was collected")
# Above what a shell or the browser's launcher script uses for itself.
LOWEST_FREE_DESCRIPTOR = 10


def find_chromium() -> Path:
    """The browser's path.

    Raises:
        NotReady: there is none.
    """
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    raise NotReady(f"There is no Chromium on the PATH (looked for {', '.join(NAMES)}).", hint="Install it.")


class Page:
    """One tab. `complaints` collects errors and warnings that its developer tools would show."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol for this tab."""
        return await self._browser.send(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go there; returns when the browser has begun to load it."""
        answer = await self.send("Page.navigate", url=url)
        if error := answer.get("errorText"):
            raise WorldBroke(f"Chromium could not open {url}: {error}.")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if details := answer.get("exceptionDetails"):
            thrown = details.get("exception", {}).get("description") or details["text"]
            raise WorldBroke(f"The page threw while evaluating {expression[:200]!r}: {thrown}")
        return answer["result"].get("value")

    async def wait_for(self, condition: str, timeout_s: float = WAIT_S) -> Any:
        """Wait, inside the page, until a JavaScript expression is truthy. Returns its value.

        Raises:
            NotReady: it was not within `timeout_s`; the message tells what the page showed instead.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            look = _WAIT.replace("CONDITION", condition).replace("LEFT_MS", f"{left_s * 1000:.0f}")
            try:
                if value := await self.evaluate(look):
                    return value
            except WorldBroke as error:
                # A navigation ends the waiting script with its page: then the next page is asked.
                if not any(words in str(error) for words in NAVIGATED):
                    raise
        shown = await self.evaluate("document.body ? location.href + ' ' + document.body.innerText.slice(0, 600) : ''")
        said = "; ".join(self.complaints[-5:]) or "nothing"
        message = f"The page did not come to `{condition}` within {timeout_s:.0f} s."
        raise NotReady(message, hint=f"It showed: {shown!r}, its console: {said}.")

    async def click(self, selector: str, timeout_s: float = WAIT_S) -> None:
        """Press the left button in the middle of the first visible match, once it is enabled and nothing covers it.

        A selector `text=Words` is the button, link or tab with these words.
        """
        x, y = await self.wait_for(f"({_PRESSABLE})({json.dumps(selector)})", timeout_s)
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def type(self, selector: str, text: str) -> None:
        """Click into a field and replace what is in it."""
        await self.click(selector)
        await self.evaluate("document.activeElement.select?.()")
        await self.send("Input.insertText", text=text)

    async def press(self, key: str, code: str | None = None, key_code: int = 0) -> None:
        """One key, down and up."""
        text = {"text": "\r"} if key == "Enter" else {}
        fields: dict[str, Any] = {"key": key, "code": code or key, "windowsVirtualKeyCode": key_code}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **fields, **text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **fields)

    async def resize(self, width_px: int, height_px: int, *, mobile: bool = False) -> None:
        """Give the tab this size in CSS pixels."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width_px, height=height_px, deviceScaleFactor=1, mobile=mobile
        )

    async def prefer(self, *, dark: bool = False, language: str = "en") -> None:
        """What the person has set in their system; takes effect with the next page."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])
        await self.send("Page.addScriptToEvaluateOnNewDocument", source=_LANGUAGE.replace("LANGUAGE", language))

    async def screenshot(self, *, whole_page: bool = False) -> bytes:
        """A PNG of what is visible, or of the whole page."""
        answer = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole_page)
        return base64.b64decode(answer["data"])

    async def close(self) -> None:
        """Close the tab."""
        await self.send("Page.close")

    def hear(self, method: str, parameters: dict[str, Any]) -> None:
        """An event of this tab arrived."""
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            words = [str(part.get("value", part.get("description", ""))) for part in parameters["args"]]
            self.complaints.append(" ".join(words))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            entry = parameters["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}".strip())


class Chromium(asyncio.Protocol):
    """A running browser; made by `running_chromium`."""

    def __init__(self) -> None:
        self.commands: asyncio.WriteTransport | None = None
        self._rest = b""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def page(self, width_px: int = 1280, height_px: int = 800) -> Page:
        """A new, empty tab with a profile of its own: nobody is signed in there."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        target = (await self.send("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        attached = await self.send("Target.attachToTarget", targetId=target, flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.send(f"{domain}.enable")
        await page.resize(width_px, height_px)
        return page

    async def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; its result.

        Raises:
            WorldBroke: the browser refused it, or is gone.
        """
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        assert self.commands is not None
        self.commands.write(json.dumps(message).encode() + b"\0")
        try:
            heard = await answer
        finally:
            del self._waiting[number]
        if error := heard.get("error"):
            raise WorldBroke(f"Chromium refused {method}: {error['message']}")
        return heard["result"]  # type: ignore[no-any-return]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pipe from the browser is open."""

    def data_received(self, data: bytes) -> None:
        """Hand every whole message to whom it is for."""
        *whole, rest = (self._rest + data).split(b"\0") if b"\0" in data else [self._rest + data]
        self._rest = rest
        for text in whole:
            message = json.loads(text)
            if waiting := self._waiting.get(message.get("id")):
                if not waiting.done():
                    waiting.set_result(message)
            elif page := self._pages.get(message.get("sessionId")):
                page.hear(message["method"], message["params"])

    def connection_lost(self, exc: Exception | None) -> None:
        """The browser ended."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WorldBroke("Chromium ended."))


@asynccontextmanager
async def running_chromium(*flags: str) -> AsyncIterator[Chromium]:
    """A browser with an empty profile of its own, for the length of the block."""
    path = find_chromium()
    folder = Path(tempfile.mkdtemp(prefix="skyriver-chromium-"))
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium's sandbox refuses to run as root
    command = [str(path), *FLAGS, *sandbox, f"--user-data-dir={folder}", *flags, "about:blank"]
    browser, pid = await _start(command, folder / "chromium.log")
    try:
        yield browser
    finally:
        if browser.commands is not None:
            browser.commands.close()  # the end of the pipe means: go
        await _reap(pid)
        shutil.rmtree(folder, ignore_errors=True)


async def _start(command: list[str], log: Path) -> tuple[Chromium, int]:
    """Start the browser and take hold of its pipes."""
    pid, reading, writing = _spawn(command, log)
    loop, browser = asyncio.get_running_loop(), Chromium()
    await loop.connect_read_pipe(lambda: browser, os.fdopen(reading, "rb", buffering=0))
    pipe = os.fdopen(writing, "wb", buffering=0)
    browser.commands, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
    return browser, pid


def _spawn(command: list[str], log: Path) -> tuple[int, int, int]:
    """The browser's process, with its ends of two pipes as descriptors 3 and 4; its pid, and our ends."""
    (commands, ours_out), (ours_in, answers) = os.pipe(), os.pipe()
    # Not 3 or 4 themselves, or one duplicate would overwrite the other's source.
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, LOWEST_FREE_DESCRIPTOR) for end in (commands, answers)]
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, moved[0], 3),
        (os.POSIX_SPAWN_DUP2, moved[1], 4),
    ]
    try:
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setpgroup=0)
    finally:
        for end in (commands, answers, *moved):
            os.close(end)
    return pid, ours_in, ours_out


async def _reap(pid: int) -> None:
    """Wait for the end of the browser; kill it and its children if it does not go."""
    waiting = asyncio.create_task(asyncio.to_thread(os.waitpid, pid, 0))
    try:
        async with asyncio.timeout(GOODBYE_S):
            await asyncio.shield(waiting)
    except TimeoutError:
        os.killpg(pid, signal.SIGKILL)
        await waiting


_WAIT = """new Promise((resolve, reject) => {
  const end = performance.now() + LEFT_MS;
  const look = () => {
    try {
      const value = (CONDITION);
      if (value) resolve(value instanceof Node ? true : value);
      else if (performance.now() > end) resolve(undefined);
      else setTimeout(look, 20);
    } catch (error) { reject(error); }
  };
  look();
})"""

_PRESSABLE = """(selector) => {
  const words = selector.startsWith("text=") ? selector.slice(5) : undefined;
  const all = [...document.querySelectorAll(words === undefined ? selector : "button, a, label, [role=tab]")];
  for (const node of all) {
    if (words !== undefined && node.textContent.trim() !== words) continue;
    if (node.disabled || node.getClientRects().length === 0) continue;
    node.scrollIntoView({ block: "center", behavior: "instant" });
    const box = node.getBoundingClientRect();
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    let top = document.elementFromPoint(x, y);
    if (top && (node.contains(top) || top.contains(node))) return [x, y];
  }
  return undefined;
}"""

_LANGUAGE = """Object.defineProperty(navigator, "language", { get: () => "LANGUAGE" });
Object.defineProperty(navigator, "languages", { get: () => ["LANGUAGE"] });"""

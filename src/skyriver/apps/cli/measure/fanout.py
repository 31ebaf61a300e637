"""How many viewers one relay carries, what each costs, and what the relay does beyond its limit.

A synthetic stream of 1 Mbit/s at 30 frames a second; viewers are added step by step in a few worker processes until
the 99th percentile of frame ages passes 100 ms. The same load is then put on nginx-rtmp, where it is installed
(plain TCP: no encryption, no QUIC; the comparison says what those cost). Last, a relay with its default limits is
asked for 1.5 times what was found: it has to refuse the excess, and those it accepted must not suffer.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skyriver.apps.cli.child import Child, child
from skyriver.apps.cli.measure import nginx_rtmp
from skyriver.apps.cli.measure.crowd import BROADCAST, TRACK
from skyriver.apps.cli.measure.histogram import Histogram
from skyriver.apps.cli.measure.rtmp_client import RtmpClient
from skyriver.fabric import hang, moq
from skyriver.fabric.grants import SigningKey
from skyriver.fabric.numbering import group_of, slot_of
from skyriver.fabric.publisher import Publisher
from skyriver.kernel.clock import MediaClock, monotonic_s

SPACE = "live/bench"
FPS = 30
INTER_BYTES, KEY_BYTES = 4_000, 16_000  # 1.0 Mbit/s with a keyframe every two seconds
GOOD_P99_MS, OVERLOADED_P99_MS = 100.0, 150.0
OVERLOAD = 1.5
MOST_OVERLOAD = 3  # times the plan's most: a relay that still refuses nobody there has no limit worth the name
SETTLE_S = 3.0  # new viewers get their first group and the relay's readings catch up
CHILD_TIMEOUT_S = 60.0
GRANT_LIFETIME = timedelta(hours=2)
WIDE_OPEN = {"max_sessions": 100_000, "max_egress_bps": 100_000_000_000, "max_cpu": 100.0, "shed_cpu": 100.0}
_CROWD = "skyriver.apps.cli.measure.crowd"
_WORKLOAD = "skyriver.apps.workload"
COLUMNS = (
    "server",
    "asked",
    "watching",
    "p50 ms",
    "p99 ms",
    "frames %",
    "CPU %",
    "CPU % / viewer",
    "machine %",
    "memory MB",
)

Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class FanoutPlan:
    """How far to go: `step` viewers at a time up to `most`, each step measured for `seconds`."""

    step: int = 50
    most: int = 400
    seconds: float = 8.0
    workers: int = 2


@dataclass(frozen=True)
class Load:
    """One server under one number of viewers. CPU in percent of one core, of the server's process alone.

    `machine_percent` is of all cores, viewers and strangers included: near 100 it is the machine that is full, and ages
    say little about the server.
    """

    server: str
    asked: int
    watching: int
    p50_ms: float
    p99_ms: float
    delivered_percent: float
    cpu_percent: float
    machine_percent: float
    memory_bytes: int

    def row(self) -> tuple[Any, ...]:
        each = f"{self.cpu_percent / self.watching:.3f}" if self.watching else None
        cells = (self.server, self.asked, self.watching, f"{self.p50_ms:.0f}", f"{self.p99_ms:.0f}")
        costs = (f"{self.cpu_percent:.1f}", each, f"{self.machine_percent:.0f}", f"{self.memory_bytes / 1e6:.0f}")
        return (*cells, f"{self.delivered_percent:.1f}", *costs)


@dataclass
class FanoutReport:
    """Every step, and the overload check."""

    loads: list[Load] = field(default_factory=list)
    limit: int = 0
    overload: Load | None = None

    def rows(self) -> list[tuple[Any, ...]]:
        return [load.row() for load in (*self.loads, *((self.overload,) if self.overload else ()))]

    def verdict(self) -> str:
        """The result in words."""
        words = f"One relay carries {self.limit} viewers at p99 < {GOOD_P99_MS:.0f} ms."
        if self.overload is not None:
            refused = self.overload.asked - self.overload.watching
            kept = "kept" if self.overload.p99_ms < OVERLOADED_P99_MS else "did NOT keep"
            words += (
                f" Asked by {self.overload.asked}, it refused {refused}; "
                f"those it accepted {kept} p99 < {OVERLOADED_P99_MS:.0f} ms ({self.overload.p99_ms:.0f} ms)."
            )
        return words

    def as_json(self) -> dict[str, Any]:
        return {
            "limit_viewers": self.limit,
            "loads": [asdict(load) for load in self.loads],
            "overload": asdict(self.overload) if self.overload else None,
        }


async def measure(plan: FanoutPlan, tell: Tell) -> FanoutReport:
    """Run every part, one after the other."""
    report = FanoutReport()
    async with _relay(WIDE_OPEN) as (server, spec):
        await _climb("skyriver relay", plan, server.pid, spec, report.loads, tell)
    good = [load for load in report.loads if load.p99_ms < GOOD_P99_MS and load.delivered_percent > 98]
    report.limit = max((load.watching for load in good), default=0)
    if nginx_rtmp.installed():
        highest = max((load.asked for load in report.loads), default=0)
        async with _nginx() as (pid, spec):
            await _climb(
                "nginx-rtmp (no TLS)", FanoutPlan(**{**asdict(plan), "most": highest}), pid, spec, report.loads, tell
            )
    report.overload = await _overload(plan, tell)
    return report


async def _overload(plan: FanoutPlan, tell: Tell) -> Load:
    """Fill a relay that has its own limits until 1.5 times as many have asked as it has taken."""
    name = "skyriver relay, own limits"
    async with _relay({}) as (server, spec), _crowd(plan.workers, spec) as crowd:
        asked = watching = 0
        while asked < max(watching * OVERLOAD, plan.step) and asked < MOST_OVERLOAD * plan.most:
            wanted = plan.step if asked == watching else math.ceil(watching * OVERLOAD) - asked
            tell(asked, f"{name}: {asked} viewers")
            await _add(crowd, wanted)
            asked += wanted
            await asyncio.sleep(SETTLE_S)
            watching = await _watching(crowd)
        return await _load(name, asked, crowd, server.pid, plan.seconds)


async def _climb(server: str, plan: FanoutPlan, pid: int, spec: dict[str, Any], loads: list[Load], tell: Tell) -> None:
    """Add viewers until ages pass what is good, or the plan's end."""
    async with _crowd(plan.workers, spec) as crowd:
        for asked in range(plan.step, plan.most + 1, plan.step):
            tell(asked, f"{server}: {asked} viewers")
            await _add(crowd, plan.step)
            loads.append(await _load(server, asked, crowd, pid, plan.seconds))
            if loads[-1].p99_ms >= GOOD_P99_MS:
                return


async def _add(crowd: list[Child], count: int) -> None:
    for number, worker in enumerate(crowd):
        worker.tell("add", count=count // len(crowd) + (number < count % len(crowd)))
    for worker in crowd:
        await worker.hear("added", timeout_s=CHILD_TIMEOUT_S)


async def _watching(crowd: list[Child]) -> int:
    for worker in crowd:
        worker.tell("report")
    return sum([(await worker.hear("report", timeout_s=CHILD_TIMEOUT_S))["watching"] for worker in crowd])


async def _load(server: str, asked: int, crowd: list[Child], pid: int, seconds: float) -> Load:
    """Measure one step: let it settle, then count for `seconds`."""
    await asyncio.sleep(SETTLE_S)
    process = psutil.Process(pid)
    for worker in crowd:
        worker.tell("reset")
    psutil.cpu_percent()  # from here on
    before, from_s = process.cpu_times(), monotonic_s()
    await asyncio.sleep(seconds)
    after, passed_s = process.cpu_times(), monotonic_s() - from_s
    machine_percent = psutil.cpu_percent()
    ages, watching, frames = Histogram(), 0, 0
    for worker in crowd:
        worker.tell("report")
    for worker in crowd:
        seen = await worker.hear("report", timeout_s=CHILD_TIMEOUT_S)
        ages.merge(Histogram.from_json(seen["ages"]))
        watching += seen["watching"]
        frames += seen["frames"]
    cpu_s = after.user + after.system - before.user - before.system
    expected = watching * FPS * passed_s
    return Load(
        server,
        asked,
        watching,
        ages.percentile(50),
        ages.percentile(99),
        round(100 * frames / expected, 1) if expected else 0.0,
        round(100 * cpu_s / passed_s, 1),
        machine_percent,
        process.memory_info().rss,
    )


@asynccontextmanager
async def _crowd(workers: int, spec: dict[str, Any]) -> AsyncIterator[list[Child]]:
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(child(f"viewers {n}", "-m", _CROWD)) for n in range(workers)]
        for worker in crowd:
            worker.tell("spec", spec=spec)
        yield crowd


@asynccontextmanager
async def _relay(limits: dict[str, Any]) -> AsyncIterator[tuple[Child, dict[str, Any]]]:
    """A relay in its own process, with a publisher in this one; yields it and its viewers' spec."""
    key = SigningKey("bench", Ed25519PrivateKey.generate())
    service = key.sign(root=SPACE, put=[""], get=[""], cluster=True, lifetime=GRANT_LIFETIME)
    viewer = key.sign(root=SPACE, get=[""], lifetime=GRANT_LIFETIME)
    with tempfile.TemporaryDirectory(prefix="skyriver-bench-") as folder:
        async with child("the relay", "-m", _WORKLOAD, "relay") as server:
            what = {"role": "origin", "host": "127.0.0.1", "port": 0, "admission": limits}
            server.tell("spec", spec=what, data_dir=folder, jwks={"keys": [key.public_jwk()]})
            ready = await server.hear("ready", timeout_s=CHILD_TIMEOUT_S)
            endpoint = moq.Endpoint(ready["url"], tuple(ready["certificate_sha256"]))
            publisher = Publisher([endpoint], SPACE, lambda: service)
            async with _background(publisher.run(), _publish_moq(publisher)):
                await publisher.connected()
                yield (
                    server,
                    {
                        "kind": "moq",
                        "url": endpoint.url,
                        "certificate_sha256": list(endpoint.certificate_sha256),
                        "space": SPACE,
                        "grant": viewer,
                    },
                )


@asynccontextmanager
async def _nginx() -> AsyncIterator[tuple[int, dict[str, Any]]]:
    async with nginx_rtmp.nginx_rtmp() as server, RtmpClient(server.host, server.port, nginx_rtmp.APP) as client:
        await client.publish(BROADCAST)
        async with _background(_publish_rtmp(client), client.discard()):
            yield server.pid, {"kind": "rtmp", "host": server.host, "port": server.port, "app": nginx_rtmp.APP}


@asynccontextmanager
async def _background(*work: Awaitable[None]) -> AsyncIterator[None]:
    """Run `work` for the length of the block."""

    async def one(part: Awaitable[None]) -> None:
        await part

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one(part)) for part in work]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


async def _publish_moq(publisher: Publisher) -> None:
    moq.silence_native_logs()
    broadcast = publisher.broadcast(BROADCAST)
    track = broadcast.video(TRACK, hang.VideoTrack("avc3.42c01f", 1280, 720, FPS, 1_000_000))
    broadcast.announce()
    clock, slot, group = MediaClock(), -1, -1
    async for _ in _ticks():
        now_us = clock.now_us()
        keyframe, slot = slot_of(now_us) > slot, slot_of(now_us)
        group = group_of(now_us) if keyframe else group
        track.write(b"\xaa" * (KEY_BYTES if keyframe else INTER_BYTES), now_us, keyframe=keyframe, group=group)


async def _publish_rtmp(client: RtmpClient) -> None:
    async for number in _ticks():
        keyframe = number % (2 * FPS) == 0
        await client.write(KEY_BYTES if keyframe else INTER_BYTES, number * 1000 // FPS, keyframe=keyframe)


async def _ticks() -> AsyncIterator[int]:
    """A number every 1/30 s, by the clock rather than by counting sleeps."""
    from_s, number = monotonic_s(), 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(max(0.0, from_s + number / FPS - monotonic_s()))

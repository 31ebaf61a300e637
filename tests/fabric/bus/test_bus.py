"""The bus against a real nats-server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from skyriver.fabric.bus import (
    AGENT_INBOX,
    Bus,
    BusAccess,
    BusDown,
    BusRefused,
    BusServer,
    BusServerFailed,
    BusServerSettings,
    NobodyAnswered,
    WorkStream,
    read_batches,
)

WORK = WorkStream("USAGE", ("sky.usage.*",), "ledger", 16 << 20, ack_wait_s=1.0)


def settings(tmp_path: Path, port: int = 0) -> BusServerSettings:
    return BusServerSettings(folder=tmp_path / "bus", api_password="a-pass", agent_password="n-pass", port=port)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[BusServer]:
    server = BusServer(settings(tmp_path))
    await server.start()
    yield server
    await server.stop()


@asynccontextmanager
async def running(*buses: Bus) -> AsyncIterator[None]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(bus.run()) for bus in buses]
        yield
        for task in started:
            task.cancel()


def api_bus(server: BusServer) -> Bus:
    return Bus(server.api_access(), name="api")


def agent_bus(server: BusServer) -> Bus:
    return Bus(server.agent_access(), name="agent", inbox_prefix=AGENT_INBOX)


async def test_messages_requests_and_silence(server: BusServer) -> None:
    api, agent = api_bus(server), agent_bus(server)
    heartbeats, commands = api.subscribe("sky.hb.*"), agent.subscribe("sky.cmd.nd_1")
    async with running(api, agent):
        await api.wait_connected()
        await agent.wait_connected()
        assert await agent.publish("sky.hb.nd_1", b"beat", {"Sky-Signature": "abc"})
        beat = await anext(heartbeats)
        assert (beat.subject, beat.payload, beat.headers["Sky-Signature"]) == ("sky.hb.nd_1", b"beat", "abc")

        async def answer() -> None:
            await agent.reply(await anext(commands), b"done")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer())
            assert await api.request("sky.cmd.nd_1", b"kill", timeout=5) == b"done"
        with pytest.raises(NobodyAnswered):
            await api.request("sky.cmd.nd_2", b"kill", timeout=5)


async def test_an_agent_may_not_command_nor_listen_to_others(server: BusServer) -> None:
    api, agent = api_bus(server), agent_bus(server)
    commands = api.subscribe("sky.>")
    overheard = agent.subscribe("sky.hb.*")
    async with running(api, agent):
        await api.wait_connected()
        await agent.wait_connected()
        await agent.publish("sky.cmd.nd_2", b"forged")
        await agent.publish("sky.deny", b"forged")
        await agent.publish("sky.hb.nd_1", b"fence")
        assert (await anext(commands)).payload == b"fence"
        assert not overheard._waiting


async def test_a_subscription_outlives_the_server(server: BusServer) -> None:
    api, agent = api_bus(server), agent_bus(server)
    heartbeats = api.subscribe("sky.hb.*")
    async with running(api, agent):
        await api.wait_connected()
        await agent.wait_connected()
        await server.stop()
        await api.wait_disconnected()
        await agent.wait_disconnected()
        assert not await agent.publish("sky.hb.nd_1", b"lost")
        with pytest.raises(BusDown, match="away"):
            await api.request("sky.cmd.nd_1", b"", timeout=1)
        await server.start()
        await api.wait_connected()
        await agent.wait_connected()
        await agent.publish("sky.hb.nd_1", b"heard")
        assert (await anext(heartbeats)).payload == b"heard"


async def test_stored_messages_survive_kill_9_and_come_until_acknowledged(server: BusServer) -> None:
    api, agent = api_bus(server), agent_bus(server)
    async with running(api, agent):
        batches = read_batches(api, WORK)
        first = asyncio.ensure_future(anext(batches))
        await agent.wait_connected()
        while True:
            try:
                await agent.publish_stored("sky.usage.nd_1", b"fact", message_id="s:1", timeout=2)
                break
            except BusDown:
                await asyncio.sleep(0)  # the reader has not made the stream yet
        assert [m.payload for m in await first] == [b"fact"]
        await agent.publish_stored("sky.usage.nd_1", b"fact", message_id="s:1", timeout=2)
        await agent.publish_stored("sky.usage.nd_1", b"other", message_id="s:2", timeout=2)
        assert server._process is not None
        server._process.kill()
        await agent.wait_disconnected()
        with pytest.raises(BusDown):
            await agent.publish_stored("sky.usage.nd_1", b"third", message_id="s:3", timeout=2)
        await server._drain_log()
        await server.start()
        seen: set[bytes] = set()
        while seen != {b"fact", b"other"}:
            for message in await anext(batches):
                seen.add(message.payload)
                await message.ack()


async def test_a_dead_bus_and_a_wrong_password_are_said_clearly(server: BusServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = Bus(BusAccess(f"nats://127.0.0.1:{taken.getsockname()[1]}"), name="x")
        with pytest.raises(BusDown, match="nats-server running"):
            await dead.check()
    with pytest.raises(BusRefused, match="does not accept user 'api'"):
        await Bus(BusAccess(server.url, "api", "wrong"), name="x").check()


async def test_a_taken_port_names_the_port_and_its_holder(server: BusServer, tmp_path: Path) -> None:
    second = BusServer(settings(tmp_path / "second", port=server.port))
    whose = rf"port {server.port} of 127.0.0.1 is taken by nats-server \(pid {server.pid}\)"
    with pytest.raises(BusServerFailed, match=whose):
        await second.start()


async def test_a_server_left_over_from_a_killed_run_is_replaced(server: BusServer, tmp_path: Path) -> None:
    again = BusServer(settings(tmp_path, port=server.port))
    await again.start()
    assert again.pid != server.pid
    assert server._process is not None
    await server._process.wait()
    await Bus(again.api_access(), name="x").check()
    await again.stop()


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("a file, not a folder")
    with pytest.raises(BusServerFailed, match="cannot be written"):
        await BusServer(settings(tmp_path)).start()

"""A whole cloud as real processes: it comes up, stops, comes back as it was, and survives the death of `up` itself."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
from pathlib import Path

import httpx

from tests.apps.cloud.real_up import ANY_PORTS, api_of, processes_of, up

SMALL = (*ANY_PORTS, "--edges", "0", "--no-demo")


async def test_a_second_start_finds_everything_as_it_was_even_after_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "sky"
    async with up(data, *SMALL) as first:
        ready = await first.ready()
        assert ready["first_start"]
        assert first.said[0] == {"event": "starting", "what": "the bus"}
        login = json.loads((data / "first-login.json").read_text())
        async with api_of(first, ready["url"]) as api:
            made = (await api.post("/v1/channels", json={"name": "Kept"})).json()
        assert await first.stop(signal.SIGINT) == 0
    assert processes_of(data) == []
    assert not (data / "cloud.json").exists()

    async with up(data, *SMALL) as second:
        ready = await second.ready()
        assert not ready["first_start"]
        assert login["password"] not in str(second.said)
        async with api_of(second, ready["url"]) as api:
            signed_in = await api.post("/v1/sessions", json={name: login[name] for name in ("email", "password")})
            assert signed_in.status_code == 201
            assert (await api.get("/v1/channels/kept")).json()["id"] == made["channel"]["id"]
        second.process.kill()
        await second.process.wait()
        orphans = {process.pid for process in processes_of(data)}
        assert orphans, "the API and the agents live on without `up`"

        async with up(data, *SMALL) as third:
            ready = await third.ready()
            assert {"agent-core", "api"} == {name for event in third.said for name in event.get("ended", ())}
            assert orphans.isdisjoint(process.pid for process in processes_of(data))
            async with api_of(third, ready["url"]) as api:
                assert (await api.get("/v1/channels/kept")).json()["id"] == made["channel"]["id"]
            assert await third.stop(signal.SIGTERM) == 0
    assert processes_of(data) == []


async def test_two_clouds_share_a_machine_and_their_files_are_private(tmp_path: Path) -> None:
    options = (*SMALL, "--udp-port", "25433", "--bus-port", "25422")
    async with up(tmp_path / "one", *options) as one, up(tmp_path / "two", *options) as two:
        urls = [(await each.ready())["url"] for each in (one, two)]
        assert urls[0] != urls[1]
        ranges = []
        for each, url in zip((one, two), urls, strict=True):
            async with api_of(each, url) as api:
                assert (await api.get("/readyz")).json()["ready"]
            (agent,) = [p for p in processes_of(each.data) if "skyriver.apps.agent" in p.cmdline()]
            ranges.append(agent.cmdline()[agent.cmdline().index("--ports") + 1])
        assert ranges[0] != ranges[1]
        assert [await each.stop() for each in (one, two)] == [0, 0]
    for path in (tmp_path / "one").rglob("*"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_secrets_stay_with_the_api_which_comes_back_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "sky"
    async with up(data, *SMALL) as running:
        url = (await running.ready())["url"]
        apis = [process for process in processes_of(data) if "skyriver.apps.api" in process.cmdline()]
        others = [p for p in processes_of(data) if p not in apis and p.pid != running.process.pid]
        assert "SKYRIVER_BUS_PASSWORD" in apis[0].environ()
        assert others
        for process in others:
            assert not [name for name in process.environ() if name.startswith("SKYRIVER_") and "TOKEN" not in name]
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=8)) as client:
            for target in json.loads((data / "prometheus-targets.json").read_text()):
                (address,) = target["targets"]
                assert "skyriver_" in (await client.get(f"http://{address}/metrics")).text
            apis[0].kill()
            await asyncio.to_thread(apis[0].wait, 30)
            assert (await client.get(f"{url}/healthz", timeout=60)).status_code == 200
        assert await running.stop() == 0


async def test_a_signal_while_it_starts_stops_it_cleanly(tmp_path: Path) -> None:
    async with up(tmp_path / "sky", *SMALL) as early:
        while (await early._next() or {}).get("what") != "the API":
            pass
        assert await early.stop() == 0
        assert early.said[-1] == {"event": "stopping"}
    assert processes_of(tmp_path / "sky") == []

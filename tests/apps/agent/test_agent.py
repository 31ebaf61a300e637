"""Real agents under a real API, store and bus: joining, supervision, survival, draining, usage."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat

import httpx
import psutil
from sqlalchemy import func, select

from skyriver.apps.agent.identity import load_identity
from skyriver.apps.agent.settings import AgentSettings
from skyriver.fabric.bus import node_token
from skyriver.platform.ledger import UsageFactRecord
from skyriver.platform.workloads import NodeState
from tests.apps.agent.small_cluster import PATIENCE_S, SmallCluster, probe, state_of


async def test_a_killed_child_is_started_again(cluster: SmallCluster) -> None:
    await cluster.start_agent("a", await cluster.join_token(await cluster.site("one")))
    cluster.want(probe("x", spec={"value": 7}))
    first = await cluster.until_probe("probe/x")
    assert first.ready == {"pid": first.pid, "value": 7}
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    second = await cluster.until_probe("probe/x", lambda w: w.restarts == 1)
    assert second.pid != first.pid
    killed = await cluster.call("POST", f"/v1/workloads/{second.id}/kill", json={})
    assert killed["killed"] == second.id
    third = await cluster.until_probe("probe/x", lambda w: w.restarts == 2)
    assert third.id == first.id
    assert {entry["action"] for entry in (await cluster.call("GET", "/v1/audit"))["items"]} >= {"workload.killed"}


async def test_a_changed_spec_reaches_the_running_child_and_gone_work_drains(cluster: SmallCluster) -> None:
    agent = await cluster.start_agent("a", await cluster.join_token(await cluster.site("one")))
    cluster.want(probe("x", spec={"value": 1}))
    first = await cluster.until_probe("probe/x")
    cluster.want(probe("x", spec={"value": 2}))
    second = await cluster.until_probe("probe/x", lambda w: w.ready.get("value") == 2)
    assert (second.pid, second.restarts) == (first.pid, 0)
    assert (agent.data / "workloads" / first.id).is_dir()
    assert first.pid is not None
    process = psutil.Process(first.pid)
    cluster.want()
    await cluster.until(lambda observed: not observed.workloads)
    await asyncio.to_thread(process.wait, PATIENCE_S)


async def test_api_and_bus_down_children_run_on_and_are_seen_again(cluster: SmallCluster) -> None:
    agent = await cluster.start_agent("a", await cluster.join_token(await cluster.site("one")))
    cluster.want(probe("x"))
    before = await cluster.until_probe("probe/x")
    await cluster.stop_api()
    await cluster.bus_server.stop()
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    # Restarted with nobody to ask: the agent says it in its log, the only place left.
    await agent.log.until("Started probe/x", times=2)
    await cluster.bus_server.start()
    await cluster.start_api()
    after = await cluster.until_probe("probe/x")
    assert (after.id, after.restarts, after.generation) == (before.id, 1, before.generation)
    assert after.pid != before.pid


async def test_an_agent_starts_from_its_kept_plan_without_api_and_bus(cluster: SmallCluster) -> None:
    agent = await cluster.start_agent("a", await cluster.join_token(await cluster.site("one")))
    cluster.want(probe("x"))
    await cluster.until_probe("probe/x")
    assert await agent.stop() == 0
    await cluster.stop_api()
    await cluster.bus_server.stop()
    again = await cluster.start_agent("a")
    await again.log.until("Started probe/x")
    assert again.node_id == agent.node_id
    for name in ("node.key", "node.json", "plan.json"):
        assert stat.S_IMODE((agent.data / name).stat().st_mode) == 0o600
    await cluster.bus_server.start()
    await cluster.start_api()
    await cluster.until_probe("probe/x")


async def test_a_stopped_agent_drains_and_a_killed_one_leaves_nobody_behind(cluster: SmallCluster) -> None:
    token = await cluster.join_token(await cluster.site("one"))
    agent = await cluster.start_agent("a", token)
    cluster.want(probe("x"), probe("y"))
    pids = [(await cluster.until_probe(name)).pid for name in ("probe/x", "probe/y")]
    assert await agent.stop() == 0
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)
    assert "ended with 0" in await agent.log.end()
    again = await cluster.start_agent("a")
    probes = [await cluster.until_probe(name, lambda w: w.pid not in pids) for name in ("probe/x", "probe/y")]
    orphans = [psutil.Process(probe.pid) for probe in probes if probe.pid]
    await again.kill()
    for orphan in orphans:
        await asyncio.to_thread(orphan.wait, PATIENCE_S)


async def test_a_dead_nodes_work_is_placed_elsewhere_and_it_drops_it_when_it_is_back(cluster: SmallCluster) -> None:
    site = await cluster.site("one")
    agents = [await cluster.start_agent(name, await cluster.join_token(site)) for name in ("a", "b")]
    cluster.want(probe("x"))
    first = await cluster.until_probe("probe/x")
    home = next(agent for agent in agents if agent.node_id == first.node_id)
    # A stopped process is what a cut-off machine looks like from here: silent, and certain that it is right.
    home.process.send_signal(signal.SIGSTOP)
    second = await cluster.until_probe("probe/x", lambda w: w.node_id != home.node_id)
    assert (second.id, second.generation) == (first.id, 2)
    assert state_of(cluster.cluster.observed, home) is NodeState.DEAD
    home.process.send_signal(signal.SIGCONT)
    await cluster.until(lambda observed: state_of(observed, home) is NodeState.ALIVE)
    assert first.pid is not None
    await asyncio.to_thread(psutil.Process(first.pid).wait, PATIENCE_S)
    after = await cluster.until_probe("probe/x")
    assert (after.node_id, after.pid) == (second.node_id, second.pid)


async def test_what_only_a_node_has_is_brought_away_before_its_folder_goes(cluster: SmallCluster) -> None:
    """Also by an agent that was away when the work was moved, and whose child fails at the first try."""
    site = await cluster.site("one")
    agents = [await cluster.start_agent(name, await cluster.join_token(site)) for name in ("a", "b")]
    cluster.want(probe("x", spec={"leave_within_s": 600, "keeps": "spool"}))
    first = await cluster.until_probe("probe/x")
    home = next(agent for agent in agents if agent.node_id == first.node_id)
    folder = home.data / "workloads" / first.id
    await home.kill()
    await cluster.until_probe("probe/x", lambda w: w.node_id != home.node_id)
    (home.data / "plan.json").unlink()
    again = await cluster.start_agent(home.name)
    await again.log.until("is gone, and its folder with it.")
    assert not folder.exists()
    assert "The probe was told to keep something." in again.log.text
    observed = await cluster.until(lambda observed: state_of(observed, again) is NodeState.ALIVE)
    moved = observed.workload("probe/x")
    assert moved is not None and moved.node_id != home.node_id


async def test_draining_a_node_moves_its_work(cluster: SmallCluster) -> None:
    site = await cluster.site("one")
    agents = {
        agent.node_id: agent
        for agent in [await cluster.start_agent(name, await cluster.join_token(site)) for name in ("a", "b")]
    }
    cluster.want(probe("x"))
    first = await cluster.until_probe("probe/x")
    shown = await cluster.call("PATCH", f"/v1/nodes/{first.node_id}", json={"draining": True})
    assert shown["state"] == "draining"
    second = await cluster.until_probe("probe/x", lambda w: w.node_id != first.node_id)
    assert second.node_id in agents
    assert (await cluster.call("GET", "/v1/workloads"))["items"][0]["node_id"] == second.node_id
    await cluster.call("DELETE", f"/v1/nodes/{first.node_id}")
    await cluster.until(lambda observed: observed.node(first.node_id) is None)


async def test_usage_is_stored_exactly_once_across_bus_and_api_restarts(cluster: SmallCluster) -> None:
    agent = await cluster.start_agent("a", await cluster.join_token(await cluster.site("one")), "--metrics-port", "0")
    grant = "ten_0123456789abcdef.xyz"
    cluster.want(probe("one", spec={"usage": 300, "source": "one", "jti": grant}))
    await cluster.until_probe("probe/one")
    await cluster.bus_server.stop()
    # The plan comes over HTTP: the slow timer finds it although no nudge can come.
    cluster.want(
        probe("one", spec={"usage": 300, "source": "one", "jti": grant}),
        probe("two", spec={"usage": 300, "source": "two", "jti": grant}),
    )
    await agent.log.until("Started probe/two")
    await cluster.bus_server.start()
    await cluster.until_probe("probe/two")
    await cluster.stop_api()
    await cluster.start_api()
    two = await cluster.until_probe("probe/two")
    await cluster.call("POST", f"/v1/workloads/{two.id}/kill", json={})  # and it says everything again
    await cluster.until_probe("probe/two", lambda w: w.restarts == 1)
    async with asyncio.timeout(PATIENCE_S):
        while (await _stored(cluster))[0] < 600:
            await cluster.cluster.changed()
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"http://127.0.0.1:{agent.ready['metrics_port']}/metrics")).text
    assert 'skyriver_workload_up{kind="probe",workload="probe/two"} 1.0' in metrics
    assert "skyriver_agent_usage_lost 0.0" in metrics
    assert await _stored(cluster) == (600, 2 * sum(1000 + seq for seq in range(300)))
    usage = await cluster.call("GET", "/v1/usage?by=tenant")
    (line,) = usage["items"]
    assert (line["key"], line["bytes_sent"]) == ("ten_0123456789abcdef", 2 * sum(1000 + seq for seq in range(300)))


async def _stored(cluster: SmallCluster) -> tuple[int, int]:
    async with cluster.store.session() as session:
        query = select(func.count(), func.coalesce(func.sum(UsageFactRecord.bytes_sent), 0))
        count, sent = (await session.execute(query.select_from(UsageFactRecord))).one()
    return count, int(sent)


async def test_joining_is_refused_in_clear_words(cluster: SmallCluster) -> None:
    site = await cluster.site("one")
    token = await cluster.join_token(site)
    agent = await cluster.start_agent("a", token)
    for name, wrong, why in (
        ("b", token, "The join token is unknown, expired or used"),
        ("c", "", "no join token was given"),
        ("d", "sky_join_" + "x" * 43, "The join token is unknown, expired or used"),
        ("a", await cluster.join_token(site), "has a node named 'a' already"),
    ):
        refused = await cluster.spawn_agent(name, wrong, "--data", str(cluster.folder / "nodes" / f"new-{name}"))
        said = await refused.said()
        assert (said["event"], await refused.process.wait()) == ("fatal", 1)
        assert why in said["message"]
        assert said["hint"]
    listed = (await cluster.call("GET", "/v1/nodes"))["items"]
    assert [node["id"] for node in listed] == [agent.node_id]


async def test_an_agent_waits_for_an_api_that_is_not_there_yet(cluster: SmallCluster) -> None:
    token = await cluster.join_token(await cluster.site("one"))
    await cluster.stop_api()
    agent = await cluster.spawn_agent("a", token)
    await agent.log.until("Joining failed")
    await cluster.start_api()
    agent.ready = await agent.said()
    await cluster.until(lambda observed: state_of(observed, agent) is NodeState.ALIVE)


async def test_an_api_whose_bus_is_dead_says_so_and_goes_on_when_it_is_back(cluster: SmallCluster) -> None:
    await cluster.stop_api()
    await cluster.bus_server.stop()
    with socket.create_server(("127.0.0.1", cluster.bus_server.port)):
        pass
    await cluster.start_api()
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "bus" in json.dumps(ready.json())
        assert (await client.get("/healthz")).status_code == 200
    await cluster.bus_server.start()
    agent = await cluster.start_agent("a", await cluster.join_token(await cluster.site("one")))
    await cluster.until(lambda observed: state_of(observed, agent) is NodeState.ALIVE)


async def test_a_nodes_token_opens_its_plan_and_nothing_else(cluster: SmallCluster) -> None:
    site = await cluster.site("one")
    agents = [await cluster.start_agent(name, await cluster.join_token(site)) for name in ("a", "b")]
    cluster.want(probe("x", spec={"secret": "of x"}))
    home = (await cluster.until_probe("probe/x")).node_id
    identities = {agent.node_id: load_identity(AgentSettings(cluster.url, agent.data)) for agent in agents}
    async with httpx.AsyncClient(base_url=cluster.url) as client:
        for node_id, identity in identities.items():
            assert identity is not None
            headers = {"Authorization": f"Bearer {node_token(node_id, identity.key)}"}
            plan = (await client.get("/v1/node/plan", headers=headers)).json()
            assert [w["name"] for w in plan["workloads"]] == (["probe/x"] if node_id == home else [])
            assert plan["bus"]["user"] == "agent"
            assert (await client.get("/v1/nodes", headers=headers)).status_code == 403
            old = {"Authorization": f"Bearer {node_token(node_id, identity.key, now_s=1)}"}
            assert (await client.get("/v1/node/plan", headers=old)).status_code == 401
        (first, second) = identities
        stolen = identities[second]
        assert stolen is not None
        forged = {"Authorization": f"Bearer {node_token(first, stolen.key)}"}
        assert (await client.get("/v1/node/plan", headers=forged)).status_code == 401

"""Real relays under real agents: where they listen, who follows whom, and where viewers are sent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from skyriver.apps.cloud.ports import free_range
from skyriver.fabric import AudioTrack, Endpoint, Publisher, Subscriber
from skyriver.platform.dispatch import Viewer
from skyriver.platform.fabric_keys import GrantKeys, revoke_space
from skyriver.platform.workloads import ObservedState
from skyriver.platform.workloads.cluster import NoEdge
from tests.apps.agent.small_cluster import PATIENCE_S, AgentProcess, SmallCluster

FIRST_PORT = 24433  # where nothing else looks for free ports


async def core_and_edges(cluster: SmallCluster) -> tuple[AgentProcess, AgentProcess, AgentProcess]:
    sites = [await cluster.site("core"), await cluster.site("east", "edge"), await cluster.site("west", "edge")]
    tokens = [await cluster.join_token(site) for site in sites]
    core, east, west = await asyncio.gather(
        *(cluster.start_agent(name, token) for name, token in zip(("core", "east", "west"), tokens, strict=True))
    )
    return core, east, west


def all_serve(observed: ObservedState) -> bool:
    relays = observed.of_kind("relay")
    edges = observed.relays("edge")
    return len(relays) == 4 and all(w.serving for w in relays) and all(len(w.spec["upstreams"]) == 2 for w in edges)


async def test_two_origins_and_an_edge_each_are_up_and_viewers_are_sent_to_the_living(
    relay_cluster: SmallCluster,
) -> None:
    cluster = relay_cluster
    with pytest.raises(NoEdge):
        cluster.cluster.edges_for(Viewer("v", "live/ch_1"))
    _core, east, west = await core_and_edges(cluster)
    observed = await cluster.until(all_serve)
    assert [w.spec["role"] for w in observed.of_kind("relay")].count("origin") == 2
    urls = {origin.url for origin in observed.origins()}
    assert len(urls) == 2
    for edge in observed.relays("edge"):
        assert {upstream["url"] for upstream in edge.spec["upstreams"]} == urls
    ranked = cluster.cluster.edges_for(Viewer("v", "live/ch_1"))
    assert {r.edge.node_id for r in ranked} == {east.node_id, west.node_id}
    ticket = ranked[0].ticket()
    assert ticket["url"].startswith("https://127.0.0.1:")
    assert len(ticket["certificate_sha256"][0]) == 64

    victim = observed.workload_by_id(ranked[0].edge.workload_id)
    assert victim is not None and victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    again = (await cluster.until(lambda o: all_serve(o) and o.relays("edge") != observed.relays("edge"))).workload(
        victim.name
    )
    assert again is not None
    first = next(agent for agent in (east, west) if agent.node_id == ranked[0].edge.node_id)
    first.process.send_signal(signal.SIGSTOP)
    await cluster.until(lambda o: len(cluster.cluster.edges_for(Viewer("v", "live/ch_1"))) == 1)
    first.process.send_signal(signal.SIGCONT)
    await cluster.until(lambda o: len(cluster.cluster.edges_for(Viewer("v", "live/ch_1"))) == 2)


async def test_an_edge_fills_from_the_origins_with_its_grant(relay_cluster: SmallCluster) -> None:
    cluster = relay_cluster
    await core_and_edges(cluster)
    observed = await cluster.until(all_serve)
    keys = cluster.runtime.get(GrantKeys)
    space = "live/ch_1"
    service = keys.mint_service("test", space, tenant_id="ten_1", put=("",), get=("",)).token
    viewer = keys.mint_viewer(space, tenant_id="ten_1")
    origins = [Endpoint(o.url, o.certificate_sha256) for o in observed.origins()]
    edge = cluster.cluster.edges_for(Viewer("v", space))[0].edge
    publisher = Publisher(origins, space, lambda: service)
    subscriber = Subscriber([Endpoint(edge.url, edge.certificate_sha256)], space, lambda: viewer.token, "live")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(publisher.run()), tasks.create_task(subscriber.run())]
        broadcast = publisher.broadcast("live")
        broadcast.audio("aac", AudioTrack("mp4a.40.2", 48000, 2, bytes.fromhex("1190"), 128_000))
        broadcast.announce()
        assert (await anext(subscriber.catalogs())).audio
        await cluster.until(lambda o: sum(w.metric("sessions") for w in o.relays("edge")) == 1)
        await cluster.cluster.deny(viewer.jti, viewer.expires_at, "a test")
        await cluster.until(lambda o: sum(w.metric("sessions") for w in o.relays("edge")) == 0)
        viewer = keys.mint_viewer(space, tenant_id="ten_1")
        await cluster.until(lambda o: sum(w.metric("sessions") for w in o.relays("edge")) == 1)
        async with cluster.store.transaction() as session:
            await revoke_space(session, space, "a test")
        # Nobody is told to look: the next pass finds it, whichever process wrote it.
        await cluster.until(lambda o: sum(w.metric("sessions") for w in o.relays("edge")) == 0)
        for task in running:
            task.cancel()


async def test_a_machine_that_comes_back_with_other_ports_serves_on_those(relay_cluster: SmallCluster) -> None:
    """Another program may have taken the old ports in the meantime."""
    cluster = relay_cluster
    first = free_range("127.0.0.1", FIRST_PORT, 4, udp=True)
    token = await cluster.join_token(await cluster.site("core"))
    agent = await cluster.start_agent("core", token, "--ports", f"{first}-{first + 3}")
    before = await cluster.until(lambda observed: len(serving_on(observed, first)) == 2)
    await agent.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", first))
        other = free_range("127.0.0.1", FIRST_PORT, 4, udp=True)
        await cluster.start_agent("core", "", "--ports", f"{other}-{other + 3}")
        after = await cluster.until(lambda observed: len(serving_on(observed, other)) == 2)
    assert serving_on(before, first) == serving_on(after, other) != []
    actions = [entry["action"] for entry in (await cluster.call("GET", "/v1/audit"))["items"]]
    assert actions.count("node.machine_changed") == 1


def serving_on(observed: ObservedState, first_port: int) -> list[str]:
    """The names of the relays that serve on the four ports from `first_port` on."""
    ports = range(first_port, first_port + 4)
    return sorted(w.name for w in observed.of_kind("relay") if w.serving and w.ready.get("port") in ports)

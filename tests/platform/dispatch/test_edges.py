"""Ranked edges: order, reasons, and who moves when an edge dies."""

from __future__ import annotations

from collections import Counter
from typing import Any

from skyriver.platform.dispatch import EdgeCandidate, HealthyNearSpread, Viewer

RANKING = HealthyNearSpread()


def edge(name: str, **other: Any) -> EdgeCandidate:
    defaults: dict[str, Any] = {
        "node_id": f"nd_{name}",
        "site_id": f"site_{name}",
        "site_slug": name,
        "region": "eu",
        "url": f"https://{name}:4443",
        "certificate_sha256": ("ab",),
        "serving": True,
        "suspect": False,
        "draining": False,
        "load": 0.0,
    }
    return EdgeCandidate(workload_id=f"wl_{name}", **{**defaults, **other})


def order(viewer: Viewer, *edges: EdgeCandidate) -> list[str]:
    return [ranked.edge.site_slug for ranked in RANKING.rank(viewer, edges)]


def test_the_same_question_has_the_same_answer_in_any_order() -> None:
    edges = [edge(f"e{i}") for i in range(8)]
    viewer = Viewer("v1", "live/ch_1")
    assert order(viewer, *edges) == order(viewer, *reversed(edges))
    ranked = RANKING.rank(viewer, edges)
    assert [r.rank for r in ranked] == [0, 1, 2, 3]
    assert ranked[0].ticket()["reason"] == "healthy, 0% loaded, chosen by hash of space and viewer"


def test_viewers_spread_and_only_a_dead_edges_viewers_move() -> None:
    edges = [edge(f"e{i}") for i in range(5)]
    viewers = [Viewer(f"v{i}", "live/ch_1") for i in range(2000)]
    first = {v.key: order(v, *edges)[0] for v in viewers}
    assert all(300 < n < 500 for n in Counter(first.values()).values())
    without = {v.key: order(v, *edges[1:])[0] for v in viewers}
    moved = {key for key in first if first[key] != without[key]}
    assert moved == {key for key, slug in first.items() if slug == "e0"}
    assert all(60 < n < 140 for n in Counter(without[key] for key in moved).values())


def test_full_draining_and_suspect_edges_come_last_and_the_silent_not_at_all() -> None:
    edges = [
        edge("suspect", suspect=True),
        edge("draining", draining=True),
        edge("full", load=0.95),
        edge("down", serving=False),
        edge("good", load=0.5),
    ]
    ranked = RANKING.rank(Viewer("v", "live/ch_1"), edges)
    assert [r.edge.site_slug for r in ranked] == ["good", "full", "draining", "suspect"]
    assert [r.reason.split(":")[0] for r in ranked][1:] == [
        "nearly full (95% of its limit)",
        "its node is draining",
        "its node has missed heartbeats",
    ]
    assert RANKING.rank(Viewer("v", "s"), [edge("down", serving=False)]) == []


def test_near_before_far_and_the_loaded_gets_fewer() -> None:
    near, far = edge("berlin", latitude=52.5, longitude=13.4), edge("tokyo", latitude=35.7, longitude=139.7)
    berliner = Viewer("v", "live/ch_1", latitude=52.0, longitude=13.0)
    assert order(berliner, far, near) == ["berlin", "tokyo"]
    assert order(Viewer("v", "live/ch_1", region="asia"), edge("a"), edge("b", region="asia"))[0] == "b"
    viewers = [Viewer(f"v{i}", "live/ch_1") for i in range(1000)]
    share = Counter(order(v, edge("busy", load=0.6), edge("idle"))[0] for v in viewers)
    assert 0.25 < share["busy"] / 1000 < 0.42  # weights 2 of 6


def test_the_second_choice_is_at_another_site() -> None:
    edges = [edge("a1", site_id="a"), edge("a2", site_id="a"), edge("a3", site_id="a"), edge("b1", site_id="b")]
    for i in range(200):
        ranked = RANKING.rank(Viewer(f"v{i}", "live/ch_1"), edges)
        assert ranked[0].edge.site_id != ranked[1].edge.site_id

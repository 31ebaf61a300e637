"""What a transcoder tells about itself, once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from skyriver.services.live.media.engine import Engine
from skyriver.services.live.switching import Feed, InputSelector
from skyriver.services.live.workloads.transcoder.inputs import Source
from skyriver.services.live.workloads.transcoder.output import SOURCE, LiveBroadcast

REPORTED_EVERY_S = 1.0


def metrics(live: LiveBroadcast, engine: Engine | None) -> dict[str, Any]:
    """The rates since the last call, and the engine's counters."""
    rates = {name: flow.take() for name, flow in live.flows.items()}
    renditions = [
        {"name": name, "width": track.width, "height": track.height, **asdict(rates[name]), **_quality(engine, name)}
        for name, track in live.videos.items()
    ]
    audio = [{"name": name, **asdict(rate)} for name, rate in rates.items() if name not in live.videos]
    encoded = [entry["delay_ms"] for entry in renditions if entry["name"] != SOURCE and entry["fps"]]
    fields: dict[str, Any] = {"renditions": renditions, "audio": audio, **(asdict(engine.counters) if engine else {})}
    fields["catalog"] = live.catalog
    if encoded or renditions:
        fields["delay_ms"] = max(encoded, default=renditions[0]["delay_ms"])
    return fields


def _quality(engine: Engine | None, name: str) -> dict[str, Any]:
    """What the last measurement of a rendition's pictures said, and what follows from it; empty before the first."""
    verdict = engine.quality.get(name) if engine is not None else None
    if engine is None or verdict is None:
        return {}
    told: dict[str, Any] = {
        "crf": verdict.crf,
        "profile_bps": verdict.reference_bps,
        "needs_bps": verdict.bitrate_bps,
        "ssim": round(verdict.ssim, 4),
        "profile_ssim": round(verdict.reference_ssim, 4),
        "saved": round(verdict.saved, 4),
    }
    chosen = engine.chosen
    rung = next((rung for rung in chosen.rungs if rung.name == name), None)
    if rung is not None:
        told |= {"cap_bps": rung.cap_bps, "carried_by": rung.carried_by, "withdrawn": chosen.withdrawn}
        if rung.ssim is not None and rung.enlarged_ssim is not None:
            told |= {"carrier_ssim": round(rung.ssim, 4), "enlarged_ssim": round(rung.enlarged_ssim, 4)}
    return {"quality": told}


def input_metrics(selector: InputSelector, sources: Mapping[Feed, Source]) -> dict[str, Any]:
    """Which input is shown, and how each of them is."""
    health = selector.health()
    return {
        "active": selector.active.value if selector.active else "",
        "inputs": {
            name.value: {"health": word, "offset_ms": sources[Feed(name.value)].offset_us // 1000}
            for name, word in health.items()
        },
    }

"""What a transcoder is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skyriver.fabric import Endpoint
from skyriver.services.live.media.detectors import DetectorSettings
from skyriver.services.live.model import Rendition
from skyriver.services.live.workloads.specs import endpoints


@dataclass(frozen=True)
class TranscoderSpec:
    """What to transcode, from where to where. Grants are renewed while the process runs."""

    channel_id: str
    space: str
    grant: str
    ingest_space: str
    ingest_grant: str
    origins: tuple[Endpoint, ...]
    renditions: tuple[Rendition, ...]
    opus_bitrate_bps: int
    detectors: DetectorSettings
    adaptive_quality: bool = True
    cost: int = 0
    """Of the broadcast: of several transcoders of a channel the cheapest is heard."""

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> TranscoderSpec:
        profile = spec.get("profile", {})
        audio = {entry["codec"]: int(entry["bitrate_bps"]) for entry in profile.get("audio", ())}
        return cls(
            channel_id=spec["channel_id"],
            space=spec["space"],
            grant=spec["grant"],
            ingest_space=spec["ingest"]["space"],
            ingest_grant=spec["ingest"]["grant"],
            origins=endpoints(spec["origins"]),
            renditions=tuple(Rendition(**rendition) for rendition in profile.get("renditions", ())),
            opus_bitrate_bps=audio.get("opus", 96_000),
            detectors=DetectorSettings.parse(spec.get("detectors", {})),
            adaptive_quality=bool(spec.get("adaptive_quality", True)),
            cost=int(spec.get("cost", 0)),
        )

    def needs_restart(self, new: TranscoderSpec) -> bool:
        """Whether `new` asks for another ladder or space; new grants and relays are taken over while running."""

        def essence(spec: TranscoderSpec) -> tuple[object, ...]:
            return (
                spec.space,
                spec.ingest_space,
                spec.renditions,
                spec.opus_bitrate_bps,
                spec.cost,
                spec.adaptive_quality,
            )

        return essence(self) != essence(new)

"""What a transcoder is told."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from skyriver.fabric import Endpoint
from skyriver.services.live.media.detectors import DetectorSettings
from skyriver.services.live.media.slate import SlateLook
from skyriver.services.live.media_files.storage import StoredFile
from skyriver.services.live.model import REVERT_AFTER_S, InputName, InputSelect, LadderPolicy, Rendition
from skyriver.services.live.switching import Policy
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
    fixed_ladder: bool = False
    """Whether measurements leave the profile's renditions as they are."""
    loudness_lufs: int = 0
    """What the sound is brought to; 0 leaves it as it comes."""
    policy: Policy = field(default_factory=Policy)
    last: InputName | None = None
    """The input that was shown last, as far as is known."""
    last_offset_us: int = 0
    """What was added to its times."""
    look: SlateLook = field(default_factory=SlateLook)
    film: StoredFile | None = None
    captions: tuple[tuple[str, str], ...] = ()
    """Languages, and what viewers read in their menus."""
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
            fixed_ladder=LadderPolicy(spec.get("ladder", LadderPolicy.ADAPTIVE)) is LadderPolicy.FIXED,
            loudness_lufs=int(spec.get("loudness_lufs", 0)),
            policy=_policy(spec.get("inputs", {})),
            last=InputName(last) if (last := spec.get("inputs", {}).get("last")) else None,
            last_offset_us=int(spec.get("inputs", {}).get("last_offset_ms") or 0) * 1000,
            look=_look(spec.get("inputs", {}).get("slate") or {}),
            film=StoredFile.parse((spec.get("inputs", {}).get("slate") or {}).get("film")),
            captions=tuple((str(one["language"]), str(one["label"])) for one in spec.get("captions", ())),
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
                spec.fixed_ladder,
                spec.loudness_lufs,
            )

        return essence(self) != essence(new)


def _policy(inputs: dict[str, Any]) -> Policy:
    revert_s = inputs.get("revert_s", REVERT_AFTER_S)
    return Policy(
        select=InputSelect(inputs.get("select", InputSelect.AUTO)),
        revert_us=None if revert_s is None else int(revert_s * 1_000_000),
        slate=inputs.get("slate") is not None,
    )


def _look(slate: dict[str, Any]) -> SlateLook:
    jpeg = slate.get("jpeg_base64")
    return SlateLook(str(slate.get("title", "")), base64.b64decode(jpeg) if jpeg else None)

"""The tables of live channels, one module an area. Only this service reads them."""

from __future__ import annotations

from skyriver.services.live.records.captions import CaptionTrackRecord
from skyriver.services.live.records.channels import (
    ChannelRecord,
    FeederRecord,
    InputRecord,
    SlateRecord,
    StreamKeyRecord,
)
from skyriver.services.live.records.contributions import PublishTicketRecord
from skyriver.services.live.records.eyes import DetectorSettingsRecord, QoeMinuteRecord, ToldStateRecord
from skyriver.services.live.records.media_files import MediaFileRecord
from skyriver.services.live.records.recordings import RecordingRecord, RecordingSettingsRecord, RecordingUsageRecord
from skyriver.services.live.records.relaying import DestinationRecord, PullRecord

__all__ = [
    "CaptionTrackRecord",
    "ChannelRecord",
    "DestinationRecord",
    "DetectorSettingsRecord",
    "FeederRecord",
    "InputRecord",
    "MediaFileRecord",
    "PublishTicketRecord",
    "PullRecord",
    "QoeMinuteRecord",
    "RecordingRecord",
    "RecordingSettingsRecord",
    "RecordingUsageRecord",
    "SlateRecord",
    "StreamKeyRecord",
    "ToldStateRecord",
]

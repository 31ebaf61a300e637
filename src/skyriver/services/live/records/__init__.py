"""The tables of live channels, one module an area. Only this service reads them."""

from __future__ import annotations

from skyriver.services.live.records.channels import ChannelRecord, FeederRecord, InputRecord, StreamKeyRecord

__all__ = ["ChannelRecord", "FeederRecord", "InputRecord", "StreamKeyRecord"]

"""What should run for live channels: rows and what is observed -> workload intents. The planner places them.

`plan_live` is a function of its arguments, so that the same moment always gives the same plan and a spec changes
only when something in it really did: a changed spec is a command to a running process.
"""

from __future__ import annotations

from skyriver.services.live.intents.channel_plan import (
    ChannelPlan,
    FeederKeyReader,
    FeederPlan,
    InputPlan,
    SwitchPlan,
    read_plans,
)
from skyriver.services.live.intents.feeder import FEEDER, feeder_name
from skyriver.services.live.intents.homes import backup_node, core_nodes, home_node
from skyriver.services.live.intents.plan import plan_live
from skyriver.services.live.intents.station import (
    STATION,
    Doors,
    IngestUrls,
    ingest_urls,
    rtmp_url,
    station_name,
)
from skyriver.services.live.intents.transcoder import TRANSCODER, profile_spec, standby_name, transcoder_name

__all__ = [
    "FEEDER",
    "STATION",
    "TRANSCODER",
    "ChannelPlan",
    "Doors",
    "FeederKeyReader",
    "FeederPlan",
    "IngestUrls",
    "InputPlan",
    "SwitchPlan",
    "backup_node",
    "core_nodes",
    "feeder_name",
    "home_node",
    "ingest_urls",
    "plan_live",
    "profile_spec",
    "read_plans",
    "rtmp_url",
    "standby_name",
    "station_name",
    "transcoder_name",
]

"""What this cloud's API process is composed of. A new part or service is one line here."""

from __future__ import annotations

from skyriver.apps.api.live_cloud import STATION_NEWS, cloud_of
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.ledger.part import PART as LEDGER
from skyriver.platform.manifest import Part, Service
from skyriver.platform.sites.part import PART as SITES
from skyriver.platform.workloads.part import BUS_PART as BUS
from skyriver.platform.workloads.part import part as workloads
from skyriver.services.live.manifest import live_service

SERVICES: tuple[Service, ...] = (live_service(cloud_of),)
PARTS: tuple[Part, ...] = (BUS, FABRIC_KEYS, SITES, workloads(SERVICES), LEDGER, STATION_NEWS)

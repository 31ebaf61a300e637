"""What this cloud's API process is composed of. A new part or service is one line here."""

from __future__ import annotations

from skyriver.apps.api.overview import PART as OVERVIEW
from skyriver.platform.alarms.part import PART as ALARMS
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.ledger.part import PART as LEDGER
from skyriver.platform.manifest import Part, Service
from skyriver.platform.sites.part import PART as SITES
from skyriver.platform.webhooks.part import part as webhooks
from skyriver.platform.workloads.part import BUS_PART as BUS
from skyriver.platform.workloads.part import part as workloads
from skyriver.services.live.manifest import SERVICE as LIVE

SERVICES: tuple[Service, ...] = (LIVE,)
PARTS: tuple[Part, ...] = (BUS, FABRIC_KEYS, SITES, workloads(SERVICES), LEDGER, ALARMS, webhooks(SERVICES), OVERVIEW)

"""What this cloud's API process is composed of. A new part or service is one line here."""

from __future__ import annotations

from skyriver.platform.manifest import Part, Service

PARTS: tuple[Part, ...] = ()
SERVICES: tuple[Service, ...] = ()

"""What a relay is told when it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from skyriver.fabric import moq
from skyriver.fabric.admission import Limits
from skyriver.fabric.certificates import Certificate


@dataclass(frozen=True)
class RelayConfig:
    """Where and how a relay runs.

    `ports`: the UDP ports it may use, in order; a certificate's successor listens on another one than its predecessor.
    `is_origin`: broadcasts come from publishers here; else from `upstreams`, ranked origins, which it dials with
    `upstream_grant(space)`, a service grant.
    """

    host: str
    ports: tuple[int, ...]
    certificate_folder: Path
    certificate_hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    operator_certificate: Certificate | None = None
    advertise_host: str = ""
    limits: Limits = field(default_factory=Limits)
    is_origin: bool = True
    upstreams: tuple[moq.Endpoint, ...] = ()
    upstream_grant: Callable[[str], str] = lambda space: ""
    sample_every_s: float = 1.0
    usage_every_s: float = 5.0

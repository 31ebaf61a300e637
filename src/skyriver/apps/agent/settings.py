"""What an agent is told, and the places in its data folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class AgentSettings:
    """How one node's agent runs.

    Args:
        url: address of the cloud's API.
        data: folder for the node's key, its plan, its usage spool and its workloads' files.
        token: one-time join token; needed at the first start only.
        site: slug of the site the token is expected to belong to; another one is an error before any work starts.
        name: of the node within its site; the host's by default.
        address: name or address under which viewers and other nodes reach this machine.
        first_port, last_port: UDP ports for relays, two each; 0: any.
        metrics_host, metrics_port: where Prometheus scrapes this node; port 0 takes a free one, None serves none.
    """

    url: str
    data: Path
    token: str | None = field(default=None, repr=False)
    site: str | None = None
    name: str | None = None
    address: str = "127.0.0.1"
    first_port: int = 0
    last_port: int = 0
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None

    @property
    def key_path(self) -> Path:
        """The node's private key (PEM); never leaves the machine."""
        return self.data / "node.key"

    @property
    def identity_path(self) -> Path:
        """Which node this is, and how it reaches the bus."""
        return self.data / "node.json"

    @property
    def plan_path(self) -> Path:
        """The last plan, for a start without the API."""
        return self.data / "plan.json"

    @property
    def spool_path(self) -> Path:
        """Usage facts that are not on the bus yet."""
        return self.data / "usage-spool.db"

    def certificate(self) -> dict[str, str] | None:
        """The operator's own certificate for this node's relays, if it was put there: `certificate/{chain,key}.pem`."""
        chain, key = (self.data / "certificate" / name for name in ("chain.pem", "key.pem"))
        return {"chain": str(chain), "key": str(key)} if chain.exists() and key.exists() else None

    def workload_dir(self, workload_id: str) -> Path:
        """A workload's own folder; it survives restarts of the workload and goes when the work does."""
        return self.data / "workloads" / workload_id

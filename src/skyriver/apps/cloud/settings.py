"""What `up` is told, and the places in its data folder."""

from __future__ import annotations

import errno
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from skyriver.kernel.errors import InvalidInput, WorldBroke
from skyriver.kernel.files import replace_private


@dataclass(frozen=True)
class CloudSettings:
    """A cloud on one machine. Ports are TCP unless said otherwise; relays take UDP ports from `udp_port` on."""

    data: Path
    port: int = 7000
    edges: int = 2
    cores: int = 1
    demo: bool = True
    rtmp_port: int = 1935
    host: str = "127.0.0.1"
    bus_url: str | None = None
    database_url: str | None = None
    as_json: bool = False
    bus_port: int = 4222
    udp_port: int = 4433

    @property
    def cli_key_path(self) -> Path:
        """The command line's API key, readable by the owner only."""
        return self.data / "cli-key"

    @property
    def cloud_path(self) -> Path:
        """Where the command line learns the running cloud's address."""
        return self.data / "cloud.json"

    @property
    def first_login_path(self) -> Path:
        """The operator's first login; people delete it once they have an account of their own."""
        return self.data / "first-login.json"

    @property
    def lock_path(self) -> Path:
        """Held while a cloud runs on this folder."""
        return self.run_dir / "up.lock"

    @property
    def prometheus_path(self) -> Path:
        """Targets for Prometheus: the API and every agent, which tells of its relays and other workloads too."""
        return self.data / "prometheus-targets.json"

    @property
    def run_dir(self) -> Path:
        """Process ids of what runs, by name."""
        return self.data / "run"

    @property
    def logs_dir(self) -> Path:
        """One log a process, JSON lines."""
        return self.data / "logs"


def prepare(settings: CloudSettings) -> None:
    """Make the data folder and prove that it can be written.

    Raises:
        WorldBroke: it cannot.
    """
    try:
        for folder in (settings.data, settings.run_dir, settings.logs_dir, settings.data / "secrets"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = settings.run_dir / "writable"
        probe.write_bytes(b"\0" * 65536)
        probe.unlink()
    except OSError as error:
        raise _not_written(settings.data, error) from error


@dataclass(frozen=True)
class BusPasswords:
    """Passwords of the bus's two users, made once and kept."""

    api: str
    agent: str


def bus_passwords(settings: CloudSettings) -> BusPasswords:
    """The kept passwords; made at the first start."""
    path = settings.data / "secrets" / "bus.json"
    try:
        if not path.exists():
            made = {"api": secrets.token_urlsafe(24), "agent": secrets.token_urlsafe(24)}
            write_private(path, json.dumps(made))
        return BusPasswords(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"The bus's passwords in {path} cannot be read: {error}.", hint="Delete the file; new ones are made."
        ) from error


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file only its owner may read, whole or not at all.

    Raises:
        WorldBroke: it cannot be written.
    """
    try:
        replace_private(path, text)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> WorldBroke:
    return WorldBroke(
        f"{path} cannot be written: {error.strerror}.",
        hint="Free some space or fix its permissions, or choose another folder with --data.",
        code="disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "not_writable",
    )

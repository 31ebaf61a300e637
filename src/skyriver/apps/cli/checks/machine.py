"""The machine: ports, UDP, disk, memory."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from pathlib import Path

from skyriver.apps.cli.checks import Finding, fail, ok, warn

LOW_DISK_BYTES = 1_000_000_000  # logs, the database and recordings of a day on a small cloud
LOW_MEMORY_BYTES = 1_500_000_000  # what a whole demo cloud may take
UDP_PROBE = b"skyriver"
UDP_PROBE_TIMEOUT_S = 1.0


def port(
    name: str, host: str, number: int, flag: str, *, ours: bool, udp: bool = False, movable: bool = False
) -> Finding:
    """Whether `up` could bind a port, and who holds it if not.

    Args:
        ours: the cloud is up, so the port is meant to be taken.
        movable: nobody types this port in, and `up` takes the next free one.
    """
    check = f"{'UDP' if udp else 'TCP'} port {number} ({name})"
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is no holder
        try:
            probe.bind((host, number))
        except OSError as error:
            return _not_bound(check, host, number, flag, error, ours=ours, udp=udp, movable=movable)
    return warn(check, "free, though a cloud is up", "Run `skyriver status`.") if ours else ok(check, "free")


def holder(number: int, *, udp: bool = False) -> str | None:
    """Who listens on a port, as `name (pid N)`; None when this user may not see it."""
    import psutil

    try:
        for connection in psutil.net_connections(kind="udp" if udp else "tcp"):
            listening = udp or connection.status == psutil.CONN_LISTEN
            if listening and connection.laddr and connection.laddr.port == number and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        return None  # macOS shows other users' sockets to root only
    return None


def udp_loopback() -> Finding:
    """QUIC needs UDP; some sandboxes and firewalls drop it even on the loopback."""
    check = "UDP on the loopback"
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            server.bind(("127.0.0.1", 0))
            server.settimeout(UDP_PROBE_TIMEOUT_S)
            client.sendto(UDP_PROBE, server.getsockname())
            heard = server.recv(64)
    except OSError as error:
        return fail(check, f"a datagram was lost: {error}", "Allow UDP on lo in this machine's firewall or sandbox.")
    if heard != UDP_PROBE:
        return fail(check, "a datagram came back changed", "Something rewrites packets on lo; look at the firewall.")
    return ok(check, "works")


def disk(data: Path) -> Finding:
    """Whether the data folder can be written to, and for how long."""
    check = "data folder"
    folder = data
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        return fail(check, f"{folder} cannot be written: {why}", "Free it, or choose another folder with --data.")
    free_bytes = shutil.disk_usage(folder).free
    found = f"{data} is writable, {free_bytes / 1e9:.1f} GB free"
    if free_bytes < LOW_DISK_BYTES:
        return warn(check, found, "Free some space, or choose a folder on a larger disk with --data.")
    return ok(check, found)


def memory() -> Finding:
    """Whether a demo cloud would fit."""
    import psutil

    free_bytes = psutil.virtual_memory().available
    found = f"{free_bytes / 1e9:.1f} GB free, {os.cpu_count()} cores"
    if free_bytes < LOW_MEMORY_BYTES:
        return warn("memory", found, "A demo cloud takes up to 1.5 GB: close something, or start with --edges 1.")
    return ok("memory", found)


def _not_bound(
    check: str, host: str, number: int, flag: str, error: OSError, *, ours: bool, udp: bool, movable: bool
) -> Finding:
    if error.errno == errno.EADDRINUSE:
        who = holder(number, udp=udp) or "a process this user may not see"
        if ours:
            return ok(check, f"held by {who}: the cloud is up")
        if movable:
            return ok(check, f"taken by {who}: `up` will use the next free one")
        return fail(check, f"taken by {who}", f"Stop it, or start with `skyriver up {flag} N` and another N.")
    if error.errno == errno.EACCES:
        return fail(check, "ports below 1024 are for root", f"Start with `skyriver up {flag} N` and an N above 1023.")
    if error.errno == errno.EADDRNOTAVAIL:
        return fail(check, f"{host} is not an address of this machine", "Name one that is with `--host`.")
    return fail(check, str(error), f"Start with `skyriver up {flag} N` and another N.")

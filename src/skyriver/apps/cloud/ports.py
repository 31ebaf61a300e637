"""Are the ports free, and if not, who has them? Asked before anything starts, and answered in the user's terms."""

from __future__ import annotations

import socket

import psutil

from skyriver.kernel.errors import Conflict


def require_free(host: str, port: int, *, use: str, flag: str, udp: bool = False) -> None:
    """Check that `port` can be bound.

    Args:
        use: what it is for, e.g. "the console". flag: the option that chooses another.

    Raises:
        Conflict: somebody has it; named where the system tells.
    """
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            name = f"{'UDP' if udp else 'TCP'} port {port}"
            raise Conflict(
                f"{name} on {host} is needed for {use} and cannot be used: {error.strerror}{_owner(port, udp)}.",
                hint=f"Stop that program, or choose another port with {flag}.",
                code="port_taken",
            ) from error


def _owner(port: int, udp: bool) -> str:
    """` (process 123, nginx)`, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections("udp" if udp else "tcp"):
            ours = connection.laddr and connection.laddr.port == port and connection.pid
            if ours and (udp or connection.status == psutil.CONN_LISTEN):
                return f" (process {connection.pid}, {psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        pass
    return ""

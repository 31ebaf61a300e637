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
    try:
        _bind_once(host, port, udp)
    except OSError as error:
        name = f"{'UDP' if udp else 'TCP'} port {port}"
        raise Conflict(
            f"{name} on {host} is needed for {use} and cannot be used: {error.strerror}{_owner(port, udp)}.",
            hint=f"Stop that program, or choose another port with {flag}.",
            code="port_taken",
        ) from error


def free_range(host: str, first: int, count: int, *, udp: bool = False) -> int:
    """The first port, `first` or a multiple of `count` above it, from which `count` ports in a row are free.

    For ports that nobody types in: another cloud on this machine may have them, and need not stop for us.

    Raises:
        Conflict: a hundred such ranges are all in use.
    """
    if first == 0:
        return 0
    for start in range(first, min(first + 100 * count, 65536 - count), count):
        if all(_can_bind(host, port, udp) for port in range(start, start + count)):
            return start
    raise Conflict(
        f"No {count} free {'UDP' if udp else 'TCP'} ports in a row were found on {host} from {first} on.",
        hint="Stop what uses them; `skyriver doctor` names it.",
        code="port_taken",
    )


def _can_bind(host: str, port: int, udp: bool) -> bool:
    try:
        _bind_once(host, port, udp)
    except OSError:
        return False
    return True


def _bind_once(host: str, port: int, udp: bool) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


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

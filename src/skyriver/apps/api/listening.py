"""Opening the port before anything else, so that a taken one is told in words and not found out half-way."""

from __future__ import annotations

import errno
import socket

import psutil

from skyriver.kernel.errors import WorldBroke

BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket.

    Raises:
        WorldBroke: the port is taken (by whom, where the system tells), needs rights, or the address is not ours.
    """
    try:
        family, kind, proto, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, proto)
    except OSError as error:
        raise WorldBroke(
            f"Could not listen on {host}: {error.strerror}.", hint="Give an address of this machine with --host."
        ) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise _explain(error, host, port) from error
    return opened


def _explain(error: OSError, host: str, port: int) -> WorldBroke:
    match error.errno:
        case errno.EADDRINUSE:
            holder = _holder_of(port)
            by = f" by {holder}" if holder else ""
            return WorldBroke(
                f"Could not listen on {host}:{port}: the port is taken{by}.",
                hint="Stop that program, or choose another port with --port.",
                code="port_taken",
            )
        case errno.EACCES:
            return WorldBroke(
                f"Could not listen on {host}:{port}: ports below 1024 need extra rights.",
                hint="Choose a higher one with --port.",
                code="port_forbidden",
            )
        case _:
            return WorldBroke(
                f"Could not listen on {host}:{port}: {error.strerror}.",
                hint="Give an address of this machine with --host.",
            )


def _holder_of(port: int) -> str:
    """Which process listens on `port`; empty where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and getattr(connection.laddr, "port", None) == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""

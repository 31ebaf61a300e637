"""Are the ports free, and if not, who has them? Asked before anything starts, and answered in the user's terms."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from skyriver.kernel.errors import Conflict, InvalidInput, SkyriverError


def require_free(host: str, port: int, *, use: str, flag: str, udp: bool = False) -> None:
    """Check that `port` can be bound.

    Args:
        use: what it is for, e.g. "the console". flag: the option that chooses another.

    Raises:
        Conflict: somebody has it; named where the system tells.
        InvalidInput: nobody can have it: it is not ours to take, or the address is not this machine's.
    """
    if port == 0:
        return
    try:
        _bind_once(host, port, udp)
    except OSError as error:
        raise _explain(error, f"{'UDP' if udp else 'TCP'} port {port} on {host} for {use}", flag, port, udp) from error


def _explain(error: OSError, wanted: str, flag: str, port: int, udp: bool) -> SkyriverError:
    match error.errno:
        case errno.EADDRINUSE:
            return Conflict(
                f"Could not take {wanted}: it is taken{_owner(port, udp)}.",
                hint=f"Stop that program, or choose another port with {flag}.",
                code="port_taken",
            )
        case errno.EACCES:
            return InvalidInput(
                f"Could not take {wanted}: ports below 1024 need extra rights.",
                hint=f"Choose a higher one with {flag}.",
                code="port_forbidden",
            )
        case _:
            return InvalidInput(
                f"Could not take {wanted}: {error.strerror}.", hint="Give an address of this machine with --host."
            )


def free_range(host: str, first: int, count: int, *, udp: bool = False) -> int:
    """The first port, `first` or a multiple of `count` above it, from which `count` ports in a row are free.

    For ports that nobody types in: another cloud on this machine may have them, and need not stop for us.

    Raises:
        Conflict: a hundred such ranges are all in use.
    """
    if first == 0:
        return 0
    for start in _starts(first, count):
        if all(_can_bind(host, port, udp) for port in range(start, start + count)):
            return start
    raise _none_free(host, first, count, udp)


@contextmanager
def claimed_udp_ranges(host: str, first: int, count: int, ranges: int) -> Iterator[int]:
    """The first port of `ranges` ranges of `count` free UDP ports, one after the other, claimed for the block.

    Relays come and go, so that a port of theirs is free at times. What tells other clouds on this machine that a range
    is taken is a TCP socket on its first port: bound, never listening, and gone with the process that holds it.

    Raises:
        Conflict: a hundred such places are all in use.
    """
    if first == 0:
        yield 0
        return
    for start in _starts(first, count * ranges):
        with ExitStack() as claims:
            try:
                for port in range(start, start + count * ranges, count):
                    claims.enter_context(_bound(host, port, socket.SOCK_STREAM))
            except OSError:
                continue
            if all(_can_bind(host, port, udp=True) for port in range(start, start + count * ranges)):
                yield start
                return
    raise _none_free(host, first, count * ranges, udp=True)


def _starts(first: int, count: int) -> range:
    return range(first, min(first + 100 * count, 65536 - count), count)


def _none_free(host: str, first: int, count: int, udp: bool) -> Conflict:
    return Conflict(
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
    _bound(host, port, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM, reuse=not udp).close()


def _bound(host: str, port: int, kind: socket.SocketKind, *, reuse: bool = False) -> socket.socket:
    """A socket on that port. `reuse`: a connection that has just ended there is no hindrance."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        if reuse:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _owner(port: int, udp: bool) -> str:
    """` by nginx (process 123)`, or nothing where the system does not tell."""
    try:
        for connection in psutil.net_connections("udp" if udp else "tcp"):
            ours = connection.laddr and connection.laddr.port == port and connection.pid
            if ours and (udp or connection.status == psutil.CONN_LISTEN):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""

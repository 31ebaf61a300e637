"""A TCP or TLS connection to another place, made to an address that was judged."""

from __future__ import annotations

import asyncio
import os
import ssl

from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.relaying.addresses import Destination, Resolve, addresses_of, resolve
from skyriver.services.live.relaying.errors import FarSide

_ADDRESSES_MAX = 3


async def connect(
    to: Destination, *, allow_private: bool, find: Resolve = resolve, trust: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; the caller bounds the wait.

    Args:
        trust: which certificates are good; by default those of this machine's authorities.

    Raises:
        FarSide, PrivateRelayAddress: there is none to be had.
    """
    addresses = await addresses_of(to.host, to.port, allow_private=allow_private, find=find)
    tls = (trust or ssl.create_default_context()) if to.tls else None
    failure: OSError | None = None
    for address in addresses[:_ADDRESSES_MAX]:
        try:
            return await asyncio.open_connection(address, to.port, ssl=tls, server_hostname=to.host if tls else None)
        except ssl.SSLCertVerificationError as error:
            raise FarSide(
                f"The certificate of {to.where} is not valid for it: {error.verify_message}.",
                hint="Check the host's name, or use rtmp:// if there is no TLS.",
            ) from error
        except OSError as error:
            failure = error
    assert failure is not None
    raise FarSide(f"{to.where} could not be reached: {words_of(failure)}.") from failure


def words_of(error: Exception) -> str:
    """What went wrong, in a few words without a full stop."""
    if isinstance(error, SkyriverError):
        return error.message.rstrip(".")
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__

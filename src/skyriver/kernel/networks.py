"""Hosts in URLs; which IP addresses the whole internet shares, and which belong to somebody's own network.

Tenants name hosts that our processes connect to from inside the operator's network: what a name resolves to is
judged here before anything is sent (server-side request forgery).
"""

from __future__ import annotations

import ipaddress

# IPv6 that carries an IPv4 address for a gateway: it would reach what the address inside reaches.
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
# Not private by the book, or not by every version of the library, and yet nobody else's: where clouds keep their
# machines' metadata and secrets (Oracle's in RFC 6890's 192.0.0.0/24, Azure's WireServer); 6to4's anycast (RFC 7526).
_OWN = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "168.63.129.16/32", "192.88.99.0/24")))


def host_in_url(host: str) -> str:
    """A host name or IP address as the authority of a URL has it: IPv6 in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet could call."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if parsed.sixtofour is not None or parsed.teredo is not None or any(parsed in net for net in _TRANSLATED):
            return False
        if parsed.is_site_local or parsed.is_reserved:  # RFC 3879; IPv4-compatible addresses are among the reserved
            return False
    return parsed.is_global and not parsed.is_multicast and not any(parsed in net for net in _OWN)

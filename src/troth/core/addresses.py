"""Which network addresses are those of the public internet: what a server may be sent to by what others wrote."""

from __future__ import annotations

import ipaddress


def is_public(address: str) -> bool:
    """Whether an address (IPv4 or IPv6, perhaps with a zone) is public; one that carries another is as that one.

    Raises:
        ValueError: it is no address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return _is_public(parsed) and (inner is None or _is_public(inner))


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved

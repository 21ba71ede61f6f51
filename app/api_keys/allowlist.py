"""The addresses from which a key may be used: IPv4 and IPv6 addresses and CIDRs."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from app.core.errors import invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_ENTRIES = 100
"""Nobody can check a longer list; a CIDR covers many addresses."""

_MAPPED_BITS = 96
"""`::ffff:0:0/96` carries IPv4 in its last 32 bits (RFC 4291, section 2.5.5.2)."""


def checked(entries: Iterable[str]) -> list[str]:
    """The entries in canonical form, each once. An empty list lets every address in.

    Raises INVALID_INPUT for what is no address or CIDR, for a CIDR with host bits set (it would let in more than
    it seems to) and for more than `MAX_ENTRIES`.
    """
    canonical = list(dict.fromkeys(_canonical(entry) for entry in entries))
    if len(canonical) > MAX_ENTRIES:
        raise invalid("allowlist", f"must have at most {MAX_ENTRIES} entries")
    return canonical


def admits(entries: tuple[str, ...], address: Address) -> bool:
    """Whether a stored allowlist lets the address in."""
    return not entries or any(address in network for network in _networks(entries))


@lru_cache(maxsize=4096)
def _networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(entry) for entry in entries)


def _canonical(entry: str) -> str:
    text = entry.strip()
    if "%" in text:
        raise invalid("allowlist", f"{text!r} has a zone, which is not supported")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise invalid("allowlist", f"{text!r} is not an IPv4 or IPv6 address or CIDR") from None
    if "/" in text and network != _strict(text):
        raise invalid("allowlist", f"{text!r} has host bits set; did you mean {network}?")
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            network = IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _strict(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None

"""The client's address: the peer's, or the one that a trusted proxy names (contract, section 2).

Each proxy appends the address of its own client, so entries of `X-Forwarded-For` are read from the right, as long as
a trusted proxy wrote them. Everything left of the first untrusted entry may be forged.
"""

import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = IPv4Address("0.0.0.0")  # noqa: S104 - an address, not a binding
"""For a peer without an address (a Unix socket): in no list of trusted proxies and no sensible allowlist."""

ADDRESSES_KEPT = 4_096
"""Texts of addresses that a process remembers, as they were read: some 2 MB."""

LONGEST_TEXT = 100
"""Characters of an entry that are read: more than any address has, with its brackets, zone and port."""

MAX_HOPS = 32
"""Entries that are read; more proxies in a row are a forgery or a loop."""

IPV6_BITS = 128
IPV6_SITE_BITS = 64
"""One subscriber has at least a /64 (RFC 6177), so limits per address count a /64 as one address."""


class ClientAddresses:
    """Finds the client's address, given the trusted proxies."""

    def __init__(self, trusted_proxies: Iterable[Network]) -> None:
        self._trusted = tuple(trusted_proxies)
        self._known = lru_cache(maxsize=ADDRESSES_KEPT)(self._read)

    def of(self, scope: Any) -> Address:
        """The client's address of an ASGI scope. Never fails: a malformed entry ends the search."""
        client = scope.get("client")
        address, is_proxy = self._known(client[0] if client else "")
        if address is None:
            address, is_proxy = UNKNOWN, self.trusts(UNKNOWN)
        if not is_proxy:  # anybody can send the header
            return address
        for entry in _forwarded_for(scope["headers"]):
            named, is_proxy = self._known(entry)
            if named is None:
                return address
            address = named
            if not is_proxy:
                return address
        return address

    def trusts(self, address: Address) -> bool:
        """Whether it is the address of a trusted proxy."""
        return any(address in network for network in self._trusted)

    def _read(self, text: str) -> tuple[Address | None, bool]:
        """The address that a text names, and whether it is a trusted proxy's."""
        address = parse(text)
        return address, address is not None and self.trusts(address)


def parse(text: str) -> Address | None:
    """An address with or without port, brackets, quotes or zone; IPv4-mapped IPv6 as IPv4. None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0]
    try:
        # The system reads and writes IPv6 in an eighth of the time that `ipaddress` needs.
        address = IPv6Address(socket.inet_pton(socket.AF_INET6, text)) if ":" in text else ip_address(text)
    except (OSError, ValueError):
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def site(address: Address) -> str:
    """What limits per address count: the address, or the /64 of an IPv6 address."""
    if isinstance(address, IPv4Address):
        return str(address)
    network = address.packed[: IPV6_SITE_BITS // 8].ljust(IPV6_BITS // 8, b"\0")
    return f"{socket.inet_ntop(socket.AF_INET6, network)}/{IPV6_SITE_BITS}"


def _forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The entries of all `X-Forwarded-For` headers, nearest first."""
    lines = [value for name, value in headers if name == b"x-forwarded-for"]
    entries = b",".join(lines).decode("latin-1").split(",") if lines else []
    named = (entry.strip()[:LONGEST_TEXT] for entry in reversed(entries))
    return [entry for entry in named if entry][:MAX_HOPS]

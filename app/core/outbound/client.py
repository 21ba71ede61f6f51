"""POST to a server of others: the only way out for webhooks (contract, section 6; security.md).

Each attempt resolves the name and checks every address again, and goes to one of those (exchanges.py).
"""

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core import clock
from app.core.outbound.outcome import ErrorClass, ExchangeFailed, Outcome
from app.core.outbound.resolver import Resolver, SystemResolver
from app.core.outbound.targets import (
    NOT_PUBLIC,
    Address,
    Network,
    Refusal,
    Target,
    TargetRefused,
    address_refusal,
    localhost_addresses,
    parse_target,
)

if TYPE_CHECKING:
    from app.core.outbound.exchanges import Answer, Exchanges

RESOLVE_TIMEOUT_S = 3.0
CONNECT_TIMEOUT_S = 3.0  # TCP, over all addresses
TOTAL_TIMEOUT_S = 10.0  # from connecting to the end of the headers; the body has what is left of it
# Below what most servers keep idle connections for (nginx 75 s, Apache 5 s); if the server
# closes first, the client tries once more on a new connection.
IDLE_EXPIRY_S = 15.0
MAX_TARGETS_KEPT = 4_096  # parsed URLs; parsing depends on nothing but the URL

_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
# RFC 9110 sections 5.1 and 5.5, ASCII only.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


class OutboundClient:
    """Sends POST requests to public HTTPS servers. One per event loop; `aclose` it at the end.

    Time limits in seconds: `resolve_timeout_s` for the look-up, then `connect_timeout_s` for TCP and
    `total_timeout_s` for everything, the body included. So a call ends within 13 s by default.
    `allow_networks` (WEBHOOK_ALLOW_NETWORKS) are private networks allowed for tests. Without an `ssl_context` that of
    `build_ssl_context` is used.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        allow_networks: Sequence[Network] = (),
        resolver: Resolver | None = None,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        idle_expiry_s: float = IDLE_EXPIRY_S,
    ) -> None:
        self._allow_networks = tuple(allow_networks)
        self._system_resolver = SystemResolver()
        self._resolver: Resolver = resolver or self._system_resolver
        self._resolve_timeout_s = resolve_timeout_s
        self._exchanges: Exchanges | None = None
        self._make_exchanges = partial(
            _exchanges, ssl_context, self._allow_networks, connect_timeout_s, total_timeout_s, idle_expiry_s
        )
        self._parsed = lru_cache(MAX_TARGETS_KEPT)(partial(parse_target, allow_networks=self._allow_networks))

    async def post(self, target_url: str, *, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send `body` once and return the outcome. Faults of target and network are outcomes, not raised.

        A kept connection that the server has closed meanwhile is replaced by a fresh one, so the server may
        in rare cases see the request twice. Raises ValueError for headers that are ours to set or malformed.
        Not to be called in a transaction.
        """
        sent_headers = _checked_headers(headers)
        started_s = clock.monotonic_s()
        answer: Answer | None = None
        failure = ExchangeFailed(ErrorClass.PROTOCOL, "")
        try:
            target = self._parsed(target_url)
            addresses = await self._checked_addresses(target)
            if self._exchanges is None:
                self._exchanges = self._make_exchanges()
            answer = await self._exchanges.post(target, addresses, sent_headers, body)
        except TargetRefused as refused:
            # `dns` both for a name without addresses and for a private one: the difference would show our network.
            by_name = refused.message == NOT_PUBLIC
            error = ErrorClass.DNS if by_name else ErrorClass.REFUSED_TARGET
            failure = ExchangeFailed(error, refused.message, operator_note=refused.operator_note)
        except ExchangeFailed as failed:
            failure = failed

        duration_ms = round((clock.monotonic_s() - started_s) * 1000)
        peer = failure.peer if answer is None else answer.peer
        return Outcome(
            status=None if answer is None else answer.status,
            error=failure.error if answer is None else None,
            detail=failure.detail if answer is None else answer.detail,
            duration_ms=duration_ms,
            response_excerpt=b"" if answer is None else answer.excerpt,
            retry_after_s=None if answer is None else answer.retry_after_s,
            peer=None if peer is None else str(peer),
            operator_note=failure.operator_note if answer is None else "",
        )

    async def check_target(self, target_url: str) -> Target:
        """Parse and resolve a URL as an attempt would, for when an endpoint is created.

        Raises `TargetRefused`, also where the name has no addresses.
        """
        target = parse_target(target_url, self._allow_networks)
        await self._checked_addresses(target)
        return target

    async def aclose(self) -> None:
        """Close the kept connections. Requests under way end by themselves."""
        if self._exchanges is not None:
            self._exchanges.close()
        self._system_resolver.close()

    async def _checked_addresses(self, target: Target) -> tuple[Address, ...]:
        """Every address of the target, all of them allowed. Raises `TargetRefused`."""
        if target.address is not None:
            texts: Sequence[str] = (target.host,)
        elif target.host == "localhost":
            texts = [str(address) for address in localhost_addresses(self._allow_networks)]
        else:
            texts = await self._resolve(target.host)
        try:
            addresses = tuple(dict.fromkeys(ip_address(text) for text in texts))
        except ValueError:
            raise _not_public(f"the resolver returned no address for {target.host}") from None
        if not addresses:
            raise _not_public(f"{target.host} has no addresses")
        for address in addresses:
            note = address_refusal(address, self._allow_networks)
            if note is not None:
                raise _not_public(f"{target.host}: {note}")
        return addresses

    async def _resolve(self, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(self._resolve_timeout_s):
                return await self._resolver(host)
        except TimeoutError:
            raise _not_public(f"{host}: no answer from the resolver in time") from None
        except OSError as fault:
            raise _not_public(f"{host}: {fault}") from fault


@cache
def build_ssl_context(extra_ca_file: Path | None = None) -> ssl.SSLContext:
    """Verify certificates and names by the system's CAs and those in `extra_ca_file` (PEM), read once a process."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if extra_ca_file is not None:
        context.load_verify_locations(cafile=extra_ca_file)
    return context


def _exchanges(ssl_context: ssl.SSLContext | None, *options: Any) -> "Exchanges":
    from app.core.outbound.exchanges import Exchanges  # noqa: PLC0415 - with the authorities 60 ms; web only checks URLs

    return Exchanges(ssl_context or build_ssl_context(), *options)


def _checked_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"header {name} is set by the client")
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} is malformed")
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def _not_public(note: str) -> TargetRefused:
    return TargetRefused(Refusal.ADDRESS_NOT_PUBLIC, NOT_PUBLIC, operator_note=note)

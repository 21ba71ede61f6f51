"""Which URLs and addresses a webhook may be sent to (contract, section 6). No I/O here.

`parse_target` is the only reader of a target URL: the client connects to what it returns, so no second parser
can see another host in the same text. It is stricter than RFC 3986 on purpose: it refuses everything that parsers are
known to read differently, and repairs nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

import idna
import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARS = 2_048
MAX_NAME_CHARS = 253  # RFC 1035 section 2.3.4: 255 octets on the wire
DEFAULT_PORT = 443
FIRST_UNPRIVILEGED_PORT = 1_024
LAST_PORT = 65_535
# Stores and queues that never speak HTTPS: SQL Server, Oracle, NFS, MySQL, PostgreSQL, AMQP, X11, Redis,
# Cassandra, Kafka, memcached, MongoDB. No webhook is received there, but a request could do harm.
OTHER_PROTOCOLS_PORTS = frozenset({1433, 1521, 2049, 3306, 5432, 5672, 6000, 6379, 9042, 9092, 11211, 27017})

NOT_PUBLIC = "host does not resolve to a public address"

# RFC 6761, 6762, 7686, 8375, ICANN's reservation of `internal`, and what home and cloud routers hand out.
RESERVED_NAMES = ("localhost", "localdomain", "local", "internal", "lan", "home.arpa", "onion")

# IANA's special-purpose registries, plus multicast and what clouds keep for themselves.
DENIED_IPV4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's host agent, inside public space
    )
)
# Whatever carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo) lies outside the first
# or inside one of the second, so nothing needs to be unpacked.
ALLOWED_IPV6 = IPv6Network("2000::/3")
DENIED_IPV6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
LOOPBACKS: tuple[Address, ...] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))

_SCHEME = re.compile(r"https://", re.IGNORECASE | re.ASCII)  # ASCII: else `httpſ` matches
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Every delegated top-level domain has only letters or is an A-label; a disguised number is neither.
_TOP_LABEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{0,58}[a-z0-9]")
_IDEOGRAPHIC_FULL_STOP = "\u3002"  # a dot to IDNA, left alone by NFKC


class Refusal(StrEnum):
    """Why a target is refused. Stable; goes with a message that a merchant may read."""

    TOO_LONG = "too_long"
    FORBIDDEN_CHARACTER = "forbidden_character"
    SCHEME = "scheme"
    USER_INFO = "user_info"
    FRAGMENT = "fragment"
    PORT = "port"
    HOST_INVALID = "host_invalid"
    HOST_RESERVED = "host_reserved"
    ADDRESS_NOT_PUBLIC = "address_not_public"


class TargetRefused(Exception):
    """A URL or host that we don't send to.

    `message` is for the merchant and reveals nothing about our network; `operator_note` is for our logs.
    """

    def __init__(self, reason_code: Refusal, message: str, *, operator_note: str = "") -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code
        self.message = message
        self.operator_note = operator_note


class Target(msgspec.Struct, frozen=True):
    """An allowed URL, in the parts that are used to connect.

    `host` is a lower-case ASCII name (A-labels) or an address in canonical form without brackets; `address`
    is set for the latter. `path` is the request target: path and query as given, at least "/".
    """

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """Host and port as in the `Host` header: brackets round IPv6, no port where it is the default."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The canonical URL."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str, allow_networks: Sequence[Network] = ()) -> Target:
    """Read a webhook URL, or raise `TargetRefused`.

    Names are not resolved here: the code that connects checks each address with `address_refusal`. A literal address
    in `allow_networks` is allowed, and so is `localhost` if they contain a loopback address.
    """
    if len(url) > MAX_URL_CHARS:
        raise TargetRefused(Refusal.TOO_LONG, f"must be at most {MAX_URL_CHARS} characters")
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise TargetRefused(Refusal.FORBIDDEN_CHARACTER, "must not hold spaces, control characters or backslashes")
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise TargetRefused(Refusal.SCHEME, "must start with https://")
    if "#" in url:
        raise TargetRefused(Refusal.FRAGMENT, "must not have a fragment (#…): it would never be sent")

    rest = url[scheme.end() :]
    authority_end = next((index for index, character in enumerate(rest) if character in "/?"), len(rest))
    authority, path = rest[:authority_end], rest[authority_end:]
    if not path.isascii():
        raise TargetRefused(Refusal.FORBIDDEN_CHARACTER, "path and query must be ASCII: percent-encode everything else")
    if "@" in authority:
        raise TargetRefused(Refusal.USER_INFO, "must not hold a user name or password")

    host_text, port = _split_port(authority)
    host, address = _host(host_text, allow_networks)
    return Target("https", host, port, path if path.startswith("/") else f"/{path}", address)


def address_refusal(address: Address, allow_networks: Sequence[Network] = ()) -> str | None:
    """Why `address` must not be connected to, for our own logs; None if it may be.

    `ipaddress.is_global` would pass NAT64, multicast, site-local and some clouds' metadata services.
    """
    if any(address in network for network in allow_networks):
        return None
    if isinstance(address, IPv4Address):
        denied_ipv4 = next((block for block in DENIED_IPV4 if address in block), None)
        return None if denied_ipv4 is None else f"{address} is in {denied_ipv4}"
    if address.scope_id is not None or address not in ALLOWED_IPV6:
        return f"{address} is not in {ALLOWED_IPV6}"
    denied_ipv6 = next((block for block in DENIED_IPV6 if address in block), None)
    return None if denied_ipv6 is None else f"{address} is in {denied_ipv6}"


def _split_port(authority: str) -> tuple[str, int]:
    """Host text (an IPv6 literal keeps its brackets) and port."""
    bracket_end = authority.rfind("]")
    if authority.startswith("[") and bracket_end == -1:
        raise TargetRefused(Refusal.HOST_INVALID, "host is not a valid IPv6 address")
    colon = authority.find(":", bracket_end + 1)
    if colon == -1:
        return authority, DEFAULT_PORT
    port_text = authority[colon + 1 :]
    if not _PORT.fullmatch(port_text):
        raise TargetRefused(Refusal.PORT, "port must be a number")
    port = int(port_text)
    if port > LAST_PORT or (port < FIRST_UNPRIVILEGED_PORT and port != DEFAULT_PORT):
        raise TargetRefused(
            Refusal.PORT, f"port must be {DEFAULT_PORT} or from {FIRST_UNPRIVILEGED_PORT} to {LAST_PORT}"
        )
    if port in OTHER_PROTOCOLS_PORTS:
        raise TargetRefused(Refusal.PORT, f"port {port} belongs to another protocol")
    return authority[:colon], port


def _host(text: str, allow_networks: Sequence[Network]) -> tuple[str, Address | None]:
    if text == "":
        raise TargetRefused(Refusal.HOST_INVALID, "must have a host")
    if "%" in text:
        raise TargetRefused(Refusal.HOST_INVALID, "host must not be percent-encoded")

    address = _address_literal(text)
    if address is not None:
        note = address_refusal(address, allow_networks)
        if note is not None:
            raise TargetRefused(Refusal.ADDRESS_NOT_PUBLIC, "host must be a public address", operator_note=note)
        return str(address), address

    name = _ascii_name(text)
    if name == "localhost" and localhost_addresses(allow_networks):
        return name, None
    if any(name == reserved or name.endswith(f".{reserved}") for reserved in RESERVED_NAMES):
        raise TargetRefused(Refusal.HOST_RESERVED, "host is a name for private use")
    labels = name.split(".")
    if len(name) > MAX_NAME_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise TargetRefused(Refusal.HOST_INVALID, "host is not a valid domain name")
    if len(labels) < 2 or not _TOP_LABEL.fullmatch(labels[-1]):
        # One label is looked up inside our own network, and `127.1` or `0x7f000001` is an address to some.
        raise TargetRefused(Refusal.HOST_INVALID, "host must be a full domain name or a plain IP address")
    return name, None


def localhost_addresses(allow_networks: Sequence[Network]) -> tuple[Address, ...]:
    """What `localhost` stands for in a deployment that allows it: no resolver is asked (RFC 6761)."""
    return tuple(a for a in LOOPBACKS if any(a in network for network in allow_networks))


def _address_literal(text: str) -> Address | None:
    """A dotted quad without leading zeros, or a bracketed IPv6 address; None for a name."""
    if "[" in text or "]" in text:
        if not (text.startswith("[") and text.endswith("]")):
            raise TargetRefused(Refusal.HOST_INVALID, "host is not a valid IPv6 address")
        try:
            return IPv6Address(text[1:-1])
        except AddressValueError:
            raise TargetRefused(Refusal.HOST_INVALID, "host is not a valid IPv6 address") from None
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def _ascii_name(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Nothing is mapped (UTS 46 would): that is how full-width digits and dots become an address.
    if unicodedata.normalize("NFKC", text) != text or _IDEOGRAPHIC_FULL_STOP in text:
        raise TargetRefused(Refusal.HOST_INVALID, "host must use plain letters, digits and dots")
    try:
        return idna.encode(text.lower()).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise TargetRefused(Refusal.HOST_INVALID, "host is not a valid domain name") from None

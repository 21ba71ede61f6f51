"""Refused webhook URLs and addresses: a table of tricks, and property tests for embedded addresses."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.outbound.targets import (
    DENIED_IPV4,
    Refusal,
    TargetRefused,
    address_refusal,
    parse_target,
)

REFUSED_LINES = (
    (Path(__file__).parents[1] / "data" / "webhook_targets_refused.txt").read_text().rstrip("\n").split("\n")
)
LOOPBACK = (IPv4Network("127.0.0.0/8"),)


@pytest.mark.parametrize("url", REFUSED_LINES)
def test_every_line_of_the_shared_list_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        parse_target(url)


TRICKS = [
    # user info, and hosts that two parsers read differently
    ("https://user@example.com/h", Refusal.USER_INFO),
    ("https://user:secret@example.com/h", Refusal.USER_INFO),
    ("https://:@example.com/h", Refusal.USER_INFO),
    ("https://example.com@127.0.0.1/h", Refusal.USER_INFO),
    ("https://example.com%40127.0.0.1/h", Refusal.HOST_INVALID),
    ("https://example.com#@127.0.0.1/h", Refusal.FRAGMENT),
    ("https://example.com/h#top", Refusal.FRAGMENT),
    ("https://example.com\\@127.0.0.1/h", Refusal.FORBIDDEN_CHARACTER),
    ("https:\\\\example.com/h", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/h\\..", Refusal.FORBIDDEN_CHARACTER),
    ("https:///example.com/h", Refusal.HOST_INVALID),
    ("https://?x", Refusal.HOST_INVALID),
    ("https://", Refusal.HOST_INVALID),
    ("https://:8443/h", Refusal.HOST_INVALID),
    ("https:/example.com/h", Refusal.SCHEME),
    ("https:example.com/h", Refusal.SCHEME),
    ("//example.com/h", Refusal.SCHEME),
    ("example.com", Refusal.SCHEME),
    ("", Refusal.SCHEME),
    ("ſhttps://example.com/", Refusal.SCHEME),
    ("httpſ://example.com/", Refusal.SCHEME),
    ("wss://example.com/h", Refusal.SCHEME),
    ("gopher://example.com/h", Refusal.SCHEME),
    ("file:///etc/passwd", Refusal.SCHEME),
    ("javascript:alert(1)", Refusal.SCHEME),
    # control characters and spaces, anywhere
    ("https://example.com/h\r\nX-Evil: 1", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/\x00", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/h ", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/a b", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/\x7f", Refusal.FORBIDDEN_CHARACTER),
    ("\thttps://example.com/", Refusal.FORBIDDEN_CHARACTER),
    ("https://exam\nple.com/", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/\u00a0", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/ü", Refusal.FORBIDDEN_CHARACTER),
    ("https://example.com/\u2028", Refusal.FORBIDDEN_CHARACTER),
    ("https://example\u00a0.com/", Refusal.HOST_INVALID),
    ("https://exam\u00adple.com/", Refusal.HOST_INVALID),
    ("https://exam\u200bple.com/", Refusal.HOST_INVALID),
    # percent-encoded hosts
    ("https://%6c%6fcalhost/h", Refusal.HOST_INVALID),
    ("https://127%2e0.0.1/h", Refusal.HOST_INVALID),
    ("https://example.com%00.evil.com/", Refusal.HOST_INVALID),
    ("https://[fe80::1%25eth0]/h", Refusal.HOST_INVALID),
    ("https://[2606:4700::1111%eth0]/h", Refusal.HOST_INVALID),
    # ports
    ("https://example.com:0/h", Refusal.PORT),
    ("https://example.com:00443/h", Refusal.PORT),
    ("https://example.com:/h", Refusal.PORT),
    ("https://example.com:22/h", Refusal.PORT),
    ("https://example.com:80/h", Refusal.PORT),
    ("https://example.com:442/h", Refusal.PORT),
    ("https://example.com:444/h", Refusal.PORT),
    ("https://example.com:1023/h", Refusal.PORT),
    ("https://example.com:65536/h", Refusal.PORT),
    ("https://example.com:65979/h", Refusal.PORT),  # 443 in sixteen bits
    ("https://example.com:-1/h", Refusal.PORT),
    ("https://example.com:+443/h", Refusal.PORT),
    ("https://example.com:4_43/h", Refusal.PORT),
    ("https://example.com:４４３/h", Refusal.PORT),
    ("https://example.com:443:443/h", Refusal.PORT),
    ("https://[2606:4700::1111]:0/h", Refusal.PORT),
    ("https://[2606:4700::1111]:25/h", Refusal.PORT),
    # other notations of numbers
    ("https://127.1/h", Refusal.HOST_INVALID),
    ("https://127.0.1/h", Refusal.HOST_INVALID),
    ("https://0/h", Refusal.HOST_INVALID),
    ("https://0x7f.1/h", Refusal.HOST_INVALID),
    ("https://0x7f.0.0.1/h", Refusal.HOST_INVALID),
    ("https://0X7F000001/h", Refusal.HOST_INVALID),
    ("https://0x/h", Refusal.HOST_INVALID),
    ("https://017700000001/h", Refusal.HOST_INVALID),
    ("https://127.0.0.01/h", Refusal.HOST_INVALID),
    ("https://8.8.8.08/h", Refusal.HOST_INVALID),
    ("https://134744072/h", Refusal.HOST_INVALID),  # 8.8.8.8: public, but not in the usual notation
    ("https://8.8.2056/h", Refusal.HOST_INVALID),
    ("https://256.1.1.1/h", Refusal.HOST_INVALID),
    ("https://1.2.3.4.5/h", Refusal.HOST_INVALID),
    ("https://example.0x7f/h", Refusal.HOST_INVALID),
    ("https://１２７.0.0.1/h", Refusal.HOST_INVALID),
    ("https://１２７。０。０。１/h", Refusal.HOST_INVALID),
    ("https://127\u30020\u30020\u30021/h", Refusal.HOST_INVALID),
    ("https://①②⑦.0.0.1/h", Refusal.HOST_INVALID),
    ("https://١٢٧.٠.٠.١/h", Refusal.HOST_INVALID),
    ("https://127.0.0.1./h", Refusal.HOST_INVALID),
    # names for private use
    ("https://localhost:8443/h", Refusal.HOST_RESERVED),
    ("https://LOCALHOST/h", Refusal.HOST_RESERVED),
    ("https://LocalHost.LocalDomain/h", Refusal.HOST_RESERVED),
    ("https://api.localhost/h", Refusal.HOST_RESERVED),
    ("https://a.localdomain/h", Refusal.HOST_RESERVED),
    ("https://printer.LOCAL/h", Refusal.HOST_RESERVED),
    ("https://metadata.google.internal/h", Refusal.HOST_RESERVED),
    ("https://internal/h", Refusal.HOST_RESERVED),
    ("https://nas.home.arpa/h", Refusal.HOST_RESERVED),
    ("https://abc.onion/h", Refusal.HOST_RESERVED),
    ("https://ｌｏｃａｌｈｏｓｔ/h", Refusal.HOST_INVALID),
    ("https://loca\u212ahost.com/h", Refusal.HOST_INVALID),  # the Kelvin sign lowers to k
    ("https://localhost./h", Refusal.HOST_INVALID),
    ("https://metadata.google.internal./h", Refusal.HOST_INVALID),
    # shapes of names
    ("https://redis/h", Refusal.HOST_INVALID),
    ("https://example.com./h", Refusal.HOST_INVALID),
    ("https://example.com../h", Refusal.HOST_INVALID),
    ("https://.example.com/h", Refusal.HOST_INVALID),
    ("https://example..com/h", Refusal.HOST_INVALID),
    ("https://./h", Refusal.HOST_INVALID),
    ("https://-example.com/h", Refusal.HOST_INVALID),
    ("https://example-.com/h", Refusal.HOST_INVALID),
    ("https://exa_mple.com/h", Refusal.HOST_INVALID),
    ("https://*.example.com/h", Refusal.HOST_INVALID),
    ("https://example.com;evil.com/h", Refusal.HOST_INVALID),
    ("https://example.com,evil.com/h", Refusal.HOST_INVALID),
    ("https://exa<mple.com/h", Refusal.HOST_INVALID),
    ("https://ex'ample.com/h", Refusal.HOST_INVALID),
    (f"https://{'a' * 64}.com/h", Refusal.HOST_INVALID),
    (f"https://{'a.' * 126}com/h", Refusal.HOST_INVALID),
    (f"https://{'ü' * 60}.com/h", Refusal.HOST_INVALID),
    # IPv6 in brackets
    ("https://[::ffff:8.8.8.8]/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[::ffff:7f00:1]/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[::127.0.0.1]/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[64:ff9b::127.0.0.1]/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[fec0::1]/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[fd00:ec2::254]/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[ff02::1]:8443/h", Refusal.ADDRESS_NOT_PUBLIC),
    ("https://[::1/h", Refusal.HOST_INVALID),
    ("https://::1/h", Refusal.PORT),
    ("https://[::1].example.com/h", Refusal.HOST_INVALID),
    ("https://[127.0.0.1]/h", Refusal.HOST_INVALID),
    ("https://[]/h", Refusal.HOST_INVALID),
    ("https://[v1.fe80::a]/h", Refusal.HOST_INVALID),
    # length
    (f"https://example.com/{'a' * 2029}", Refusal.TOO_LONG),
]


@pytest.mark.parametrize(("url", "reason_code"), TRICKS)
def test_tricks_are_refused_for_the_right_reason(url: str, reason_code: Refusal) -> None:
    with pytest.raises(TargetRefused) as refused:
        parse_target(url)

    assert refused.value.reason_code is reason_code
    assert refused.value.message


GOOD = [
    ("https://example.com", "example.com", 443, "/", "example.com"),
    ("https://example.com/", "example.com", 443, "/", "example.com"),
    ("https://example.com:443/h", "example.com", 443, "/h", "example.com"),
    ("HTTPS://Hooks.Example.COM:8443/H?a=1&b=@x", "hooks.example.com", 8443, "/H?a=1&b=@x", None),
    ("https://example.com?a=1", "example.com", 443, "/?a=1", "example.com"),
    ("https://example.com:1024/a%20b/../c;d=(e)", "example.com", 1024, "/a%20b/../c;d=(e)", None),
    ("https://example.com:65535/h", "example.com", 65535, "/h", None),
    ("https://bücher.example/h", "xn--bcher-kva.example", 443, "/h", "xn--bcher-kva.example"),
    ("https://BÜCHER.example/h", "xn--bcher-kva.example", 443, "/h", "xn--bcher-kva.example"),
    ("https://xn--bcher-kva.xn--p1ai/h", "xn--bcher-kva.xn--p1ai", 443, "/h", None),
    ("https://1.2.3.4.example.com/h", "1.2.3.4.example.com", 443, "/h", "1.2.3.4.example.com"),
    ("https://0x7f.example.com/h", "0x7f.example.com", 443, "/h", "0x7f.example.com"),
    ("https://notlocalhost.com/h", "notlocalhost.com", 443, "/h", "notlocalhost.com"),
    ("https://mylocal.dev/http://127.0.0.1/", "mylocal.dev", 443, "/http://127.0.0.1/", None),
    ("https://8.8.8.8/h", "8.8.8.8", 443, "/h", "8.8.8.8"),
    ("https://[2606:4700:0:0::1111]:8443/h", "2606:4700::1111", 8443, "/h", "[2606:4700::1111]:8443"),
    ("https://[2606:4700::1111]/h", "2606:4700::1111", 443, "/h", "[2606:4700::1111]"),
    (f"https://example.com/{'a' * 2028}", "example.com", 443, f"/{'a' * 2028}", "example.com"),
]


@pytest.mark.parametrize(("url", "host", "port", "path", "authority"), GOOD)
def test_good_urls_pass_in_canonical_parts(url: str, host: str, port: int, path: str, authority: str | None) -> None:
    target = parse_target(url)

    assert (target.scheme, target.host, target.port, target.path) == ("https", host, port, path)
    assert target.authority == (authority or f"{host}:{port}" if port != 443 else authority or host)
    assert parse_target(target.url) == target


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"),
        *("127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.170.2"),
        *("172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
        *("192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.9"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.255", "168.63.129.16"),
        *("::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8"),
        *("64:ff9b::8.8.8.8", "64:ff9b:1::10.0.0.1", "100::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1"),
        *("ff02::1", "2001::1", "2001:0:7f00:1::", "2001:1::1", "2001:20::1", "2001:1ff:ffff::"),
        *("2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1"),
        *("1fff:ffff::1", "fe80::1%1", "2606:4700::1111%1"),
    ],
)
def test_addresses_that_are_denied(address: str) -> None:
    assert address_refusal(ip_address(address)) is not None


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
        *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.1"),
        *("192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("168.63.129.15", "168.63.129.17"),
        *("2000::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "3ffe:ffff::1"),
        *("3fff:1000::1",),
    ],
)
def test_public_addresses_next_to_denied_ones_pass(address: str) -> None:
    assert address_refusal(ip_address(address)) is None


denied_ipv4 = st.sampled_from(DENIED_IPV4).flatmap(
    lambda block: st.integers(int(block.network_address), int(block.broadcast_address)).map(IPv4Address)
)
EMBEDDINGS: dict[str, Callable[[IPv4Address, int], int]] = {
    "compatible": lambda v4, rest: int(v4),
    "mapped": lambda v4, rest: (0xFFFF << 32) | int(v4),
    "translated (SIIT)": lambda v4, rest: (0xFFFF << 48) | int(v4),
    "NAT64": lambda v4, rest: (0x64FF9B << 96) | int(v4),
    "NAT64, local": lambda v4, rest: (0x64FF9B0001 << 80) | (rest & (((1 << 48) - 1) << 32)) | int(v4),
    "6to4": lambda v4, rest: (0x2002 << 112) | (int(v4) << 80) | (rest & ((1 << 80) - 1)),
    "Teredo, server": lambda v4, rest: (0x20010000 << 96) | (int(v4) << 64) | (rest & ((1 << 64) - 1)),
    "Teredo, client": lambda v4, rest: (0x20010000 << 96) | (rest & (((1 << 64) - 1) << 32)) | (int(v4) ^ 0xFFFFFFFF),
}


@given(denied_ipv4, st.sampled_from(sorted(EMBEDDINGS)), st.integers(0, (1 << 128) - 1))
def test_a_denied_ipv4_address_is_denied_in_every_ipv6_form(v4: IPv4Address, embedding: str, rest: int) -> None:
    dressed = IPv6Address(EMBEDDINGS[embedding](v4, rest))

    assert address_refusal(v4) is not None
    assert address_refusal(dressed) is not None
    with pytest.raises(TargetRefused):
        parse_target(f"https://[{dressed}]/h")


@given(st.text(max_size=80).map(lambda text: f"https://{text}"))
def test_any_text_is_refused_or_reads_back_the_same(url: str) -> None:
    try:
        target = parse_target(url)
    except TargetRefused:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert parse_target(target.url) == target


def test_an_allowed_network_admits_its_addresses_and_nothing_beside_them() -> None:
    assert parse_target("https://127.0.0.1:8443/h", LOOPBACK).host == "127.0.0.1"
    assert parse_target("https://localhost:8443/h", LOOPBACK).host == "localhost"
    assert parse_target("https://[fd00::7]/h", (IPv6Network("fd00::/8"),)).host == "fd00::7"
    for url in (
        "https://10.0.0.1/h",
        "https://[::1]/h",
        "https://[::ffff:127.0.0.1]/h",
        "https://api.localhost/h",
        "https://127.1/h",
        "https://localhost:80/h",
        "http://localhost:8443/h",
    ):
        with pytest.raises(TargetRefused):
            parse_target(url, LOOPBACK)
    with pytest.raises(TargetRefused):
        parse_target("https://localhost/h", (IPv4Network("10.0.0.0/8"),))


def test_messages_do_not_reveal_the_block_of_an_address() -> None:
    messages = set()
    for host in ("10.1.2.3", "127.0.0.1", "169.254.169.254", "[fd00::1]"):
        with pytest.raises(TargetRefused) as refused:
            parse_target(f"https://{host}/h")
        messages.add(refused.value.message)
        assert refused.value.operator_note

    assert messages == {"host must be a public address"}

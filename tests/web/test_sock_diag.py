"""Which connections the kernel lists, and which it leaves out. The kernel is the real one."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address, ip_network

import pytest

from app.web.client_address import Address
from app.web.sock_diag import LISTENING, MAX_LEFT_OUT, OPEN, sockets

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists sockets so")

CLIENTS = ["127.0.0.1", "127.0.0.2", "127.0.0.130", "127.3.0.1"]


def test_networks_are_left_out_by_the_kernel() -> None:
    with listening(socket.AF_INET, "127.0.0.1") as server, connected(server, CLIENTS):
        assert peers(server, socket.AF_INET) == addresses(*CLIENTS)
        assert peers(server, socket.AF_INET, "127.0.0.1/32") == addresses("127.0.0.130", "127.0.0.2", "127.3.0.1")
        assert peers(server, socket.AF_INET, "127.0.0.0/25") == addresses("127.0.0.130", "127.3.0.1")
        assert peers(server, socket.AF_INET, "10.0.0.0/8", "fd00::/8", "127.3.0.0/16", "127.0.0.2/32") == addresses(
            "127.0.0.1", "127.0.0.130"
        )
        assert peers(server, socket.AF_INET, "0.0.0.0/0") == set()
        assert peers(server, socket.AF_INET, "::/0") == addresses(*CLIENTS)
        assert peers(server, socket.AF_INET6) == set()


def test_networks_of_both_families_are_left_out_of_a_socket_for_both() -> None:
    """Its clients of IPv4 have addresses of IPv6, `::ffff:…`."""
    with listening(socket.AF_INET6, "::") as server, connected(server, CLIENTS):
        mapped = [f"::ffff:{client}" for client in CLIENTS]
        assert peers(server, socket.AF_INET6) == addresses(*mapped)
        assert peers(server, socket.AF_INET6, "::1/128", "127.0.0.0/25") == addresses(*mapped[2:])
        assert peers(server, socket.AF_INET6, "::ffff:127.3.0.0/112") == addresses(*mapped[:3])
        assert peers(server, socket.AF_INET) == set()


def test_more_networks_than_the_kernel_is_asked_to_compare() -> None:
    """Those that are not compared are listed: whoever asks leaves them out then."""
    others = [f"fd00:{number:x}::/32" for number in range(MAX_LEFT_OUT - 1)]
    with listening(socket.AF_INET, "127.0.0.1") as server, connected(server, CLIENTS):
        assert peers(server, socket.AF_INET, *others, "127.0.0.0/8") == set()
        assert len(peers(server, socket.AF_INET, *others, "10.0.0.0/8", "127.0.0.0/8")) == len(CLIENTS)


def test_a_listening_socket_and_its_connections_are_listed_by_their_state() -> None:
    with listening(socket.AF_INET, "127.0.0.1") as server:
        assert len(list(sockets(server.getsockname()[1], LISTENING, socket.AF_INET))) == 1
        assert peers(server, socket.AF_INET) == set()


@contextmanager
def listening(family: socket.AddressFamily, host: str) -> Iterator[socket.socket]:
    """A server at a port of its own."""
    with socket.create_server((host, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as server:
        yield server


@contextmanager
def connected(server: socket.socket, clients: list[str]) -> Iterator[None]:
    """A connection from each of these addresses, which the server has accepted."""
    with ExitStack() as stack:
        for client in clients:
            to = ("127.0.0.1", server.getsockname()[1])
            stack.enter_context(socket.create_connection(to, source_address=(client, 0)))
            stack.enter_context(server.accept()[0])
        yield


def peers(server: socket.socket, family: socket.AddressFamily, *but_from: str) -> set[Address]:
    """The peers that are listed, each of which has one connection."""
    networks = [ip_network(network) for network in but_from]
    listed = [each.peer for each in sockets(server.getsockname()[1], OPEN, family, but_from=networks)]
    assert len(listed) == len(set(listed))
    return addresses(*listed)


def addresses(*written: str | bytes) -> set[Address]:
    return {ip_address(address) for address in written}

"""The TCP sockets at a port of this host, as the kernel lists them: sock_diag(7), linux/inet_diag.h. Only on Linux.

`ss` uses it, and it needs no privilege. Listing a socket costs some 3 µs, most of it in the kernel. What the kernel is
asked to leave out costs a twentieth of that.
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

Network = IPv4Network | IPv6Network

FAMILIES = (socket.AF_INET, socket.AF_INET6)

OPEN = 1 << 1 | 1 << 8
"""TCP_ESTABLISHED and TCP_CLOSE_WAIT: what may hold a file of a process."""

LISTENING = 1 << 10

MAX_LEFT_OUT = 64
"""Networks that the kernel compares with each socket's peer. Each takes it some nanoseconds."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_AND_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI2s46x")
_ANSWER = struct.Struct("=4x4x16s16s28xI")
"""Of `inet_diag_msg`: the peer's address and the inode."""

_ATTRIBUTE = struct.Struct("=HH")
_REQ_BYTECODE = 1
_OPERATION = struct.Struct("=BBH")
"""A code, and how many bytes to go on if it is true, and if it is not."""

_JUMP, _PEER_IS_IN = 1, 8
_CONDITION = struct.Struct("=BBxxi")
"""Of `inet_diag_hostcond`: family, bits of the network, port. The network's address is behind it."""

_ANY_PORT = -1

_BUFFER_BYTES = 1 << 18
_READ_S = 2.0


class Socket(NamedTuple):
    """Our end of a connection, or a socket that listens: the peer's packed address, and the inode, 0 until accepted."""

    peer: bytes
    inode: int


def sockets(port: int, states: int, family: int, but_from: Sequence[Network] = ()) -> Iterator[Socket]:
    """Every socket of this host at a local port, in some states, of AF_INET or AF_INET6. Peers in the first
    MAX_LEFT_OUT networks of `but_from` are left out. Raises OSError where listing is not permitted."""
    wanted = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, states, port.to_bytes(2, "big"))
    if but_from:
        program = _leave_out(but_from[:MAX_LEFT_OUT])
        wanted += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(program), _REQ_BYTECODE) + program
    length = _HEADER.size + len(wanted)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_READ_S)
        kernel.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_AND_DUMP, 0, 0) + wanted)
        yield from _answers(kernel, 4 if family == socket.AF_INET else 16)


def _leave_out(networks: Sequence[Network]) -> bytes:
    """The kernel's program that refuses a socket whose peer is in one of these networks.

    Two operations for each: where the peer is not in the network, the second is passed over; else it jumps behind the
    end, which refuses. A jump that ends exactly at the end accepts. A network of IPv4 also has its addresses in the
    form that sockets of IPv6 give them (`::ffff:…`).
    """
    program = b""
    for network in reversed(networks):
        address = network.network_address.packed
        family = socket.AF_INET if network.version == 4 else socket.AF_INET6
        condition = _CONDITION.pack(family, network.prefixlen, _ANY_PORT) + address
        to_jump = _OPERATION.size + len(condition)
        beyond_jump = to_jump + _OPERATION.size
        refuse = _OPERATION.pack(_JUMP, _OPERATION.size, _OPERATION.size + len(program) + 4)
        program = _OPERATION.pack(_PEER_IS_IN, to_jump, beyond_jump) + condition + refuse + program
    return program


def _answers(kernel: socket.socket, address_bytes: int) -> Iterator[Socket]:
    while True:
        received = kernel.recv(_BUFFER_BYTES)
        start = 0
        while start < len(received):
            length, kind, *_ = _HEADER.unpack_from(received, start)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", received, start + _HEADER.size)
                raise OSError(-code, os.strerror(-code))
            _, peer, inode = _ANSWER.unpack_from(received, start + _HEADER.size)
            yield Socket(peer[:address_bytes], inode)
            start += length + 3 & ~3

"""What the benches of open pages share."""

import resource
from collections.abc import Sequence
from typing import NamedTuple

import psutil

from bench.stack import Stack


def request(method: str, path: str, headers: dict[str, str]) -> bytes:
    """A request of HTTP/1.1 without a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if method == "POST":
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode()


def allow_files(wanted: int) -> None:
    """Let this process and those that it starts open so many files: each open page is one. Raises ValueError where the
    hard limit is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Memory(NamedTuple):
    """Bytes of the web server's processes: the sum of what is resident in each, where memory that they share counts for
    each; and what they have in memory together."""

    resident: int
    together: int


def memory_of(stack: Stack) -> Memory:
    """The memory of the web server's processes."""
    parent = psutil.Process(stack.web.pid)
    found = [process.memory_full_info() for process in (parent, *parent.children(recursive=True))]
    return Memory(sum(each.rss for each in found), sum(each.pss for each in found))


def percentile_ms(seconds: Sequence[float], percent: int) -> float:
    """The time that so many percent of these did not exceed, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000

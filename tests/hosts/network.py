"""A network of its own for each database host, as root: namespaces of Linux, and one between them that routes.

Every packet from one host to another passes the router, so there it is lost or delayed, and neither end is told. The
gateway's processes stay outside and have an address in it too. What a killed run has left is removed by the next one.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from app.sandbox import processes
from app.sandbox.home import ROOT

GATEWAY = "gw"
"""Its name as an end of a link."""

_NAMESPACES = Path("/run/netns")
_ROUTER = "router"
_LOST, _SLOW = 100, 200
"""Which rules the router asks first: what is lost is not delayed."""

_SLOW_TABLE = 77
_FIRST_ADDRESS = 10


class Network:
    """The namespaces of one run; `number` tells it from others on this machine. `names` are the hosts."""

    def __init__(self, number: int, names: Sequence[str]) -> None:
        self.name = f"sp-test{number}"  # names of interfaces end at 15 characters
        self.subnet = f"10.77.{number}.0/24"
        self._addresses = {
            name: f"10.77.{number}.{last}" for last, name in enumerate((GATEWAY, *names), start=_FIRST_ADDRESS)
        }
        self._router_address = f"10.77.{number}.1"

    def address(self, name: str) -> str:
        """The address of a host, or of the gateway."""
        return self._addresses[name]

    def inside(self, name: str) -> list[str]:
        """What stands before a command that runs on that host."""
        return [shutil.which("ip") or "ip", "netns", "exec", self._of(name)]

    @contextmanager
    def unplugged(self, name: str) -> Iterator[None]:
        """Inside, the host is cut off from everything."""
        self._in_router(f"link set {self._of(name)} down")
        try:
            yield
        finally:
            self._in_router(f"link set {self._of(name)} up")

    @contextmanager
    def lost(self, ways: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Inside, whatever goes one of these ways is lost, each from a host to another. The way back is another one."""
        rules = [f"pref {_LOST} from {self.address(one)} to {self.address(other)} blackhole" for one, other in ways]
        for rule in rules:
            self._in_router(f"rule add {rule}")
        try:
            yield
        finally:
            for rule in rules:
                self._in_router(f"rule del {rule}")

    @contextmanager
    def slow(self, one: str, others: Sequence[str], log_folder: Path) -> Iterator[None]:
        """Inside, everything between a host and these others passes `slow_link.py`, in both directions."""
        device = f"{self.name}-slow"
        command = [*self.inside(_ROUTER), sys.executable, "-m", "tests.hosts.slow_link", device]
        link = processes.start(
            "slow-link", command, var_dir=log_folder, cwd=ROOT, ready=lambda running: "listening" in running.log_tail()
        )
        ways = [way for other in others for way in ((one, other), (other, one))]
        rules = [
            f"pref {_SLOW} from {self.address(source)} to {self.address(target)} iif {self._of(source)}"
            f" lookup {_SLOW_TABLE}"
            for source, target in ways
        ]
        try:
            self._in_router(f"link set {device} up")
            self._in_router(f"route add default dev {device} table {_SLOW_TABLE}")
            for rule in rules:
                self._in_router(f"rule add {rule}")
            yield
            assert link.returncode is None, f"the slow link has ended\n{link.log_tail()}"
        finally:
            for rule in rules:
                with suppress(AssertionError):
                    self._in_router(f"rule del {rule}")
            link.kill()  # its interface and the route go with it

    def make(self) -> None:
        """Make the namespaces, and the links between them."""
        _ip(f"netns add {self._of(_ROUTER)}")
        settings = "echo 1 > ip_forward; echo 0 > conf/all/rp_filter; echo 0 > conf/default/rp_filter"
        _run([*self.inside(_ROUTER), "sh", "-c", f"cd /proc/sys/net/ipv4; {settings}"])
        self._in_router("link set lo up")
        # A host without its link must not be reported as unreachable: it is silent.
        self._in_router(f"route add blackhole {self.subnet}")
        for name in self._addresses:
            self._join(name)

    def remove(self) -> None:
        """Remove them with all processes inside, also those of an earlier run with this number."""
        for path in sorted(_NAMESPACES.glob(f"{self.name}-*")):
            for pid in _ip(f"netns pids {path.name}").split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _ip(f"netns del {path.name}")
        if Path(f"/sys/class/net/{self._of(GATEWAY)}").exists():
            with suppress(AssertionError):  # it may go by itself meanwhile, with its other end
                _ip(f"link del {self._of(GATEWAY)}")

    def _join(self, name: str) -> None:
        """Link a host to the router. The two ends have the name of the host and `eth0`; outside, `eth0` is taken."""
        port = self._of(name)
        if name == GATEWAY:
            at, end, where, to = "", port, str(os.getpid()), self.subnet
            self._in_router(f"link add {port} type veth peer name {end} netns {where}")
        else:
            at, end, where, to = f"-n {port}", "eth0", port, "default"
            _ip(f"netns add {where}")
            _ip(f"{at} link set lo up")
            self._in_router(f"link add {port} type veth peer name {end} netns {where}")
        self._in_router(f"addr add {self._router_address} peer {self.address(name)}/32 dev {port}")
        self._in_router(f"link set {port} up")
        _ip(f"{at} addr add {self.address(name)} peer {self._router_address}/32 dev {end}")
        _ip(f"{at} link set {end} up")
        _ip(f"{at} route add {to} via {self._router_address} src {self.address(name)}")

    def _in_router(self, command: str) -> None:
        _ip(f"-n {self._of(_ROUTER)} {command}")

    def _of(self, name: str) -> str:
        return f"{self.name}-{name}"


@contextmanager
def network(names: Sequence[str]) -> Iterator[Network]:
    """A network for these hosts, removed at the end."""
    with _number() as number:
        made = Network(number, names)
        made.remove()
        try:
            made.make()
            yield made
        finally:
            made.remove()


@contextmanager
def _number() -> Iterator[int]:
    """The first number that no other run holds. The kernel frees it when this process ends, however it ends."""
    for number in count():
        lock = os.open(Path(tempfile.gettempdir()) / f"swap-pay-tests-network-{number}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield number
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)
        return


def _ip(command: str) -> str:
    return _run(["ip", *command.split()])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout

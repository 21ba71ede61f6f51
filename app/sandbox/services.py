"""The gateway's services in the sandbox: Postgres, Valkey, the chains, a webhook receiver, sources of rates."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from app.sandbox import chains, continuity, postgres, processes, rate_server, receiver, tls, valkey
from app.sandbox.chains import Chain
from app.sandbox.home import Home, Secrets, new_secrets
from app.sandbox.ports import on_usual_port
from app.sandbox.postgres import Postgres
from app.sandbox.processes import ProcessError
from app.sandbox.rate_server import RateServer
from app.sandbox.receiver import Receiver
from app.sandbox.valkey import Valkey

DATABASE = "swap_pay"

RECEIVER_PORT, POSTGRES_PORT, VALKEY_PORT, RATES_PORT = 8443, 5432, 6379, 8090
"""The usual ports; if one is in use, any free one."""


class Services:
    """The services of one sandbox. The caller holds the home."""

    def __init__(self, home: Home, say: Callable[[str], None]) -> None:
        self.home = home
        self.postgres: Postgres
        self.valkey: Valkey
        self.receiver: Receiver
        self.rates: RateServer
        self.chains: list[Chain] = []
        self.resting_chains: list[Chain] = []
        self._say = say
        self._stops: dict[str, Callable[[], None]] = {}

    @property
    def database_url(self) -> str:
        """The gateway's database."""
        return self.postgres.dsn(DATABASE)

    def start(self) -> Secrets:
        """Start all, and create at the first start what is kept. Call `stop` even if it raises ProcessError."""
        self.chains = chains.wanted(self.home, self._say)
        for chain in self.chains:
            chain.end_leftovers()
        if (gone := continuity.missing_part(self.home, self.chains)) is not None:
            self._start_over(f"of the last run, {gone} is gone")
        self._start_all()
        scanned = continuity.last_scanned_blocks(self.database_url)
        if (problem := continuity.divergence(scanned, self.chains)) is not None:
            self.stop()
            self._start_over(problem)
            self._start_all()
            scanned = {}
        # A network with invoices must stay configured. Without its node it is one that does not answer.
        others = [kind(self.home) for name, kind in chains.KINDS.items() if name not in {c.name for c in self.chains}]
        self.resting_chains = [chain for chain in others if chain.network in scanned]
        return self._secrets()

    def stop(self) -> None:
        """Stop all services. The chains and the database are kept."""
        with in_parallel() as run:
            for stop in self._stops.values():
                run(stop)
        self._stops.clear()

    def revive(self) -> list[str]:
        """Restart dead services. Returns their names. Raises ProcessError if that fails, or if a chain died."""
        for chain in self.chains:
            if chain.process.returncode is not None:
                # Its newest blocks are lost; the next start compares the rest with the database.
                raise ProcessError(f"{chain.name} has died. The end of its log:\n{chain.process.log_tail()}")
        revived = []
        for name, service in (("postgres", self.postgres), ("valkey", self.valkey)):
            if service.process.returncode is not None:
                processes.persistently(service.restart)
                revived.append(name)
        if self.receiver.process.returncode is not None:
            self.receiver.stop()
            processes.persistently(lambda: self._start_receiver(self.receiver.port))
            revived.append("receiver")
        if self.rates.process.returncode is not None:
            self.rates.stop()
            processes.persistently(lambda: self._start_rates(self.rates.port))
            revived.append("rates")
        return revived

    def _start_over(self, reason: str) -> None:
        self._say(
            f"Starting with an empty database and new chains, because they belong together and {reason}.\n"
            "There will be new sign-ins and a new API key."
        )
        continuity.reset(self.home)

    def _start_all(self) -> None:
        with in_parallel() as run:
            run(self._start_postgres)
            run(self._start_valkey)
            run(self._start_receiver)
            run(self._start_rates)
            for chain in self.chains:
                run(lambda chain=chain: self._start_chain(chain))  # type: ignore[misc] # a lambda's default has no type
        self.postgres.create_database(DATABASE)
        if not self.home.secrets_file.exists():
            self.home.write(self.home.secrets_file, new_secrets())

    def _start_postgres(self) -> None:
        self.postgres = on_usual_port(POSTGRES_PORT, lambda port: postgres.start(self.home.postgres, port))
        self._stops["postgres"] = lambda: self.postgres.stop()

    def _start_valkey(self) -> None:
        self.valkey = on_usual_port(VALKEY_PORT, lambda port: valkey.start(self.home.valkey, port))
        self._stops["valkey"] = lambda: self.valkey.stop()

    def _start_chain(self, chain: Chain) -> None:
        chain.start()
        self._stops[chain.name] = chain.stop
        chain.set_up()

    def _start_receiver(self, usual_port: int = RECEIVER_PORT) -> None:
        certificates = tls.ensure(self.home.tls)
        self.receiver = on_usual_port(
            usual_port, lambda port: receiver.start(self.home.receiver, certificates, port, keep_records=True)
        )
        self._stops["receiver"] = lambda: self.receiver.stop()

    def _start_rates(self, usual_port: int = RATES_PORT) -> None:
        self.rates = on_usual_port(usual_port, lambda port: rate_server.start(self.home.rates, port))
        self._stops["rates"] = lambda: self.rates.stop()

    def _secrets(self) -> Secrets:
        secrets = self.home.read(self.home.secrets_file, Secrets)
        assert secrets is not None, "created at the first start, and checked by missing_part"
        return secrets


@contextmanager
def in_parallel() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Run calls at once, each in a thread; wait for all, then raise the first error if one failed."""
    with ThreadPoolExecutor(8) as pool:
        futures = []
        yield lambda call: futures.append(pool.submit(call))
    for future in futures:
        future.result()

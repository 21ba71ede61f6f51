"""The gateway's services in the sandbox: Postgres, Valkey, a chain with a token, a webhook receiver."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from bip_utils.bip.bip39.bip39_seed_generator import Bip39SeedGenerator

from app.sandbox import anvil, continuity, ports, postgres, processes, receiver, tls, valkey
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.deployment import ACCOUNT_PATH, BLOCK_TIME_S
from app.sandbox.home import ChainSetUp, Home, Secrets, new_secrets
from app.sandbox.postgres import Postgres
from app.sandbox.processes import ProcessError
from app.sandbox.receiver import Receiver
from app.sandbox.valkey import Valkey

DATABASE = "swap_pay"

RECEIVER_PORT, POSTGRES_PORT, VALKEY_PORT, ANVIL_PORT = 8443, 5432, 6379, 8545
"""The usual ports; if one is in use, any free one."""

CUSTOMER = 1
"""Index of the customer among the chain's ten funded accounts; 0 is left for users' experiments."""

USDT_SUPPLY_RAW = 10**15
"""A billion tokens, all the customer's: more than trials can spend."""

_ANVIL_STOP_TIMEOUT_S = 30


class Services:
    """The services of one sandbox. The caller holds the home."""

    def __init__(self, home: Home, say: Callable[[str], None]) -> None:
        self.home = home
        self.postgres: Postgres
        self.valkey: Valkey
        self.anvil: Anvil
        self.receiver: Receiver
        self._say = say
        self._stops: dict[str, Callable[[], None]] = {}

    @property
    def database_url(self) -> str:
        """The gateway's database."""
        return self.postgres.dsn(DATABASE)

    def start(self) -> tuple[Secrets, ChainSetUp]:
        """Start all; at the first start also create token and secrets. Call `stop` even if it raises ProcessError."""
        # A chain whose parent was killed may still be writing its state.
        processes.end_leftovers(self.home.anvil / "anvil.pid", anvil.STOP_SIGNAL, _ANVIL_STOP_TIMEOUT_S)
        if (gone := continuity.missing_part(self.home)) is not None:
            self._start_over(f"of the last run, {gone} is gone")
        if not self._start_all():
            problem = continuity.divergence(self.database_url, self.anvil, self._chain_set_up())
            if problem is not None:
                self.stop()
                self._start_over(problem)
                self._start_all()
        return self._secrets(), self._chain_set_up()

    def stop(self) -> None:
        """Stop all services. The chain and the database are kept."""
        with in_parallel() as run:
            for stop in self._stops.values():
                run(stop)
        self._stops.clear()

    def revive(self) -> list[str]:
        """Restart dead services. Returns their names. Raises ProcessError if that fails, or if the chain died."""
        if self.anvil.process.returncode is not None:
            # Its newest blocks are lost; the next start compares the rest with the database.
            raise ProcessError(f"the chain has died. The end of its log:\n{self.anvil.process.log_tail()}")
        revived = []
        for name, service in (("postgres", self.postgres), ("valkey", self.valkey)):
            if service.process.returncode is not None:
                processes.persistently(service.restart)
                revived.append(name)
        if self.receiver.process.returncode is not None:
            self.receiver.stop()
            processes.persistently(lambda: self._start_receiver(self.receiver.port))
            revived.append("receiver")
        return revived

    def _start_over(self, reason: str) -> None:
        self._say(
            f"Starting with an empty database and a new chain, because they belong together and {reason}.\n"
            "There will be new sign-ins and a new API key."
        )
        continuity.reset(self.home)

    def _start_all(self) -> bool:
        """Start all four at once. Returns whether this was the first start, which creates token and secrets."""
        first = not self.home.secrets_file.exists()
        with in_parallel() as run:
            run(self._start_postgres)
            run(self._start_valkey)
            run(self._start_anvil)
            run(self._start_receiver)
        self.postgres.create_database(DATABASE)
        if first:
            self.home.write(self.home.secrets_file, new_secrets())
            contract = asyncio.run(_deploy_usdt(self.anvil.rpc_url))
            self.home.write(self.home.chain_file, ChainSetUp(contract))
        return first

    def _start_postgres(self) -> None:
        self.postgres = on_usual_port(POSTGRES_PORT, lambda port: postgres.start(self.home.postgres, port))
        self._stops["postgres"] = lambda: self.postgres.stop()

    def _start_valkey(self) -> None:
        self.valkey = on_usual_port(VALKEY_PORT, lambda port: valkey.start(self.home.valkey, port))
        self._stops["valkey"] = lambda: self.valkey.stop()

    def _start_anvil(self) -> None:
        def start(port: int | None) -> Anvil:
            return anvil.start(self.home.anvil, port, block_time_s=BLOCK_TIME_S, keep_state=True)

        state = self.home.anvil / "state.json"
        try:
            self.anvil = on_usual_port(ANVIL_PORT, start)
        except ProcessError:
            if not state.exists():
                raise
            state.unlink()  # incomplete file: start with an empty chain, which `divergence` then finds
            self.anvil = on_usual_port(ANVIL_PORT, start)
        self._stops["anvil"] = lambda: self.anvil.stop()

    def _start_receiver(self, usual_port: int = RECEIVER_PORT) -> None:
        certificates = tls.ensure(self.home.tls)
        self.receiver = on_usual_port(
            usual_port, lambda port: receiver.start(self.home.receiver, certificates, port, keep_records=True)
        )
        self._stops["receiver"] = lambda: self.receiver.stop()

    def _secrets(self) -> Secrets:
        secrets = self.home.read(self.home.secrets_file, Secrets)
        assert secrets is not None, "created at the first start, and checked by missing_part"
        return secrets

    def _chain_set_up(self) -> ChainSetUp:
        set_up = self.home.read(self.home.chain_file, ChainSetUp)
        assert set_up is not None, "created at the first start, and checked by missing_part"
        return set_up


def on_usual_port(usual_port: int, start: Callable[[int | None], Any]) -> Any:
    """Call `start` with the usual port if it is free, else with None, which means any free one."""
    if not ports.is_free(usual_port):
        return start(None)
    try:
        return start(usual_port)
    except ProcessError:
        if ports.is_free(usual_port):
            raise
        return start(None)  # in use since the check


@contextmanager
def in_parallel() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Run calls at once, each in a thread; wait for all, then raise the first error if one failed."""
    with ThreadPoolExecutor(8) as pool:
        futures = []
        yield lambda call: futures.append(pool.submit(call))
    for future in futures:
        future.result()


def customer_key() -> str:
    """The customer's private key, in hex. It is one of Foundry's documented development keys: worth nothing."""
    seed = Bip39SeedGenerator(anvil.DEVELOPMENT_MNEMONIC).Generate()
    key = Bip32Slip10Secp256k1.FromSeed(seed).DerivePath(f"{ACCOUNT_PATH}/0/{CUSTOMER}").PrivateKey()
    return "0x" + str(key.Raw().ToHex())


async def _deploy_usdt(rpc_url: str) -> str:
    driver = await AnvilDriver.connect(rpc_url)
    try:
        return await driver.deploy_token(USDT_SUPPLY_RAW, owner=driver.accounts[CUSTOMER])
    finally:
        await driver.aclose()

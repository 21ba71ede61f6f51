"""The sandbox's Tron chain: a double of a node, a block each second, a token like USDT, and a filled hot wallet."""

import asyncio
import shutil
import signal
from pathlib import Path

from app.networks.tron.addresses import ACCOUNT_PATH
from app.sandbox import ports, processes, tron_node
from app.sandbox.home import NO_NODE_URL, Asset, Home, Tron, TronSetUp
from app.sandbox.processes import Process, ProcessError
from app.sandbox.tron_double.state import GENESIS_ID, SOLID_BEHIND
from app.sandbox.tron_driver import CUSTOMER_KEY, USDT_PENALTY, TronDriver
from app.sandbox.tron_node import TronNode
from app.signer.keystore import SpendingKeys

TRON_PORT = 8090
"""The usual port of a node's HTTP API; if it is in use, any free one."""

BLOCK_TIME_MS = 1_000
"""A third of Tron's own, so that a payment is final after 19 s."""

CONFIRMATIONS = SOLID_BEHIND + 1
"""As many as finality takes, so that they count up to it."""

COOL_DOWN_MINUTES = 5
POLL_INTERVAL_MS = 500
SWEEP_INTERVAL_S = 5
"""Short, so that a user sees the sweep happen."""

USDT_SUPPLY_RAW = 10**15
"""A billion tokens, all the customer's: more than trials can spend."""

COINS_SUN, FEWEST_COINS_SUN = 5_000_000_000, 500_000_000
TOKENS_RAW, FEWEST_TOKENS_RAW = 10_000_000_000, 1_000_000_000
"""The amount of a top-up of the hot wallet, and the balance below which it is sent."""

_STOP_TIMEOUT_S = 30


class TronChain:
    """`tron:test` of one sandbox."""

    name = "tron"
    network = "tron:test"

    def __init__(self, home: Home) -> None:
        self.home = home
        self._node: TronNode | None = None

    @property
    def node(self) -> TronNode:
        """The started node."""
        assert self._node is not None, "started"
        return self._node

    @property
    def process(self) -> Process:
        """The node."""
        return self.node.process

    def parts(self) -> dict[str, bool]:
        """What is kept of the chain from one run to the next, and whether it is there."""
        return {
            "the tron chain": self._state.exists(),
            "tron.json": self.home.read(self.home.tron_file, TronSetUp) is not None,
        }

    def end_leftovers(self) -> None:
        """Wait for the end of a node whose parent was killed: it may still be writing its state."""
        processes.end_leftovers(self.home.tron / "tron.pid", signal.SIGTERM, _STOP_TIMEOUT_S)

    def start(self) -> None:
        """Start the node with the chain of the last run. Raises ProcessError."""
        try:
            self._node = ports.on_usual_port(TRON_PORT, self._start_on)
        except ProcessError:
            if not self._state.exists():
                raise
            shutil.rmtree(self.home.tron)  # damaged: start with a new chain, which `contradiction` then finds
            self._node = ports.on_usual_port(TRON_PORT, self._start_on)

    def stop(self) -> None:
        """Stop the node; the chain is kept."""
        self.node.stop()

    def set_up(self) -> None:
        """Deploy the token, at the first start."""
        if self.home.read(self.home.tron_file, TronSetUp) is None:
            self.home.write(self.home.tron_file, TronSetUp(asyncio.run(_deploy_usdt(self.node.api_url))))

    def contradiction(self, scanned: tuple[int, str] | None) -> str | None:
        """How the chain contradicts the database, whose newest block of it is `scanned`; None if they agree."""
        return asyncio.run(_contradiction(self.node.api_url, self._usdt, scanned))

    def prepare(self, wallet_mnemonic: str) -> None:
        """Send the hot wallet coins for fees, and tokens, unless it holds enough of what was sent."""
        address = SpendingKeys(wallet_mnemonic).tron_hot_wallet_address
        asyncio.run(_top_up(self.node.api_url, self._usdt, address))

    def interface(self) -> Tron:
        """Its part of `sandbox.json`."""
        return Tron(
            api_url=self.node.api_url,
            customer_private_key=CUSTOMER_KEY.hex(),
            assets={"USDT": Asset(self._usdt, 6), "TRX": Asset(None, 6)},
        )

    def table(self, wallet_mnemonic: str) -> str:
        """Its table in the networks file: a token, the native coin, and a hot wallet."""
        keys = SpendingKeys(wallet_mnemonic)
        return f"""[[networks]]
chain = "tron"
mode = "test"
kind = "tron"
display_name = "Tron (sandbox)"
genesis_hash = "{GENESIS_ID}"
rpc_urls = ["{NO_NODE_URL if self._node is None else self._node.api_url}"]
internal_transactions = true
xpub = "{keys.account(ACCOUNT_PATH).xpub}"
hot_wallet_address = "{keys.tron_hot_wallet_address}"
start_height = 1
confirmations = {CONFIRMATIONS}
cool_down_minutes = {COOL_DOWN_MINUTES}
poll_interval_ms = {POLL_INTERVAL_MS}
block_time_ms = {BLOCK_TIME_MS}
sweep_interval_s = {SWEEP_INTERVAL_S}

[[networks.assets]]
symbol = "USDT"
name = "Tether USD"
kind = "trc20"
contract = "{self._usdt}"
decimals = 6
coin_worth_raw = 300000
sweep_min_raw = 1000000
hot_low_raw = 100000000
dust_raw = 10000
transaction_ceiling_raw = 10000000000
day_ceiling_raw = 100000000000

[[networks.assets]]
symbol = "TRX"
name = "TRON"
kind = "native"
decimals = 6
sweep_min_raw = 10000000
hot_low_raw = 100000000
dust_raw = 10000
transaction_ceiling_raw = 10000000000
day_ceiling_raw = 100000000000
"""

    @property
    def _state(self) -> Path:
        return self.home.tron / "chain.json"

    @property
    def _usdt(self) -> str:
        set_up = self.home.read(self.home.tron_file, TronSetUp)
        assert set_up is not None, "written by set_up"
        return set_up.usdt_contract

    def _start_on(self, port: int | None) -> TronNode:
        return tron_node.start(self.home.tron, port, slot_ms=BLOCK_TIME_MS, mines=True, keep_state=True)


async def _deploy_usdt(api_url: str) -> str:
    driver = await TronDriver.connect(api_url)
    try:
        return await driver.deploy_stablecoin(USDT_SUPPLY_RAW, penalty=USDT_PENALTY)
    finally:
        await driver.aclose()


async def _contradiction(api_url: str, usdt: str, scanned: tuple[int, str] | None) -> str | None:
    driver = await TronDriver.connect(api_url)
    try:
        if not await driver.api("wallet/getcontract", value=usdt):
            return "the token is not on the tron chain"
        if scanned is not None:
            height, block_hash = scanned
            if (await driver.api("wallet/getblockbynum", num=height)).get("blockID") != block_hash:
                return f"block {height} of the database is not on the tron chain"
        return None
    finally:
        await driver.aclose()


async def _top_up(api_url: str, usdt: str, address: str) -> None:
    """Top up where needed, without waiting for the block: the gateway's start takes longer than a block."""
    driver = await TronDriver.connect(api_url)
    try:
        if await driver.balance_of(address) < FEWEST_COINS_SUN:
            await driver.pay(address, COINS_SUN)
        if await driver.balance_of(address, usdt) < FEWEST_TOKENS_RAW:
            await driver.pay(address, TOKENS_RAW, contract=usdt)
    finally:
        await driver.aclose()

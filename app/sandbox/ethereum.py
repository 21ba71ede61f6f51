"""The sandbox's EVM chain: anvil with a token of 6 decimals, and a hot wallet that has some of everything."""

import asyncio
from decimal import Decimal
from pathlib import Path

from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from bip_utils.bip.bip39.bip39_seed_generator import Bip39SeedGenerator

from app.sandbox import anvil, hot_wallet, ports, processes
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import CUSTOMER, AnvilDriver
from app.sandbox.home import NO_NODE_URL, Asset, ChainSetUp, Ethereum, Home
from app.sandbox.processes import Process, ProcessError
from app.sandbox.rate_server import DOLLARS
from app.signer.keystore import SpendingKeys

ANVIL_PORT = 8545
"""The usual port; if it is in use, any free one."""

BLOCK_TIME_S = 1
"""Slow enough to see confirmations count, fast enough for a demo."""

CONFIRMATIONS = 3
COOL_DOWN_MINUTES = 5
POLL_INTERVAL_MS = 200
ACCOUNT_PATH = "m/44'/60'/0'"  # BIP-44, Ethereum's first account

SWEEP_INTERVAL_S, FEE_BUMP_AFTER_S = 5, 15
"""Short, so that a user sees the sweep happen."""

USDT_SUPPLY_RAW = 10**15
"""A billion tokens, all the customer's: more than trials can spend."""

FEEDS_IN_DOLLARS = ("BTC", "ETH", "USDT")
"""Assets of which a contract states the price, as Chainlink's feeds do."""

FEED_DECIMALS = 8
FEED_HEARTBEAT_S = 2_592_000
"""They say what they said at the first start: nobody states it anew."""

_STOP_TIMEOUT_S = 30


class EthereumChain:
    """`ethereum:test` of one sandbox."""

    name = "ethereum"
    network = "ethereum:test"

    def __init__(self, home: Home) -> None:
        self.home = home
        self._anvil: Anvil | None = None

    @property
    def anvil(self) -> Anvil:
        """The started node."""
        assert self._anvil is not None, "started"
        return self._anvil

    @property
    def process(self) -> Process:
        """The node."""
        return self.anvil.process

    def parts(self) -> dict[str, bool]:
        """What is kept of the chain from one run to the next, and whether it is there."""
        return {
            "the chain": self._state.exists(),
            "chain.json": self.home.read(self.home.chain_file, ChainSetUp) is not None,
        }

    def end_leftovers(self) -> None:
        """Wait for the end of a node whose parent was killed: it may still be writing its state."""
        processes.end_leftovers(self.home.anvil / "anvil.pid", anvil.STOP_SIGNAL, _STOP_TIMEOUT_S)

    def start(self) -> None:
        """Start the node with the chain of the last run. Raises ProcessError."""
        try:
            self._anvil = ports.on_usual_port(ANVIL_PORT, self._start_on)
        except ProcessError:
            if not self._state.exists():
                raise
            self._state.unlink()  # incomplete file: start with an empty chain, which `contradiction` then finds
            self._anvil = ports.on_usual_port(ANVIL_PORT, self._start_on)

    def stop(self) -> None:
        """Stop the node; the chain is kept."""
        self.anvil.stop()

    def set_up(self) -> None:
        """Deploy the token and the price feeds, at the first start."""
        if self.home.read(self.home.chain_file, ChainSetUp) is None:
            self.home.write(self.home.chain_file, asyncio.run(_deploy(self.anvil.rpc_url)))

    def contradiction(self, scanned: tuple[int, str] | None) -> str | None:
        """How the chain contradicts the database, whose newest block of it is `scanned`; None if they agree."""
        if self.anvil.rpc("eth_getCode", self._usdt, "latest") == "0x":
            return "the token is not on the chain"
        if scanned is not None:
            height, block_hash = scanned
            block = self.anvil.rpc("eth_getBlockByNumber", hex(height), False)
            if block is None or block["hash"] != block_hash:
                return f"block {height} of the database is not on the chain"
        return None

    def prepare(self, wallet_mnemonic: str) -> None:
        """Fill the hot wallet of the gateway's wallet, where needed."""
        address = SpendingKeys(wallet_mnemonic).hot_wallet_address
        asyncio.run(hot_wallet.top_up(self.anvil.rpc_url, self._usdt, address))

    def interface(self) -> Ethereum:
        """Its part of `sandbox.json`."""
        return Ethereum(
            rpc_url=self.anvil.rpc_url,
            chain_id=self.anvil.chain_id,
            customer_private_key=_customer_key(),
            assets={"USDT": Asset(self._usdt, 6), "ETH": Asset(None, 18)},
        )

    def table(self, wallet_mnemonic: str) -> str:
        """Its table in the networks file: a token of 6 decimals, the native coin, and a hot wallet."""
        keys = SpendingKeys(wallet_mnemonic)
        return f"""[[networks]]
chain = "ethereum"
mode = "test"
kind = "evm"
display_name = "Ethereum (sandbox)"
chain_id = {anvil.DEVELOPMENT_CHAIN_ID}
rpc_urls = ["{NO_NODE_URL if self._anvil is None else self._anvil.rpc_url}"]
public_rpc_url = "{NO_NODE_URL if self._anvil is None else self._anvil.rpc_url}"
xpub = "{keys.xpub}"
hot_wallet_address = "{keys.hot_wallet_address}"
start_height = 0
confirmations = {CONFIRMATIONS}
cool_down_minutes = {COOL_DOWN_MINUTES}
poll_interval_ms = {POLL_INTERVAL_MS}
block_time_ms = {BLOCK_TIME_S * 1000}
sweep_interval_s = {SWEEP_INTERVAL_S}
fee_bump_after_s = {FEE_BUMP_AFTER_S}

[[networks.assets]]
symbol = "USDT"
name = "Tether USD"
kind = "erc20"
contract = "{self._usdt}"
decimals = 6
sweep_min_raw = 1000000
hot_low_raw = 100000000
dust_raw = 10000
transaction_ceiling_raw = 10000000000
day_ceiling_raw = 100000000000

[[networks.assets]]
symbol = "ETH"
name = "Ether"
kind = "native"
decimals = 18
sweep_min_raw = "1000000000000000"
hot_low_raw = "1000000000000000000"
dust_raw = 10000000000000
transaction_ceiling_raw = "10000000000000000000"
day_ceiling_raw = "100000000000000000000"
{"".join(_feed_table(pair, contract) for pair, contract in self._set_up.price_feeds.items())}"""

    @property
    def _state(self) -> Path:
        return self.home.anvil / "state.json"

    @property
    def _set_up(self) -> ChainSetUp:
        set_up = self.home.read(self.home.chain_file, ChainSetUp)
        assert set_up is not None, "written by set_up"
        return set_up

    @property
    def _usdt(self) -> str:
        return self._set_up.usdt_contract

    def _start_on(self, port: int | None) -> Anvil:
        return anvil.start(self.home.anvil, port, block_time_s=BLOCK_TIME_S, keep_state=True)


def _customer_key() -> str:
    """The customer's private key, in hex. It is one of Foundry's documented development keys: worth nothing."""
    seed = Bip39SeedGenerator(anvil.DEVELOPMENT_MNEMONIC).Generate()
    key = Bip32Slip10Secp256k1.FromSeed(seed).DerivePath(f"{ACCOUNT_PATH}/0/{CUSTOMER}").PrivateKey()
    return "0x" + str(key.Raw().ToHex())


async def _deploy(rpc_url: str) -> ChainSetUp:
    driver = await AnvilDriver.connect(rpc_url)
    try:
        usdt, *feeds = await asyncio.gather(
            driver.deploy_token(USDT_SUPPLY_RAW, owner=driver.accounts[CUSTOMER]),
            *(_deploy_feed(driver, base, sender) for sender, base in enumerate(FEEDS_IN_DOLLARS, start=CUSTOMER + 1)),
        )
    finally:
        await driver.aclose()
    return ChainSetUp(usdt, dict(zip((f"{base}/USD" for base in FEEDS_IN_DOLLARS), feeds, strict=True)))


async def _deploy_feed(driver: AnvilDriver, base: str, sender: int) -> str:
    """Each from an account of its own: two transactions of one account at a time may get the same nonce."""
    answer = int(Decimal(DOLLARS[base]).scaleb(FEED_DECIMALS))
    account = driver.accounts[sender]
    return await driver.deploy_contract("PriceFeed", f"{base} / USD", FEED_DECIMALS, answer, sender=account)


def _feed_table(pair: str, contract: str) -> str:
    base, _, quote = pair.partition("/")
    return f"""
[[networks.price_feeds]]
base = "{base}"
quote = "{quote}"
contract = "{contract}"
heartbeat_s = {FEED_HEARTBEAT_S}
"""

"""The sandbox's Bitcoin chain: bitcoind in regtest, a block from time to time, and a customer's wallet with coins."""

import asyncio
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bip_utils.bip.bip32.bip32_const import Bip32Const
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from bip_utils.bip.bip39.bip39_seed_generator import Bip39SeedGenerator

from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import INTERNAL_BRANCH
from app.networks.bitcoin.config import HOT_WALLET_INDEX
from app.sandbox import bitcoind, ports
from app.sandbox.bitcoin_driver import DECIMALS, BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.home import NO_NODE_URL, Asset, Bitcoin, Home
from app.sandbox.processes import Process, ProcessError

BITCOIND_PORT = 18443
"""The usual port of regtest's RPC; if it is in use, any free one."""

BLOCK_TIME_S = 20
REPLACEABLE_S, LONGEST_WAIT_S = 30, 90
"""A payment waits this long for its block, so that it can be replaced meanwhile; but a steady stream of payments does
not stop the chain for longer than LONGEST_WAIT_S."""

CONFIRMATIONS = 2
POLL_INTERVAL_MS = 500
ACCOUNT_PATH = "m/84'/1'/0'"  # BIP-84, the first account of a test network

BATCH_WINDOW_S, FEE_BUMP_AFTER_S = 5, 90
"""Short, so that a user sees payouts being paid together, and a fee raised."""

FEE_RATE_SAT_VB = 2
"""Offered while the node has no estimate: an empty chain has no fees to estimate from."""

COINS_RAW, FEWEST_COINS_RAW = 10_000_000, 1_000_000
"""The amount of a top-up, and the balance of its address below which it is sent, in satoshi."""

_LOOK_EVERY_S = 1
_STOP_TIMEOUT_S = 5


class BitcoinChain:
    """`bitcoin:test` of one sandbox."""

    name = "bitcoin"
    network = "bitcoin:test"

    def __init__(self, home: Home) -> None:
        self.home = home
        self._node: Bitcoind | None = None
        self._miner: Miner | None = None

    @property
    def node(self) -> Bitcoind:
        """The started node."""
        assert self._node is not None, "started"
        return self._node

    @property
    def process(self) -> Process:
        """The node."""
        return self.node.process

    def parts(self) -> dict[str, bool]:
        """Nothing: a chain that is gone is found by `contradiction`."""
        return {}

    def end_leftovers(self) -> None:
        """Nothing: `start` ends a node that a killed parent has left."""

    def start(self) -> None:
        """Start the node with the chain of the last run. Raises ProcessError."""
        is_new = not self.home.bitcoin.exists()
        try:
            self._node = ports.on_usual_port(BITCOIND_PORT, self._start_on)
        except ProcessError:
            if is_new:
                raise
            shutil.rmtree(self.home.bitcoin)  # damaged: start with an empty chain, which `contradiction` then finds
            self._node = ports.on_usual_port(BITCOIND_PORT, self._start_on)

    def stop(self) -> None:
        """Stop the node; the chain is kept."""
        if self._miner is not None:
            self._miner.stop()
        self.node.stop()

    def set_up(self) -> None:
        """Make the customer's wallet and its coins, at the first start, and mine from now on."""
        asyncio.run(_make_wallet(self.node.rpc_url))
        self._miner = Miner(self.node)

    def contradiction(self, scanned: tuple[int, str] | None) -> str | None:
        """How the chain contradicts the database, whose newest block of it is `scanned`; None if they agree."""
        if scanned is None:
            return None
        height, block_hash = scanned
        with suppress(RuntimeError):  # the chain is shorter
            if self.node.rpc("getblockhash", height) == block_hash:
                return None
        return f"block {height} of the database is not on the bitcoin chain"

    def prepare(self, wallet_mnemonic: str) -> None:
        """Send the hot wallet what fees are paid from, and mine it, unless it holds enough of what was sent."""
        asyncio.run(_top_up(self.node.rpc_url, hot_wallet_address(wallet_mnemonic)))

    def interface(self) -> Bitcoin:
        """Its part of `sandbox.json`."""
        return Bitcoin(
            rpc_url=f"http://127.0.0.1:{self.node.port}",
            rpc_user=self.node.rpc_user,
            rpc_password=self.node.rpc_password,
            customer_descriptor=_receiving_descriptor(self.node.rpc("listdescriptors", True)),
            assets={"BTC": Asset(None, DECIMALS)},
        )

    def table(self, wallet_mnemonic: str) -> str:
        """Its table in the networks file."""
        return f"""[[networks]]
chain = "bitcoin"
mode = "test"
kind = "bitcoin"
display_name = "Bitcoin (sandbox)"
bitcoin_network = "regtest"
rpc_urls = ["{NO_NODE_URL if self._node is None else self._node.rpc_url}"]
xpub = "{account_xpub(wallet_mnemonic)}"
hot_wallet_address = "{hot_wallet_address(wallet_mnemonic)}"
start_height = 0
confirmations = {CONFIRMATIONS}
poll_interval_ms = {POLL_INTERVAL_MS}
block_time_ms = {BLOCK_TIME_S * 1000}
batch_window_s = {BATCH_WINDOW_S}
fee_bump_after_s = {FEE_BUMP_AFTER_S}
fallback_fee_rate_sat_vb = {FEE_RATE_SAT_VB}

[[networks.assets]]
symbol = "BTC"
name = "Bitcoin"
kind = "native"
decimals = {DECIMALS}
hot_low_raw = {FEWEST_COINS_RAW}
transaction_ceiling_raw = 100000000
day_ceiling_raw = 1000000000
"""

    def _start_on(self, port: int | None) -> Bitcoind:
        return bitcoind.start(self.home.bitcoin, port, keep_state=True)


class Miner:
    """Mines a block every BLOCK_TIME_S in a thread, until `stop`."""

    def __init__(self, node: Bitcoind) -> None:
        self._node = node
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._mine, name="miner", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a call of the node that is under way, unless the node hangs."""
        self._stopped.set()
        self._thread.join(_STOP_TIMEOUT_S)

    def _mine(self) -> None:
        tip, since_s = None, time.monotonic()
        while not self._stopped.wait(_LOOK_EVERY_S):
            with suppress(OSError, RuntimeError):  # a node that has died is found by who runs the sandbox
                if tip != (tip := self._node.rpc("getbestblockhash")):
                    since_s = time.monotonic()
                elif is_due(time.monotonic() - since_s, self._node.rpc("getrawmempool", True), time.time()):
                    self._node.rpc("generatetoaddress", 1, self._node.rpc("getnewaddress"))


def is_due(tip_age_s: float, pool: Mapping[str, Mapping[str, Any]], now_s: float) -> bool:
    """Whether the next block is to be mined. `pool` are the waiting transactions, each with the `time` of its arrival;
    `now_s` is Unix time."""
    fresh = any(now_s - entry["time"] < REPLACEABLE_S for entry in pool.values())
    return tip_age_s >= (LONGEST_WAIT_S if fresh else BLOCK_TIME_S)


def account_xpub(mnemonic: str) -> str:
    """The extended public key of the gateway's account, `tpub…`."""
    seed = Bip39SeedGenerator(mnemonic).Generate()
    versions = Bip32Const.TEST_NET_KEY_NET_VERSIONS
    return str(Bip32Slip10Secp256k1.FromSeed(seed, versions).DerivePath(ACCOUNT_PATH).PublicKey().ToExtended())


def hot_wallet_address(mnemonic: str) -> str:
    """The address for top-ups: the first one of the account's change branch, /1/0."""
    return Account(account_xpub(mnemonic), "regtest", "p2wpkh").address(INTERNAL_BRANCH, HOT_WALLET_INDEX)


def _receiving_descriptor(listed: Mapping[str, Any]) -> str:
    """The descriptor of the wallet's receiving addresses of kind P2WPKH."""
    return next(
        str(descriptor["desc"])
        for descriptor in listed["descriptors"]
        if descriptor["desc"].startswith("wpkh(") and not descriptor["internal"]
    )


async def _make_wallet(rpc_url: str) -> None:
    driver = await BitcoinDriver.connect(rpc_url)
    await driver.aclose()


async def _top_up(rpc_url: str, address: str) -> None:
    driver = await BitcoinDriver.connect(rpc_url)
    try:
        held = (await driver.call("scantxoutset", "start", [f"addr({address})"]))["total_amount"]
        if held * 10**DECIMALS < FEWEST_COINS_RAW:
            await driver.pay(address, COINS_RAW)
            await driver.mine(CONFIRMATIONS)
    finally:
        await driver.aclose()

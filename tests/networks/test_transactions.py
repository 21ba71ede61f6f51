"""What a node says of any transaction, on each kind of chain: real anvil, real bitcoind, the double of a Tron node."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.networks.bitcoin.chain import BitcoinChain
from app.networks.config import Asset, NodeUrl
from app.networks.evm.chain import EvmChain
from app.networks.port import TransactionState
from app.networks.throttle import LocalThrottle
from app.networks.token_names import symbol_of
from app.networks.tron.chain import TronChain
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.tron_driver import TronDriver
from tests.factories.bitcoin import bitcoin_network, nothing_mined
from tests.factories.networks import evm_network
from tests.factories.tron import tron_network
from tests.factories.tron_accounts import OTHER, RECIPIENT
from tests.fakes.coin import SYMBOL, XPUB, CoinConfig, CoinReader
from tests.fakes.coin_world import coin_chain
from tests.fakes.evm_node import fake_node, relay

NOWHERE = "0x00000000000000000000000000000000000000AA"
UNKNOWN = 64 * "7"


def brief(state: TransactionState) -> list[tuple[str | None, str, int]]:
    """Asset, recipient and amount of what is moved."""
    return [(move.asset_symbol, move.to_address, move.amount_raw) for move in state.moved]


class TestEvm:
    async def test_a_transfer_in_a_block_says_asset_amount_and_confirmations(
        self, chain: EvmChain, driver: AnvilDriver, token: str
    ) -> None:
        paid = await driver.transfer_token(token, NOWHERE, 5_000_073)
        await driver.mine(2)
        state = await chain.transaction(paid["transactionHash"])
        assert (state.state, state.succeeded, state.confirmations) == ("mined", True, 3)
        assert state.height == int(paid["blockNumber"], 16)
        assert brief(state) == [("USDT", NOWHERE, 5_000_073)]
        assert state.moved[0].contract == token
        coin = await driver.transfer_native(NOWHERE, 77)
        state = await chain.transaction(coin["transactionHash"])
        assert [*brief(state), state.moved[0].index] == [("ETH", NOWHERE, 77), -1]
        assert await chain.transaction(f"0x{UNKNOWN}") == TransactionState(state="unknown")

    async def test_a_failed_one_moves_nothing(self, chain: EvmChain, driver: AnvilDriver, token: str) -> None:
        poor = driver.accounts[5]
        failed = await driver.transfer_token(token, NOWHERE, 1, sender=poor)
        state = await chain.transaction(failed["transactionHash"])
        assert (state.state, state.succeeded, state.moved) == ("mined", False, ())

    async def test_a_token_that_is_not_configured_is_named_by_its_contract(
        self, chain: EvmChain, driver: AnvilDriver
    ) -> None:
        fake = await driver.deploy_token(10**12, name="Tether USD", symbol="USDТ")
        paid = await driver.transfer_token(fake, NOWHERE, 5_000_000)
        (move,) = (await chain.transaction(paid["transactionHash"])).moved
        assert (move.asset_symbol, move.contract, move.to_address) == (None, fake, NOWHERE)
        assert await chain.token_name(fake) == "USDТ"
        assert await chain.token_name(NOWHERE) is None
        assert await chain.token_name(await driver.deploy_contract("Spreader")) is None

    async def test_one_that_waits_says_its_fee_and_is_replaced_by_another_of_its_nonce(
        self, chain: EvmChain, driver: AnvilDriver, token: str
    ) -> None:
        sender = driver.accounts[3]
        nonce = await driver.call("eth_getTransactionCount", sender, "latest")
        await driver.call("evm_setAutomine", False)
        try:
            offer = {"from": sender, "to": NOWHERE, "value": "0x1", "nonce": nonce}
            first = await driver.submit({**offer, "gasPrice": hex(3 * 10**9)})
            state = await chain.transaction(first)
            assert (state.state, state.is_replaced, state.fee_rate_raw) == ("pooled", False, 3 * 10**9 * 1_000)
            assert state.usual_fee_rate_raw
            assert brief(state) == [("ETH", NOWHERE, 1)]
            assert await chain.replaced({first: state.claims}) == {}
            second = await driver.submit({**offer, "gasPrice": hex(9 * 10**9)})
            await driver.mine(1)
            assert await chain.replaced({first: state.claims, second: state.claims}) == {first: None}
        finally:
            await driver.call("evm_setAutomine", True)
        assert (await chain.transaction(second)).state == "mined"

    async def test_a_block_that_the_chain_has_dropped_has_no_transactions(
        self, chain: EvmChain, driver: AnvilDriver, token: str
    ) -> None:
        """Some nodes still give the receipt. Then the block at its height is another one."""
        paid = await driver.transfer_token(token, NOWHERE, 1)
        txid = paid["transactionHash"]

        def another_block(call: dict[str, Any], result: Any) -> Any:
            return {**result, "hash": f"0x{UNKNOWN}"} if call["method"] == "eth_getBlockByNumber" else result

        async with fake_node(relay(driver.rpc_url, another_block)) as node:
            other = EvmChain(evm_network([node.url], token))
            assert (await other.transaction(txid)).state == "unknown"
            await other.aclose()
        assert (await chain.transaction(txid)).state == "mined"
        await driver.reorg(1)
        assert (await chain.transaction(txid)).state != "mined"


class TestBitcoin:
    @pytest.fixture
    async def chain(self, bitcoind: Bitcoind) -> AsyncIterator[BitcoinChain]:
        chain = BitcoinChain(bitcoin_network([bitcoind.rpc_url]), nothing_mined)
        yield chain
        await chain.aclose()

    async def test_from_the_pool_into_a_block(self, chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
        address = chain.derive_address(70)
        txid = await bitcoin.pay(address, 40_000, fee_rate=3)
        waiting = await chain.transaction(txid)
        assert (waiting.state, waiting.claims != ()) == ("pooled", True)
        assert waiting.fee_rate_raw is not None
        assert 2_900 <= waiting.fee_rate_raw <= 3_100
        assert waiting.usual_fee_rate_raw is not None
        assert waiting.usual_fee_rate_raw >= 100
        assert ("BTC", address, 40_000) in brief(waiting)
        await bitcoin.mine(2)
        mined = await chain.transaction(txid)
        assert (mined.state, mined.succeeded, mined.confirmations) == ("mined", True, 2)
        assert mined.height == await bitcoin.height() - 1
        assert brief(mined) == brief(waiting)
        assert await chain.transaction(UNKNOWN) == TransactionState(state="unknown")
        assert await chain.token_name(address) is None

    async def test_with_its_outputs_spent_it_is_found_by_its_block_alone(
        self, chain: BitcoinChain, bitcoin: BitcoinDriver
    ) -> None:
        own = await bitcoin.address()
        made = await bitcoin.pay(own, 10_000_000)
        await bitcoin.mine()
        (coin,) = [each for each in await bitcoin.call("listunspent", 1, 1, [own]) if each["txid"] == made]
        spent = await self.passed_on(bitcoin, made, coin["vout"], "0.09999000")
        (block,) = await bitcoin.mine()
        await self.passed_on(bitcoin, spent, 0, "0.09998000")
        await bitcoin.mine()
        assert (await chain.transaction(spent)).state == "unknown"
        state = await chain.transaction(spent, block)
        assert (state.state, state.confirmations) == ("mined", 2)
        await bitcoin.roll_back(2)
        assert (await chain.transaction(spent, block)).state == "pooled"

    @staticmethod
    async def passed_on(bitcoin: BitcoinDriver, txid: str, vout: int, amount: str) -> str:
        """Send a coin of the wallet to the wallet, in a transaction without another output. Returns its id."""
        draft = await bitcoin.call(
            "createrawtransaction", [{"txid": txid, "vout": vout}], [{await bitcoin.address(): amount}]
        )
        signed = await bitcoin.call("signrawtransactionwithwallet", draft)
        return str(await bitcoin.call("sendrawtransaction", signed["hex"]))

    async def test_what_replaced_it_is_named(self, chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
        address = chain.derive_address(71)
        first = await bitcoin.pay(address, 40_000, fee_rate=2)
        claims = (await chain.transaction(first)).claims
        second = await bitcoin.replace(first, {address: 30_000})
        assert (await chain.transaction(first)).state == "unknown"
        assert await chain.replaced({first: claims}) == {first: second}


class TestTron:
    @pytest.fixture
    async def usdt(self, tron: TronDriver) -> str:
        return await tron.deploy_stablecoin(10**12)

    @pytest.fixture
    async def chain(self, tron: TronDriver, usdt: str) -> AsyncIterator[TronChain]:
        genesis = (await tron.state())["genesis_id"]
        chain = TronChain(tron_network([tron.api_url], usdt=usdt, genesis_hash=genesis), LocalThrottle())
        yield chain
        await chain.aclose()

    async def test_from_the_pool_into_a_block(self, chain: TronChain, tron: TronDriver, usdt: str) -> None:
        txid = await tron.pay(RECIPIENT, 5_000_073, contract=usdt)
        assert await chain.transaction(txid) == TransactionState(state="pooled")
        await tron.mine(2)
        state = await chain.transaction(txid)
        assert (state.state, state.succeeded, state.confirmations) == ("mined", True, 2)
        assert brief(state) == [("USDT", RECIPIENT, 5_000_073)]
        assert state.moved[0].contract == usdt
        coin = await tron.pay(OTHER, 2_000_000)
        await tron.mine()
        assert brief(await chain.transaction(coin)) == [("TRX", OTHER, 2_000_000)]
        assert await chain.transaction(UNKNOWN) == TransactionState(state="unknown")

    async def test_a_failed_one_moves_nothing_and_a_dropped_block_has_nothing(
        self, chain: TronChain, tron: TronDriver, usdt: str
    ) -> None:
        failed = await tron.pay(RECIPIENT, 10**30, contract=usdt)
        await tron.mine()
        state = await chain.transaction(failed)
        assert (state.state, state.succeeded, state.moved) == ("mined", False, ())
        paid = await tron.pay(RECIPIENT, 1, contract=usdt)
        await tron.mine()
        await tron.fork(1, keep=[], empty=True)
        assert (await chain.transaction(paid)).state != "mined"

    async def test_a_token_that_is_not_configured_is_named_by_its_contract(
        self, chain: TronChain, tron: TronDriver
    ) -> None:
        fake = await tron.deploy_stablecoin(10**12)
        txid = await tron.pay(RECIPIENT, 5_000_000, contract=fake)
        await tron.mine()
        (move,) = (await chain.transaction(txid)).moved
        assert (move.asset_symbol, move.contract, move.to_address) == (None, fake, RECIPIENT)
        assert await chain.token_name(fake) == "USDT"
        assert await chain.token_name(RECIPIENT) is None


async def test_a_chain_in_memory_says_the_same() -> None:
    """The kind that only the tests have."""
    with coin_chain() as coins:
        config = CoinConfig(
            chain="coin",
            mode="test",
            display_name="Coin",
            genesis=coins.name,
            rpc_urls=(NodeUrl("http://127.0.0.1:1"),),
            confirmations=3,
            xpub=XPUB,
            assets=(Asset(symbol=SYMBOL, name="Coin", kind="native", decimals=8),),
        )
        chain = CoinReader(config)
        txid = coins.pay((chain.derive_address(0), 5), fee_raw=700)
        waiting = await chain.transaction(txid)
        assert (waiting.state, waiting.fee_rate_raw, brief(waiting)) == (
            "pooled",
            700,
            [(SYMBOL, chain.derive_address(0), 5)],
        )
        other = coins.replace(txid, (chain.derive_address(1), 4))
        assert await chain.transaction(txid) == TransactionState(state="unknown")
        assert await chain.replaced({txid: waiting.claims}) == {txid: other}
        coins.mine()
        assert (await chain.transaction(other)).confirmations == 1


def test_ids_are_read_in_any_case_and_nothing_else() -> None:
    evm = evm_network(["http://127.0.0.1:1"], NOWHERE)
    bitcoin, tron = bitcoin_network(["http://127.0.0.1:1"]), tron_network(["http://127.0.0.1:1"])
    digits = "ABCDEF0123456789" * 4
    assert evm.normalise_txid(f"0X{digits}") == f"0x{digits.lower()}"
    assert bitcoin.normalise_txid(digits) == tron.normalise_txid(digits) == digits.lower()
    for text in ("", digits, f"0x{digits}0", f"0x{digits[1:]}", f" 0x{digits}", f"0x{digits[1:]}g", f"0x{digits}\n"):
        with pytest.raises(ValueError, match="not the id of a transaction"):
            evm.normalise_txid(text)
    for text in ("", f"0x{digits}", digits[1:], f"{digits}\n", f"{digits[1:]}٣"):
        for network in (bitcoin, tron):
            with pytest.raises(ValueError, match="not the id of a transaction"):
                network.normalise_txid(text)


@pytest.mark.parametrize(
    ("answer", "symbol"),
    [
        (b"USDT".ljust(32, b"\0"), "USDT"),
        ((32).to_bytes(32, "big") + (4).to_bytes(32, "big") + b"USDT".ljust(32, b"\0"), "USDT"),
        ((32).to_bytes(32, "big") + (10**30).to_bytes(32, "big") + b"x" * 500, "x" * 64),
        ((32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"\xff\xfe".ljust(32, b"\0"), None),
        ((7).to_bytes(32, "big") + (4).to_bytes(32, "big"), None),
        (b"", None),
        (b"\0" * 32, None),
    ],
)
def test_a_symbol_is_read_from_whatever_a_contract_answers(answer: bytes, symbol: str | None) -> None:
    assert symbol_of(answer) == symbol

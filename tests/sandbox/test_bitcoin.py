"""The sandbox's Bitcoin chain: when a block comes, whose keys there are, and what is kept."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sandbox import bitcoin
from app.sandbox.bitcoin import BitcoinChain, account_xpub, hot_wallet_address, is_due
from app.sandbox.bitcoin_customer import BitcoinCustomer
from app.sandbox.customer import CustomerError
from app.sandbox.home import Home
from tests.sandbox.test_bitcoind import ABANDON
from tests.services import bitcoind_or_skip

MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[BitcoinChain]:
    """A chain at its first start."""
    bitcoind_or_skip()
    chain = BitcoinChain(Home(tmp_path))
    chain.start()
    chain.set_up()
    yield chain
    chain.stop()


@pytest.fixture
def customer(chain: BitcoinChain) -> BitcoinCustomer:
    return BitcoinCustomer(chain.interface())


@pytest.mark.parametrize(
    ("tip_age_s", "arrived_ago_s", "due"),
    [(19, None, False), (20, None, True), (40, 29, False), (40, 30, True), (89, 2, False), (90, 2, True)],
)
def test_a_payment_can_be_replaced_for_a_while_before_its_block_comes(
    tip_age_s: int, arrived_ago_s: int | None, due: bool
) -> None:
    pool = {} if arrived_ago_s is None else {"old": {"time": 0}, "new": {"time": 1_000_000 - arrived_ago_s}}
    assert is_due(tip_age_s, pool, 1_000_000) is due


def test_the_gateways_key_is_that_of_the_first_account_of_bip_84_on_test_networks() -> None:
    assert account_xpub(MNEMONIC) == (
        "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M"
    )


def test_the_hot_wallet_is_filled_once(chain: BitcoinChain) -> None:
    def received() -> list[int]:
        found = chain.node.rpc("scantxoutset", "start", [f"addr({hot_wallet_address(MNEMONIC)})"])["unspents"]
        return [round(each["amount"] * 10**8) for each in found]

    chain.prepare(MNEMONIC)
    assert received() == [bitcoin.COINS_RAW]
    chain.prepare(MNEMONIC)
    assert received() == [bitcoin.COINS_RAW]
    assert hot_wallet_address(MNEMONIC) in chain.table(MNEMONIC)


def test_blocks_come_by_themselves(chain: BitcoinChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitcoin, "BLOCK_TIME_S", 1)
    height, deadline_s = chain.node.rpc("getblockcount"), time.monotonic() + 20
    while chain.node.rpc("getblockcount") < height + 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_the_customer_pays_replaces_mines_and_reorganises(customer: BitcoinCustomer) -> None:
    paid = customer.send("BTC", ABANDON, 70_000)
    assert customer.arrival(paid) == "in the pool, until a block has it"
    old, less = customer.replace(ABANDON, 50_000)
    assert (old, less != paid) == (paid, True)
    height = customer.mine(1)
    assert customer.arrival(less) == f"in block {height}"
    assert customer.reorganise(1) == height + 1
    assert customer.arrival(less) == "in the pool, until a block has it"
    old, nothing = customer.replace(ABANDON, None)
    assert old == less
    with pytest.raises(CustomerError, match=f"no payment to {ABANDON} waits in the pool"):
        customer.replace(ABANDON, None)
    customer.mine(1)
    assert customer.arrival(nothing) == f"in block {height + 2}"


def test_the_customers_errors_are_one_line(chain: BitcoinChain, customer: BitcoinCustomer) -> None:
    with pytest.raises(CustomerError, match="USDT is not on this chain; there is BTC"):
        customer.send("USDT", ABANDON, 1_000)
    with pytest.raises(CustomerError, match="Insufficient funds"):
        customer.send("BTC", ABANDON, 10**15)
    chain.node.stop()
    with pytest.raises(CustomerError, match=f"the chain at http://127.0.0.1:{chain.node.port} does not answer"):
        customer.mine(1)


def test_the_next_start_has_the_same_chain_and_the_same_customer(chain: BitcoinChain) -> None:
    before, tip = chain.interface(), chain.node.rpc("getbestblockhash")
    assert before.customer_descriptor.startswith("wpkh(tprv")
    assert "/84h/1h/0h/0/*)" in before.customer_descriptor  # 0: receiving addresses, not change
    chain.stop()
    chain.start()
    chain.set_up()
    assert chain.contradiction((130, tip)) is None
    assert chain.interface().customer_descriptor == before.customer_descriptor


def test_a_chain_that_is_not_the_databases_is_named(chain: BitcoinChain) -> None:
    assert chain.contradiction(None) is None
    other = "00" * 32
    for height in (130, 131):
        assert chain.contradiction((height, other)) == f"block {height} of the database is not on the bitcoin chain"


def test_a_damaged_chain_is_replaced_by_an_empty_one(chain: BitcoinChain) -> None:
    chain.stop()
    for file in (chain.node.data_dir / "regtest" / "blocks").glob("*.dat"):
        file.write_bytes(b"damaged")
    chain.start()
    assert chain.node.rpc("getblockcount") == 0

"""The sandbox's Tron chain and the customer on it: what is filled, what is kept, what a damaged chain leads to."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.networks.tron.config import TronConfig
from app.sandbox import tron
from app.sandbox.customer import CustomerError
from app.sandbox.home import NO_NODE_URL, Home, Tron
from app.sandbox.tron import TronChain
from app.sandbox.tron_customer import TronCustomer

MNEMONIC = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
FIRST_ADDRESS = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"  # m/44'/195'/0'/0/0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TronChain]:
    """A chain after its first start; the tests below use it in order."""
    chain = TronChain(Home(tmp_path_factory.mktemp("tron")))
    chain.start()
    chain.set_up()
    yield chain
    chain.stop()


@pytest.fixture
def customer(chain: TronChain) -> TronCustomer:
    return TronCustomer(chain.interface())


def asked(chain: TronChain, path: str, **body: Any) -> dict[str, Any]:
    return dict(httpx.post(f"{chain.node.api_url}/{path}", json=body, trust_env=False).json())


def held(chain: TronChain, address: str) -> int:
    return int(asked(chain, "wallet/getaccount", address=address).get("balance", 0))


def hot_wallet(chain: TronChain) -> str:
    (line,) = [line for line in chain.table(MNEMONIC).splitlines() if line.startswith("hot_wallet_address")]
    return line.split('"')[1]


def until(condition: Any) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_the_hot_wallet_is_filled_once_and_is_no_deposit_address(chain: TronChain) -> None:
    chain.prepare(MNEMONIC)
    until(lambda: held(chain, hot_wallet(chain)) == tron.COINS_SUN)
    chain.prepare(MNEMONIC)
    asked(chain, "double/mine")
    assert held(chain, hot_wallet(chain)) == tron.COINS_SUN
    xpub = chain.table(MNEMONIC).split('xpub = "')[1].split('"')[0]
    network = TronConfig(
        chain="tron", mode="test", display_name="Tron", rpc_urls=(), confirmations=1, xpub=xpub, assets=()
    )
    assert network.receiving_address(0) == FIRST_ADDRESS != hot_wallet(chain)


def test_the_customer_pays_in_each_asset_mines_and_reorganises(chain: TronChain, customer: TronCustomer) -> None:
    paid = [customer.send(symbol, FIRST_ADDRESS, 70_000) for symbol in ("USDT", "TRX")]
    assert [customer.arrival(txid).startswith("in block ") for txid in paid] == [True, True]
    height = customer.mine(3)
    assert customer.reorganise(2) > height
    customer.hurry(1, 19)
    assert customer.mine(1) >= height + 20
    assert held(chain, FIRST_ADDRESS) == 70_000


def test_the_customers_errors_are_one_line(customer: TronCustomer) -> None:
    with pytest.raises(CustomerError, match="BTC is not on this chain; there are USDT, TRX"):
        customer.send("BTC", FIRST_ADDRESS, 1)
    with pytest.raises(CustomerError, match="balance is not sufficient"):
        customer.send("TRX", FIRST_ADDRESS, 10**15)
    with pytest.raises(CustomerError, match="failed: REVERT"):
        customer.arrival(customer.send("USDT", FIRST_ADDRESS, 10**16))
    with pytest.raises(CustomerError, match="solid blocks can't be replaced"):
        customer.reorganise(20)


def test_the_next_start_has_the_same_chain_even_if_the_database_knows_its_newest_block(chain: TronChain) -> None:
    before = chain.interface()
    head = asked(chain, "double/state")
    chain.stop()
    assert chain.parts() == {"the tron chain": True, "tron.json": True}
    chain.start()
    chain.set_up()
    assert chain.contradiction((head["number"], head["id"])) is None
    assert chain.interface().assets == before.assets
    assert chain.contradiction(None) is None
    other = "00" * 32
    assert chain.contradiction((head["number"], other)) == (
        f"block {head['number']} of the database is not on the tron chain"
    )


def test_a_damaged_chain_is_replaced_by_a_new_one_which_lacks_the_token(chain: TronChain) -> None:
    chain.stop()
    (chain.home.tron / "chain.json").write_text("damaged")
    chain.start()
    assert chain.contradiction(None) == "the token is not on the tron chain"
    gone = Tron(api_url=NO_NODE_URL, customer_private_key="11", assets={})
    with pytest.raises(CustomerError, match="does not answer"):
        TronCustomer(gone).mine(1)

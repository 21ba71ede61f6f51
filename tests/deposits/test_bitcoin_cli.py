"""A stranger's wallet, Bitcoin's own command, pays by nothing but the URI on the page, and finds our addresses."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.settings import Settings, load
from app.merchants.terms import Terms
from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import WALLET, BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.wiring import Services
from tests.factories.bitcoin import NETWORK, Account, bitcoin_networks_toml
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import merchant, takes

CONFIRMATIONS = 3
ACCOUNT = Account()

Command = Callable[..., Any]


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, bitcoind: Bitcoind) -> Callable[..., Settings]:
    def make(**options: object) -> Settings:
        text = bitcoin_networks_toml(bitcoind.rpc_url, ACCOUNT.tpub, confirmations=CONFIRMATIONS, **options)
        (tmp_path / "networks.toml").write_text(text)
        return load(environment)

    return make


@pytest.fixture
def cli(bitcoind: Bitcoind) -> Command:
    """Run bitcoin-cli with the customer's wallet; its answer, read as JSON where it is some."""
    program = bitcoind_module.find()
    assert program is not None
    command = shutil.which("bitcoin-cli", path=str(program.parent)) or shutil.which("bitcoin-cli")
    assert command is not None, "bitcoin-cli comes with bitcoind: install it too"

    async def run(*words: str) -> Any:
        node = ("-regtest", f"-rpcport={bitcoind.port}", f"-rpcuser={bitcoind.rpc_user}", "-stdinrpcpass")
        process = await asyncio.create_subprocess_exec(
            *(command, *node, f"-rpcwallet={WALLET}", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, problem = await process.communicate(bitcoind.rpc_password.encode() + b"\n")
        assert process.returncode == 0, problem.decode()
        text = printed.decode().strip()
        return json.loads(text) if text[:1] in "[{" else text

    return run


async def test_it_pays_by_the_uri_of_the_page(services: Services, bitcoin: BitcoinDriver, cli: Command) -> None:
    merchant_id = await merchant(service_fee_bps=80)
    await takes(merchant_id, "BTC", network=NETWORK)
    (watcher,) = services.watchers()
    await watcher.tick()
    terms = Terms(merchant_id, "test", 80, "merchant")
    new = await invoice(services, terms, amount="0.01234567", currency="BTC", chain="bitcoin")

    uri = urlsplit(new.pay_in.payment_uri)
    assert uri.scheme == "bitcoin"
    (amount,) = parse_qs(uri.query)["amount"]
    txid = await cli("-named", "sendtoaddress", f"address={uri.path}", f"amount={amount}", "fee_rate=5")
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()

    paid = await reread(services, new)
    (deposit,) = paid.deposits
    assert (paid.status, deposit.txid, deposit.amount_raw) == ("paid", txid, "1234567")


async def test_it_derives_our_addresses_from_the_descriptor(services: Services, cli: Command) -> None:
    chain = services.networks.chain(NETWORK)
    described = await cli("getdescriptorinfo", f"wpkh({ACCOUNT.tpub}/0/*)")
    assert await cli("deriveaddresses", described["descriptor"], "[0,4]") == [chain.derive_address(i) for i in range(5)]

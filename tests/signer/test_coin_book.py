"""The book of coins on a real Bitcoin node: what comes in, what we spend and what somebody else spends with our key,
and what reorganisations take back. The chain's word is the node's, by reconciliation."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.core import clock, database
from app.core.errors import ApiError
from app.core.resources import MIGRATIONS
from app.core.settings import Settings, load
from app.deposits.watcher import Watcher
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import TREASURY
from app.merchants.terms import Terms
from app.networks.bitcoin.account import Account as Addresses
from app.networks.bitcoin.coins import Coin
from app.networks.bitcoin.parameters import COINBASE_MATURITY
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.spending import CoinState
from app.networks.sending import Broadcast, Payment
from app.reconciliation import repository as reconciliation
from app.reconciliation.repository import RecordedFinding
from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.signer import coin_book_repository, coins_repository, repository
from app.signer.repository import Stored
from app.wiring import Services, running, wire
from app.withdrawals import destinations
from tests.factories.bitcoin import NETWORK, Account, bitcoin_networks_toml
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.invariants import assert_invariants
from tests.services import bitcoind_or_skip, empty_redis

CONFIRMATIONS = 3
TOP_UP_RAW = 1_000_000
RATE = 2_000


@pytest.fixture
def account() -> Account:
    """The gateway's account."""
    return Account()


@pytest.fixture
def chain_settings(
    environment: dict[str, str], tmp_path: Path, bitcoind: Bitcoind, account: Account
) -> Callable[..., Settings]:
    def make(**options: object) -> Settings:
        (tmp_path / "networks.toml").write_text(networks_file(bitcoind.rpc_url, account, **options))
        return load(environment)

    return make


def networks_file(rpc_url: str, account: Account, **options: object) -> str:
    fields = {"confirmations": CONFIRMATIONS, "hot_wallet_address": f'"{account.hot_wallet}"', **options}
    return bitcoin_networks_toml(rpc_url, account.tpub, **fields)


@pytest.fixture
async def terms(services: Services) -> Terms:
    return await terms_of_merchant()


async def terms_of_merchant() -> Terms:
    merchant_id = await merchant(service_fee_bps=0)
    await takes(merchant_id, "BTC", network=NETWORK)
    return Terms(merchant_id, "test", 0, "merchant")


@pytest.fixture
async def watcher(services: Services, bitcoin: BitcoinDriver) -> Watcher:
    """The network's watcher after its first tick: later blocks are new."""
    (watcher,) = services.watchers()
    await watcher.tick()
    return watcher


@pytest.fixture
async def paid(services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver) -> AskedInvoice:
    """A credited invoice of 0.5 BTC, beside a top-up of the hot wallet for the fees."""
    hot_wallet = services.networks.get(NETWORK).hot_wallet_address
    assert hot_wallet is not None
    new = await new_invoice(services, terms)
    await bitcoin.pay(new.pay_in.address, raw(new))
    await bitcoin.pay(hot_wallet, TOP_UP_RAW)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    return await reread(services, new)


async def new_invoice(services: Services, terms: Terms, amount: str = "0.5") -> AskedInvoice:
    return await invoice(services, terms, amount=amount, currency="BTC", chain="bitcoin")


def raw(invoice: AskedInvoice) -> int:
    return int(invoice.pay_in.amount_raw)


async def coins() -> dict[tuple[int, int, int], tuple[int | None, str | None]]:
    """Block and spender of each coin, by branch, index and amount."""
    rows = await database.fetch_all("SELECT branch, index, amount_raw, height, spent_by FROM coins")
    return {(row["branch"], row["index"], row["amount_raw"]): (row["height"], row["spent_by"]) for row in rows}


async def coin_of(new: AskedInvoice) -> dict[str, Any]:
    (row,) = await database.fetch_all("SELECT * FROM coins WHERE address = $1", new.pay_in.address)
    return dict(row)


async def alerts(kind: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await database.fetch_all("SELECT * FROM alerts WHERE kind = $1", kind)]


async def drift(services: Services) -> list[RecordedFinding]:
    """The findings about the chain of a whole run."""
    run_id = await services.reconciliation.run(clock.now(), full=True)
    return [found for found in await reconciliation.findings(run_id) if NETWORK in found.subject]


async def treasury_raw() -> int:
    head = await ledger.head(ChainId(owner=TREASURY, network=NETWORK, asset="BTC"))
    return 0 if head is None else head.state.available_raw


async def spendable(bitcoin: BitcoinDriver) -> list[Coin]:
    return await coins_repository.spendable(NETWORK, await bitcoin.height())


async def signed_move(
    services: Services, account: Account, spent: Sequence[Coin], amount_raw: int, replaces: Stored | None = None
) -> Stored:
    """Sign and store, as the signer does, a transaction that moves coins to an address of our change branch, with
    change to another one; or, with `replaces`, the same at twice the fee."""
    sender = services.networks.sender(NETWORK)
    assert isinstance(sender, BitcoinSender)
    addresses = Addresses(account.tpub, "regtest", "p2wpkh")
    index = await coins_repository.next_change_index(NETWORK)
    if replaces is None:
        payment = Payment(addresses.address(1, index), "BTC", amount_raw)
        change_index, rate = index + 1, RATE
    else:
        (payment,) = replaces.payments
        change_index, rate = index - 1, 2 * RATE
    state = CoinState(coins=(), required=tuple(spent), change_index=change_index, rate=rate)
    draft = sender.plan([payment], state)
    signed = sender.sign(draft, account.key.serialize())
    now = clock.now()
    async with database.transaction():
        for number in (index, index + 1) if replaces is None else ():
            await coins_repository.add_change_address(NETWORK, number, addresses.address(1, number))
        stored = await repository.add(
            network=NETWORK,
            purpose="sweep",
            withdrawals=[None],
            draft=draft,
            parsed=sender.parse(signed.raw, draft),
            signed=signed,
            replaces=replaces,
            now=now,
        )
        change = sender.change_of(draft, signed.txid)
        assert change is not None
        await coins_repository.add_change(NETWORK, change, now)
    return stored


async def send(services: Services, stored: Stored) -> None:
    """Send it, and store that a node has taken it, as the signer does."""
    assert await services.networks.sender(NETWORK).broadcast(stored.signed) is Broadcast.ACCEPTED
    await repository.mark_submitted(stored.id, clock.now())


async def steal(bitcoin: BitcoinDriver, account: Account, coin: dict[str, Any]) -> str:
    """Spend a coin with our key, as somebody does who has got it. Returns the transaction's id."""
    inputs = [{"txid": coin["txid"], "vout": coin["vout"]}]
    amount = f"{(int(coin['amount_raw']) - 1_000) / 10**8:.8f}"
    draft = await bitcoin.call("createrawtransaction", inputs, [{await bitcoin.address(): amount}])
    key = account.private_key(coin["index"], coin["branch"])
    signed = await bitcoin.call("signrawtransactionwithkey", draft, [key])
    return str(await bitcoin.call("sendrawtransaction", signed["hex"]))


async def test_deposits_and_top_ups_are_coins_from_their_block_on(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    new = await new_invoice(services, terms)
    txid = await bitcoin.pay(new.pay_in.address, raw(new))
    await bitcoin.pay(account.hot_wallet, TOP_UP_RAW)
    await watcher.tick()
    assert await coins() == {}, "nothing in the pool is a coin"
    (block_hash,) = await bitcoin.mine()
    await watcher.tick()
    coin = await coin_of(new)
    height = await bitcoin.height()
    assert (coin["txid"], coin["height"], coin["block_hash"]) == (txid, height, block_hash)
    chain = services.networks.chain(NETWORK)
    assert (coin["branch"], chain.derive_address(coin["index"])) == (0, new.pay_in.address)
    assert await coins() == {
        (0, coin["index"], 50_000_000): (height, None),
        (1, 0, TOP_UP_RAW): (height, None),
    }
    assert [(each.address, each.height) for each in await coins_repository.spendable(NETWORK, height)] == [
        (new.pay_in.address, height),
        (account.hot_wallet, height),
    ]
    assert await coins_repository.spendable(NETWORK, height - 1) == []
    assert await treasury_raw() == 0
    await bitcoin.mine(CONFIRMATIONS - 1)
    await watcher.tick()
    assert await treasury_raw() == TOP_UP_RAW
    assert await drift(services) == []
    await assert_invariants(services)


async def test_two_outputs_of_one_transaction_are_two_coins(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    one, other = await new_invoice(services, terms), await new_invoice(services, terms)
    await bitcoin.call("send", [{one.pay_in.address: "0.5"}, {other.pay_in.address: "0.5"}])
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    first, second = await coin_of(one), await coin_of(other)
    assert first["txid"] == second["txid"]
    assert first["vout"] != second["vout"]
    assert await drift(services) == []


async def test_a_reward_may_be_spent_when_the_node_allows_it(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    await bitcoin.mine(address=new.pay_in.address)
    made_at = await bitcoin.height()
    await watcher.tick()
    assert await spendable(bitcoin) == []
    matures_at = (await coin_of(new))["matures_at"]
    assert matures_at == made_at + COINBASE_MATURITY - 1
    assert await coins_repository.spendable(NETWORK, matures_at - 1) == []
    assert len(await coins_repository.spendable(NETWORK, matures_at)) == 1


async def test_what_we_spend_is_neither_a_deposit_nor_a_top_up_nor_an_alert(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    before = await spendable(bitcoin)
    assert len(before) == 2
    stored = await signed_move(services, account, before, 10_000_000)
    assert await spendable(bitcoin) == [], "claimed coins are nobody's, and no node has the change"
    await send(services, stored)
    (change,) = await spendable(bitcoin)
    assert (change.txid, change.is_change, change.height, change.branch, change.index) == (
        stored.txid,
        True,
        None,
        1,
        2,
    )
    await watcher.tick()
    assert await coins_repository.mined_in(NETWORK, [stored.txid]) == {}
    assert await services.networks.sender(NETWORK).receipts([stored.txid]) == {}

    (block_hash, *_) = await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    height = await bitcoin.height() - CONFIRMATIONS + 1
    assert await coins_repository.mined_in(NETWORK, [stored.txid, "a" * 64]) == {stored.txid: block_hash}
    receipt = (await services.networks.sender(NETWORK).receipts([stored.txid]))[stored.txid]
    assert (receipt.height, receipt.confirmations, receipt.fee_raw) == (height, CONFIRMATIONS, stored.fee_cap_raw)
    assert {
        claim: one.txid for claim, one in (await coins_repository.spenders(NETWORK, stored.claims)).items()
    } == dict.fromkeys(stored.claims, stored.txid)
    assert sorted((each.index, each.height, each.is_change) for each in await spendable(bitcoin)) == [
        (1, height, True),
        (2, height, True),
    ]
    assert len((await reread(services, paid)).deposits) == 1
    assert await database.fetch_value("SELECT count(*) FROM hot_wallet_receipts") == 1
    assert await alerts("unknown_spend") == []
    assert await coins_repository.unknown_spends(NETWORK) == []
    # It is under way by the books: its fee is money in flight.
    assert await drift(services) == []


async def test_of_two_attempts_the_change_of_the_mined_one_stays(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    spent = await spendable(bitcoin)
    first = await signed_move(services, account, spent, 10_000_000)
    await send(services, first)
    second = await signed_move(services, account, spent, 10_000_000, replaces=first)
    assert await spendable(bitcoin) == [], "the first one's change falls with it, and no node has the second"
    await send(services, second)
    assert [each.txid for each in await spendable(bitcoin)] == [second.txid]
    # A miner has the first one, which the node's pool has forgotten.
    await bitcoin.call("generateblock", await bitcoin.address(), [first.signed_bytes.hex()])
    await watcher.tick()
    assert {each.txid for each in await spendable(bitcoin)} == {first.txid}
    await bitcoin.mine(CONFIRMATIONS - 1)
    await watcher.tick()
    assert await drift(services) == []


async def test_what_was_made_and_spent_since_the_last_look_is_found_whole(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    """The watcher was away: the coin and its spender come in the same range of blocks."""
    stored = await signed_move(services, account, await spendable(bitcoin), 10_000_000)
    await send(services, stored)
    (change,) = await spendable(bitcoin)
    child = await signed_move(services, account, [change], 5_000_000)
    await send(services, child)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    assert await coins_repository.mined_in(NETWORK, [stored.txid, child.txid]) == {
        stored.txid: await bitcoin.call("getblockhash", await bitcoin.height() - CONFIRMATIONS + 1),
        child.txid: await bitcoin.call("getblockhash", await bitcoin.height() - CONFIRMATIONS + 1),
    }
    assert {each.txid for each in await spendable(bitcoin)} == {stored.txid, child.txid}
    assert await alerts("unknown_spend") == []
    assert await drift(services) == []


async def test_a_spend_that_the_signer_did_not_store_is_an_alert_within_one_block(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    txid = await steal(bitcoin, account, await coin_of(paid))
    await bitcoin.mine()
    await watcher.tick()
    await watcher.tick()
    (alert,) = await alerts("unknown_spend")
    assert (alert["severity"], alert["occurrences"]) == ("critical", 1)
    assert txid in alert["details"]
    assert (await coin_of(paid))["spent_by"] == txid
    assert await coins_repository.unknown_spends(NETWORK) == [txid]
    assert [each.address for each in await spendable(bitcoin)] == [account.hot_wallet]
    await bitcoin.mine(CONFIRMATIONS - 1)
    await watcher.tick()
    assert len(await alerts("unknown_spend")) == 1
    (found,) = await drift(services)
    assert (found.is_drift, found.figures["drift_raw"]) == (True, "-50000000")


async def test_a_theft_from_the_hot_wallet_in_the_block_of_its_top_up_is_an_alert_too(
    services: Services, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    txid = await bitcoin.pay(account.hot_wallet, TOP_UP_RAW)
    outputs = (await bitcoin.call("getrawtransaction", txid, 1))["vout"]
    vout = next(each["n"] for each in outputs if each["scriptPubKey"].get("address") == account.hot_wallet)
    inputs = [{"txid": txid, "vout": vout}]
    draft = await bitcoin.call("createrawtransaction", inputs, [{await bitcoin.address(): "0.0099"}])
    signed = await bitcoin.call("signrawtransactionwithkey", draft, [account.private_key(0, 1)])
    stolen_by = await bitcoin.call("sendrawtransaction", signed["hex"])
    await bitcoin.mine()
    await watcher.tick()
    assert len(await alerts("unknown_spend")) == 1
    assert await coins_repository.unknown_spends(NETWORK) == [stolen_by]


async def test_after_a_restored_backup_change_is_found_and_the_spend_is_told(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    """The backup has neither the transaction nor its addresses: the chain has both."""
    before = await spendable(bitcoin)
    sender = services.networks.sender(NETWORK)
    assert isinstance(sender, BitcoinSender)
    state = CoinState(coins=(), required=tuple(before), change_index=7, rate=RATE)
    draft = sender.plan([Payment(await bitcoin.address(), "BTC", 20_000_000)], state)
    signed = sender.sign(draft, account.key.serialize())
    await sender.broadcast(signed)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    assert await coins_repository.unknown_spends(NETWORK) == [signed.txid]
    (change,) = await spendable(bitcoin)
    left_raw = 50_000_000 + TOP_UP_RAW - 20_000_000 - draft.fee_cap_raw
    assert (change.branch, change.index, change.amount_raw) == (1, 7, left_raw)
    assert await coins_repository.next_change_index(NETWORK) == 8
    assert await treasury_raw() == TOP_UP_RAW, "it is no top-up"
    (found,) = await drift(services)
    assert found.figures["drift_raw"] == str(-20_000_000 - draft.fee_cap_raw)


async def test_a_payment_of_others_to_our_change_is_a_top_up(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    stored = await signed_move(services, account, await spendable(bitcoin), 10_000_000)
    await send(services, stored)
    await bitcoin.pay(stored.payments[0].to_address, 70_000)
    await watcher.tick()
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    assert await treasury_raw() == TOP_UP_RAW + 70_000
    assert await database.fetch_value("SELECT count(*) FROM deposits") == 1
    assert await drift(services) == []


async def test_a_reorganised_deposit_is_no_coin_until_a_block_has_it_again(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    await bitcoin.pay(new.pay_in.address, raw(new))
    await bitcoin.mine()
    await watcher.tick()
    before = await coin_of(new)
    await bitcoin.roll_back(1)
    await bitcoin.mine_empty(2)
    await watcher.tick()
    assert await coins() == {}
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    after = await coin_of(new)
    assert (after["txid"], after["vout"]) == (before["txid"], before["vout"])
    assert after["height"] == before["height"] + 2
    assert await drift(services) == []


async def test_a_reorganised_spend_is_undone_until_a_block_has_it_again(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    stored = await signed_move(services, account, await spendable(bitcoin), 10_000_000)
    await send(services, stored)
    await bitcoin.mine()
    await watcher.tick()
    assert (await coin_of(paid))["spent_by"] == stored.txid
    await bitcoin.roll_back(1)
    await bitcoin.mine_empty(2)
    await watcher.tick()
    assert (await coin_of(paid))["spent_by"] is None
    assert await coins_repository.mined_in(NETWORK, [stored.txid]) == {}
    assert [(each.txid, each.height) for each in await spendable(bitcoin)] == [(stored.txid, None)] * 2
    assert await database.fetch_value("SELECT count(*) FROM coins WHERE is_change AND height IS NULL") == 2
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    height = await bitcoin.height() - CONFIRMATIONS + 1
    assert {each.height for each in await spendable(bitcoin)} == {height}
    assert (await coin_of(paid))["spent_height"] == height
    assert await drift(services) == []


async def test_after_a_deep_reorganisation_the_book_is_that_of_the_new_chain(
    services: Services, paid: AskedInvoice, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    """Deposit and spend are both gone, and the node forgets the transactions of so many blocks."""
    deposit = (await bitcoin.call("gettransaction", (await coin_of(paid))["txid"]))["hex"]
    stored = await signed_move(services, account, await spendable(bitcoin), 10_000_000)
    await send(services, stored)
    await bitcoin.mine()
    await bitcoin.mine_empty(11)
    await watcher.tick()
    assert (await coin_of(paid))["spent_by"] == stored.txid
    await bitcoin.roll_back(12 + CONFIRMATIONS)
    await bitcoin.mine_empty(13 + CONFIRMATIONS)
    await watcher.tick()
    gone = await coin_of(paid)
    assert (gone["height"], gone["spent_by"]) == (None, None), "it stays: a transaction of ours spends it"
    assert all(each.height is None for each in await spendable(bitcoin))
    assert [found for found in await drift(services) if "coins" in found.subject] == []

    await bitcoin.call("sendrawtransaction", deposit)
    for transaction in await database.fetch_all("SELECT DISTINCT txid FROM hot_wallet_receipts"):
        await bitcoin.call("sendrawtransaction", (await bitcoin.call("gettransaction", transaction["txid"]))["hex"])
    await send(services, stored)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    back = await coin_of(paid)
    assert (back["height"], back["spent_by"]) == (await bitcoin.height() - CONFIRMATIONS + 1, stored.txid)
    assert await drift(services) == []


async def test_a_node_that_comes_back_with_fewer_blocks_takes_its_coins_back(
    environment: dict[str, str], tmp_path: Path, valkey_url: str, steady_clock: None, account: Account
) -> None:
    bitcoind_or_skip()
    node = bitcoind_module.start(tmp_path / "bitcoind", keep_state=True)
    bitcoin = await BitcoinDriver.connect(node.rpc_url)
    (tmp_path / "networks.toml").write_text(networks_file(node.rpc_url, account))
    async with running(wire(load(environment))) as services:
        await empty_redis()
        terms = await terms_of_merchant()
        await bitcoin.call("gettxoutsetinfo", "none")  # writes what there is
        kept = await bitcoin.height()
        (watcher,) = services.watchers()
        await watcher.tick()
        new = await new_invoice(services, terms)
        txid = await bitcoin.pay(new.pay_in.address, raw(new))
        signed = (await bitcoin.call("gettransaction", txid))["hex"]
        await bitcoin.mine(2)
        await watcher.tick()
        assert len(await coins()) == 1
        node.kill()
        node.restart()
        assert await bitcoin.height() == kept
        await watcher.tick()
        await bitcoin.mine_empty(3)
        await watcher.tick()
        assert await coins() == {}
        await bitcoin.call("sendrawtransaction", signed)
        await bitcoin.mine(CONFIRMATIONS)
        await watcher.tick()
        assert (await coin_of(new))["height"] == await bitcoin.height() - CONFIRMATIONS + 1
        assert await drift(services) == []
    await bitcoin.aclose()
    node.stop()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE coins SET spent_by = 'x', spent_height = height, spent_hash = 'x'",
        "UPDATE coins SET height = NULL, block_hash = NULL",
        "DELETE FROM coins WHERE branch = 0",
    ],
)
async def test_a_book_that_is_not_what_the_chain_holds_is_drift(
    services: Services, paid: AskedInvoice, change: str
) -> None:
    assert await drift(services) == []
    await database.execute(change)
    (found,) = await drift(services)
    assert (found.is_drift, found.subject) == (True, f"coins BTC {NETWORK}")
    assert "holds 50000000, 0 by the book of coins" in str(found.figures["addresses_at_odds"])


async def test_what_a_coin_is_never_changes(
    services: Services, paid: AskedInvoice, bitcoin: BitcoinDriver, account: Account
) -> None:
    stored = await signed_move(services, account, (await spendable(bitcoin))[:1], 10_000_000)
    for change in (
        "UPDATE coins SET amount_raw = amount_raw + 1",
        "UPDATE coins SET address = 'x'",
        "UPDATE coins SET index = index + 1",
        "UPDATE coins SET is_change = NOT is_change",
        f"DELETE FROM coins WHERE 'coin:' || txid || ':' || vout = '{stored.claims[0]}'",
        "DELETE FROM coins WHERE is_change",
        "TRUNCATE coins",
        "DELETE FROM change_addresses",
        "UPDATE change_addresses SET index = index + 10",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(change)
    for change in (
        "UPDATE coins SET spent_by = 'x'",
        "UPDATE coins SET height = NULL",
        "UPDATE coins SET spent_by = 'x', spent_hash = 'x', spent_height = height - 1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute(change)
    with pytest.raises(asyncpg.CheckViolationError):
        await coins_repository.add_change_address(NETWORK, 0, account.hot_wallet)


async def test_what_was_received_before_there_was_a_book_is_in_it(services: Services, paid: AskedInvoice) -> None:
    """The migration's last statement makes the rows that the watcher would have made."""
    by_watcher = await coin_of(paid)
    sql = (MIGRATIONS / "coins.sql").read_text()
    await database.execute("DELETE FROM coins WHERE branch = 0")
    await database.execute(sql[sql.rindex("INSERT INTO coins") :])
    by_migration = await coin_of(paid)
    unlike = {"id", "seen_at"}
    assert {name: by_migration[name] for name in by_migration.keys() - unlike} == {
        name: by_watcher[name] for name in by_watcher.keys() - unlike
    }
    assert await drift(services) == []


async def test_our_change_is_no_destination(
    services: Services, paid: AskedInvoice, terms: Terms, bitcoin: BitcoinDriver, account: Account
) -> None:
    stored = await signed_move(services, account, await spendable(bitcoin), 10_000_000)
    network = services.networks.get(NETWORK)
    for ours in (stored.payments[0].to_address, account.hot_wallet, paid.pay_in.address):
        with pytest.raises(ApiError, match="our own"):
            await destinations.check(network, ours, None, field="destination")


async def test_thousands_of_claims_are_looked_up_at_once(
    services: Services, paid: AskedInvoice, bitcoin: BitcoinDriver
) -> None:
    known = {coin.claim for coin in await spendable(bitcoin)}
    others = {f"coin:{number:064x}:0" for number in range(10_000)}
    started_s = clock.monotonic_s()
    assert await coin_book_repository.coins_among(NETWORK, known | others) == known
    assert timedelta(seconds=clock.monotonic_s() - started_s) < timedelta(seconds=5)
    assert {coin.claim for coin in await coins_repository.by_claims(NETWORK, known | others)} == known

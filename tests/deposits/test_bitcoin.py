"""From a payment on a real Bitcoin node to the credit in the ledger: the pool, replacements, reorganisations, rewards,
and a node that loses what it had."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from app.checkout.source import checkout_view
from app.checkout.wording import put_into_words
from app.core import clock, database
from app.core.errors import ApiError
from app.core.settings import Settings, load
from app.deposits.watcher import Watcher
from app.doctor.reachability import examine_networks
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId
from app.merchants.terms import Terms
from app.networks.bitcoin.parameters import COINBASE_MATURITY
from app.networks.port import NodeSyncing, NodeUnavailable
from app.reconciliation import repository as reconciliation
from app.reconciliation.repository import RecordedFinding
from app.refunds.service import NewRefund
from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.web import languages
from app.wiring import Services, running, wire
from tests.books import assert_books, assert_invoices
from tests.factories.bitcoin import NETWORK, Account, bitcoin_networks_toml, mined_by_hand
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.factories.operators import operator
from tests.factories.withdrawals import event_types, payout
from tests.services import bitcoind_or_skip, empty_redis

CONFIRMATIONS = 3
TEN_MINUTES = timedelta(minutes=10)
STEPS = "[{up_to_raw = 1000000, confirmations = 1}, {up_to_raw = 100000000, confirmations = 2}]"


@pytest.fixture
def options() -> dict[str, object]:
    """Fields of the network; a test module or class may have its own."""
    return {}


@pytest.fixture
def account() -> Account:
    """The gateway's account."""
    return Account()


@pytest.fixture
def chain_settings(
    environment: dict[str, str], tmp_path: Path, bitcoind: Bitcoind, account: Account, options: dict[str, object]
) -> Callable[..., Settings]:
    def make(**more: object) -> Settings:
        fields = {"confirmations": CONFIRMATIONS} | options | more
        text = bitcoin_networks_toml(bitcoind.rpc_url, account.tpub, **fields)
        (tmp_path / "networks.toml").write_text(text)
        return load(environment)

    return make


@pytest.fixture
async def terms(services: Services) -> Terms:
    merchant_id = await merchant(service_fee_bps=80)
    await takes(merchant_id, "BTC", network=NETWORK)
    return Terms(merchant_id, "test", 80, "merchant")


@pytest.fixture
async def watcher(services: Services, bitcoin: BitcoinDriver) -> Watcher:
    """The network's watcher after its first tick: later blocks are new."""
    (watcher,) = services.watchers()
    await watcher.tick()
    return watcher


async def new_invoice(services: Services, terms: Terms, amount: str = "0.5", **fields: object) -> AskedInvoice:
    return await invoice(services, terms, amount=amount, currency="BTC", chain="bitcoin", **fields)


def raw(invoice: AskedInvoice) -> int:
    return int(invoice.pay_in.amount_raw)


async def pay(bitcoin: BitcoinDriver, to: AskedInvoice, amount_raw: int | None = None, fee_rate: int = 5) -> str:
    return await bitcoin.pay(to.pay_in.address, raw(to) if amount_raw is None else amount_raw, fee_rate=fee_rate)


async def balance(owner: str) -> int:
    head = await ledger.head(ChainId(owner=owner, network=NETWORK, asset="BTC"))
    return 0 if head is None else head.state.available_raw


async def reconciled(services: Services) -> list[RecordedFinding]:
    """The findings about the chain of a whole run."""
    run_id = await services.reconciliation.run(clock.now(), full=True)
    return [found for found in await reconciliation.findings(run_id) if NETWORK in found.subject]


async def test_a_payment_is_confirming_from_the_pool_on_and_paid_from_blocks_alone(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    assert new.pay_in.address.startswith("bcrt1q")
    assert (new.pay_in.cent_tail, new.pay_in.amount_decimal) == (0, "0.50")
    assert new.pay_in.payment_uri == f"bitcoin:{new.pay_in.address}?amount=0.50"
    txid = await pay(bitcoin, new)
    await watcher.tick()
    seen = await reread(services, new)
    (deposit,) = seen.deposits
    assert (seen.status, deposit.txid, deposit.block_height, deposit.confirmations) == ("confirming", txid, None, 0)

    await bitcoin.mine_empty(2)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    await bitcoin.mine(CONFIRMATIONS - 1)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming", "one confirmation is missing"
    await bitcoin.mine()
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, [d.id for d in paid.deposits], paid.credited_raw) == ("paid", [deposit.id], new.net_raw)
    assert await balance(terms.merchant_id) == int(new.net_raw) == 49_600_000
    assert await balance("platform:fees") == 400_000
    assert await event_types(new.id) == ["invoice.created", "invoice.confirming", "invoice.paid"]
    await assert_books()
    await assert_invoices()


async def test_each_invoice_has_an_address_of_its_own(services: Services, terms: Terms, watcher: Watcher) -> None:
    addresses = {(await new_invoice(services, terms)).pay_in.address for _ in range(5)}
    assert len(addresses) == 5


async def test_one_transaction_pays_two_invoices_of_the_same_amount(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    one, other = await new_invoice(services, terms), await new_invoice(services, terms)
    txid = await bitcoin.call(
        "send", [{one.pay_in.address: "0.5"}, {other.pay_in.address: "0.5"}, {await bitcoin.address(): "0.5"}]
    )
    await watcher.tick()
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    for each in (one, other):
        paid = await reread(services, each)
        assert (paid.status, [d.txid for d in paid.deposits]) == ("paid", [txid["txid"]])
    assert await balance(terms.merchant_id) == 2 * int(one.net_raw)
    await assert_books()


async def test_two_outputs_to_one_address_are_two_deposits(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    script = (await bitcoin.call("getaddressinfo", new.pay_in.address))["scriptPubKey"]
    txid = await mined_by_hand(bitcoin, (raw(new), script), (raw(new), script))
    await watcher.tick()
    seen = await reread(services, new)
    assert sorted((d.txid, d.index) for d in seen.deposits) == [(txid, 1), (txid, 2)]
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, paid.needs_review) == ("paid", True)
    assert sorted(d.verdict for d in paid.deposits) == ["exact", "second"]
    assert await balance("platform:suspense") == raw(new)


async def test_an_address_that_is_paid_again_a_month_later_is_reviewed(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    await pay(bitcoin, new)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    clock.shift(timedelta(days=29))
    await pay(bitcoin, new)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    again = await reread(services, new)
    assert (again.status, sorted(d.verdict for d in again.deposits)) == ("paid", ["exact", "second"])
    clock.shift(timedelta(days=40))
    await pay(bitcoin, new)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    assert await balance("platform:suspense") == 2 * raw(new)
    assert await balance(terms.merchant_id) == int(new.net_raw)
    await assert_books()


@pytest.mark.parametrize(
    ("pays_raw", "status"), [(0, "awaiting_deposit"), (49_000_000, "manual_review"), (51_000_000, "manual_review")]
)
async def test_a_replacement_that_pays_another_amount_takes_the_payment_back(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver, pays_raw: int, status: str
) -> None:
    new = await new_invoice(services, terms)
    first = await pay(bitcoin, new)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    to = new.pay_in.address if pays_raw else await bitcoin.address()
    second = await bitcoin.replace(first, {to: pays_raw or 1_000_000})
    await watcher.tick()
    now = await reread(services, new)
    gone = next(d for d in now.deposits if d.txid == first)
    assert (now.status, gone.status, gone.replaced_by) == (status, "replaced", second)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    assert (await reread(services, new)).credited is False
    await assert_books()
    await assert_invoices()


async def test_what_was_replaced_or_mined_while_nobody_watched_is_found(
    services: Services,
    terms: Terms,
    watcher: Watcher,
    bitcoin: BitcoinDriver,
    chain_settings: Callable[..., Settings],
) -> None:
    """The next process has read nothing of the pool."""
    replaced, mined = await new_invoice(services, terms), await new_invoice(services, terms)
    late = await new_invoice(services, terms)
    first = await pay(bitcoin, replaced)
    await watcher.tick()
    second = await bitcoin.replace(first, {await bitcoin.address(): 1_000_000})
    await pay(bitcoin, mined)
    await bitcoin.mine(CONFIRMATIONS)
    await pay(bitcoin, late)
    restarted = wire(chain_settings())
    (next_watcher,) = restarted.watchers()
    await next_watcher.tick()
    await restarted.networks.aclose()
    states = [(await reread(services, each)).status for each in (replaced, mined, late)]
    assert states == ["awaiting_deposit", "paid", "confirming"]
    (gone,) = (await reread(services, replaced)).deposits
    assert (gone.status, gone.replaced_by) in (("replaced", second), ("replaced", None))
    await assert_books()
    await assert_invoices()


async def test_a_payment_that_is_replaced_after_an_hour_by_one_with_a_higher_fee_is_in_time(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    first = await pay(bitcoin, new, fee_rate=2)
    await watcher.tick()
    clock.shift(timedelta(hours=1))
    await watcher.tick()
    await bitcoin.replace(first, {new.pay_in.address: raw(new)})
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, sorted(d.status for d in paid.deposits)) == ("paid", ["credited", "replaced"])
    await assert_books()


async def test_a_payment_that_a_block_excludes_is_awaited_again(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    first = await pay(bitcoin, new)
    await watcher.tick()
    inputs = [
        {"txid": one["txid"], "vout": one["vout"]} for one in (await bitcoin.call("getrawtransaction", first, 1))["vin"]
    ]
    draft = await bitcoin.call("createrawtransaction", inputs, [{await bitcoin.address(): "0.001"}])
    signed = (await bitcoin.call("signrawtransactionwithwallet", draft))["hex"]
    await bitcoin.call("generateblock", await bitcoin.address(), [signed])
    await watcher.tick()
    now = await reread(services, new)
    assert (now.status, [d.status for d in now.deposits]) == ("awaiting_deposit", ["replaced"])
    assert now.deposits[0].replaced_by == (await bitcoin.call("decoderawtransaction", signed))["txid"]


async def test_a_forgotten_payment_is_dropped_and_counts_when_it_comes_back(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    txid = await pay(bitcoin, new)
    signed = (await bitcoin.call("gettransaction", txid))["hex"]
    await watcher.tick()
    later = (await bitcoin.call("getblockheader", await bitcoin.call("getbestblockhash")))["time"] + 337 * 3600
    await bitcoin.call("setmocktime", later)  # pools forget after two weeks
    await bitcoin.pay(await bitcoin.address(), 10_000)
    await watcher.tick()
    away = await reread(services, new)
    assert (away.status, [d.status for d in away.deposits]) == ("awaiting_deposit", ["dropped"])
    await bitcoin.call("setmocktime", 0)
    await bitcoin.call("sendrawtransaction", signed)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"


async def test_a_reorganised_payment_waits_in_the_pool_and_is_paid_in_another_block(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    await pay(bitcoin, new)
    await bitcoin.mine(2)
    await watcher.tick()
    (first,) = (await reread(services, new)).deposits
    await bitcoin.roll_back(2)
    await bitcoin.mine_empty(3)
    await watcher.tick()
    (waiting,) = (await reread(services, new)).deposits
    assert (waiting.id, waiting.status, waiting.block_height) == (first.id, "seen", None)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, paid.deposits[0].id) == ("paid", first.id)
    assert paid.deposits[0].block_height == (first.block_height or 0) + 3
    await assert_books()


async def test_after_a_reorganisation_deeper_than_ten_blocks_the_credit_is_reversed_until_the_payment_is_back(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    """Bitcoin Core returns the transactions of the last ten blocks to its pool; deeper ones are forgotten."""
    new = await new_invoice(services, terms)
    txid = await pay(bitcoin, new)
    signed = (await bitcoin.call("gettransaction", txid))["hex"]
    await bitcoin.mine()
    await bitcoin.mine_empty(11)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"
    await bitcoin.roll_back(12)
    await bitcoin.mine_empty(13)
    await watcher.tick()
    assert txid not in await bitcoin.pool()
    reversed_ = await reread(services, new)
    assert (reversed_.credited, [d.status for d in reversed_.deposits]) == (False, ["orphaned"])
    assert await balance(terms.merchant_id) == 0
    kinds = [row["kind"] for row in await database.fetch_all("SELECT kind FROM alerts")]
    assert "deep_reorg" in kinds
    await bitcoin.call("sendrawtransaction", signed)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    back = await reread(services, new)
    assert (back.status, back.credited_raw) == ("paid", new.net_raw)
    assert await balance(terms.merchant_id) == int(new.net_raw)
    await assert_books()


async def test_a_reward_is_credited_when_it_has_matured(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    await bitcoin.mine(address=await bitcoin.address())
    reward = (await bitcoin.call("getblockstats", await bitcoin.height()))["subsidy"]
    new = await new_invoice(services, terms, f"{reward / 10**8:.8f}")
    await bitcoin.mine(address=new.pay_in.address)
    await bitcoin.mine(COINBASE_MATURITY - 2)
    await watcher.tick()
    assert (await reread(services, new)).status == "confirming"
    await bitcoin.mine()
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"


async def test_a_late_payment_is_reviewed(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
    clock.shift(timedelta(minutes=11))
    await watcher.tick()
    assert (await reread(services, new)).status == "expired"
    await bitcoin.call("setmocktime", int(clock.now().timestamp()))
    await pay(bitcoin, new)
    await watcher.tick()
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    late = await reread(services, new)
    assert (late.status, [d.review_reason for d in late.deposits]) == ("manual_review", ["late"])


async def test_dust_changes_nothing(services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver) -> None:
    new = await new_invoice(services, terms)
    await pay(bitcoin, new, 999)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    now = await reread(services, new)
    assert (now.status, now.needs_review, [d.verdict for d in now.deposits]) == ("awaiting_deposit", False, ["dust"])
    assert await balance("platform:suspense") == 999


class TestConfirmationsByAmount:
    @pytest.fixture
    def options(self) -> dict[str, object]:
        return {"confirmations_by_amount": STEPS}

    @pytest.mark.parametrize(("amount", "needed"), [("0.01", 1), ("0.011", 2), ("1", 2), ("1.1", 3)])
    async def test_an_invoice_waits_for_as_many_as_its_amount_needs(
        self, services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver, amount: str, needed: int
    ) -> None:
        new = await new_invoice(services, terms, amount)
        assert new.pay_in.confirmations_required == needed
        await pay(bitcoin, new)
        for _ in range(needed):
            await watcher.tick()
            assert (await reread(services, new)).status == "confirming"
            await bitcoin.mine()
        await watcher.tick()
        assert (await reread(services, new)).status == "paid"
        assert await reconciled(services) == []


async def test_what_the_chain_holds_is_what_the_ledgers_owe(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver, account: Account
) -> None:
    paid, part, dusty = [await new_invoice(services, terms) for _ in range(3)]
    await pay(bitcoin, paid)
    await pay(bitcoin, part, 20_000_000)
    await pay(bitcoin, dusty, 700)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    fresh = await new_invoice(services, terms)
    await pay(bitcoin, fresh)
    await bitcoin.mine()
    waiting = await new_invoice(services, terms)
    await pay(bitcoin, waiting)
    await watcher.tick()
    assert await reconciled(services) == []

    # Somebody else has the key, and spends a coin.
    chain = services.networks.chain(NETWORK)
    index = next(index for index in range(300) if chain.derive_address(index) == paid.pay_in.address)
    (deposit,) = (await reread(services, paid)).deposits
    draft = await bitcoin.call(
        "createrawtransaction",
        [{"txid": deposit.txid, "vout": deposit.index}],
        [{await bitcoin.address(): "0.4999"}],
    )
    signed = await bitcoin.call("signrawtransactionwithkey", draft, [account.private_key(index)])
    await bitcoin.call("sendrawtransaction", signed["hex"])
    await bitcoin.mine(CONFIRMATIONS - 1)
    await watcher.tick()
    assert await reconciled(services) == [], "it has too few confirmations yet"
    await bitcoin.mine()
    await watcher.tick()
    (found,) = await reconciled(services)
    assert "less than the ledgers owe" in found.message
    assert found.is_drift
    assert found.figures["drift_raw"] == "-50000000"


async def test_nothing_is_promised_that_can_not_be_sent(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    """A payout that nobody can sign would lock the merchant's money."""
    paid, less = await new_invoice(services, terms), await new_invoice(services, terms)
    await pay(bitcoin, paid)
    await pay(bitcoin, less, 40_000_000)
    await bitcoin.mine(CONFIRMATIONS)
    await watcher.tick()
    to, now = await bitcoin.address(), clock.now()
    with pytest.raises(ApiError, match="nothing can be sent on bitcoin: it has no hot wallet"):
        await payout(services, terms.merchant_id, "0.1", asset="BTC", chain="bitcoin", destination=to)
    refund = NewRefund(amount="0.1", refund_address=to, requested_by="api_key:k")
    with pytest.raises(ApiError, match="nothing can be sent on bitcoin: it has no hot wallet"):
        await services.refunds.create(terms.merchant_id, "test", paid.id, refund, None, now)
    (deposit,) = (await reread(services, less)).deposits
    boss = await operator(services.settings.data_keys)
    with pytest.raises(ApiError, match="nothing can be sent on bitcoin: it has no hot wallet"):
        await services.returns.send_back(deposit.id, to, boss.id, "too little", now)
    assert await balance(terms.merchant_id) == int(paid.net_raw)
    assert (await reread(services, less)).status == "manual_review"


async def test_the_doctor_finds_nothing_wrong(services: Services, watcher: Watcher, bitcoin: BitcoinDriver) -> None:
    symptoms = [symptom async for symptom in examine_networks(services.networks)]
    (advice,) = [symptom for symptom in symptoms if symptom.severity != "ok"]
    assert "has a wallet loaded" in advice.message, "the tests' customer pays from it"
    behind = f"block {await bitcoin.height()}, 0 behind"
    assert any(symptom.message.endswith(behind) for symptom in symptoms)


async def test_the_checkout_page_shows_a_payment_in_the_pool(
    services: Services, terms: Terms, watcher: Watcher, bitcoin: BitcoinDriver
) -> None:
    new = await new_invoice(services, terms)
    language = languages.choose(None, "en")
    network = services.networks.get(NETWORK)

    async def words() -> str:
        public = await services.invoice_reader.get_public(new.id)
        assert public is not None
        view = checkout_view(
            public,
            [],
            network,
            slug="s",
            links=services.links,
            language=language,
            with_wallet=False,
            now=clock.now(),
        )
        assert view.qr_text == f"BITCOIN:{new.pay_in.address.upper()}?amount=0.50"
        return str(put_into_words(view, language))

    assert "Bitcoin" in await words()
    txid = await pay(bitcoin, new)
    await watcher.tick()
    shown = await words()
    assert "Seen, waits for the first block" in shown
    assert "0 of 3 confirmations" in shown
    await bitcoin.replace(txid, {await bitcoin.address(): raw(new)})
    await watcher.tick()
    shown = await words()
    assert "Waiting for your payment" in shown
    assert "was replaced by another transaction" in shown
    again = await pay(bitcoin, new)
    await bitcoin.mine(1)
    await watcher.tick()
    shown = await words()
    assert "We see your payment" in shown
    assert "1 of 3 confirmations" in shown
    assert "was replaced" not in shown, again


async def test_a_killed_node_that_is_back_with_fewer_blocks_loses_no_payment(
    environment: dict[str, str], tmp_path: Path, valkey_url: str, steady_clock: None
) -> None:
    """It has lost its pool too. Nothing is credited that its chain does not have, and nothing expires meanwhile."""
    bitcoind_or_skip()
    node = bitcoind_module.start(tmp_path / "bitcoind", keep_state=True)
    bitcoin = await BitcoinDriver.connect(node.rpc_url)
    (tmp_path / "networks.toml").write_text(bitcoin_networks_toml(node.rpc_url, confirmations=CONFIRMATIONS))
    async with running(wire(load(environment))) as services:
        await empty_redis()
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, "BTC", network=NETWORK)
        terms = Terms(merchant_id, "test", 0, "merchant")
        await bitcoin.call("gettxoutsetinfo", "none")  # writes what there is
        kept = await bitcoin.height()
        (watcher,) = services.watchers()
        await watcher.tick()
        new, unpaid = await new_invoice(services, terms), await new_invoice(services, terms, expires_in=TEN_MINUTES)
        txid = await pay(bitcoin, new)
        signed = (await bitcoin.call("gettransaction", txid))["hex"]
        await bitcoin.mine(2)
        await watcher.tick()
        assert (await reread(services, new)).deposits[0].confirmations == 2
        node.kill()
        with pytest.raises(NodeUnavailable):
            await watcher.tick()
        clock.shift(timedelta(hours=1))
        assert (await reread(services, unpaid)).status == "awaiting_deposit"
        node.restart()
        assert await bitcoin.height() == kept
        await watcher.tick()
        await bitcoin.mine_empty(3)
        await watcher.tick()
        away = await reread(services, new)
        assert (away.credited, [d.block_height for d in away.deposits]) == (False, [None])
        await bitcoin.call("sendrawtransaction", signed)  # no error if the customer's wallet has sent it again
        await bitcoin.mine(CONFIRMATIONS)
        await watcher.tick()
        assert (await reread(services, new)).status == "paid"
        await assert_books()
    await bitcoin.aclose()
    node.stop()


async def test_while_the_node_downloads_the_chain_nothing_expires(
    environment: dict[str, str], tmp_path: Path, valkey_url: str, steady_clock: None
) -> None:
    bitcoind_or_skip()
    node = bitcoind_module.start(tmp_path / "bitcoind", keep_state=True)
    bitcoin = await BitcoinDriver.connect(node.rpc_url)
    await bitcoin.aclose()
    (tmp_path / "networks.toml").write_text(bitcoin_networks_toml(node.rpc_url))
    async with running(wire(load(environment))) as services:
        await empty_redis()
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, "BTC", network=NETWORK)
        terms = Terms(merchant_id, "test", 0, "merchant")
        (watcher,) = services.watchers()
        await watcher.tick()
        new = await new_invoice(services, terms, expires_in=TEN_MINUTES)
        node.stop()
        node._options = ("-maxtipage=1",)
        node.restart()
        await asyncio.sleep(1.1)
        clock.shift(timedelta(hours=1))
        with pytest.raises(NodeSyncing, match="still downloads the chain"):
            await watcher.tick()
        assert (await reread(services, new)).status == "awaiting_deposit"
        messages = [symptom.message async for symptom in examine_networks(services.networks)]
        assert any("still downloads the chain" in message for message in messages), messages
    node.stop()

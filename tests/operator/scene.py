"""Data of each kind for the desk, so that every page has something to show."""

from dataclasses import dataclass
from datetime import timedelta

from eth_utils.address import to_checksum_address

from app.accounts.operators import Operator
from app.alerts.service import raise_alert
from app.backoffice import alerts, service
from app.case_notes import service as case_notes
from app.core import clock, database
from app.ledger.hashchain import ChainId
from app.merchants import applications, switches
from app.merchants import service as merchants
from app.merchants.applications_repository import Facts
from app.merchants.members import member
from app.reconciliation import requests
from app.refunds.return_addresses_repository import newest
from app.sandbox.chain_driver import AnvilDriver
from app.signer import frozen_repository, previews_repository, wallet_snapshot
from app.signer.funds import Preview
from app.signer.policy import refuse
from app.signer.refusal import Refused
from app.wiring import Services
from app.withdrawals import holds
from app.withdrawals.repository import set_waiting
from tests.factories.api_keys import api_key
from tests.factories.invoices import invoice
from tests.factories.merchants import make_member, merchant, takes
from tests.factories.operators import Operator as Staff
from tests.factories.withdrawals import NETWORK, approve, confirm, fund, payout, send
from tests.identity.browsing import Account, an_account

POISONED = to_checksum_address("0x7099aa5eb1b8b8bd3e16a8f2c4fe3a18e1ae79c8")
"""Begins and ends like CUSTOMER."""

SENT_TXID = "0x" + 32 * "5e"
"""The transaction of the confirmed payout."""

OTHER = to_checksum_address("0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc")


@dataclass(frozen=True)
class Scene:
    """The operators of the scene, and the ids of its objects."""

    operator: Account
    second: Account
    shop: str
    suspended: str
    usual: str
    poisoned: str
    large: str
    own: str
    stuck: str
    refused: str
    confirmed: str
    rejected: str
    held: str
    hold: int
    review: str
    early_review: str
    closed_review: str
    overpaid_review: str
    reviewed: str
    deposit_address: str
    sent_txid: str
    application: int
    alert: int
    old_alert: int
    drift_run: int
    clean_run: int
    waiting_run: int

    def pages(self) -> dict[str, str]:
        """The address of every page, by a name for its picture."""
        found = {
            "queue": "/desk",
            "approvals": "/desk/approvals",
            "approvals-moving": "/desk/approvals?state=moving",
            "approvals-decided": "/desk/approvals?state=decided",
            "holds": "/desk/holds",
            "hold": f"/desk/holds/{self.hold}",
            "refused": f"/desk/holds/withdrawals/{self.refused}",
            "reviews": "/desk/reviews",
            "reviews-closed": "/desk/reviews?state=closed",
            "applications": "/desk/applications",
            "application": f"/desk/applications/{self.application}",
            "application-reject": f"/desk/applications/{self.application}/reject",
            "alerts": "/desk/alerts",
            "alerts-acknowledged": "/desk/alerts?state=acknowledged",
            "alert": f"/desk/alerts/{self.alert}",
            "alert-acknowledged": f"/desk/alerts/{self.old_alert}",
            "merchants": "/desk/merchants",
            "merchants-none": "/desk/merchants?q=nobody",
            "merchant": f"/desk/merchants/{self.shop}",
            "merchant-suspended": f"/desk/merchants/{self.suspended}",
            "merchant-suspend": f"/desk/merchants/{self.shop}/standing/suspend",
            "merchant-terms": f"/desk/merchants/{self.shop}/terms",
            "merchant-asset": f"/desk/merchants/{self.shop}/assets/ethereum/test/USDT",
            "networks": "/desk/networks",
            "network": "/desk/networks/ethereum/test",
            "network-frozen": "/desk/networks/ethereum/test/frozen",
            "transactions": "/desk/transactions",
            "transaction-ours": f"/desk/transactions?txid={self.sent_txid}",
            "look-up": "/desk/look-up",
            "look-up-none": "/desk/look-up?q=INV-0000000000",
            "invoice": f"/desk/invoices/{self.reviewed}",
            "address": f"/desk/addresses/{self.deposit_address}",
            "address-destination": f"/desk/addresses/{OTHER}",
            "approvals-filtered": "/desk/approvals?kind=payout&who=mine&network=ethereum:test&asset=USDT&age=1h",
            "reviews-filtered": "/desk/reviews?verdict=underpaid&who=mine&merchant=harbour",
            "history": "/desk/history",
            "history-of-other": f"/desk/operators/{self.second.id}",
            "ledgers": "/desk/ledgers",
            "ledger": "/desk/ledgers/platform:suspense/ethereum/test/USDT",
            "ledger-merchant": f"/desk/ledgers/{self.shop}/ethereum/test/USDT",
            "reconciliation": "/desk/reconciliation",
            "run-drift": f"/desk/reconciliation/{self.drift_run}",
            "run-clean": f"/desk/reconciliation/{self.clean_run}",
            "run-waiting": f"/desk/reconciliation/{self.waiting_run}",
            "switches": "/desk/switches",
            "switch-pause": "/desk/switches/payouts",
            "switch-resume": "/desk/switches/refunds",
            "audit": "/desk/audit",
            "audit-none": "/desk/audit?actor=nobody",
            "operators": "/desk/operators",
        }
        for name in ("usual", "poisoned", "large", "own", "stuck", "refused", "confirmed", "rejected", "held"):
            found[f"approval-{name}"] = f"/desk/approvals/{getattr(self, name)}"
        found["approval-reject"] = f"/desk/approvals/{self.usual}/reject"
        found["approval-attach"] = f"/desk/approvals/{self.usual}/attach"
        found["approval-reject-late"] = f"/desk/approvals/{self.confirmed}/reject"
        for name in ("review", "early_review", "closed_review"):
            found[f"review-{name}"] = f"/desk/reviews/{getattr(self, name)}"
        for verb in ("credit", "return", "close"):
            found[f"review-{verb}"] = f"/desk/reviews/{self.review}/{verb}"
        found["review-overpaid"] = f"/desk/reviews/{self.overpaid_review}"
        found["review-split"] = f"/desk/reviews/{self.overpaid_review}/split"
        found["review-node"] = f"/desk/reviews/{self.review}?node=1"
        found["reviews-together"] = f"/desk/invoices/{self.reviewed}/reviews/return"
        return found


async def set_scene(services: Services, driver: AnvilDriver, token: str) -> Scene:
    """Create all objects, through the services of production."""
    settings, networks = services.settings, services.networks
    account = await an_account(settings, "olive@example.test", totp=True, is_operator=True)
    second = await an_account(settings, "otto@example.test", totp=True, is_operator=True)
    await database.execute("UPDATE accounts SET name = 'Olive Operator' WHERE id = $1", account.id)
    await database.execute("UPDATE accounts SET name = 'Otto Overseer' WHERE id = $1", second.id)
    by = Operator(account_id=account.id, address="192.0.2.7")
    assert account.totp_secret is not None
    assert second.totp_secret is not None
    olive = Staff(account.id, account.email, account.totp_secret)
    otto = Staff(second.id, second.email, second.totp_secret)
    (watcher,) = services.watchers()
    await watcher.tick()

    shop = await merchant(name="Harbour & Pine")
    await merchants.enable_all_assets(shop, networks)
    await merchants.set_daily_cap(shop, NETWORK, "USDT", 5_000_000_000)
    pia = await make_member(merchant_id=shop, role="owner", email="pia@harbour.example", now=clock.now())
    await make_member(merchant_id=shop, role="developer", email="dev@harbour.example", now=clock.now())
    key = await api_key(settings.api_key_peppers, merchant_id=shop, scopes=("payouts.write",))
    await fund(shop, 12_500_000_000)
    await fund(shop, 3_141_592_653_589_793_238, "ETH")
    by_key = {"requested_by": f"api_key:{key.id}"}
    suspended = await merchant(
        name="Donaudampfschifffahrtsgesellschaftskapitänskajütenschlüssel Nordlicht Fahrräder GmbH", status="suspended"
    )
    await takes(suspended, "USDT")
    await fund(suspended, 900_000_000)

    confirmed = await payout(services, shop, "120.00", **by_key)
    for sent in (confirmed, await payout(services, shop, "75.50", **by_key)):
        await approve(services, sent.id, olive, otto)
        await send(services, sent.id)
        await confirm(services, sent.id)
    rejected = await payout(services, shop, "33.00", destination=OTHER, **by_key)
    await services.approvals.reject(rejected.id, olive.id, "The address belongs to a mixer.", clock.now())
    usual = await payout(services, shop, "42.00", **by_key)
    await payout(services, shop, "42.00", destination=OTHER, **by_key)
    poisoned = await payout(services, shop, "1250.00", destination=POISONED, **by_key)
    await approve(services, poisoned.id, otto)
    large = await payout(services, shop, "2500.000001", destination=OTHER, **by_key)
    await payout(services, shop, "1.234567890123456789", asset="ETH", destination=OTHER, **by_key)
    own = await payout(services, shop, "5.00", requested_by=f"account:{olive.id}")
    stuck = await payout(services, shop, "17.00", **by_key)
    await approve(services, stuck.id, olive)
    await set_waiting(stuck.id, "the hot wallet holds too little USDT")
    refused = await payout(services, shop, "18.00", **by_key)
    await approve(services, refused.id, olive)
    ceiling = Refused("ceiling", "the amount is above the signer's ceiling for one transaction", held=True)
    await refuse(refused.id, ceiling, networks.get(NETWORK), clock.now())
    held = await payout(services, suspended, "90.00", requested_by="api_key:SK0000000000")
    async with database.transaction():
        chain = ChainId(owner=suspended, network=NETWORK, asset="USDT")
        await holds.place(chain, "a reorganisation took a credited deposit away", clock.now())
    (hold,) = await holds.open_holds()

    review_ids = [await _review(services, driver, token, shop, short_by) for short_by in (250_000, -1, 1)]
    await driver.mine(3)
    await watcher.tick()
    await services.reviews.close(review_ids[1], olive.id, "the customer asked to leave it", clock.now())
    overpaid = await _review(services, driver, token, shop, -5_000_000)
    await driver.mine(3)
    await watcher.tick()
    await _named(services, shop, pia, review_ids[0])
    early = await _review(services, driver, token, shop, 3)

    await raise_alert(
        severity="warning",
        kind="hot_wallet_low",
        dedupe_key="hot_wallet_low:ethereum:test:USDT",
        message="ethereum:test: the hot wallet holds little USDT",
        details={"network": NETWORK, "asset": "USDT", "held_raw": "17"},
        now=clock.now(),
    )
    for note in ("recounted, a test's own doing", None):
        await raise_alert(
            severity="critical",
            kind="drift",
            dedupe_key="drift:holdings:USDT",
            message="holdings: USDT ethereum:test: the chain holds 17 minor units less than the ledgers owe",
            details={"run": 1, "asset": "USDT", "addresses_at_odds": ["0x1: holds 1, 2 by the books"]},
            now=clock.now(),
        )
        (drift, *_) = await alerts.page("open", "critical", None, 10)
        if note:
            await service.acknowledge_alert(drift.id, note, by, clock.now())
    (old, *_) = await alerts.page("acknowledged", None, None, 10)

    applicant = await an_account(settings, "nora@lichtung.example")
    await applications.apply(
        Facts(
            name="Lichtung",
            legal_name="Lichtung Leuchten eG",
            country="DE",
            website="https://lichtung.example",
            business="Lamps made by hand in a small workshop, sold to homes and cafés all over Europe.",
            monthly_volume="10k_100k",
        ),
        services.networks,
        account_id=applicant.id,
        address="192.0.2.99",
        now=clock.now(),
    )
    (application,) = await applications.waiting()
    drift_run, clean_run = await _runs()
    await wallet_snapshot.record(
        NETWORK,
        {"USDT": 17, "ETH": 2 * 10**18},
        {"USDT": 17, "ETH": 19 * 10**17},
        {"ETH": 5 * 10**17},
        clock.now(),
    )
    await _previews(usual.id, poisoned.id, large.id)
    async with database.transaction():  # the factory's transaction has an id that none could have
        await database.execute("SET LOCAL session_replication_role = replica")
        await database.execute(
            """
            UPDATE outgoing_transactions SET txid = $2
            WHERE id = (SELECT transaction FROM outgoing_payments WHERE withdrawal = $1)
            """,
            confirmed.id,
            SENT_TXID,
        )
    await _frozen()
    await switches.pause("refunds", "An incident at a partner.", by, clock.now())
    waiting_run = await requests.request(by, full=True, now=clock.now())
    note = "I have asked the merchant whose address this is. Wait for the answer before you approve it."
    await case_notes.leave("payout", poisoned.id, note, Operator(account_id=second.id, address=None), clock.now())
    return Scene(
        operator=account,
        second=second,
        shop=shop,
        suspended=suspended,
        usual=usual.id,
        poisoned=poisoned.id,
        large=large.id,
        own=own.id,
        stuck=stuck.id,
        refused=refused.id,
        confirmed=confirmed.id,
        rejected=rejected.id,
        held=held.id,
        hold=hold.id,
        review=review_ids[0],
        early_review=early,
        closed_review=review_ids[1],
        overpaid_review=overpaid,
        reviewed=await database.fetch_value("SELECT invoice FROM reviews WHERE deposit = $1", review_ids[0]),
        deposit_address=await database.fetch_value(
            "SELECT a.address FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address WHERE d.id = $1",
            review_ids[0],
        ),
        sent_txid=SENT_TXID,
        application=application.id,
        alert=drift.id,
        old_alert=old.id,
        drift_run=drift_run,
        clean_run=clean_run,
        waiting_run=waiting_run,
    )


async def _previews(usual: str, contract: str, stopped: str) -> None:
    """What the signer has found about three payouts, one of them with everything that an operator is warned of."""
    cost_raw, words = 2_110_000_000_000_000, "about 0.00211 ETH at today's fee"
    await previews_repository.record(usual, Preview(cost_in_words=words, cost_raw=cost_raw), clock.now())
    at_contract = Preview(cost_in_words=words, cost_raw=cost_raw, is_contract=True)
    await previews_repository.record(contract, at_contract, clock.now())
    unknown = Preview(
        cost_in_words="not known now: the network would refuse this transfer now",
        is_new_account=True,
        is_frozen=True,
        is_paused=True,
        fee_bps=10,
    )
    await previews_repository.record(stopped, unknown, clock.now())


async def _frozen() -> None:
    """Two deposit addresses whose USDT the issuer had stopped; it has let one of them go."""
    before = clock.now() - timedelta(days=3)
    for address, amount_raw in ((OTHER, 1_250_000_000), (POISONED, 42_000_073)):
        assert await frozen_repository.open_case(NETWORK, "USDT", address, amount_raw, before)
    (_, second) = await frozen_repository.due(NETWORK, clock.now(), 10)
    async with database.transaction():
        await frozen_repository.end([second.id], clock.now())


async def _named(services: Services, merchant_id: str, account_id: str, deposit_id: str) -> None:
    """The customer names an address for a return, and a member of the merchant confirms it."""
    await services.return_addresses.give(deposit_id, OTHER, None, given_from="192.0.2.4", now=clock.now())
    by, given = await member(account_id, merchant_id, address=None), await newest(deposit_id)
    assert by is not None
    assert given is not None
    await services.return_addresses.decide(by, deposit_id, given.id, "confirmed", clock.now())


async def _review(services: Services, driver: AnvilDriver, token: str, merchant_id: str, short_by: int) -> str:
    """A deposit that is too small by `short_by`, and a dust deposit; the id of the review."""
    from app.merchants.terms import Terms

    new = await invoice(
        services, Terms(merchant_id, "test", 80, "merchant"), amount="25.00", expires_in=timedelta(days=6)
    )
    await driver.transfer_token(token, new.pay_in.address, int(new.pay_in.amount_raw) - short_by)
    await driver.transfer_token(token, new.pay_in.address, 7)
    (watcher,) = services.watchers()
    await watcher.tick()
    deposit: str = await database.fetch_value("SELECT deposit FROM reviews WHERE invoice = $1", new.id)
    return deposit


async def _runs() -> tuple[int, int]:
    """Two runs by the clock: one found drift, one was clean."""
    made = []
    for status, minutes in (("drift", 400), ("clean", 40)):
        started = clock.now() - timedelta(minutes=minutes)
        made.append(
            await database.fetch_value(
                """
                INSERT INTO reconciliation_runs (cause, "full", status, started_at, finished_at, blocks, figures)
                VALUES ('schedule', $1, $2, $3, $4, $5, $6) RETURNING id
                """,
                status == "drift",
                status,
                started,
                started + timedelta(seconds=3.2),
                '{"ethereum:test": {"height": 812, "hash": "0x' + 32 * "ab" + '"}}',
                '{"hash_chains": {"ledgers": 7, "entries": 61}, "holdings:ethereum:test": {"height": 812, '
                '"USDT.ledgers_raw": "13400000000", "USDT.held_raw": "13399999983", "USDT.drift_raw": "-17"}}',
            )
        )
    for is_drift, message in (
        (True, "the chain holds 17 minor units less than the ledgers owe, at block 812 (0x" + 32 * "ab" + ")"),
        (False, "the chain could not be read: the node is away"),
    ):
        await database.execute(
            """
            INSERT INTO reconciliation_findings (run, check_name, is_drift, subject, message, figures)
            VALUES ($1, 'holdings', $2, 'USDT ethereum:test', $3, '{"height": 812, "drift_raw": "-17"}')
            """,
            made[0],
            is_drift,
            message,
        )
    return made[0], made[1]

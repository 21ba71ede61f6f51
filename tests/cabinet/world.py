"""A merchant with one person of each role and one of everything that pages show, and a merchant that is foreign."""

from dataclasses import dataclass, field
from datetime import timedelta

from app.core import clock, database
from app.core.settings import CheckpointKeys, Settings
from app.deposits import reviews
from app.events import repository as events
from app.events import sequencer
from app.jobs import repository as jobs_repository
from app.jobs import service as jobs
from app.ledger import checkpoints
from app.merchants import invitations
from app.merchants import service as merchants
from app.merchants.members import Member, member
from app.merchants.roles import ROLES, Role
from app.merchants.settings import set_branding
from app.merchants.terms import Terms
from app.refunds.service import NewRefund
from app.sandbox.chain_driver import AnvilDriver
from app.statements.months import month_of
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.presented_repository import Filters
from tests.checkout.pictures import PNG
from tests.factories.api_keys import api_key
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import terms
from tests.factories.payment_links import payment_link
from tests.factories.payments import pay_on_chain
from tests.factories.webhooks import make_endpoint
from tests.factories.withdrawals import payout
from tests.identity.browsing import Account, an_account

ELSEWHERE = "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"
"""An address that is neither ours nor of anvil's phrase, whose accounts are our deposit addresses."""

OPEN_JOB = "JOB-0000000001"
"""Long work that waits for a worker."""


@dataclass
class World:
    """`ids` has, for each path parameter, the id of an existing object of the merchant."""

    services: Services
    terms: Terms
    people: dict[Role, Account]
    stranger: Account
    foreign_id: str
    open_invoice: AskedInvoice
    paid_invoice: AskedInvoice
    late_invoice: AskedInvoice
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The address of the merchant's pages in test mode."""
        return f"/cabinet/{self.terms.merchant_id}/test"

    async def member(self, role: Role) -> Member:
        """The merchant's person of that role."""
        found = await member(self.people[role].id, self.terms.merchant_id, address="192.0.2.1")
        assert found is not None
        return found


async def make_world(settings: Settings, services: Services, driver: AnvilDriver, token: str) -> World:
    """Create the world: money was received, a payment is in review, a payout and a refund wait for an operator."""
    own, foreign = await terms(service_fee_bps=80), await terms(service_fee_bps=80)
    people = {role: await an_account(settings, f"{role}@example.test") for role in ROLES}
    for role, account in people.items():
        await merchants.add_member(own.merchant_id, account.id, role, clock.now())
    stranger = await an_account(settings, "stranger@example.test")
    await merchants.add_member(foreign.merchant_id, stranger.id, "owner", clock.now())
    paid = await invoice(services, own, amount="25.00", order_id="1041", description="Two linen shirts")
    await pay_on_chain(services, driver, token, paid.pay_in.address, int(paid.pay_in.amount_raw))
    late = await invoice(services, own, amount="8.00", order_id="1042", customer_id="c-77")
    await pay_on_chain(services, driver, token, late.pay_in.address, int(late.pay_in.amount_raw) - 1_000_000)
    opened = await invoice(services, own, amount="5.00", expires_in=timedelta(hours=6), metadata=b'{"cart":"7"}')
    request = await payout(services, own.merchant_id, "2.50", destination=ELSEWHERE, description="January")
    new_refund = NewRefund(amount="1.00", refund_address=ELSEWHERE, reason="one came back", requested_by="api_key:k")
    now = clock.now()
    await services.refunds.create(own.merchant_id, "test", paid.id, new_refund, None, now)
    (review,) = [one for one in await reviews.list_reviews() if one.invoice_id == late.id]
    await services.return_addresses.give(review.deposit_id, ELSEWHERE, None, given_from="192.0.2.4", now=now)
    refunds = await services.withdrawal_reader.refunds(own.merchant_id, "test", Filters(), None, 1)
    # Signed after the end of the present month, as its closing would be.
    await checkpoints.create(CheckpointKeys({"c1": bytes(range(32))}), month_of(now).closable_from)
    return World(
        services=services,
        terms=own,
        people=people,
        stranger=stranger,
        foreign_id=foreign.merchant_id,
        open_invoice=opened,
        paid_invoice=await reread(services, paid),
        late_invoice=await reread(services, late),
        ids={
            "invoice_id": paid.id,
            "payout_id": request.id,
            "refund_id": refunds[0].id,
            "deposit_id": review.deposit_id,
            "name": "USDT@ethereum",
            "month": str(month_of(now)),
            "seq": "1",
            "colour": "0d5a63",
            "link_id": await payment_link(services, own),
            **await _keeping(settings, own.merchant_id, people["owner"]),
        },
    )


async def _keeping(settings: Settings, merchant_id: str, owner: Account) -> dict[str, str]:
    """A key, an endpoint with deliveries, a colleague who can be removed, an invitation, a logo."""
    now = clock.now()
    by = await member(owner.id, merchant_id, address="192.0.2.1")
    assert by is not None
    key = await api_key(settings.api_key_peppers, merchant_id=merchant_id, scopes=["invoices.write"])
    endpoint = await make_endpoint(
        merchant_id=merchant_id, mode="test", url="https://shop.example/hook", keys=settings.data_keys, now=now
    )
    await sequencer.number_events(fan_out_with(settings.data_keys))
    job_id = await jobs.start(
        by, "test", "export_invoices", {"filters": {}, "file_name": "invoices.csv", "zone": "UTC"}, now
    )
    await database.execute("UPDATE background_jobs SET state = 'done', ended_at = $1, outcome = '{\"rows\":0}'", now)
    await jobs_repository.add(
        job_id=OPEN_JOB,
        merchant_id=merchant_id,
        mode="test",
        kind="export_invoices",
        request='{"filters":{},"file_name":"invoices.csv","zone":"UTC"}',
        requested_by=by.actor,
        now=now,
    )
    guest = await an_account(settings, "guest@example.test")
    await merchants.add_member(merchant_id, guest.id, "viewer", now)
    await invitations.invite(by, "new@example.test", "developer", public_url="https://pay.example.test", now=now)
    (invited,) = await invitations.open_of(merchant_id, now)
    await set_branding(by, display_name=None, accent=None, logo=PNG, now=now)
    (event,) = await events.list_newest(merchant_id, "test", limit=1)
    return {
        "key_id": key.id,
        "endpoint_id": endpoint.id,
        "event_id": str(event.event_id),
        "job_id": job_id,
        "filter_id": "1",
        "account_id": guest.id,
        "invitation_id": str(invited.id),
    }

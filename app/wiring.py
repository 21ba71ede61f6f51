"""One process's services: everything that the faces and the workers call, wired in one place."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import msgspec

from app.accounts.letters import Letters
from app.accounts.not_me import NotMe
from app.accounts.passkeys import Passkeys
from app.accounts.repository import Person
from app.addresses.service import AddressBook
from app.alerts.routing import AlertRoutes
from app.core import clock, database, redis, standby
from app.core.outbound import OutboundClient, build_ssl_context
from app.core.settings import Settings
from app.core.waiting import WORKER_LIMIT_S
from app.deposits.payments import PaymentService
from app.deposits.pool import PoolService
from app.deposits.reversals import ReversalService
from app.deposits.reviews import ReviewService
from app.deposits.service import DepositService
from app.deposits.settling import SettlingService
from app.deposits.watcher import Watcher
from app.invoices.asking import Quoting
from app.invoices.creation import InvoiceCreation
from app.invoices.links import PaymentLinks
from app.invoices.presentation import InvoicePresenter
from app.invoices.quotes import QuoteService
from app.invoices.reader import InvoiceReader
from app.invoices.service import InvoiceService
from app.lookups.service import LookupService
from app.mail import sealing
from app.merchants import notices
from app.merchants import repository as merchants_repository
from app.networks import assets
from app.networks.customer_fees import CustomerFeeWatch
from app.networks.networks_file import load_networks
from app.networks.registry import Networks
from app.networks.throttle import SharedThrottle, Throttle
from app.payment_links.service import PaymentLinkService
from app.payouts.service import PayoutService
from app.rates.refresh import Refresher
from app.rates.sources import chosen
from app.reconciliation.service import Reconciliation
from app.reconciliation.watchdog import Watchdog
from app.refunds.return_addresses import ReturnAddresses
from app.refunds.returns import ReturnService
from app.refunds.service import RefundService
from app.signer import account_book_repository, coins_repository
from app.signer.account_book import AccountBook
from app.signer.adoption import AdoptionService
from app.signer.balance_check import BalanceChecker
from app.signer.coin_book import CoinBook
from app.signer.consolidation import ConsolidationService
from app.signer.energy_decisions import DearSweepService, StakeService
from app.signer.treasury import Treasury
from app.webhooks import signing
from app.webhooks.delivery import Dispatcher
from app.webhooks.invoice_overrides import WebhookOverrides
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalService, stop_approved_by
from app.withdrawals.presentation import WithdrawalPresenter
from app.withdrawals.reader import WithdrawalReader
from app.withdrawals.service import WithdrawalService


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The use cases of one process."""

    settings: Settings
    networks: Networks
    links: PaymentLinks
    invoice_creation: InvoiceCreation
    invoice_reader: InvoiceReader
    invoices: InvoiceService
    quotes: QuoteService
    lookups: LookupService
    payments: PaymentService
    deposits: DepositService
    settling: SettlingService
    reversals: ReversalService
    addresses: AddressBook
    reviews: ReviewService
    withdrawals: WithdrawalService
    withdrawal_reader: WithdrawalReader
    passkeys: Passkeys
    not_me: NotMe
    approvals: ApprovalService
    adoption: AdoptionService
    consolidation: ConsolidationService
    dear_sweeps: DearSweepService
    stake: StakeService
    payment_links: PaymentLinkService
    payouts: PayoutService
    refunds: RefundService
    returns: ReturnService
    return_addresses: ReturnAddresses
    outbound: OutboundClient
    reconciliation: Reconciliation
    alert_routes: AlertRoutes
    rates: Refresher

    async def deliver_webhooks(self, stop: asyncio.Event) -> None:
        """Number events and deliver them until `stop` is set."""
        settings = self.settings
        dispatcher = Dispatcher(sender=self.outbound, keys=settings.data_keys, concurrency=settings.webhook_concurrency)
        await dispatcher.run(stop)

    def watchdog(self) -> Watchdog:
        """The watchdog. Its time limits count from now."""
        return Watchdog(
            networks=self.networks,
            checkpoints=self.settings.checkpoint_keys is not None,
            started_at=clock.now(),
        )

    def watchers(self) -> list[Watcher]:
        """A watcher for each network."""
        return [
            Watcher(
                network,
                self.networks.chain(network.key),
                self.deposits,
                self.settling,
                self.payments,
                self.reversals,
                PoolService(self.deposits, self.payments),
                self.invoices,
                Treasury(network),
                # Every coin that moves is in a block; accounts may hold more than was seen to come in.
                None if network.has_coins else BalanceChecker(network, self.networks.chain(network.key)),
                CoinBook(network) if network.has_coins else None,
                None if network.has_coins else AccountBook(network),
            )
            for network in self.networks
        ]

    def customer_fee_watch(self) -> CustomerFeeWatch:
        """What looks at the fees that customers pay on all networks."""
        return CustomerFeeWatch(self.networks)


def wire(settings: Settings, throttle: Throttle | None = None) -> Services:
    """Put the services together; they work while `running`. Raises ConfigError for the networks file.

    `throttle` counts requests to nodes; unless one is given, all processes count together, in Redis.
    """
    networks = Networks(load_networks(settings.networks_file), _mined_in, throttle or SharedThrottle())
    links = PaymentLinks(settings.public_url, settings.link_secret)
    presenter = InvoicePresenter(networks, links)
    reader = InvoiceReader(presenter)
    invoices = InvoiceService(networks, reader)
    ca_file = settings.webhook_ca_file
    outbound = OutboundClient(
        ssl_context=None if ca_file is None else build_ssl_context(ca_file),  # a bad file is found now
        allow_networks=settings.webhook_allow_networks,
    )
    addresses, quoting = AddressBook(), Quoting()
    creation = InvoiceCreation(
        networks,
        addresses,
        presenter,
        WebhookOverrides(outbound, settings.data_keys),
        settings.email_hash_secret,
        quoting,
    )
    reviews = ReviewService(invoices)
    payments = PaymentService(networks, invoices)
    withdrawal_presenter = WithdrawalPresenter(networks)
    withdrawal_reader = WithdrawalReader(withdrawal_presenter)
    withdrawals = WithdrawalService(withdrawal_presenter, invoices, reviews)
    letters = Letters(settings.public_url)
    passkeys = Passkeys(settings.public_url, settings.link_secret, letters)
    approvals = ApprovalService(withdrawals, settings.data_keys, passkeys)
    return Services(
        settings=settings,
        networks=networks,
        links=links,
        invoice_creation=creation,
        invoice_reader=reader,
        invoices=invoices,
        quotes=QuoteService(networks, addresses, invoices, reader, quoting),
        lookups=LookupService(networks),
        payments=payments,
        deposits=DepositService(invoices, payments),
        settling=SettlingService(invoices, payments),
        reversals=ReversalService(invoices, payments, holds.place),
        addresses=addresses,
        reviews=reviews,
        withdrawals=withdrawals,
        withdrawal_reader=withdrawal_reader,
        passkeys=passkeys,
        not_me=NotMe(letters, partial(stop_approved_by, withdrawals), _tell_colleagues),
        approvals=approvals,
        adoption=AdoptionService(networks, withdrawals, approvals),
        consolidation=ConsolidationService(networks, approvals),
        dear_sweeps=DearSweepService(approvals),
        stake=StakeService(networks, approvals),
        payment_links=PaymentLinkService(networks, links, creation),
        payouts=PayoutService(networks, withdrawals, withdrawal_reader),
        refunds=RefundService(networks, withdrawals),
        returns=ReturnService(networks, withdrawals, reviews),
        return_addresses=ReturnAddresses(networks),
        outbound=outbound,
        reconciliation=Reconciliation(networks=networks, checkpoint_keys=settings.checkpoint_keys),
        alert_routes=_alert_routes(settings, outbound),
        rates=_rates(settings, networks),
    )


async def _tell_colleagues(person: Person, address: str, now: datetime) -> None:
    """Tell the merchants of a person that somebody else was signed in as them, in the caller's transaction."""
    await notices.record_of_member("member.sign_in_disowned", person.id, {"address": address}, now)


async def _mined_in(network: str, txids: Collection[str]) -> dict[str, str]:
    """By txid, in which block our own scan has found a transaction of ours, on chains of coins and of accounts."""
    return {
        **await coins_repository.mined_in(network, txids),
        **await account_book_repository.mined_in(network, txids),
    }


def _rates(settings: Settings, networks: Networks) -> Refresher:
    """What refreshes the rates. Its sources are made when it first does, in the one process that does."""
    return Refresher(
        lambda: chosen.sources(settings.rate_sources, settings.rate_urls, networks),
        chosen.pairs_of(networks, settings.rate_currencies, merchants_repository.currencies_in_use),
    )


def _alert_routes(settings: Settings, outbound: OutboundClient) -> AlertRoutes:
    secrets = [settings.alert_hook_secret or ""]

    def sign(*, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
        return signing.headers(
            event_id=event_id, type="alert.raised", previous_seq=0, body=body, secrets=secrets, now=now
        )

    return AlertRoutes(
        mail_to=settings.alert_mail_to,
        hook_url=settings.alert_hook_url,
        poster=outbound,
        sign=sign,
        public_url=settings.public_url,
    )


@asynccontextmanager
async def running(
    services: Services, *, limit_each_wait_s: float = WORKER_LIMIT_S, reads_standbys: bool = False
) -> AsyncIterator[Services]:
    """Open the pool, Redis and the networks; close them at the end. Raises AssetChanged, DatabaseUnavailable.

    `limit_each_wait_s` is the longest that anything waits for the database at a time, outside of a request's budget.
    `reads_standbys` is for processes with lists and exports: others know no standby.
    """
    settings = services.settings
    await database.open_pool(
        settings.database_url, max_size=settings.database_pool_size, limit_each_wait_s=limit_each_wait_s
    )
    redis.open_client(settings.redis_url)
    sealing.use_keys(settings.data_keys)
    try:
        await assets.sync(services.networks)
        if reads_standbys and settings.database_read_url is not None:
            standby.open_standbys(
                settings.database_read_url,
                pool_size=settings.database_pool_size,
                max_lag_s=settings.database_read_max_lag_s,
                primary=database.place,
            )
        yield services
    finally:
        await standby.close_standbys()
        await services.addresses.close()
        await services.outbound.aclose()
        await services.rates.aclose()
        await services.networks.aclose()
        await redis.close_client()
        await database.close_pool()

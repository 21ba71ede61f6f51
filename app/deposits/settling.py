"""Book the deposits that have enough confirmations: exact ones are credited and pay their invoice, the others go to
suspense, where they wait for an operator or for the other parts of a payment; dust stays there.

Deposits of one ledger share a transaction and its statements, so that thousands of a block are booked within seconds.
One that can't be booked stops no other: it is left out for a while, and operators are told.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from app.alerts.service import raise_alert
from app.core import carried_traces, database, tracing
from app.core.logging import get_logger
from app.core.waiting import BUSY_ERRORS, DatabaseUnavailable
from app.deposits import repository
from app.deposits.bookings import booking_reference
from app.deposits.matching import Verdict
from app.deposits.payments import PaymentService
from app.deposits.repository import DueDeposit
from app.invoices import repository as invoice_repository
from app.invoices.pricing import Share, share
from app.invoices.service import InvoiceService, Payment, announce
from app.invoices.states import Status
from app.ledger import repository as ledger_repository
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import FEES, SUSPENSE, Posting
from app.worth import service as worth

log = get_logger(__name__)

READ_AT_ONCE = 5_000
"""Deposits that are read at a time: to find the next ones, all that are due are looked at."""

SETTLE_AT_ONCE = 500
"""Deposits of one transaction at most: it holds the ledger's lock for some tenths of a second."""

TRY_AGAIN = timedelta(minutes=1)
"""How long a deposit that could not be booked is left out."""

Book = Callable[[Sequence[DueDeposit]], Awaitable[None]]
"""Books deposits of one ledger, in the caller's transaction."""


class SettlingService:
    """Credits deposits, or books them to suspense."""

    def __init__(self, invoices: InvoiceService, payments: PaymentService) -> None:
        self._invoices = invoices
        self._payments = payments
        self._left_out: dict[str, datetime] = {}

    async def settle(
        self, network: str, head_height: int, confirmations: int, final_height: int | None, now: datetime
    ) -> None:
        """Book all deposits that have enough confirmations. The pages of their invoices are told after each
        transaction.

        `confirmations` is for deposits without an invoice; `final_height` is the last block whose deposits may be
        booked, None where confirmations alone count. A transaction has deposits of one ledger, and each invoice once.
        """
        self._left_out = {deposit: until for deposit, until in self._left_out.items() if until > now}
        read = partial(repository.due, network, head_height, confirmations, final_height, READ_AT_ONCE)
        while due := await read(self._left_out):
            await self._settle(network, due, now)
        await announce(*await self._payments.credit_complete(network, now))

    async def _settle(self, network: str, due: Sequence[DueDeposit], now: datetime) -> None:
        """Book these deposits, or leave them out."""
        carried = await carried_traces.kept("deposit", [row.id for row in due])
        for (asset, exact, merchant), group in groupby(
            due, key=lambda row: (row.asset, row.verdict == Verdict.EXACT, row.merchant)
        ):
            if exact:
                book: Book = partial(self._credit, network, asset, merchant, carried, now)
            else:
                book = partial(_suspend, network, asset, now)
            for rows in _each_invoice_once(list(group)):
                for some in _in_parts(rows, SETTLE_AT_ONCE):
                    booked = await self._booked(network, some, book, now)
                    await announce(*(row.invoice for row in booked if row.invoice))

    async def is_any_due(self, network: str, head_height: int, confirmations: int) -> bool:
        """Whether a deposit has enough confirmations, so that it is booked once its block is final."""
        return bool(await repository.due(network, head_height, confirmations, None, 1))

    async def _booked(self, network: str, rows: Sequence[DueDeposit], book: Book, now: datetime) -> list[DueDeposit]:
        """Book deposits in one transaction, and return them. Where that fails, each half in its own, so that in the end
        only those that can't be booked are missing. Raises what is no deposit's fault: the next look tries again."""
        try:
            async with database.transaction():
                await book(rows)
        except (DatabaseUnavailable, *BUSY_ERRORS):
            raise
        except Exception as error:  # whatever is wrong with one deposit, the others are credited
            if len(rows) == 1:
                await self._leave_out(network, rows[0], error, now)
                return []
            middle = len(rows) // 2
            halves = rows[:middle], rows[middle:]
            return [row for half in halves for row in await self._booked(network, half, book, now)]
        return list(rows)

    async def _leave_out(self, network: str, row: DueDeposit, error: Exception, now: datetime) -> None:
        self._left_out[row.id] = now + TRY_AGAIN
        log.error("deposit_not_booked", deposit=row.id, network=network, exc_info=error)
        await raise_alert(
            severity="critical",
            kind="deposit_not_booked",
            dedupe_key=f"deposit_not_booked:{row.id}",
            message=f"{network}: {row.id} has its confirmations, and can't be booked: {type(error).__name__}",
            details={"network": network, "deposit": row.id, "invoice": row.invoice, "error": type(error).__name__},
            now=now,
        )

    async def _credit(
        self,
        network: str,
        asset: str,
        merchant: str,
        carried: Mapping[object, str],
        now: datetime,
        rows: Sequence[DueDeposit],
    ) -> None:
        """Credit exact deposits of one merchant in one asset, in the caller's transaction. `carried`: the contexts of
        the traces in which they were seen."""
        earnings = ChainId(owner=merchant, network=network, asset=asset)
        fees = ChainId(owner=FEES, network=network, asset=asset)
        await ledger.lock([earnings, fees])
        terms = await invoice_repository.lock_terms_of([(str(row.invoice), row.deposit_address) for row in rows])
        settled = await repository.settle([row.id for row in rows], "credited", now)
        postings, paid = [], []
        for row, invoice in zip(rows, terms, strict=True):
            amount_raw = settled.get(row.id)
            if not amount_raw:
                continue  # orphaned or settled meanwhile
            reference = booking_reference(row.id, row.times_reversed)
            due = share(amount_raw, invoice.pay_in_raw, invoice.service_fee_raw)
            if row.times_reversed:
                due = await _share_before(row, earnings, amount_raw)
            postings.append(Posting(earnings, "invoice_credit", due.net_raw, 0, reference))
            if due.service_fee_raw:
                postings.append(Posting(fees, "service_fee", due.service_fee_raw, 0, reference))
            with tracing.continued("credit", carried.get(row.id), network=network):
                paid.append(Payment(str(row.invoice), Status(invoice.status), due, tracing.context()))
        await worth.post(postings, now)
        await self._invoices.pay_each(paid, now)  # their events tell what the credits are worth


def _each_invoice_once(rows: Sequence[DueDeposit]) -> Iterator[list[DueDeposit]]:
    """The deposits in batches that have each invoice once: what changes an invoice twice takes two transactions."""
    while rows:
        batch: dict[str, DueDeposit] = {}
        left = []
        for row in rows:
            key = row.invoice or row.id
            if key in batch:
                left.append(row)
            else:
                batch[key] = row
        yield list(batch.values())
        rows = left


def _in_parts(rows: Sequence[DueDeposit], size: int) -> Iterator[Sequence[DueDeposit]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


async def _share_before(row: DueDeposit, earnings: ChainId, amount_raw: int) -> Share:
    """How a deposit was divided when it was credited before a reorganisation. It can't be computed again: in a payment
    of parts, its share of the fee depends on the other parts."""
    before = booking_reference(row.id, row.times_reversed - 1)
    booked = await ledger_repository.booked([earnings], before, ["invoice_credit"])
    net_raw = booked.get(earnings, 0)
    return Share(amount_raw - net_raw, net_raw)


async def _suspend(network: str, asset: str, now: datetime, rows: Sequence[DueDeposit]) -> None:
    """Book deposits that are not credited to suspense, in the caller's transaction."""
    suspense = ChainId(owner=SUSPENSE, network=network, asset=asset)
    await ledger.lock([suspense])
    settled = await repository.settle([row.id for row in rows], "suspended", now)
    postings = [
        Posting(suspense, "deposit_suspended", settled[row.id], 0, booking_reference(row.id, row.times_reversed))
        for row in rows
        if settled.get(row.id)
    ]
    await ledger.post(postings, now)

"""Payouts and refunds as the API shows them. Every read is scoped to the merchant and the mode."""

from app.core.keyset import Order, Page, Place, Total
from app.withdrawals import presented_repository as repository
from app.withdrawals.presentation import PayoutBody, RefundBody, WithdrawalPresenter
from app.withdrawals.presented_repository import Filters
from app.withdrawals.repository import Kind


class WithdrawalReader:
    """Reads payouts and refunds as the API shows them. One per process."""

    def __init__(self, presenter: WithdrawalPresenter) -> None:
        self._presenter = presenter

    async def payout(self, merchant_id: str, mode: str, payout_id: str) -> PayoutBody | None:
        """One payout of a merchant, or None: also where it is another merchant's."""
        row = await repository.presented_of("payout", merchant_id, mode, payout_id)
        return None if row is None else self._presenter.payout(row)

    async def refund(self, merchant_id: str, mode: str, refund_id: str) -> RefundBody | None:
        """One refund of a merchant, or None: also where it is another merchant's."""
        row = await repository.presented_of("refund", merchant_id, mode, refund_id)
        return None if row is None else self._presenter.refund(row)

    async def payouts(
        self,
        merchant_id: str,
        mode: str,
        filters: Filters,
        place: Place | None,
        limit: int,
        *,
        order: Order = Order.NEWEST,
    ) -> Page[PayoutBody]:
        """A page of a merchant’s list."""
        page = await repository.page("payout", merchant_id, mode, filters, place, limit, order=order)
        return page.of(map(self._presenter.payout, page))

    async def refunds(
        self,
        merchant_id: str,
        mode: str,
        filters: Filters,
        place: Place | None,
        limit: int,
        *,
        order: Order = Order.NEWEST,
    ) -> Page[RefundBody]:
        """A page of a merchant’s list."""
        page = await repository.page("refund", merchant_id, mode, filters, place, limit, order=order)
        return page.of(map(self._presenter.refund, page))

    async def total(self, kind: Kind, merchant_id: str, mode: str, filters: Filters) -> Total:
        """How many payouts or refunds the list has, on all its pages."""
        return await repository.total(kind, merchant_id, mode, filters)

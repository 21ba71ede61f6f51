"""Send back a deposit that is in review, or what it has beyond what was asked: a refund paid from suspense, which needs
an approval like any other."""

from collections.abc import Collection, Sequence
from datetime import datetime

from app.core import database, ids
from app.deposits import reviews
from app.deposits.bookings import deposit_chains
from app.deposits.reviews import Decision, ReviewRefused, ReviewService
from app.deposits.reviews_repository import DepositReview
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import SUSPENSE
from app.networks.config import NetworkConfig
from app.networks.registry import Networks
from app.refunds import repository
from app.withdrawals import destinations
from app.withdrawals import repository as withdrawals_repository
from app.withdrawals.repository import NewWithdrawal
from app.withdrawals.service import WithdrawalService, announce


class ReturnService:
    """Returns deposits in review. One per process."""

    def __init__(self, networks: Networks, withdrawals: WithdrawalService, review_service: ReviewService) -> None:
        self._networks = networks
        self._withdrawals = withdrawals
        self._reviews = review_service

    async def send_back(
        self,
        deposit_id: str,
        destination: str,
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
        message: str | None = None,
    ) -> str:
        """Request the return of all that suspense holds of the deposit to `destination`, and return the refund's id.
        Another operator approves it.

        The sender's address is no default: it may be an exchange's hot wallet, which belongs to no single customer.
        The merchant's cap and the switch of refunds don't apply: this was never the merchant's money. `reason` is for
        the audit log, `message` for the merchant. Raises ReviewRefused, INVALID_DESTINATION. The caller has made sure
        who the operator is.
        """
        decision = Decision(operator_id, reason, message, now, address)
        (refund_id,) = await self._send_back([await _known(deposit_id)], destination, decision)
        return refund_id

    async def credit_and_return_rest(
        self,
        deposit_id: str,
        destination: str,
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
        message: str | None = None,
    ) -> str:
        """Credit what the invoice asked for of a deposit that is too large, and request the return of the rest to
        `destination`: both or neither. Returns the refund's id. Another operator approves it.

        The invoice becomes `paid`. If the refund ends without a transfer, the review is open again, for the rest alone.
        Raises ReviewRefused, also where no more came than was asked; INVALID_DESTINATION. The caller has made sure who
        the operator is.
        """
        decision = Decision(operator_id, reason, message, now, address)
        review = await _known(deposit_id)
        if review.invoice_id is None or review.merchant_id is None:
            raise ReviewRefused("the deposit has no invoice, so nobody to credit: return it, or close the review")
        network = self._networks.get(review.network)
        canonical = await destinations.check(network, destination, None, field="destination", what="refund")
        refund_id = ids.new_id(ids.REFUND)
        async with database.transaction():
            await ledger.lock(deposit_chains(review.merchant_id, review.network, review.asset))
            await withdrawals_repository.lock_invoice(review.invoice_id)
            rest_raw = await self._reviews.credit_asked(deposit_id, refund_id, decision)
            await self._request(review, refund_id, rest_raw, network, canonical, decision)
        await announce(review.invoice_id)
        return refund_id

    async def send_all_back(
        self,
        invoice_id: str,
        destination: str,
        deposit_ids: Collection[str],
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
        message: str | None = None,
    ) -> list[str]:
        """Request the return of every deposit of an invoice that is in review, each by a refund of its own, to one
        address: all of them or none. They must be on one network. `deposit_ids` are those that the operator has seen.

        Returns the refunds' ids. Raises ReviewRefused, INVALID_DESTINATION.
        """
        found = await reviews.open_of_invoice(invoice_id)
        if len({review.network for review in found}) > 1:
            raise ReviewRefused("they are on several networks: return each by itself")
        reviews.refuse_changed(found, deposit_ids)
        return await self._send_back(found, destination, Decision(operator_id, reason, message, now, address))

    async def _send_back(self, found: Sequence[DepositReview], destination: str, decision: Decision) -> list[str]:
        """Request the return of deposits of one network and of one invoice or none, in one transaction."""
        network = self._networks.get(found[0].network)
        canonical = await destinations.check(network, destination, None, field="destination", what="refund")
        invoice_id = found[0].invoice_id
        refund_ids = []
        async with database.transaction():
            await ledger.lock({ChainId(owner=SUSPENSE, network=review.network, asset=review.asset) for review in found})
            if invoice_id is not None:
                await withdrawals_repository.lock_invoice(invoice_id)
            for review in found:
                refund_id = ids.new_id(ids.REFUND)
                amount_raw = await self._reviews.begin_return(review.deposit_id, refund_id, decision)
                await self._request(review, refund_id, amount_raw, network, canonical, decision)
                refund_ids.append(refund_id)
        await announce(*([invoice_id] if invoice_id else []))
        return refund_ids

    async def _request(
        self,
        review: DepositReview,
        refund_id: str,
        amount_raw: int,
        network: NetworkConfig,
        destination: str,
        decision: Decision,
    ) -> None:
        """Request one refund, in the caller's transaction, which has locked suspense and the invoice."""
        asset = network.asset(review.asset)
        assert asset is not None, "assets are never removed from a network that has deposits"
        destinations.refuse_dust(network, asset, amount_raw, destination)
        await self._withdrawals.request(
            NewWithdrawal(
                id=refund_id,
                kind="refund",
                merchant_id=review.merchant_id,
                mode=network.mode,
                network=network.key,
                asset=asset.symbol,
                source=SUSPENSE,
                amount_raw=amount_raw,
                fee_raw=0,
                destination=destination,
                destination_memo=None,
                requested_by=f"account:{decision.operator_id}",
                approvals_required=asset.approvals_required(amount_raw),
            ),
            decision.now,
        )
        await repository.add(
            refund_id,
            invoice_id=review.invoice_id,
            deposit_id=review.deposit_id,
            reason=f"return of a deposit: {review.verdict}",
            customer_visible_reason=None,
        )
        await self._withdrawals.record_event(refund_id, decision.now)


async def _known(deposit_id: str) -> DepositReview:
    found = await reviews.list_reviews(open_only=False, deposit_id=deposit_id)
    if not found:
        raise ReviewRefused(f"there is no review of {deposit_id}")
    return found[0]

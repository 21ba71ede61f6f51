"""Send back a deposit that is in review: a refund paid from suspense, which needs an approval like any other."""

from datetime import datetime

from app.core import database, ids
from app.deposits import reviews
from app.deposits.reviews import ReviewRefused, ReviewService
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import SUSPENSE
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
    ) -> str:
        """Request the return of the whole deposit to `destination`, and return the refund's id. Another operator
        approves it.

        The sender's address is no default: it may be an exchange's hot wallet, which belongs to no single customer.
        The merchant's cap and the switch of refunds don't apply: this was never the merchant's money. Raises
        ReviewRefused, INVALID_DESTINATION. The caller has made sure who the operator is.
        """
        found = await reviews.list_reviews(open_only=False, deposit_id=deposit_id)
        if not found:
            raise ReviewRefused(f"there is no review of {deposit_id}")
        review = found[0]
        network = self._networks.get(review.network)
        asset = network.asset(review.asset)
        assert asset is not None, "assets are never removed from a network that has deposits"
        canonical = await destinations.check(network, destination, None, field="destination", what="refund")
        destinations.refuse_dust(network, asset, review.amount_raw, canonical)
        refund_id = ids.new_id(ids.REFUND)
        async with database.transaction():
            await ledger.lock([ChainId(owner=SUSPENSE, network=network.key, asset=asset.symbol)])
            if review.invoice_id is not None:
                await withdrawals_repository.lock_invoice(review.invoice_id)
            await self._reviews.begin_return(deposit_id, refund_id, operator_id, reason, now, address=address)
            await self._withdrawals.request(
                NewWithdrawal(
                    id=refund_id,
                    kind="refund",
                    merchant_id=review.merchant_id,
                    mode=network.mode,
                    network=network.key,
                    asset=asset.symbol,
                    source=SUSPENSE,
                    amount_raw=review.amount_raw,
                    fee_raw=0,
                    destination=canonical,
                    destination_memo=None,
                    requested_by=f"account:{operator_id}",
                    approvals_required=asset.approvals_required(review.amount_raw),
                ),
                now,
            )
            await repository.add(
                refund_id,
                invoice_id=review.invoice_id,
                deposit_id=deposit_id,
                reason=f"return of a deposit: {review.verdict}",
                customer_visible_reason=None,
            )
            await self._withdrawals.record_event(refund_id, now)
        await announce(*([review.invoice_id] if review.invoice_id else []))
        return refund_id

"""Manual reviews as their merchant sees them: the deposit, why it did not pay the invoice, and the outcome."""

from datetime import datetime
from typing import Any

import msgspec
from piccolo.query.methods.select import Select

from app.core.keyset import Page, Place, Total
from app.core.statement import Listing, Param, Statement
from app.deposits.tables import Review


class MerchantReview(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit that an operator reviews or has reviewed. Amounts are in minor units of their own assets. `message` is
    what the operator tells the merchant; the reason for the audit log is not among these."""

    id: int
    deposit_id: str
    invoice_id: str
    order_id: str | None
    verdict: str
    status: str
    outcome: str | None
    message: str | None
    refund_id: str | None
    network: str
    asset: str
    received_raw: int
    expected_network: str
    expected_asset: str
    expected_raw: int
    from_address: str | None
    txid: str
    opened_at: datetime
    decided_at: datetime | None


def _reviews() -> "Select[Any]":
    """The reviews of a merchant in a mode. One without an invoice has no mode and is left out."""
    return Review.select(
        Review.id,
        Review.deposit.as_alias("deposit_id"),
        Review.invoice.as_alias("invoice_id"),
        Review.invoice.order_id.as_alias("order_id"),
        Review.verdict,
        Review.status,
        Review.outcome,
        Review.message,
        Review.refund_id,
        Review.deposit.network.as_alias("network"),
        Review.deposit.asset.as_alias("asset"),
        Review.deposit.amount_raw.as_alias("received_raw"),
        Review.invoice.network.as_alias("expected_network"),
        Review.invoice.asset.as_alias("expected_asset"),
        Review.invoice.pay_in_raw.as_alias("expected_raw"),
        Review.deposit.from_address.as_alias("from_address"),
        Review.deposit.txid.as_alias("txid"),
        Review.opened_at,
        Review.decided_at,
    ).where(Review.merchant == Param("merchant"), Review.invoice.mode == Param("mode"))


async def page(
    merchant_id: str, mode: str, *, status: str | None, place: Place | None, limit: int
) -> Page[MerchantReview]:
    """A page of reviews by (opened_at, id), newest first."""
    return await _LIST.page(place, limit, merchant=merchant_id, mode=mode, status=status)


async def total(merchant_id: str, mode: str, status: str | None) -> Total:
    """How many reviews there are."""
    return await _LIST.total(merchant=merchant_id, mode=mode, status=status)


_LIST = Listing(
    _reviews, MerchantReview, key=(Review.opened_at, Review.id), filters={"status": Review.status == Param("status")}
)


async def of_invoice(merchant_id: str, mode: str, invoice_id: str) -> list[MerchantReview]:
    """The reviews of one invoice, oldest first."""
    return await _OF_INVOICE.all(merchant=merchant_id, mode=mode, invoice=invoice_id)


_OF_INVOICE = Statement(_reviews().where(Review.invoice == Param("invoice")).order_by(Review.id), MerchantReview)


async def open_count(merchant_id: str, mode: str) -> int:
    """How many reviews of the merchant wait for an operator."""
    return await _OPEN_COUNT.one(merchant=merchant_id, mode=mode)


_OPEN_COUNT = Statement(
    Review.count().where(
        Review.merchant == Param("merchant"), Review.invoice.mode == Param("mode"), Review.status == "open"
    ),
    int,
)

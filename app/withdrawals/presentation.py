"""The public form of payouts and refunds, which the API, events and stored replays share."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.core import metadata
from app.core.clock import rfc3339
from app.core.metadata import Metadata
from app.core.money import format_amount
from app.core.newer import stored
from app.networks.registry import Networks
from app.withdrawals.presented_repository import PresentedWithdrawal
from app.withdrawals.states import Status
from app.worth.presentation import WorthBody, worth_body


class PayoutBody(msgspec.Struct, frozen=True, kw_only=True):
    """A payout. Nothing is sent before an operator has approved it."""

    id: Annotated[str, Meta(description="`PO-` and ten characters.")]
    mode: Annotated[
        Literal["live", "test"], Meta(title="Mode", description="The mode of the API key that requested it.")
    ]
    status: Annotated[Status, Meta(description="The current status.")]
    asset: Annotated[str, Meta(description="The asset's symbol.")]
    chain: Annotated[str, Meta(description="The chain that it is sent on.")]
    amount_decimal: Annotated[str, Meta(description="What arrives.")]
    amount_raw: Annotated[str, Meta(description="What arrives, in minor units.")]
    fee_decimal: Annotated[str, Meta(description="What we charge on top.")]
    fee_raw: Annotated[str, Meta(description="What we charge on top, in minor units.")]
    destination: Annotated[str, Meta(description="Where it goes.")]
    destination_memo: Annotated[str | None, Meta(description="As given.")]
    description: Annotated[str | None, Meta(description="As given.")]
    metadata: Annotated[Metadata, Meta(description="As given.")]
    txid: Annotated[str | None, Meta(description="The transaction's id on chain; null until it was sent.")]
    held: Annotated[bool, Meta(description="Whether an operator must release it first.")]
    waiting_reason: Annotated[str | None, Meta(description="Why an approved one is not sent yet.")]
    status_reason: Annotated[str | None, Meta(description="Why it was rejected or failed.")]
    created_at: Annotated[str, Meta(description="When it was requested.")]
    approved_at: Annotated[str | None, Meta(description="When the last approval that it needs was given.")]
    submitted_at: Annotated[str | None, Meta(description="When it was first sent to the chain.")]
    settled_at: Annotated[str | None, Meta(description="When it was confirmed, rejected, cancelled, or had failed.")]
    worth: Annotated[
        WorthBody | None,
        Meta(
            description="What it was worth when it was confirmed, fee included, in your reporting currency. Null "
            "before, and where there was no rate: it is never filled in later."
        ),
    ] = None


class RefundBody(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of an invoice. Nothing is sent before an operator has approved it."""

    id: Annotated[str, Meta(description="`RF-` and ten characters.")]
    mode: Annotated[
        Literal["live", "test"], Meta(title="Mode", description="The mode of the API key that requested it.")
    ]
    status: Annotated[Status, Meta(description="The current status.")]
    invoice_id: Annotated[str | None, Meta(description="The invoice that it is for.")]
    deposit_id: Annotated[
        str | None,
        Meta(description="Set where an operator returns a deposit that was in review: that money never was yours."),
    ]
    asset: Annotated[str, Meta(description="The asset's symbol.")]
    chain: Annotated[str, Meta(description="The chain that it is sent on.")]
    amount_decimal: Annotated[str, Meta(description="What arrives.")]
    amount_raw: Annotated[str, Meta(description="What arrives, in minor units.")]
    fee_decimal: Annotated[str, Meta(description="What we charge on top.")]
    fee_raw: Annotated[str, Meta(description="What we charge on top, in minor units.")]
    refund_address: Annotated[str, Meta(description="Where it goes.")]
    refund_address_memo: Annotated[str | None, Meta(description="As given.")]
    reason: Annotated[str | None, Meta(description="As given, for your own records.")]
    customer_visible_reason: Annotated[str | None, Meta(description="As given. The customer sees it.")]
    txid: Annotated[str | None, Meta(description="The transaction's id on chain; null until it was sent.")]
    held: Annotated[bool, Meta(description="Whether an operator must release it first.")]
    waiting_reason: Annotated[str | None, Meta(description="Why an approved one is not sent yet.")]
    status_reason: Annotated[str | None, Meta(description="Why it was rejected or failed.")]
    created_at: Annotated[str, Meta(description="When it was requested.")]
    approved_at: Annotated[str | None, Meta(description="When the last approval that it needs was given.")]
    submitted_at: Annotated[str | None, Meta(description="When it was first sent to the chain.")]
    settled_at: Annotated[str | None, Meta(description="When it was confirmed, rejected, cancelled, or had failed.")]
    worth: Annotated[
        WorthBody | None,
        Meta(
            description="What it was worth when it was confirmed, fee included, in your reporting currency. Null "
            "before, and where there was no rate: it is never filled in later."
        ),
    ] = None


Body = PayoutBody | RefundBody


class WithdrawalPresenter:
    """Turns withdrawals with their payout's or refund's columns into bodies."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def body(self, row: PresentedWithdrawal) -> Body:
        """The outside form of a payout or a refund."""
        return self.payout(row) if row.kind == "payout" else self.refund(row)

    def payout(self, row: PresentedWithdrawal) -> PayoutBody:
        """The outside form of a payout."""
        assert row.metadata is not None, "a payout has metadata, if only an empty object"
        return PayoutBody(
            **self._shared(row),
            destination=row.destination,
            destination_memo=row.destination_memo,
            description=row.description,
            metadata=metadata.from_json(row.metadata),
        )

    def refund(self, row: PresentedWithdrawal) -> RefundBody:
        """The outside form of a refund."""
        return RefundBody(
            **self._shared(row),
            invoice_id=row.invoice,
            deposit_id=row.deposit,
            refund_address=row.destination,
            refund_address_memo=row.destination_memo,
            reason=row.reason,
            customer_visible_reason=row.customer_visible_reason,
        )

    def _shared(self, row: PresentedWithdrawal) -> dict[str, Any]:
        network = self._networks.get(row.network)
        asset = network.asset(row.asset)
        assert asset is not None, "assets are never removed from a network that has withdrawals"
        return {
            "id": row.id,
            "mode": row.mode,
            "status": stored(Status, row.status),
            "asset": asset.symbol,
            "chain": network.chain,
            "amount_decimal": format_amount(row.amount_raw, asset.decimals),
            "amount_raw": str(row.amount_raw),
            "fee_decimal": format_amount(row.fee_raw, asset.decimals),
            "fee_raw": str(row.fee_raw),
            "txid": row.txid,
            "held": row.held,
            "waiting_reason": row.waiting_reason,
            "status_reason": row.decision_reason,
            "created_at": rfc3339(row.created_at),
            "approved_at": _moment(row.approved_at),
            "submitted_at": _moment(row.submitted_at),
            "settled_at": _moment(row.settled_at),
            "worth": worth_body(row.worth_raw, row.worth_currency),
        }


def event_data(body: Body) -> bytes:
    """The `data` of an event: `payout_id` or `refund_id`, then the resource as the API shows it (contract, 6)."""
    noun = "payout" if isinstance(body, PayoutBody) else "refund"
    return b'{"%s_id":"%s",%s' % (noun.encode(), body.id.encode(), msgspec.json.encode(body)[1:])


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)

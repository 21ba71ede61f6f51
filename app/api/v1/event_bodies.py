"""The events that webhooks bring: for each type its schema and an example, for the document's section `webhooks`.

Their bytes are written where things happen (app/invoices, app/withdrawals, app/webhooks). A test holds recorded events
to these schemas.
"""

import builtins
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from app.api.operation import Parameter
from app.api.v1 import examples
from app.events.types import TEST, types_of
from app.invoices.presentation import InvoiceBody, ReviewBody
from app.invoices.states import Status as InvoiceStatus
from app.withdrawals.presentation import PayoutBody, RefundBody
from app.withdrawals.states import Status


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """An event as a webhook delivers it. `seq` counts a merchant's events in a mode, without gaps."""

    event_id: Annotated[str, Meta(description="The same in all attempts and endpoints: ignore repeated ids.")]
    seq: Annotated[int, Meta(description="Counts your events in a mode, without gaps.")]
    type: Annotated[str, Meta(description="Such as `invoice.paid`. New types may be added.")]
    created_at: Annotated[str, Meta(description="When it happened.")]
    merchant_id: Annotated[str, Meta(description="Your merchant id.")]
    mode: Annotated[Literal["live", "test"], Meta(title="Mode", description="The key's mode.")]
    data: Annotated[
        Any,
        Meta(
            title="EventData",
            description="The object that it is about, as the API showed it then.",
            extra_json_schema={"type": "object"},
        ),
    ]


class InvoiceEvent(EventBody, frozen=True, kw_only=True):
    """Something happened to an invoice."""

    type: Annotated[
        str,
        Meta(
            title="InvoiceEventType",
            description="What happened.",
            extra_json_schema={"enum": types_of("invoice")},
        ),
    ]
    data: Annotated[
        InvoiceBody,
        Meta(
            description="The invoice as the API showed it then, and its `id` once more as `invoice_id`.",
        ),
    ]


class PayoutEvent(EventBody, frozen=True, kw_only=True):
    """Something happened to a payout."""

    type: Annotated[
        str,
        Meta(
            title="PayoutEventType",
            description="What happened.",
            extra_json_schema={"enum": types_of("payout")},
        ),
    ]
    data: Annotated[
        PayoutBody,
        Meta(
            description="The payout as the API showed it then, and its `id` once more as `payout_id`.",
        ),
    ]


class RefundEvent(EventBody, frozen=True, kw_only=True):
    """Something happened to a refund."""

    type: Annotated[
        str,
        Meta(
            title="RefundEventType",
            description="What happened.",
            extra_json_schema={"enum": types_of("refund")},
        ),
    ]
    data: Annotated[
        RefundBody,
        Meta(
            description="The refund as the API showed it then, and its `id` once more as `refund_id`.",
        ),
    ]


TYPES = (EventBody, InvoiceEvent, PayoutEvent, RefundEvent)
"""Every schema of an event."""

SUBJECTS = (InvoiceBody, PayoutBody, RefundBody)
"""What events are about. In an event each has its id once more, in a field that the API's answers lack."""


class Event(NamedTuple):
    """What a type of event says, its schema, and an example."""

    summary: str
    schema: type[EventBody]
    example: Mapping[str, Any]


HEADERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "Swap-Pay-Signature": Parameter(
            description="`t=<unix time>,v1=<hex>`: the HMAC-SHA256 of `t`, a point and the raw body, keyed with the "
            "endpoint's whole secret. While a secret is being rotated there are two `v1`.",
            example=f"t=1769852196,v1={'0123456789abcdef' * 4}",
        ),
        "Swap-Pay-Event-Id": Parameter(description="The event's id, as in the body.", example=examples.EVENT_ID),
        "Swap-Pay-Event-Type": Parameter(description="The event's type, as in the body.", example="invoice.paid"),
        "Swap-Pay-Previous-Seq": Parameter(
            description="The `seq` of the event before it that was sent to this endpoint; 0 if there was none.",
            schema={"type": "integer", "minimum": 0},
            example=1040,
        ),
        "webhook-id": Parameter(description="The event's id, for Standard Webhooks.", example=examples.EVENT_ID),
        "webhook-timestamp": Parameter(
            description="When it was sent, as Unix time, for Standard Webhooks.",
            schema={"type": "integer"},
            example=1769852196,
        ),
        "webhook-signature": Parameter(
            description="`v1,<base64>`, for Standard Webhooks; two of them, with a space between, while a secret is "
            "being rotated.",
            example="v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
        ),
    }
)
"""The headers of every delivery."""


def _invoice(state: str, summary: str, invoice: InvoiceBody) -> tuple[str, Event]:
    data = {"invoice_id": invoice.id, **msgspec.to_builtins(invoice)}
    return _event(f"invoice.{state}", summary, InvoiceEvent, data)


def _payout(status: Status, summary: str, **fields: Any) -> tuple[str, Event]:
    payout = msgspec.structs.replace(examples.PAYOUT, status=status, **fields)
    data = {"payout_id": payout.id, **msgspec.to_builtins(payout)}
    return _event(f"payout.{status}", summary, PayoutEvent, data)


def _refund(status: Status, summary: str, **fields: Any) -> tuple[str, Event]:
    refund = msgspec.structs.replace(examples.REFUND, status=status, **fields)
    data = {"refund_id": refund.id, **msgspec.to_builtins(refund)}
    return _event(f"refund.{status}", summary, RefundEvent, data)


def _event(type: str, summary: str, schema: builtins.type[EventBody], data: Mapping[str, Any]) -> tuple[str, Event]:
    example = {
        "event_id": examples.EVENT_ID,
        "seq": 1042,
        "type": type,
        "created_at": "2026-01-31T09:36:36.120455Z",
        "merchant_id": "MCH-5D0T8QH1ZB",
        "mode": "test",
        "data": data,
    }
    return type, Event(summary, schema, example)


_PAID = examples.PAID_INVOICE
_SEEN = msgspec.structs.replace(_PAID.deposits[0], confirmations=3, status="seen")
_SHORT = msgspec.structs.replace(
    _PAID.deposits[0],
    amount_decimal="3.000000",
    amount_raw="3000000",
    status="suspended",
    verdict="underpaid",
    review_reason="underpaid",
)
_REVIEW = ReviewBody(
    status="open",
    outcome=None,
    cause="underpaid",
    deposit_id=_SHORT.id,
    refund_id=None,
    opened_at="2026-01-31T09:36:36.120455Z",
    decided_at=None,
)
_IN_REVIEW = msgspec.structs.replace(
    examples.INVOICE,
    status=InvoiceStatus.MANUAL_REVIEW,
    needs_review=True,
    review=_REVIEW,
    received_raw="3000000",
    deposits=[_SHORT],
)
_APPROVED = {"approved_at": "2026-01-31T10:05:12.440120Z"}
_SENT = {
    **_APPROVED,
    "txid": "0x9b2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef012345",
    "submitted_at": "2026-01-31T10:05:30.018233Z",
}
_SETTLED = {"settled_at": "2026-01-31T10:08:02.771904Z"}
_NO_FUNDS = "the transaction was mined and failed"

EVENTS: Mapping[str, Event] = MappingProxyType(
    dict(
        (
            _invoice("created", "An invoice was made", examples.INVOICE),
            _invoice("quoted", "A price has a quote: an exact amount to pay", examples.QUOTED_INVOICE),
            _invoice(
                "confirming",
                "The payment was seen, and is not final yet",
                msgspec.structs.replace(
                    examples.INVOICE, status=InvoiceStatus.CONFIRMING, received_raw="5000073", deposits=[_SEEN]
                ),
            ),
            _invoice("paid", "The payment is final and credited: deliver", _PAID),
            _invoice("manual_review", "A deposit needs a review: an operator decides on it", _IN_REVIEW),
            _invoice(
                "expired",
                "The time to pay is over",
                msgspec.structs.replace(examples.INVOICE, status=InvoiceStatus.EXPIRED),
            ),
            _invoice("cancelled", "The invoice was cancelled", examples.CANCELLED_INVOICE),
            _invoice(
                "closed",
                "The review ended without a credit",
                msgspec.structs.replace(
                    _IN_REVIEW,
                    status=InvoiceStatus.CLOSED,
                    needs_review=False,
                    review=msgspec.structs.replace(
                        _REVIEW, status="closed", outcome="closed", decided_at="2026-01-31T11:02:10.550871Z"
                    ),
                ),
            ),
            _invoice(
                "partially_refunded",
                "A part of what was credited was sent back",
                msgspec.structs.replace(_PAID, status=InvoiceStatus.PARTIALLY_REFUNDED, refunded_raw="2500000"),
            ),
            _invoice(
                "refunded",
                "All that was credited was sent back",
                msgspec.structs.replace(_PAID, status=InvoiceStatus.REFUNDED, refunded_raw=_PAID.net_raw or ""),
            ),
            _invoice(
                "reversed",
                "A reorganisation of the chain removed a credited payment",
                msgspec.structs.replace(
                    _PAID,
                    credited=False,
                    credited_raw=None,
                    service_fee_charged_raw=None,
                    received_raw="0",
                    deposits=[msgspec.structs.replace(_PAID.deposits[0], confirmations=0, status="orphaned")],
                ),
            ),
            _payout(Status.PENDING_APPROVAL, "A payout was requested"),
            _payout(Status.APPROVED, "Operators have approved the payout", **_APPROVED),
            _payout(Status.SUBMITTED, "The payout was sent to the chain", **_SENT),
            _payout(Status.CONFIRMED, "The payout is final on the chain", **_SENT, **_SETTLED),
            _payout(
                Status.REJECTED, "An operator has rejected the payout", status_reason="unknown address", **_SETTLED
            ),
            _payout(Status.FAILED, "The payout failed on the chain", status_reason=_NO_FUNDS, **_SENT, **_SETTLED),
            _payout(Status.CANCELLED, "The payout was cancelled", **_SETTLED),
            _refund(Status.PENDING_APPROVAL, "A refund was requested"),
            _refund(Status.APPROVED, "Operators have approved the refund", **_APPROVED),
            _refund(Status.SUBMITTED, "The refund was sent to the chain", **_SENT),
            _refund(Status.CONFIRMED, "The refund is final on the chain", **_SENT, **_SETTLED),
            _refund(Status.REJECTED, "An operator has rejected the refund", status_reason="paid twice", **_SETTLED),
            _refund(Status.FAILED, "The refund failed on the chain", status_reason=_NO_FUNDS, **_SENT, **_SETTLED),
            _refund(Status.CANCELLED, "The refund was cancelled", **_SETTLED),
            _event(
                TEST,
                "You asked for a test of the endpoint",
                EventBody,
                {"webhook_id": "WH-4T9M2K7XQA", "url": "https://shop.example/hooks/swap-pay"},
            ),
        )
    )
)
"""Every type that is delivered: those an endpoint can subscribe to, and the test."""

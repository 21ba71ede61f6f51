"""For each error code: an example of its message, and what it means to an integrator.

The OpenAPI document and the API reference use it. `docs/errors.md` says the same; a test compares them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.core.errors import Code


class Meaning(NamedTuple):
    """`message` is one that callers may see; `advice` says what happened and what to do."""

    message: str
    advice: str


MEANINGS: Mapping[Code, Meaning] = MappingProxyType(
    {
        Code.INVALID_INPUT: Meaning(
            "amount: must be a positive decimal such as 5.00",
            "A field, parameter or header is wrong, missing or unknown. The message names it.",
        ),
        Code.IDEMPOTENCY_REQUIRED: Meaning(
            "Idempotency-Key: the header is required",
            "Creations need an `Idempotency-Key` header. Send one that names what you create, such as the "
            "order's number.",
        ),
        Code.INSUFFICIENT_BALANCE: Meaning(
            "amount: more than the available balance",
            "The available balance doesn't cover the amount and its fee. `GET /balance` has it; what is "
            "locked or on its way can't be sent.",
        ),
        Code.INVALID_DESTINATION: Meaning(
            "destination: is not an address of that chain",
            "The address is not valid on that network, or is one of the gateway's own. Ask for it again, and copy it.",
        ),
        Code.MEMO_NOT_ALLOWED: Meaning(
            "destination_memo: the network has no memos", "A memo was given for a network that has none. Leave it out."
        ),
        Code.REFUND_EXCEEDS_NET: Meaning(
            "amount: more than is left to refund",
            "The refunds of the invoice would exceed the net that was credited. Refund less, or send the "
            "rest as a payout.",
        ),
        Code.PAY_IN_ASSET_NOT_ALLOWED: Meaning(
            "currency: USDT on tron is not enabled",
            "The merchant doesn't take that asset on that chain in this mode. `GET /assets` lists what it takes.",
        ),
        Code.AMOUNT_TOO_SMALL: Meaning(
            "amount: must be at least 1.00 USDT",
            "The amount is below the minimum, or not more than the service fee. `GET /assets` has the minimum.",
        ),
        Code.AMOUNT_TOO_LARGE: Meaning(
            "amount: must be at most 5000.00 USDT",
            "The amount is above the maximum, which `GET /assets` has. Split it, or ask the operator for a higher one.",
        ),
        Code.MISSING_API_KEY: Meaning(
            "send the API key as Authorization: Bearer <key>",
            "The request carries no API key. Send `Authorization: Bearer <key>`.",
        ),
        Code.INVALID_API_KEY: Meaning(
            "the API key is not valid",
            "The key is unknown, its secret is wrong, or two different keys were sent. Look at what your "
            "server really sends; five wrong secrets lock the key.",
        ),
        Code.API_KEY_REVOKED: Meaning("the API key was revoked", "The key was revoked. Use another."),
        Code.API_KEY_EXPIRED: Meaning("the API key has expired", "The key's expiry has passed. Use another."),
        Code.MISSING_SCOPE: Meaning(
            "the API key lacks the scope invoices.write",
            "The key may not do this. The message names the scope: make a key that has it.",
        ),
        Code.IP_NOT_ALLOWED: Meaning(
            "the key may not be used from 203.0.113.5",
            "The request came from outside the key's IP allowlist. Add your server's address in the cabinet.",
        ),
        Code.MERCHANT_NOT_APPROVED: Meaning(
            "the merchant is not approved yet",
            "The merchant's application is still open, and the key is a live one. Keys of test mode work before.",
        ),
        Code.MERCHANT_SUSPENDED: Meaning("the merchant is suspended", "The merchant is suspended. Ask the operator."),
        Code.MERCHANT_BANNED: Meaning("the merchant is banned", "The merchant is banned. Ask the operator."),
        Code.DAILY_CAP_EXCEEDED: Meaning(
            "amount: more than is left of today's cap",
            "The cap per asset over a rolling 24 hours would be exceeded. Repeat later, or ask the operator "
            "for a higher one.",
        ),
        Code.NOT_FOUND: Meaning("there is nothing here", "No route has this path. Compare it with the reference."),
        Code.INVOICE_NOT_FOUND: Meaning(
            "no such invoice",
            "The merchant has no such invoice in this mode. A test key doesn't see what a live key has made.",
        ),
        Code.PAYOUT_NOT_FOUND: Meaning(
            "no such payout",
            "The merchant has no such payout in this mode. A test key doesn't see what a live key has made.",
        ),
        Code.REFUND_NOT_FOUND: Meaning(
            "no such refund",
            "The merchant has no such refund in this mode. A test key doesn't see what a live key has made.",
        ),
        Code.WEBHOOK_NOT_FOUND: Meaning(
            "no such webhook endpoint",
            "The merchant has no such webhook endpoint in this mode. It may have been deleted.",
        ),
        Code.EVENT_NOT_FOUND: Meaning(
            "no such event", "The merchant has no such event in this mode, or it was too old to be kept."
        ),
        Code.PAYMENT_LINK_NOT_FOUND: Meaning(
            "no such payment link",
            "The merchant has no such payment link in this mode. A test key doesn't see what a live key has made.",
        ),
        Code.METHOD_NOT_ALLOWED: Meaning(
            "the method is not allowed here", "The path exists, the method doesn't. The `Allow` header lists those."
        ),
        Code.REQUEST_TIMEOUT: Meaning(
            "the body did not come in time", "Headers and body must be there within 30 seconds. Repeating is safe."
        ),
        Code.BODY_TOO_LARGE: Meaning(
            "the body is too large",
            "The body has more than 64 KiB. Keep what is long on your side, and its id in `metadata`.",
        ),
        Code.UNSUPPORTED_MEDIA_TYPE: Meaning(
            "the content type must be application/json", "Send JSON, in UTF-8, as `Content-Type: application/json`."
        ),
        Code.INVOICE_NOT_CANCELLABLE: Meaning(
            "the invoice is paid",
            "Only an invoice in `awaiting_choice` or `awaiting_deposit` can be cancelled. Look at it again: "
            "it may be paid by now.",
        ),
        Code.INVOICE_NOT_REFUNDABLE: Meaning(
            "the invoice is expired",
            "Only an invoice in `paid` or `partially_refunded` can be refunded. An operator returns what came wrong.",
        ),
        Code.INVOICE_NOT_QUOTABLE: Meaning(
            "a deposit was seen",
            "What to pay with can be chosen while an invoice with a price is in `awaiting_choice` or "
            "`awaiting_deposit`, and no deposit was seen. The message says what is otherwise.",
        ),
        Code.PAYOUT_NOT_CANCELLABLE: Meaning(
            "the payout is approved",
            "Only a payout in `pending_approval` can be cancelled. Ask the operator to reject an approved one.",
        ),
        Code.DUPLICATE_ORDER_ID: Meaning(
            "order_id: an open or paid invoice has it already",
            "Another invoice, `invoice_id` in the error, has this `order_id` and is neither expired nor "
            "cancelled. Send the customer back to that one.",
        ),
        Code.IDEMPOTENCY_IN_PROGRESS: Meaning(
            "a request with this key is still running", "The first request with this key is not done. Repeat shortly."
        ),
        Code.IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY: Meaning(
            "the Idempotency-Key was used with another body", "The key belongs to another request. Use a new one."
        ),
        Code.RATE_LIMITED: Meaning(
            "the API key has used up its 60 requests per minute", "Too many requests with this key. Wait, then repeat."
        ),
        Code.IP_RATE_LIMITED: Meaning(
            "your address has used up its 30 requests per minute",
            "Too many loads of public pages from one address. Wait as long as `Retry-After` says.",
        ),
        Code.API_KEY_LOCKED: Meaning(
            "the API key is locked after too many wrong secrets",
            "Five wrong secrets lock a key for an hour, for right and wrong secrets alike. Use another key "
            "meanwhile, and give this one an allowlist: then strangers can't lock it.",
        ),
        Code.INTERNAL: Meaning(
            "something went wrong on our side; quote the request id when you ask us about it",
            "A fault of the gateway. Repeating with the same `Idempotency-Key` is safe. Give the operator "
            "the `request_id` if it stays.",
        ),
        Code.POOL_EXHAUSTED: Meaning(
            "no ethereum address is free", "Every deposit address of the network is in use. Repeat later."
        ),
        Code.PAYOUTS_DISABLED: Meaning("payouts are paused", "The operator has paused payouts. Repeat later."),
        Code.REFUNDS_DISABLED: Meaning("refunds are paused", "The operator has paused refunds. Repeat later."),
        Code.INVOICES_DISABLED: Meaning(
            "new invoices are paused", "The operator has paused new invoices. Repeat later."
        ),
        Code.NETWORK_UNAVAILABLE: Meaning(
            "ethereum can't be reached at the moment", "The network's nodes can't be reached. Repeat later."
        ),
        Code.RATE_UNAVAILABLE: Meaning(
            "currency: there is no current rate of BTC in EUR",
            "Fewer than two sources agree on the asset's worth in this currency, or none has answered of late. Repeat "
            "after `Retry-After`. Prices in the asset itself need no rate.",
        ),
        Code.UNAVAILABLE: Meaning(
            "the database does not answer; try again in a few seconds",
            "The gateway's database doesn't answer, or there are more requests at once than the gateway can work on. "
            "Whether the request was carried out isn't known: repeat it with the same `Idempotency-Key`, after "
            "`Retry-After`.",
        ),
    }
)

"""A class for each error code of the API."""

from __future__ import annotations

from swap_pay import _failures
from swap_pay._failures import SwapPayError


class AmountTooLarge(_failures.BadRequest):
    """The amount is above the maximum, which `GET /assets` has. Split it, or ask the operator for a higher one."""


class AmountTooSmall(_failures.BadRequest):
    """The amount is below the minimum, or not more than the service fee. `GET /assets` has the minimum."""


class ApiKeyExpired(_failures.Unauthorized):
    """The key's expiry has passed. Use another."""


class ApiKeyLocked(_failures.TooManyRequests):
    """Five wrong secrets lock a key for an hour, for right and wrong secrets alike. Use another key meanwhile, and give this one an allowlist: then strangers can't lock it."""


class ApiKeyRevoked(_failures.Unauthorized):
    """The key was revoked. Use another."""


class BodyTooLarge(_failures.ClientError):
    """The body has more than 64 KiB. Keep what is long on your side, and its id in `metadata`."""


class DailyCapExceeded(_failures.Forbidden):
    """The cap per asset over a rolling 24 hours would be exceeded. Repeat later, or ask the operator for a higher one."""


DuplicateOrderId = _failures.DuplicateOrderId


class EventNotFound(_failures.ResourceNotFound):
    """The merchant has no such event in this mode, or it was too old to be kept."""


class IdempotencyInProgress(_failures.Conflict):
    """The first request with this key is not done. Repeat shortly."""


class IdempotencyKeyReusedDifferentBody(_failures.ClientError):
    """The key belongs to another request. Use a new one."""


class IdempotencyRequired(_failures.BadRequest):
    """Creations need an `Idempotency-Key` header. Send one that names what you create, such as the order's number."""


class InsufficientBalance(_failures.BadRequest):
    """The available balance doesn't cover the amount and its fee. `GET /balance` has it; what is locked or on its way can't be sent."""


class Internal(_failures.ServerError):
    """A fault of the gateway. Repeating with the same `Idempotency-Key` is safe. Give the operator the `request_id` if it stays."""


class InvalidApiKey(_failures.Unauthorized):
    """The key is unknown, its secret is wrong, or two different keys were sent. Look at what your server really sends; five wrong secrets lock the key."""


class InvalidDestination(_failures.BadRequest):
    """The address is not valid on that network, or is one of the gateway's own. Ask for it again, and copy it."""


class InvalidInput(_failures.BadRequest):
    """A field, parameter or header is wrong, missing or unknown. The message names it."""


class InvoicesDisabled(_failures.ServiceUnavailable):
    """The operator has paused new invoices. Repeat later."""


class InvoiceNotCancellable(_failures.Conflict):
    """Only an invoice in `awaiting_choice` or `awaiting_deposit` can be cancelled. Look at it again: it may be paid by now."""


class InvoiceNotFound(_failures.ResourceNotFound):
    """The merchant has no such invoice in this mode. A test key doesn't see what a live key has made."""


class InvoiceNotQuotable(_failures.Conflict):
    """What to pay with can be chosen while an invoice with a price is in `awaiting_choice` or `awaiting_deposit`, and no deposit was seen. The message says what is otherwise."""


class InvoiceNotRefundable(_failures.Conflict):
    """Only an invoice in `paid` or `partially_refunded` can be refunded. An operator returns what came wrong."""


class IpNotAllowed(_failures.Forbidden):
    """The request came from outside the key's IP allowlist. Add your server's address in the cabinet."""


class IpRateLimited(_failures.TooManyRequests):
    """Too many loads of public pages from one address. Wait as long as `Retry-After` says."""


class MemoNotAllowed(_failures.BadRequest):
    """A memo was given for a network that has none. Leave it out."""


class MerchantBanned(_failures.Forbidden):
    """The merchant is banned. Ask the operator."""


class MerchantNotApproved(_failures.Forbidden):
    """The merchant's application is still open, and the key is a live one. Keys of test mode work before."""


class MerchantSuspended(_failures.Forbidden):
    """The merchant is suspended. Ask the operator."""


class MissingApiKey(_failures.Unauthorized):
    """The request carries no API key. Send `Authorization: Bearer <key>`."""


class MissingScope(_failures.Forbidden):
    """The key may not do this. The message names the scope: make a key that has it."""


class NotFound(_failures.ResourceNotFound):
    """No route has this path. Compare it with the reference."""


class PaymentLinkNotFound(_failures.ResourceNotFound):
    """The merchant has no such payment link in this mode. A test key doesn't see what a live key has made."""


class PayoutsDisabled(_failures.ServiceUnavailable):
    """The operator has paused payouts. Repeat later."""


class PayoutNotCancellable(_failures.Conflict):
    """Only a payout in `pending_approval` can be cancelled. Ask the operator to reject an approved one."""


class PayoutNotFound(_failures.ResourceNotFound):
    """The merchant has no such payout in this mode. A test key doesn't see what a live key has made."""


class PayInAssetNotAllowed(_failures.BadRequest):
    """The merchant doesn't take that asset on that chain in this mode. `GET /assets` lists what it takes."""


class PoolExhausted(_failures.ServiceUnavailable):
    """Every deposit address of the network is in use. Repeat later."""


class RateLimited(_failures.TooManyRequests):
    """Too many requests with this key. Wait, then repeat."""


class RateUnavailable(_failures.ServiceUnavailable):
    """Fewer than two sources agree on the asset's worth in this currency, or none has answered of late. Repeat after `Retry-After`. Prices in the asset itself need no rate."""


class RefundsDisabled(_failures.ServiceUnavailable):
    """The operator has paused refunds. Repeat later."""


class RefundExceedsNet(_failures.BadRequest):
    """The refunds of the invoice would exceed the net that was credited. Refund less, or send the rest as a payout."""


class RefundNotFound(_failures.ResourceNotFound):
    """The merchant has no such refund in this mode. A test key doesn't see what a live key has made."""


class RequestTimeout(_failures.ClientError):
    """Headers and body must be there within 30 seconds. Repeating is safe."""


class Unavailable(_failures.ServiceUnavailable):
    """The gateway's database doesn't answer, or there are more requests at once than the gateway can work on. Whether the request was carried out isn't known: repeat it with the same `Idempotency-Key`, after `Retry-After`."""


class UnsupportedMediaType(_failures.ClientError):
    """Send JSON, in UTF-8, as `Content-Type: application/json`."""


class WebhookNotFound(_failures.ResourceNotFound):
    """The merchant has no such webhook endpoint in this mode. It may have been deleted."""


BY_CODE: dict[str, type[SwapPayError]] = {
    "AMOUNT_TOO_LARGE": AmountTooLarge,
    "AMOUNT_TOO_SMALL": AmountTooSmall,
    "API_KEY_EXPIRED": ApiKeyExpired,
    "API_KEY_LOCKED": ApiKeyLocked,
    "API_KEY_REVOKED": ApiKeyRevoked,
    "BODY_TOO_LARGE": BodyTooLarge,
    "DAILY_CAP_EXCEEDED": DailyCapExceeded,
    "DUPLICATE_ORDER_ID": DuplicateOrderId,
    "EVENT_NOT_FOUND": EventNotFound,
    "IDEMPOTENCY_IN_PROGRESS": IdempotencyInProgress,
    "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY": IdempotencyKeyReusedDifferentBody,
    "IDEMPOTENCY_REQUIRED": IdempotencyRequired,
    "INSUFFICIENT_BALANCE": InsufficientBalance,
    "INTERNAL": Internal,
    "INVALID_API_KEY": InvalidApiKey,
    "INVALID_DESTINATION": InvalidDestination,
    "INVALID_INPUT": InvalidInput,
    "INVOICES_DISABLED": InvoicesDisabled,
    "INVOICE_NOT_CANCELLABLE": InvoiceNotCancellable,
    "INVOICE_NOT_FOUND": InvoiceNotFound,
    "INVOICE_NOT_QUOTABLE": InvoiceNotQuotable,
    "INVOICE_NOT_REFUNDABLE": InvoiceNotRefundable,
    "IP_NOT_ALLOWED": IpNotAllowed,
    "IP_RATE_LIMITED": IpRateLimited,
    "MEMO_NOT_ALLOWED": MemoNotAllowed,
    "MERCHANT_BANNED": MerchantBanned,
    "MERCHANT_NOT_APPROVED": MerchantNotApproved,
    "MERCHANT_SUSPENDED": MerchantSuspended,
    "MISSING_API_KEY": MissingApiKey,
    "MISSING_SCOPE": MissingScope,
    "NOT_FOUND": NotFound,
    "PAYMENT_LINK_NOT_FOUND": PaymentLinkNotFound,
    "PAYOUTS_DISABLED": PayoutsDisabled,
    "PAYOUT_NOT_CANCELLABLE": PayoutNotCancellable,
    "PAYOUT_NOT_FOUND": PayoutNotFound,
    "PAY_IN_ASSET_NOT_ALLOWED": PayInAssetNotAllowed,
    "POOL_EXHAUSTED": PoolExhausted,
    "RATE_LIMITED": RateLimited,
    "RATE_UNAVAILABLE": RateUnavailable,
    "REFUNDS_DISABLED": RefundsDisabled,
    "REFUND_EXCEEDS_NET": RefundExceedsNet,
    "REFUND_NOT_FOUND": RefundNotFound,
    "REQUEST_TIMEOUT": RequestTimeout,
    "UNAVAILABLE": Unavailable,
    "UNSUPPORTED_MEDIA_TYPE": UnsupportedMediaType,
    "WEBHOOK_NOT_FOUND": WebhookNotFound,
}
__all__ = [
    "BY_CODE",
    "AmountTooLarge",
    "AmountTooSmall",
    "ApiKeyExpired",
    "ApiKeyLocked",
    "ApiKeyRevoked",
    "BodyTooLarge",
    "DailyCapExceeded",
    "DuplicateOrderId",
    "EventNotFound",
    "IdempotencyInProgress",
    "IdempotencyKeyReusedDifferentBody",
    "IdempotencyRequired",
    "InsufficientBalance",
    "Internal",
    "InvalidApiKey",
    "InvalidDestination",
    "InvalidInput",
    "InvoicesDisabled",
    "InvoiceNotCancellable",
    "InvoiceNotFound",
    "InvoiceNotQuotable",
    "InvoiceNotRefundable",
    "IpNotAllowed",
    "IpRateLimited",
    "MemoNotAllowed",
    "MerchantBanned",
    "MerchantNotApproved",
    "MerchantSuspended",
    "MissingApiKey",
    "MissingScope",
    "NotFound",
    "PaymentLinkNotFound",
    "PayoutsDisabled",
    "PayoutNotCancellable",
    "PayoutNotFound",
    "PayInAssetNotAllowed",
    "PoolExhausted",
    "RateLimited",
    "RateUnavailable",
    "RefundsDisabled",
    "RefundExceedsNet",
    "RefundNotFound",
    "RequestTimeout",
    "Unavailable",
    "UnsupportedMediaType",
    "WebhookNotFound",
]

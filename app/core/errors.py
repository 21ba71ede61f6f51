"""The catalogue of public errors (contract, section 2, "Errors").

Code raises `ApiError` with a code of the catalogue where the fault is known; one renderer in `app.web`
turns it into the envelope. A code belongs to exactly one HTTP status, so nobody names a status twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from types import MappingProxyType


class Code(StrEnum):
    """Stable, public error codes. The HTTP status of each is in `STATUS`."""

    INVALID_INPUT = "INVALID_INPUT"
    IDEMPOTENCY_REQUIRED = "IDEMPOTENCY_REQUIRED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    INVALID_DESTINATION = "INVALID_DESTINATION"
    MEMO_NOT_ALLOWED = "MEMO_NOT_ALLOWED"
    REFUND_EXCEEDS_NET = "REFUND_EXCEEDS_NET"
    PAY_IN_ASSET_NOT_ALLOWED = "PAY_IN_ASSET_NOT_ALLOWED"
    AMOUNT_TOO_SMALL = "AMOUNT_TOO_SMALL"
    AMOUNT_TOO_LARGE = "AMOUNT_TOO_LARGE"
    MISSING_API_KEY = "MISSING_API_KEY"
    INVALID_API_KEY = "INVALID_API_KEY"
    API_KEY_REVOKED = "API_KEY_REVOKED"
    API_KEY_EXPIRED = "API_KEY_EXPIRED"
    MISSING_SCOPE = "MISSING_SCOPE"
    IP_NOT_ALLOWED = "IP_NOT_ALLOWED"
    MERCHANT_NOT_APPROVED = "MERCHANT_NOT_APPROVED"
    MERCHANT_SUSPENDED = "MERCHANT_SUSPENDED"
    MERCHANT_BANNED = "MERCHANT_BANNED"
    DAILY_CAP_EXCEEDED = "DAILY_CAP_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    INVOICE_NOT_FOUND = "INVOICE_NOT_FOUND"
    PAYOUT_NOT_FOUND = "PAYOUT_NOT_FOUND"
    REFUND_NOT_FOUND = "REFUND_NOT_FOUND"
    WEBHOOK_NOT_FOUND = "WEBHOOK_NOT_FOUND"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    PAYMENT_LINK_NOT_FOUND = "PAYMENT_LINK_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    INVOICE_NOT_CANCELLABLE = "INVOICE_NOT_CANCELLABLE"
    INVOICE_NOT_REFUNDABLE = "INVOICE_NOT_REFUNDABLE"
    INVOICE_NOT_QUOTABLE = "INVOICE_NOT_QUOTABLE"
    PAYOUT_NOT_CANCELLABLE = "PAYOUT_NOT_CANCELLABLE"
    DUPLICATE_ORDER_ID = "DUPLICATE_ORDER_ID"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY = "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY"
    RATE_LIMITED = "RATE_LIMITED"
    IP_RATE_LIMITED = "IP_RATE_LIMITED"
    API_KEY_LOCKED = "API_KEY_LOCKED"
    INTERNAL = "INTERNAL"
    POOL_EXHAUSTED = "POOL_EXHAUSTED"
    PAYOUTS_DISABLED = "PAYOUTS_DISABLED"
    REFUNDS_DISABLED = "REFUNDS_DISABLED"
    INVOICES_DISABLED = "INVOICES_DISABLED"
    NETWORK_UNAVAILABLE = "NETWORK_UNAVAILABLE"
    RATE_UNAVAILABLE = "RATE_UNAVAILABLE"
    UNAVAILABLE = "UNAVAILABLE"


_CODES_BY_STATUS = {
    400: "INVALID_INPUT IDEMPOTENCY_REQUIRED INSUFFICIENT_BALANCE INVALID_DESTINATION MEMO_NOT_ALLOWED "
    "REFUND_EXCEEDS_NET PAY_IN_ASSET_NOT_ALLOWED AMOUNT_TOO_SMALL AMOUNT_TOO_LARGE",
    401: "MISSING_API_KEY INVALID_API_KEY API_KEY_REVOKED API_KEY_EXPIRED",
    403: "MISSING_SCOPE IP_NOT_ALLOWED MERCHANT_NOT_APPROVED MERCHANT_SUSPENDED MERCHANT_BANNED DAILY_CAP_EXCEEDED",
    404: "NOT_FOUND INVOICE_NOT_FOUND PAYOUT_NOT_FOUND REFUND_NOT_FOUND WEBHOOK_NOT_FOUND EVENT_NOT_FOUND "
    "PAYMENT_LINK_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "INVOICE_NOT_CANCELLABLE INVOICE_NOT_REFUNDABLE INVOICE_NOT_QUOTABLE PAYOUT_NOT_CANCELLABLE "
    "DUPLICATE_ORDER_ID IDEMPOTENCY_IN_PROGRESS",
    413: "BODY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY",
    429: "RATE_LIMITED IP_RATE_LIMITED API_KEY_LOCKED",
    500: "INTERNAL",
    503: "POOL_EXHAUSTED PAYOUTS_DISABLED REFUNDS_DISABLED INVOICES_DISABLED NETWORK_UNAVAILABLE RATE_UNAVAILABLE "
    "UNAVAILABLE",
}

STATUS: MappingProxyType[Code, int] = MappingProxyType(
    {Code(name): status for status, names in _CODES_BY_STATUS.items() for name in names.split()}
)


class ApiError(Exception):
    """An error for the caller.

    `message` names the field or thing at fault and contains no secret: strangers can read it.
    `retry_after_s` becomes the `Retry-After` header (seconds, rounded up by the code that raises). `invoice_id` is the
    caller's own invoice that a creation conflicts with; it stands beside `code` in the envelope. `others` are errors
    that were found together with this one (`Problems`): pages show all of them, the API answers with the first.
    """

    def __init__(
        self, code: Code, message: str, *, retry_after_s: int | None = None, invoice_id: str | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.invoice_id = invoice_id
        self.others: tuple[ApiError, ...] = ()

    @property
    def status(self) -> int:
        """The HTTP status of this error's code."""
        return STATUS[self.code]


class Forbidden(ApiError):
    """A signed-in person may not do this: a page with status 403.

    Only pages raise it, so it has no code of its own in the catalogue: it uses the API's MISSING_SCOPE, which says
    the same of a key.
    """

    def __init__(self, message: str) -> None:
        super().__init__(Code.MISSING_SCOPE, message)


def invalid(field: str, problem: str) -> ApiError:
    """INVALID_INPUT about one field: `amount: must be a positive decimal`."""
    return ApiError(Code.INVALID_INPUT, f"{field}: {problem}")


class Problems:
    """Gathers what is wrong with several values, so that whoever sent them learns of all at once.

    problems = Problems()
    with problems.gathered():
        name = checked_name(name)
    with problems.gathered():
        website = checked_website(website)
    problems.refuse()
    """

    def __init__(self) -> None:
        self._found: list[ApiError] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep an error about what was sent (status 400), and go on; any other is raised."""
        try:
            yield
        except ApiError as error:
            if error.status != STATUS[Code.INVALID_INPUT]:
                raise
            self._found += [error, *error.others]

    def refuse(self) -> None:
        """Raise the first of the errors, with the others in `others`. Does nothing where there is none."""
        if self._found:
            first, *rest = self._found
            first.others = tuple(rest)
            raise first

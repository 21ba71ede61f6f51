"""The base of every error of this library, and the errors that a status, not a code, tells apart."""

from __future__ import annotations


class SwapPayError(Exception):
    """The base of every error of this library.

    `code` is the gateway's stable code, such as `INVALID_INPUT`, `status` the HTTP status and `request_id` what to
    quote when you ask the gateway's operator. They are None where no answer came.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        invoice_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        """Seconds to wait before asking again, where the gateway says so."""
        self._invoice_id = invoice_id

    def __str__(self) -> str:
        about = " ".join(
            part
            for part in (self.code, f"(request {self.request_id})" if self.request_id else None)
            if part is not None
        )
        return f"{about}: {self.message}" if about else self.message


class NoAnswer(SwapPayError):
    """The gateway could not be reached, or did not answer in time. A request with an idempotency key may be sent again;
    whether another one was carried out is not known."""


class UnexpectedAnswer(SwapPayError):
    """The answer is not what this version of the library reads: something else than the gateway has answered, or the
    gateway is older than this library."""


class ClientError(SwapPayError):
    """The request can't be carried out as it is: any status from 400 to 499."""


class BadRequest(ClientError):
    """Status 400: something in the request is wrong. The message names the field."""


class Unauthorized(ClientError):
    """Status 401: the API key is missing, wrong, revoked or expired."""


class Forbidden(ClientError):
    """Status 403: this key or this merchant may not do that."""


class ResourceNotFound(ClientError):
    """Status 404: there is no such thing in this key's mode."""


class Conflict(ClientError):
    """Status 409: the thing is in another state than the request needs."""


class TooManyRequests(ClientError):
    """Status 429: wait `retry_after_s`, then ask again. The library has done so already, as often as it may."""


class ServerError(SwapPayError):
    """A fault of the gateway, or of a proxy in front of it: any status from 500 on."""


class ServiceUnavailable(ServerError):
    """Status 503: the gateway, a network or a part of the service is paused or away. Ask again later."""


class DuplicateOrderId(Conflict):
    """Another invoice, `invoice_id`, has this `order_id` and is neither expired nor cancelled. Send your customer to
    that one."""

    @property
    def invoice_id(self) -> str:
        """The invoice that has the order id."""
        assert self._invoice_id is not None
        return self._invoice_id


BY_STATUS: dict[int, type[SwapPayError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: ResourceNotFound,
    409: Conflict,
    429: TooManyRequests,
    503: ServiceUnavailable,
}


def class_of_status(status: int) -> type[SwapPayError]:
    """The class for a code that this version does not know."""
    return BY_STATUS.get(status, ServerError if status >= 500 else ClientError)

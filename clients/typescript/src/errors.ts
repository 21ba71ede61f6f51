/**
 * What a call can fail with. Each code of the API has a class, so that a program can ask with `instanceof`; classes of
 * the same HTTP status share a parent. A code that this version does not know gets its status's class.
 */

import type { ErrorCode } from "./generated/types.gen.js";

/** What an error knows of the answer that it was made of. */
export interface ErrorDetails {
  /** The code of the API's catalogue; or one of this library's own: `NO_ANSWER`, `TIMEOUT`, `UNREADABLE_ANSWER`. */
  code: string;
  /** For people. Names the field at fault. */
  message: string;
  /** The HTTP status; undefined where no answer came. */
  status: number | undefined;
  /** Quote it when you ask about the request; undefined where no answer came. */
  requestId: string | undefined;
  /** Seconds that the API asks to wait before the request is sent again. */
  retryAfterSeconds?: number | undefined;
  /** With `DUPLICATE_ORDER_ID`: your invoice that has the order id. */
  invoiceId?: string | undefined;
  /** What lies below: the error of `fetch`, for instance. */
  cause?: unknown;
}

/** Every error of a call. */
export class SwapPayError extends Error {
  readonly code: ErrorCode | (string & {});
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.status = details.status;
    this.requestId = details.requestId;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** No answer came: the connection failed, or broke. Whether the request was carried out is not known. */
export class NoAnswerError extends SwapPayError {}
/** No answer came within `timeoutMs`. Whether the request was carried out is not known. */
export class TimeoutError extends NoAnswerError {}
/** An answer came that is none of this API: a proxy's page, a redirect. */
export class UnreadableAnswerError extends SwapPayError {}

/** 400, 405, 408, 413, 415: correct the request; sent again unchanged it fails again. */
export class BadRequestError extends SwapPayError {}
export class InvalidInputError extends BadRequestError {}
export class IdempotencyRequiredError extends BadRequestError {}
export class InsufficientBalanceError extends BadRequestError {}
export class InvalidDestinationError extends BadRequestError {}
export class MemoNotAllowedError extends BadRequestError {}
export class RefundExceedsNetError extends BadRequestError {}
export class PayInAssetNotAllowedError extends BadRequestError {}
export class AmountTooSmallError extends BadRequestError {}
export class AmountTooLargeError extends BadRequestError {}
export class MethodNotAllowedError extends BadRequestError {}
export class RequestTimeoutError extends BadRequestError {}
export class BodyTooLargeError extends BadRequestError {}
export class UnsupportedMediaTypeError extends BadRequestError {}

/** 401: look at the key. */
export class AuthenticationError extends SwapPayError {}
export class MissingApiKeyError extends AuthenticationError {}
export class InvalidApiKeyError extends AuthenticationError {}
export class ApiKeyRevokedError extends AuthenticationError {}
export class ApiKeyExpiredError extends AuthenticationError {}

/** 403: the key or the merchant may not do this. */
export class ForbiddenError extends SwapPayError {}
export class MissingScopeError extends ForbiddenError {}
export class IpNotAllowedError extends ForbiddenError {}
export class MerchantNotApprovedError extends ForbiddenError {}
export class MerchantSuspendedError extends ForbiddenError {}
export class MerchantBannedError extends ForbiddenError {}
export class DailyCapExceededError extends ForbiddenError {}

/** 404: you have no such thing in the key's mode. */
export class NotFoundError extends SwapPayError {}
export class InvoiceNotFoundError extends NotFoundError {}
export class PayoutNotFoundError extends NotFoundError {}
export class RefundNotFoundError extends NotFoundError {}
export class WebhookNotFoundError extends NotFoundError {}
export class EventNotFoundError extends NotFoundError {}

/** 409: the state of the thing forbids it. */
export class ConflictError extends SwapPayError {}
export class InvoiceNotCancellableError extends ConflictError {}
export class InvoiceNotRefundableError extends ConflictError {}
export class InvoiceNotQuotableError extends ConflictError {}
export class PayoutNotCancellableError extends ConflictError {}
export class IdempotencyInProgressError extends ConflictError {}
/** Another invoice, neither expired nor cancelled, has this `order_id`: `invoiceId` names it. */
export class DuplicateOrderIdError extends ConflictError {
  readonly invoiceId: string;

  constructor(details: ErrorDetails) {
    super(details);
    this.invoiceId = details.invoiceId ?? "";
  }
}

/** 422: the idempotency key belongs to another request. */
export class IdempotencyKeyReusedError extends SwapPayError {}

/** 429: wait `retryAfterSeconds`. */
export class RateLimitError extends SwapPayError {}
export class IpRateLimitedError extends RateLimitError {}
export class ApiKeyLockedError extends RateLimitError {}

/** 500: a fault of the gateway. */
export class ServerError extends SwapPayError {}

/** 503: the gateway can't do it now. */
export class UnavailableError extends SwapPayError {}
export class PoolExhaustedError extends UnavailableError {}
export class PayoutsDisabledError extends UnavailableError {}
export class RefundsDisabledError extends UnavailableError {}
export class InvoicesDisabledError extends UnavailableError {}
export class NetworkUnavailableError extends UnavailableError {}
export class RateUnavailableError extends UnavailableError {}

type ErrorClass = new (details: ErrorDetails) => SwapPayError;

/** The class of every code. The compiler refuses this table when the API has a code that is missing here. */
const BY_CODE: Record<ErrorCode, ErrorClass> = {
  INVALID_INPUT: InvalidInputError,
  IDEMPOTENCY_REQUIRED: IdempotencyRequiredError,
  INSUFFICIENT_BALANCE: InsufficientBalanceError,
  INVALID_DESTINATION: InvalidDestinationError,
  MEMO_NOT_ALLOWED: MemoNotAllowedError,
  REFUND_EXCEEDS_NET: RefundExceedsNetError,
  PAY_IN_ASSET_NOT_ALLOWED: PayInAssetNotAllowedError,
  AMOUNT_TOO_SMALL: AmountTooSmallError,
  AMOUNT_TOO_LARGE: AmountTooLargeError,
  MISSING_API_KEY: MissingApiKeyError,
  INVALID_API_KEY: InvalidApiKeyError,
  API_KEY_REVOKED: ApiKeyRevokedError,
  API_KEY_EXPIRED: ApiKeyExpiredError,
  MISSING_SCOPE: MissingScopeError,
  IP_NOT_ALLOWED: IpNotAllowedError,
  MERCHANT_NOT_APPROVED: MerchantNotApprovedError,
  MERCHANT_SUSPENDED: MerchantSuspendedError,
  MERCHANT_BANNED: MerchantBannedError,
  DAILY_CAP_EXCEEDED: DailyCapExceededError,
  NOT_FOUND: NotFoundError,
  INVOICE_NOT_FOUND: InvoiceNotFoundError,
  PAYOUT_NOT_FOUND: PayoutNotFoundError,
  REFUND_NOT_FOUND: RefundNotFoundError,
  WEBHOOK_NOT_FOUND: WebhookNotFoundError,
  EVENT_NOT_FOUND: EventNotFoundError,
  METHOD_NOT_ALLOWED: MethodNotAllowedError,
  REQUEST_TIMEOUT: RequestTimeoutError,
  BODY_TOO_LARGE: BodyTooLargeError,
  UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaTypeError,
  INVOICE_NOT_CANCELLABLE: InvoiceNotCancellableError,
  INVOICE_NOT_REFUNDABLE: InvoiceNotRefundableError,
  INVOICE_NOT_QUOTABLE: InvoiceNotQuotableError,
  PAYOUT_NOT_CANCELLABLE: PayoutNotCancellableError,
  DUPLICATE_ORDER_ID: DuplicateOrderIdError,
  IDEMPOTENCY_IN_PROGRESS: IdempotencyInProgressError,
  IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY: IdempotencyKeyReusedError,
  RATE_LIMITED: RateLimitError,
  IP_RATE_LIMITED: IpRateLimitedError,
  API_KEY_LOCKED: ApiKeyLockedError,
  INTERNAL: ServerError,
  POOL_EXHAUSTED: PoolExhaustedError,
  PAYOUTS_DISABLED: PayoutsDisabledError,
  REFUNDS_DISABLED: RefundsDisabledError,
  INVOICES_DISABLED: InvoicesDisabledError,
  NETWORK_UNAVAILABLE: NetworkUnavailableError,
  RATE_UNAVAILABLE: RateUnavailableError,
  UNAVAILABLE: UnavailableError,
};

const BY_STATUS: Record<number, ErrorClass> = {
  401: AuthenticationError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  429: RateLimitError,
  503: UnavailableError,
};

/** The error of an answer's details: the class of its code, else of its status. */
export function errorOf(details: ErrorDetails & { status: number }): SwapPayError {
  const known = Object.hasOwn(BY_CODE, details.code) ? BY_CODE[details.code as ErrorCode] : undefined;
  return new (known ?? ofStatus(details.status))(details);
}

function ofStatus(status: number): ErrorClass {
  return BY_STATUS[status] ?? (status >= 500 ? ServerError : status >= 400 ? BadRequestError : SwapPayError);
}

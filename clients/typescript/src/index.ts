/** `@swap-pay/client`: the merchant API of Swap Pay, for Node.js, Deno, Bun and Workers. */

export { formatAmount, parseAmount, rawAmount } from "./amounts.js";
export { SwapPay } from "./client.js";
export * from "./errors.js";
export type { EventType, InvoiceEvent, PayoutEvent, RefundEvent, SwapPayEvent, TestEvent, UnknownEvent } from "./events.js";
export type * as api from "./generated/types.gen.js";
export type { Invoice, InvoiceRequest, InvoiceStatus, Payout, Refund } from "./generated/types.gen.js";
export type { CallOptions, ClientOptions, CreateOptions, Deprecation } from "./http.js";
export type { Page, Pages } from "./pages.js";
export { constructEvent, type VerificationOptions, WebhookVerificationError } from "./webhooks.js";

/** The events, by their type: `if (event.type === "invoice.paid") event.data.net_raw`. */

import type * as api from "./generated/types.gen.js";

export interface InvoiceEvent extends api.InvoiceEvent {
  data: { invoice_id: string } & api.Invoice;
}

export interface PayoutEvent extends api.PayoutEvent {
  data: { payout_id: string } & api.Payout;
}

export interface RefundEvent extends api.RefundEvent {
  data: { refund_id: string } & api.Refund;
}

/** The event that you have asked for by `webhooks.test`. */
export interface TestEvent extends api.Event {
  type: "webhook.test";
}

/**
 * An event of a later version of the API, which this one does not know: answer it with 2xx and leave it. Its `type` is
 * any other text; the pattern here, which no type of ours matches, lets the compiler tell the known ones apart.
 */
export interface UnknownEvent extends api.Event {
  type: `${string} (not known to this version)`;
}

export type SwapPayEvent = InvoiceEvent | PayoutEvent | RefundEvent | TestEvent | UnknownEvent;
export type EventType = Exclude<SwapPayEvent, UnknownEvent>["type"];

/** The events, by their type: `if (event.type === "invoice.paid") event.data.net_raw`. */

import type { Invoice, InvoiceStatus, Payout, Refund, WithdrawalStatus } from "./generated/types.gen.js";

interface Envelope<Type, Data> {
  /** The same in all attempts and endpoints: ignore repeated ids. */
  event_id: string;
  /** Counts your events in a mode, without gaps. */
  seq: number;
  type: Type;
  /** When it happened. */
  created_at: string;
  merchant_id: string;
  mode: "live" | "test";
  /** The object that it is about, as the API showed it then. */
  data: Data;
}

type Each<Types extends string, Data> = { [Type in Types]: Envelope<Type, Data> }[Types];

type InvoiceWord =
  | "created"
  | "quoted"
  | "reversed"
  | Exclude<InvoiceStatus, "awaiting_choice" | "awaiting_deposit">;

export type InvoiceEvent = Each<`invoice.${InvoiceWord}`, { invoice_id: string } & Invoice>;
export type PayoutEvent = Each<`payout.${WithdrawalStatus}`, { payout_id: string } & Payout>;
export type RefundEvent = Each<`refund.${WithdrawalStatus}`, { refund_id: string } & Refund>;
/** The event that you have asked for by `webhooks.test`. */
export type TestEvent = Envelope<"webhook.test", Record<string, unknown>>;

/**
 * An event of a later version of the API, which this one does not know: answer it with 2xx and leave it. Its `type` is
 * any other text; the pattern here, which no type of ours matches, lets the compiler tell the known ones apart.
 */
export type UnknownEvent = Envelope<`${string} (not known to this version)`, Record<string, unknown>>;

export type SwapPayEvent = InvoiceEvent | PayoutEvent | RefundEvent | TestEvent | UnknownEvent;
export type EventType = Exclude<SwapPayEvent, UnknownEvent>["type"];

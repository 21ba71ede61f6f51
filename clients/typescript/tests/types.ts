/** What the compiler must accept, and what it must refuse. Only compiled, never run. */

import {
  type api, constructEvent, DuplicateOrderIdError, type EventType, type Invoice, rawAmount, SwapPay, SwapPayError, type SwapPayEvent,
} from "../src/index.js";

declare const client: SwapPay;
declare const event: SwapPayEvent;

export async function calls(): Promise<void> {
  const invoice: Invoice = await client.invoices.create({ amount: "5.00", currency: "USDT", chain: "ethereum" });
  const net: bigint | null = invoice.net_raw === null ? null : rawAmount(invoice.net_raw);
  void net;
  for await (const each of client.invoices.list({ status: "paid", limit: 100 })) void each.payment_url;
  for await (const page of client.payouts.list().byPage()) void page.data.length;
  // @ts-expect-error an amount is never a number
  await client.invoices.create({ amount: 5, currency: "USDT" });
  // @ts-expect-error there is no such field
  await client.invoices.create({ amount: "5", currency: "USDT", order: "1042" });
  // @ts-expect-error there is no such status
  client.invoices.list({ status: "sold" });
  // @ts-expect-error a cancellation has no idempotency key
  await client.invoices.cancel("INV-0123456789", { idempotencyKey: "1" });
  // @ts-expect-error the ledger is one asset's on one chain
  client.ledger.list({});
}

export function events(): string {
  switch (event.type) {
    case "invoice.paid":
      return event.data.invoice_id + event.data.payment_url;
    case "payout.confirmed":
      return event.data.payout_id + event.data.destination;
    case "refund.rejected":
      return event.data.refund_id + event.data.invoice_id;
    case "webhook.test":
      return event.event_id;
  }
  // @ts-expect-error an event of any other type may have no such field
  return event.data.payout_id;
}

export function unknown(error: unknown): string {
  if (error instanceof DuplicateOrderIdError) return error.invoiceId;
  if (error instanceof SwapPayError && error.code === "INSUFFICIENT_BALANCE") return error.message;
  throw error;
}

export async function verified(request: Request, secrets: readonly string[]): Promise<api.Invoice | undefined> {
  const event = await constructEvent(await request.text(), request.headers, secrets, { toleranceSeconds: 60 });
  if (event.type === "invoice.paid") return event.data;
  // @ts-expect-error no event has this type
  if (event.type === "invoice.sold") return undefined;
  return undefined;
}

/** Every event of the OpenAPI document has its type here. */
export const allOfThem: never = undefined as unknown as Exclude<api.Webhooks["key"], EventType>;

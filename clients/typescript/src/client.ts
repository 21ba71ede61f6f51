/** The merchant API, operation by operation. */

import type { SwapPayEvent } from "./events.js";
import type * as api from "./generated/types.gen.js";
import { type CallOptions, type ClientOptions, type CreateOptions, Http } from "./http.js";
import { byCursor, Pages } from "./pages.js";

type Filters<Operation extends { query?: unknown }> = NonNullable<Operation["query"]>;

/**
 * A client of one gateway with one key. For servers alone: the key must never reach a browser.
 *
 *     const client = new SwapPay({ url: "https://pay.example.com", key: process.env.SWAP_PAY_KEY });
 *     const invoice = await client.invoices.create({ amount: "5.00", currency: "USDT", chain: "ethereum" });
 *
 * Every method throws a SwapPayError.
 */
export class SwapPay {
  readonly invoices: Invoices;
  readonly quotes: Quotes;
  readonly payouts: Payouts;
  readonly refunds: Refunds;
  readonly assets: Assets;
  readonly balance: Balances;
  readonly ledger: Ledger;
  readonly networks: Networks;
  readonly rates: Rates;
  readonly transactions: Transactions;
  readonly webhooks: Webhooks;
  readonly events: Events;

  constructor(options: ClientOptions) {
    const http = new Http(options);
    this.invoices = new Invoices(http);
    this.quotes = new Quotes(http);
    this.payouts = new Payouts(http);
    this.refunds = new Refunds(http);
    this.assets = new Assets(http);
    this.balance = new Balances(http);
    this.ledger = new Ledger(http);
    this.networks = new Networks(http);
    this.rates = new Rates(http);
    this.transactions = new Transactions(http);
    this.webhooks = new Webhooks(http);
    this.events = new Events(http);
  }
}

class Noun {
  protected readonly http: Http;

  constructor(http: Http) {
    this.http = http;
  }
}

const BASE = "/api/v1/merchant";

class Invoices extends Noun {
  /** Ask a customer for an amount, then send the customer to `payment_url`. */
  create(invoice: api.InvoiceRequest, options?: CreateOptions): Promise<api.Invoice> {
    return this.http.create<api.CreateInvoiceData, api.CreateInvoiceResponse>(
      `${BASE}/invoices`, { body: invoice }, options,
    );
  }

  get(id: string, options?: CallOptions): Promise<api.Invoice> {
    return this.http.send<api.GetInvoiceData, api.GetInvoiceResponse>(
      "GET", `${BASE}/invoices/{invoice_id}`, { path: { invoice_id: id } }, options,
    );
  }

  /** The newest first. */
  list(filters: Filters<api.ListInvoicesData> = {}, options?: CallOptions): Pages<api.Invoice> {
    return byCursor(filters, (query) =>
      this.http.send<api.ListInvoicesData, api.ListInvoicesResponse>("GET", `${BASE}/invoices`, { query }, options),
    );
  }

  /** Only while nothing was paid. */
  cancel(id: string, options?: CallOptions): Promise<api.Invoice> {
    return this.http.send<api.CancelInvoiceData, api.CancelInvoiceResponse>(
      "POST", `${BASE}/invoices/{invoice_id}/cancel`, { path: { invoice_id: id } }, options,
    );
  }
}

class Quotes extends Noun {
  /** Choose for the customer what an invoice with a price is paid with. */
  create(invoiceId: string, choice: api.AssetOnChain, options?: CreateOptions): Promise<api.Invoice> {
    return this.http.create<api.CreateQuoteData, api.CreateQuoteResponse>(
      `${BASE}/invoices/{invoice_id}/quotes`, { path: { invoice_id: invoiceId }, body: choice }, options,
    );
  }
}

class Payouts extends Noun {
  /** Request to send money from your balance. An operator approves it. */
  create(payout: api.PayoutRequest, options?: CreateOptions): Promise<api.Payout> {
    return this.http.create<api.CreatePayoutData, api.CreatePayoutResponse>(
      `${BASE}/payouts`, { body: payout }, options,
    );
  }

  get(id: string, options?: CallOptions): Promise<api.Payout> {
    return this.http.send<api.GetPayoutData, api.GetPayoutResponse>(
      "GET", `${BASE}/payouts/{payout_id}`, { path: { payout_id: id } }, options,
    );
  }

  /** The newest first. */
  list(filters: Filters<api.ListPayoutsData> = {}, options?: CallOptions): Pages<api.Payout> {
    return byCursor(filters, (query) =>
      this.http.send<api.ListPayoutsData, api.ListPayoutsResponse>("GET", `${BASE}/payouts`, { query }, options),
    );
  }

  /** Only while it waits for its approval. */
  cancel(id: string, options?: CallOptions): Promise<api.Payout> {
    return this.http.send<api.CancelPayoutData, api.CancelPayoutResponse>(
      "POST", `${BASE}/payouts/{payout_id}/cancel`, { path: { payout_id: id } }, options,
    );
  }
}

class Refunds extends Noun {
  /** Request to send money of a paid invoice back. An operator approves it. */
  create(invoiceId: string, refund: api.RefundRequest, options?: CreateOptions): Promise<api.Refund> {
    return this.http.create<api.CreateRefundData, api.CreateRefundResponse>(
      `${BASE}/invoices/{invoice_id}/refunds`, { path: { invoice_id: invoiceId }, body: refund }, options,
    );
  }

  get(id: string, options?: CallOptions): Promise<api.Refund> {
    return this.http.send<api.GetRefundData, api.GetRefundResponse>(
      "GET", `${BASE}/refunds/{refund_id}`, { path: { refund_id: id } }, options,
    );
  }

  /** The newest first. */
  list(filters: Filters<api.ListRefundsData> = {}, options?: CallOptions): Pages<api.Refund> {
    return byCursor(filters, (query) =>
      this.http.send<api.ListRefundsData, api.ListRefundsResponse>("GET", `${BASE}/refunds`, { query }, options),
    );
  }

  /** Those of one invoice, the newest first. */
  listOfInvoice(
    invoiceId: string, filters: Filters<api.ListInvoiceRefundsData> = {}, options?: CallOptions,
  ): Pages<api.Refund> {
    const path = { invoice_id: invoiceId };
    return byCursor(filters, (query) =>
      this.http.send<api.ListInvoiceRefundsData, api.ListInvoiceRefundsResponse>(
        "GET", `${BASE}/invoices/{invoice_id}/refunds`, { path, query }, options,
      ),
    );
  }
}

class Assets extends Noun {
  /** What invoices may ask for. */
  async list(options?: CallOptions): Promise<api.Asset[]> {
    const { data } = await this.http.send<api.ListAssetsData, api.ListAssetsResponse>(
      "GET", `${BASE}/assets`, {}, options,
    );
    return data;
  }
}

class Balances extends Noun {
  /** What you have, asset by asset. */
  async get(options?: CallOptions): Promise<api.Balance[]> {
    const { data } = await this.http.send<api.GetBalanceData, api.GetBalanceResponse>(
      "GET", `${BASE}/balance`, {}, options,
    );
    return data;
  }
}

class Ledger extends Noun {
  /** The entries of one asset on one chain, the newest first. */
  list(filters: Filters<api.ListLedgerData>, options?: CallOptions): Pages<api.LedgerEntry> {
    return byCursor(filters, (query) =>
      this.http.send<api.ListLedgerData, api.ListLedgerResponse>("GET", `${BASE}/ledger`, { query }, options),
    );
  }

  /** Has the gateway compute the chain of hashes again. */
  verify(ledger: Filters<api.VerifyLedgerData>, options?: CallOptions): Promise<api.LedgerVerification> {
    return this.http.send<api.VerifyLedgerData, api.VerifyLedgerResponse>(
      "GET", `${BASE}/ledger/verify`, { query: ledger }, options,
    );
  }

  /** The proof that a published checkpoint holds your ledger. */
  proof(ledger: Filters<api.GetLedgerProofData>, options?: CallOptions): Promise<api.LedgerProof> {
    return this.http.send<api.GetLedgerProofData, api.GetLedgerProofResponse>(
      "GET", `${BASE}/ledger/proof`, { query: ledger }, options,
    );
  }
}

class Networks extends Noun {
  /** How far each chain was read. */
  async list(options?: CallOptions): Promise<api.Network[]> {
    const { data } = await this.http.send<api.ListNetworksData, api.ListNetworksResponse>(
      "GET", `${BASE}/networks`, {}, options,
    );
    return data;
  }
}

class Rates extends Noun {
  /** What each asset is worth in a national currency, and who says so. */
  list(of: Filters<api.ListRatesData>, options?: CallOptions): Promise<api.RateList> {
    return this.http.send<api.ListRatesData, api.ListRatesResponse>("GET", `${BASE}/rates`, { query: of }, options);
  }
}

class Transactions extends Noun {
  /** Where a transaction is, and what it pays. */
  get(
    chain: string, txid: string, query: Filters<api.GetTransactionData> = {}, options?: CallOptions,
  ): Promise<api.Transaction> {
    return this.http.send<api.GetTransactionData, api.GetTransactionResponse>(
      "GET", `${BASE}/transactions/{chain}/{txid}`, { path: { chain, txid }, query }, options,
    );
  }
}

class Webhooks extends Noun {
  /** A new endpoint. Its `secret` is shown this once. */
  create(endpoint: api.WebhookRequest, options?: CreateOptions): Promise<api.WebhookWithSecret> {
    return this.http.create<api.CreateWebhookData, api.CreateWebhookResponse>(
      `${BASE}/webhooks`, { body: endpoint }, options,
    );
  }

  get(id: string, options?: CallOptions): Promise<api.Webhook> {
    return this.http.send<api.GetWebhookData, api.GetWebhookResponse>(
      "GET", `${BASE}/webhooks/{webhook_id}`, { path: { webhook_id: id } }, options,
    );
  }

  /** The newest first. */
  list(filters: Filters<api.ListWebhooksData> = {}, options?: CallOptions): Pages<api.Webhook> {
    return byCursor(filters, (query) =>
      this.http.send<api.ListWebhooksData, api.ListWebhooksResponse>("GET", `${BASE}/webhooks`, { query }, options),
    );
  }

  /** Fields that are left out stay. */
  update(id: string, change: api.WebhookChange, options?: CallOptions): Promise<api.Webhook> {
    return this.http.send<api.UpdateWebhookData, api.UpdateWebhookResponse>(
      "PATCH", `${BASE}/webhooks/{webhook_id}`, { path: { webhook_id: id }, body: change }, options,
    );
  }

  async delete(id: string, options?: CallOptions): Promise<void> {
    await this.http.send<api.DeleteWebhookData, api.DeleteWebhookResponse>(
      "DELETE", `${BASE}/webhooks/{webhook_id}`, { path: { webhook_id: id } }, options,
    );
  }

  /** A new secret; the one before goes on signing beside it for some hours. Give both to `constructEvent` meanwhile. */
  rotateSecret(id: string, rotation: api.RotationRequest = {}, options?: CallOptions): Promise<api.WebhookWithSecret> {
    return this.http.send<api.RotateWebhookSecretData, api.RotateWebhookSecretResponse>(
      "POST", `${BASE}/webhooks/{webhook_id}/rotate-secret`, { path: { webhook_id: id }, body: rotation }, options,
    );
  }

  /** Have a `webhook.test` sent to it. */
  test(id: string, options?: CallOptions): Promise<api.QueuedTestEvent> {
    return this.http.send<api.TestWebhookData, api.TestWebhookResponse>(
      "POST", `${BASE}/webhooks/{webhook_id}/test`, { path: { webhook_id: id } }, options,
    );
  }

  /** What waits for a paused endpoint is sent, in order. */
  enable(id: string, options?: CallOptions): Promise<api.Webhook> {
    return this.http.send<api.EnableWebhookData, api.EnableWebhookResponse>(
      "POST", `${BASE}/webhooks/{webhook_id}/enable`, { path: { webhook_id: id } }, options,
    );
  }

  /** Have every event since a time sent again. */
  replay(id: string, replay: api.ReplayRequest, options?: CallOptions): Promise<api.QueuedDeliveries> {
    return this.http.send<api.ReplayWebhookData, api.ReplayWebhookResponse>(
      "POST", `${BASE}/webhooks/{webhook_id}/replay`, { path: { webhook_id: id }, body: replay }, options,
    );
  }

  /** What was sent to it, with every attempt; the newest event first. */
  deliveries(
    id: string, filters: Filters<api.ListDeliveriesData> = {}, options?: CallOptions,
  ): Pages<api.Delivery> {
    const path = { webhook_id: id };
    return byCursor(filters, (query) =>
      this.http.send<api.ListDeliveriesData, api.ListDeliveriesResponse>(
        "GET", `${BASE}/webhooks/{webhook_id}/deliveries`, { path, query }, options,
      ),
    );
  }
}

class Events extends Noun {
  get(id: string, options?: CallOptions): Promise<SwapPayEvent> {
    return this.http.send<api.GetEventData, SwapPayEvent>(
      "GET", `${BASE}/events/{event_id}`, { path: { event_id: id } }, options,
    );
  }

  /**
   * All that happened, delivered or not: the newest first, or with `after_seq` the oldest first from there on, up to
   * the last one that there is now.
   */
  list(filters: Filters<api.ListEventsData> = {}, options?: CallOptions): Pages<SwapPayEvent> {
    const ask = (query: Filters<api.ListEventsData>) =>
      this.http.send<api.ListEventsData, { data: SwapPayEvent[]; next_cursor: string | null }>(
        "GET", `${BASE}/events`, { query }, options,
      );
    if (filters.after_seq === undefined) return byCursor(filters, ask);
    return new Pages(async (before) => {
      const last = before?.data.at(-1);
      if (before !== undefined && last === undefined) return undefined;
      return ask({ ...filters, after_seq: last?.seq ?? filters.after_seq ?? 0 });
    });
  }

  /** Have one sent again: to one endpoint, or to all that it was sent to. */
  redeliver(id: string, to: api.RedeliveryRequest = {}, options?: CallOptions): Promise<api.QueuedDeliveries> {
    return this.http.send<api.RedeliverEventData, api.RedeliverEventResponse>(
      "POST", `${BASE}/events/{event_id}/redeliver`, { path: { event_id: id }, body: to }, options,
    );
  }
}

export type {
  Assets, Balances, Events, Invoices, Ledger, Networks, Payouts, Quotes, Rates, Refunds, Transactions, Webhooks,
};

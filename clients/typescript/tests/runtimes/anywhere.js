/** What the client does in any runtime: a call that is refused first, a list, an error, a redirect that is not followed, and verified webhooks. */

import { constructEvent, DuplicateOrderIdError, SwapPay } from "@swap-pay/client";

const SECRET = "whsec_3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const BODY = '{"event_id":"5f0c","seq":1,"type":"invoice.paid","data":{"description":"Größe ✓"}}';
const NOW = 1_800_000_000;
const HEADER = "t=1800000000,v1=9383eb18b52984f4c389dc577a002b7b8b21a76ad95189a51d8e41e2fa6705f5";

/** Asks the gateway at `url`, which tests/clients/test_typescript.py has. What comes back is compared there. */
export async function anywhere(url) {
  const client = new SwapPay({ url, key: "sspay_sec_test_0123456789_secret", timeoutMs: 20_000 });
  const invoice = await client.invoices.create({ amount: "5.00", currency: "USDT", chain: "ethereum", order_id: "1" });
  const listed = await client.invoices.list({ status: "paid" }).toArray();
  const error = await client.invoices.create({ amount: "5.00", currency: "USDT", order_id: "taken" }).catch((each) => each);
  const moved = await client.invoices.get("moved").catch((each) => each);
  const headers = new Headers({ "Swap-Pay-Signature": HEADER });
  const event = await constructEvent(BODY, headers, [SECRET], { now: NOW * 1_000 });
  const forged = await constructEvent(`${BODY} `, headers, SECRET, { now: NOW * 1_000 }).catch((each) => each);
  const old = await constructEvent(BODY, headers, SECRET).catch((each) => each);
  return {
    invoice: invoice.id,
    listed: listed.map(({ id }) => id),
    error: error instanceof DuplicateOrderIdError ? error.invoiceId : String(error),
    moved: moved.code ?? String(moved),
    event: event.data.description,
    forged: forged.reason ?? String(forged),
    old: old.reason ?? String(old),
  };
}

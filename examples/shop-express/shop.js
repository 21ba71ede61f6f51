/**
 * A shop that takes payments with Swap Pay: cart, checkout, webhook, order page.
 *
 * Its settings are in the environment: SWAP_PAY_URL and SWAP_PAY_KEY (a key with `invoices.write`), the secret of its
 * webhook endpoint in SWAP_PAY_WEBHOOK_SECRET, SHOP_PORT, SHOP_URL (how a browser gets here) and SHOP_DATA (a folder).
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { constructEvent, DuplicateOrderIdError, SwapPay, WebhookVerificationError } from "@swap-pay/client";
import express from "express";

import { leading, Orders } from "./orders.js";
import { cartPage, missingPage, orderPage, shelfPage, troublePage } from "./pages.js";

const GOODS = new Map([
  ["pot", { name: "Enamel pot", cents: 4_400, about: "Two litres, for soup or for one big bunch of dahlias." }],
  ["mug", { name: "Stoneware mug", cents: 1_850, about: "Thrown by hand, so no two are quite alike." }],
  ["candle", { name: "Beeswax candle", cents: 1_200, about: "Burns for thirty hours and smells of August." }],
  ["board", { name: "Oak board", cents: 3_600, about: "For bread, for cheese, for good." }],
  ["apron", { name: "Linen apron", cents: 3_990, about: "Heavy washed linen with one deep pocket." }],
  ["book", { name: "Recipe notebook", cents: 980, about: "Blank, ruled, and ready for butter stains." }],
]);
const MOST_OF_ONE = 20;
const CART = "express_cart"; // cookies are shared by all ports of a machine, and so by both example shops
const { SWAP_PAY_URL, SWAP_PAY_KEY, SWAP_PAY_WEBHOOK_SECRET, SHOP_PORT = "8011", SHOP_DATA = "." } = process.env;
const SHOP_URL = process.env.SHOP_URL ?? `http://127.0.0.1:${SHOP_PORT}`;

const client = new SwapPay({ url: SWAP_PAY_URL, key: SWAP_PAY_KEY, timeoutMs: 8_000, maxRetries: 2 });
const orders = new Orders(join(SHOP_DATA, "orders.json"));
const app = express().disable("x-powered-by");

app.use((request, response, next) => {
  // The last one lets the checkout's form lead to the payment page.
  const policy = `default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' ${SWAP_PAY_URL}`;
  response.set({ "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff" });
  next();
});
// Both example shops look the same.
app.use("/static", express.static(join(import.meta.dirname, "../shop/static")));

// Before anything that parses bodies: what is signed is the raw one.
app.post("/webhooks/swap-pay", express.raw({ type: () => true, limit: "1mb" }), async (request, response) => {
  const event = await constructEvent(request.body ?? "", request.headers, SWAP_PAY_WEBHOOK_SECRET);
  // Events may come twice, late or in another order. So the event says what to ask about, and the answer what is true.
  if (orders.get(event.data.order_id)) orders.learn(await client.invoices.get(event.data.invoice_id));
  response.status(204).end();
});

app.use(express.urlencoded({ extended: false, limit: "16kb" }));

app.get("/", (request, response) => response.send(shelfPage(GOODS, countOf(request))));

app.get("/cart", (request, response) => {
  // The order gets its number here, so the button pressed twice makes one order.
  response.set("Cache-Control", "no-store").send(cartPage(linesOf(request), randomBytes(12).toString("hex")));
});

app.post("/cart", (request, response) => {
  const { add, set, count } = request.body ?? {};
  const cart = cartOf(request);
  if (GOODS.has(add)) cart.set(add, Math.min((cart.get(add) ?? 0) + 1, MOST_OF_ONE));
  if (GOODS.has(set) && /^[0-9]{1,3}$/.test(count)) cart.set(set, Math.min(Number(count), MOST_OF_ONE));
  const kept = [...cart].filter(([, many]) => many > 0).map(([name, many]) => `${name}.${many}`);
  response.cookie(CART, kept.join("_"), { httpOnly: true, sameSite: "lax" }).redirect(303, "/cart");
});

app.post("/checkout", async (request, response) => {
  const { order: id } = request.body ?? {};
  const lines = linesOf(request);
  const isNew = /^[0-9a-f]{24}$/.test(id) && !orders.get(id) && lines.length > 0;
  if (isNew) orders.add({ id, lines, cents: lines.reduce((sum, line) => sum + line.cents, 0) });
  if (!orders.get(id)) return response.redirect(303, "/cart");
  response.clearCookie(CART).redirect(303, await whereToPay(orders.get(id)));
});

app.post("/orders/:id/pay", async (request, response) => {
  const order = orders.get(request.params.id);
  if (!order) return response.status(404).send(missingPage());
  response.redirect(303, await whereToPay(order));
});

app.get("/orders/:id", async (request, response) => {
  const order = orders.get(request.params.id);
  if (!order) return response.status(404).send(missingPage());
  // The customer may be here before the webhook: ask. Without an answer the page says what is known, never "failed".
  await asked(order).catch((error) => console.error(String(error)));
  response.set("Cache-Control", "no-store").send(orderPage(order));
});

/** Where the customer goes to pay an order: to its open invoice, to a new one if all have ended, else to the order. */
async function whereToPay(order) {
  await asked(order);
  const status = leading(order)?.status ?? "expired";
  if (["expired", "cancelled"].includes(status)) orders.learn(await newInvoice(order));
  const { status: now, payment_url: page } = leading(order);
  return ["awaiting_choice", "awaiting_deposit"].includes(now) ? page : `/orders/${order.id}`;
}

/** How each invoice of an order stands now. */
async function asked(order) {
  for (const { id } of [...order.invoices]) orders.learn(await client.invoices.get(id));
}

async function newInvoice(order) {
  const back = `${SHOP_URL}/orders/${order.id}`;
  const wanted = {
    amount: (order.cents / 100).toFixed(2),
    currency: "EUR",
    order_id: order.id,
    description: order.lines.map(({ count, name }) => `${count} × ${name}`).join(", "),
    success_url: back,
    fail_url: back,
  };
  try {
    // A key that this program finds again after a crash: an order never gets two invoices at once.
    return await client.invoices.create(wanted, { idempotencyKey: `order-${order.id}-${order.invoices.length}` });
  } catch (error) {
    if (error instanceof DuplicateOrderIdError) return client.invoices.get(error.invoiceId);
    throw error;
  }
}

/** What is in the cart: how many of what. The cookie is the customer's, and may say anything. */
function cartOf(request) {
  const [, text = ""] = /(?:^|; )express_cart=([a-z0-9._]*)/.exec(request.headers.cookie ?? "") ?? [];
  const entries = text.split("_").map((entry) => entry.split("."));
  const known = entries.filter(([name, count]) => GOODS.has(name) && /^[1-9][0-9]?$/.test(count));
  return new Map(known.map(([name, count]) => [name, Math.min(Number(count), MOST_OF_ONE)]));
}

const countOf = (request) => [...cartOf(request).values()].reduce((sum, each) => sum + each, 0);

function linesOf(request) {
  return [...cartOf(request)].map(([goods, count]) => {
    const { name, cents } = GOODS.get(goods);
    return { goods, name, count, cents: cents * count };
  });
}

app.use((request, response) => response.status(404).send(missingPage()));
app.use((error, request, response, next) => {
  if (error instanceof WebhookVerificationError) return response.status(400).end();
  console.error(error);
  response.status(error.status >= 400 && error.status < 500 && error.expose ? error.status : 502).send(troublePage());
});

app.listen(Number(SHOP_PORT), "127.0.0.1", () => console.log(`The shop is open at ${SHOP_URL}`));

/** Requests are sent again where that is safe, as often and as late as the API asks. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiKeyLockedError, NoAnswerError, TimeoutError, UnavailableError } from "../dist/index.js";
import { answer, broken, gateway, quickly, refusal } from "./gateway.js";

const INVOICE = { amount: "5.00", currency: "USDT", chain: "ethereum" };
const created = answer(201, { id: "INV-0123456789", a_field_of_later: { very: "new" }, status: "a_status_of_later" });

test("a creation goes on until it succeeds, under one key", async (t) => {
  const pauses = quickly(t);
  const { client, requests } = gateway([
    broken,
    refusal(503, "UNAVAILABLE", { "Retry-After": "7" }),
    refusal(409, "IDEMPOTENCY_IN_PROGRESS", { "Retry-After": "1" }),
    refusal(429, "RATE_LIMITED", { "Retry-After": "30" }),
    created,
  ]);
  const invoice = await client.invoices.create(INVOICE);
  assert.equal(invoice.id, "INV-0123456789");
  assert.equal(invoice.status, "a_status_of_later");
  assert.equal(requests.length, 5);
  const keys = new Set(requests.map(({ headers }) => headers["Idempotency-Key"]));
  assert.equal(keys.size, 1);
  assert.match([...keys][0], /^[0-9a-f-]{36}$/);
  assert.deepEqual(requests[4].body, INVOICE);
  for (const [place, least] of [0, 7_000, 1_000, 30_000].entries()) {
    assert.ok(pauses[place] > least && pauses[place] <= least + 8_000, `${place}: ${pauses[place]}`);
  }
  await client.invoices.create(INVOICE);
  assert.ok(!keys.has(requests[5].headers["Idempotency-Key"]), "another creation has another key");
});

test("the caller's own key is the one that is sent", async () => {
  const { client, requests } = gateway([created]);
  await client.invoices.create(INVOICE, { idempotencyKey: "order-1042", requestId: "checkout-7f3a" });
  assert.equal(requests[0].headers["Idempotency-Key"], "order-1042");
  assert.equal(requests[0].headers["X-Request-Id"], "checkout-7f3a");
  assert.equal(requests[0].headers.Authorization, "Bearer sspay_sec_test_0123456789_secret");
});

test("it ends: after four more attempts, with the last error", async (t) => {
  const pauses = quickly(t);
  const down = gateway([refusal(503, "UNAVAILABLE", { "Retry-After": "2" })]);
  await assert.rejects(down.client.invoices.get("INV-1"), (error) => {
    assert.ok(error instanceof UnavailableError);
    assert.deepEqual([error.code, error.status, error.requestId, error.retryAfterSeconds], ["UNAVAILABLE", 503, "req-1", 2]);
    return true;
  });
  assert.equal(down.requests.length, 5);
  const gone = gateway([broken], { maxRetries: 1 });
  await assert.rejects(gone.client.balance.get(), NoAnswerError);
  assert.equal(gone.requests.length, 2);
  assert.ok(pauses.every((ms) => ms <= 10_000));
});

test("a POST without a key is sent once", async () => {
  for (const failure of [broken, refusal(503, "UNAVAILABLE", { "Retry-After": "1" })]) {
    const { client, requests } = gateway([failure]);
    await assert.rejects(client.invoices.cancel("INV-1"));
    await assert.rejects(client.webhooks.rotateSecret("WH-1"));
    await assert.rejects(client.events.redeliver("5f0c"));
    assert.deepEqual(requests.map(({ headers }) => headers["Idempotency-Key"]), [undefined, undefined, undefined]);
  }
});

test("what can't get better is not tried again, and a long lock is not waited for", async () => {
  const refused = gateway([refusal(400, "INVALID_INPUT")]);
  await assert.rejects(refused.client.invoices.create(INVOICE), { code: "INVALID_INPUT" });
  assert.equal(refused.requests.length, 1);
  const locked = gateway([refusal(429, "API_KEY_LOCKED", { "Retry-After": "3600" })]);
  await assert.rejects(locked.client.invoices.get("INV-1"), (error) => {
    assert.ok(error instanceof ApiKeyLockedError);
    assert.equal(error.retryAfterSeconds, 3_600);
    return true;
  });
  assert.equal(locked.requests.length, 1);
});

test("a deletion whose answer was lost has succeeded", async (t) => {
  quickly(t);
  const { client, requests } = gateway([broken, refusal(404, "WEBHOOK_NOT_FOUND")]);
  assert.equal(await client.webhooks.delete("WH-1"), undefined);
  assert.equal(requests.length, 2);
  const never = gateway([refusal(404, "WEBHOOK_NOT_FOUND")]);
  await assert.rejects(never.client.webhooks.delete("WH-1"), { code: "WEBHOOK_NOT_FOUND" });
});

/** An answer that never comes; and one whose body stops in the middle. */
const silent = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
const halfway = (signal) =>
  new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"id":'));
        signal.addEventListener("abort", () => controller.error(signal.reason));
      },
    }),
  );

test("an attempt has a limit of time, the body included", async () => {
  for (const hanging of [silent, halfway]) {
    const { client, requests } = gateway([hanging], { timeoutMs: 20, maxRetries: 0 });
    await assert.rejects(client.invoices.get("INV-1"), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.deepEqual([error.code, error.status], ["TIMEOUT", undefined]);
      return true;
    });
    assert.equal(requests.length, 1);
  }
});

test("the caller's signal ends a call: under way, in a pause, and before it begins", { timeout: 60_000 }, async () => {
  const reason = new Error("the customer has left");
  const hanging = gateway([silent], { timeoutMs: 600_000 });
  const during = new AbortController();
  const call = hanging.client.invoices.get("INV-1", { signal: during.signal });
  during.abort(reason);
  await assert.rejects(call, reason);
  assert.equal(hanging.requests.length, 1);

  const limited = gateway([refusal(429, "RATE_LIMITED", { "Retry-After": "60" })]);
  const inPause = new AbortController();
  const waiting = limited.client.invoices.get("INV-1", { signal: inPause.signal });
  while (limited.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
  setImmediate(() => inPause.abort(reason));
  await assert.rejects(waiting, reason);

  await assert.rejects(limited.client.invoices.get("INV-1", { signal: AbortSignal.abort(reason) }), reason);
  assert.equal(limited.requests.length, 1);
});

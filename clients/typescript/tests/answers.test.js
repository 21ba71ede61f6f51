/** Every operation is there; answers become pages, values and errors; what a later API adds does no harm. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";

import * as library from "../dist/index.js";
import { answer, gateway, KEY, refusal } from "./gateway.js";

const { operations } = JSON.parse(readFileSync(new URL("../src/generated/operations.json", import.meta.url), "utf8"));
const { formatAmount, parseAmount, rawAmount, SwapPay } = library;

test("every operation of the OpenAPI document can be called", async () => {
  const reached = new Set();
  const templates = Object.entries(operations).map(([id, operation]) => {
    const [method, url] = operation.split(" ");
    return { id, method, pattern: new RegExp(`^${url.replace(/\{\w+\}/g, "ID")}$`) };
  });
  const { client, requests } = gateway([answer(200, { data: [], next_cursor: null })]);
  for (const noun of Object.values(client)) {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(noun))) {
      if (name === "constructor") continue;
      const called = noun[name](...(noun[name].length === 0 ? [] : ["ID", "ID"]));
      if (Symbol.asyncIterator in called) for await (const each of called) assert.fail(each);
      else await called;
      const { method, path } = requests.at(-1);
      const found = templates.find((each) => each.method === method && each.pattern.test(path));
      assert.ok(found, `${name} asks for ${method} ${path}`);
      reached.add(found.id);
    }
  }
  assert.deepEqual(Object.keys(operations).filter((id) => !reached.has(id)), []);
});

test("a list is all of its pages, asked for as they are needed", async () => {
  const pages = [
    answer(200, { data: [{ id: "INV-1" }, { id: "INV-2" }], next_cursor: "two&more" }),
    answer(200, { data: [{ id: "INV-3" }], next_cursor: null }),
  ];
  const filters = { status: "paid", created_from: new Date(0).toISOString(), order_id: undefined };
  const { client, requests } = gateway(pages);
  const seen = [];
  for await (const { id } of client.invoices.list(filters)) seen.push(id);
  assert.deepEqual(seen, ["INV-1", "INV-2", "INV-3"]);
  const asked = { status: "paid", created_from: "1970-01-01T00:00:00.000Z" };
  assert.deepEqual(requests.map(({ query }) => query), [asked, { ...asked, cursor: "two&more" }]);

  const lazy = gateway([pages[0]]);
  assert.equal((await lazy.client.invoices.list().first()).id, "INV-1");
  assert.equal((await lazy.client.invoices.list().toArray(2)).length, 2);
  assert.ok(lazy.requests.every(({ query }) => query.cursor === undefined));
  assert.equal((await gateway(pages).client.invoices.list().toArray()).length, 3);
});

test("events after a seq go on at the last one", async () => {
  const { client, requests } = gateway([
    answer(200, { data: [{ seq: 8, type: "invoice.paid" }, { seq: 9, type: "invoice.teleported" }], next_cursor: null }),
    answer(200, { data: [{ seq: 10, type: "invoice.paid" }], next_cursor: null }),
    answer(200, { data: [], next_cursor: null }),
  ]);
  const seen = [];
  for await (const { seq } of client.events.list({ after_seq: 7, limit: 2 })) seen.push(seq);
  assert.deepEqual(seen, [8, 9, 10]);
  assert.deepEqual(requests.map(({ query }) => query.after_seq), ["7", "9", "10"]);
});

test("an error is of its code's class, else of its status's", async () => {
  const thrown = async (status, code, more) => {
    const { client } = gateway([refusal(status, code, { "Retry-After": "99" }, more)]);
    return client.invoices.get("INV-1").then(assert.fail, (error) => error);
  };
  const duplicate = await thrown(409, "DUPLICATE_ORDER_ID", { invoice_id: "INV-9", a_field_of_later: 1 });
  assert.ok(duplicate instanceof library.DuplicateOrderIdError && duplicate instanceof library.ConflictError);
  assert.equal(duplicate.invoiceId, "INV-9");
  assert.equal(duplicate.name, "DuplicateOrderIdError");
  assert.equal(duplicate.message, "about DUPLICATE_ORDER_ID");
  assert.ok((await thrown(400, "INSUFFICIENT_BALANCE")) instanceof library.InsufficientBalanceError);
  assert.ok((await thrown(422, "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY")) instanceof library.IdempotencyKeyReusedError);
  const parents = { 400: "BadRequest", 401: "Authentication", 403: "Forbidden", 404: "NotFound", 409: "Conflict" };
  for (const [status, name] of Object.entries({ ...parents, 429: "RateLimit", 500: "Server", 503: "Unavailable" })) {
    const error = await thrown(Number(status), "A_CODE_OF_LATER");
    assert.equal(error.name, `${name}Error`);
    assert.equal(error.code, "A_CODE_OF_LATER");
    assert.ok(error instanceof library.SwapPayError);
  }
  assert.ok((await thrown(418, "constructor")) instanceof library.BadRequestError);
});

test("what is none of the API's answers is said to be so", async () => {
  const page = (status, headers) => () => new Response("<h1>Bad gateway</h1>", { status, headers });
  const ask = (made) => gateway([made], { maxRetries: 0 }).client.balance.get().then(assert.fail, (error) => error);
  assert.equal((await ask(page(502))).name, "ServerError");
  assert.equal((await ask(page(502))).code, "UNREADABLE_ANSWER");
  assert.equal((await ask(page(200))).name, "UnreadableAnswerError");
  const redirect = await ask(page(302, { Location: "https://elsewhere.example.test/" }));
  assert.deepEqual([redirect.name, redirect.status], ["UnreadableAnswerError", 302]);
  assert.equal((await ask(answer(400, { error: "odd" }))).name, "BadRequestError");
});

test("what will end is told", async () => {
  const headers = { Deprecation: "@1777593600", Sunset: "Tue, 01 Jun 2027 00:00:00 GMT", Link: '<https://x.test/docs>' };
  const told = [];
  const { client } = gateway([answer(200, { id: "INV-1" }, headers), answer(200, { id: "INV-1" })], {
    onDeprecation: (notice) => told.push(notice),
  });
  await client.invoices.get("INV-1");
  await client.invoices.get("INV-1");
  const operation = "GET /api/v1/merchant/invoices/{invoice_id}";
  assert.deepEqual(told, [{ operation, sunset: headers.Sunset, link: headers.Link }]);
});

test("an id can't lead to another operation, and wrong settings are refused at once", async () => {
  const { client, requests } = gateway([answer(200, {})]);
  await client.invoices.get("INV-1/../../payouts?x#y");
  assert.equal(requests[0].path, "/api/v1/merchant/invoices/INV-1%2F..%2F..%2Fpayouts%3Fx%23y");
  for (const id of ["", "..", ".", undefined, null, 5]) await assert.rejects(client.invoices.get(id), TypeError);
  assert.equal(requests.length, 1);
  for (const url of ["ftp://x.test", "not a url", "https://user:password@pay.example.test"]) {
    assert.throws(() => new SwapPay({ url, key: KEY }), TypeError);
  }
  for (const key of ["", undefined, "two words", "línea"]) {
    assert.throws(() => new SwapPay({ url: "https://pay.example.test", key }), TypeError);
  }
  assert.throws(() => new SwapPay({ url: "https://pay.example.test", key: KEY, timeoutMs: 0 }), TypeError);
});

test("the key is not shown where a client is logged", () => {
  const { client } = gateway([]);
  const shown = inspect(client, { depth: 9, showHidden: true }) + JSON.stringify(client);
  assert.ok(!shown.includes("secret"), shown);
});

test("amounts are exact", () => {
  assert.equal(rawAmount("123456789012345678901234567890"), 123456789012345678901234567890n);
  assert.equal(parseAmount("5.000073", 6), 5000073n);
  assert.equal(parseAmount("-0.5", 18), -500000000000000000n);
  assert.equal(formatAmount(5000073n, 6), "5.000073");
  assert.equal(formatAmount(-7n, 2), "-0.07");
  assert.equal(formatAmount(7n, 0), "7");
  for (const wrong of ["1e3", "", "0.0000001", "1.", ".5", "1,5", 5, "٣"]) assert.throws(() => parseAmount(wrong, 6), TypeError);
  for (const wrong of ["1.0", "", "0x1", 5, null]) assert.throws(() => rawAmount(wrong), TypeError);
});

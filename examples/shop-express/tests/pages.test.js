/** What the order page says in each state; nothing that is put into it becomes markup. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { cartPage, orderPage } from "../pages.js";

const deposit = { amount_decimal: "4.00", asset: "USDT", confirmations: 2, review_reason: null };
const pay_in = { asset: "USDT", amount_decimal: "5.00", confirmations_required: 3 };
const lines = [{ goods: "mug", name: "Mug <b>&'\"", count: 1, cents: 1_800 }];

function said(status, more = {}, ...others) {
  const invoice = { id: "INV-1", status, pay_in, deposits: [deposit], needs_review: false, review: null, ...more };
  return orderPage({ id: "0a", lines, cents: 1_800, invoices: [...others, invoice] });
}
const odd = (review_reason) => ({ deposits: [{ ...deposit, review_reason }], needs_review: true });

test("each state in plain words, and no money is called failed", () => {
  const words = {
    awaiting_choice: "We are checking your payment",
    awaiting_deposit: "We are checking your payment",
    confirming: "confirmed it 2 of 3 times",
    paid: "Paid. Thank you!",
    partially_refunded: "a part of your money back",
    refunded: "We have sent your money back",
    expired: "the time for it is over",
    cancelled: "the time for it is over",
    closed: "Please write to us",
    manual_review: "Please do not pay again",
    a_state_of_later: "Please do not pay again",
  };
  for (const [status, text] of Object.entries(words)) {
    assert.ok(said(status).includes(text), status);
    assert.doesNotMatch(said(status), /fail|error|undefined|null/i, status);
  }
  assert.ok(orderPage({ id: "0a", lines, cents: 1_800, invoices: [] }).includes("We are checking your payment"));
});

test("what came otherwise than it was asked for", () => {
  assert.ok(said("manual_review", odd("underpaid")).includes("sent 4.00 USDT, and your order costs 5.00 USDT: that is too little"));
  assert.ok(said("manual_review", odd("overpaid")).includes("that is too much"));
  assert.ok(said("manual_review", odd("late")).includes("came after the time for it was over"));
  assert.ok(said("manual_review", odd("wrong_asset")).includes("5.00 USDT was asked for"));
  assert.ok(said("manual_review", odd("a_reason_of_later")).includes("came otherwise"));
  assert.ok(said("paid", odd("second")).includes("Something more has come"));
  assert.ok(said("closed", { review: { outcome: "returned" } }).includes("have sent it back"));
});

test("a late payment of an invoice that had expired is what the page tells", () => {
  const late = { id: "INV-0", status: "paid", pay_in, deposits: [], needs_review: false };
  assert.ok(said("awaiting_choice", {}, late).includes("Paid. Thank you!"));
  assert.ok(said("awaiting_choice", {}, { ...late, status: "manual_review" }).includes("Please do not pay again"));
  assert.ok(said("awaiting_choice", {}, { ...late, status: "expired" }).includes("We are checking"));
});

test("values are text", () => {
  for (const page of [said("paid"), cartPage(lines, "0a"), said("manual_review", { deposits: [{ ...deposit, amount_decimal: "<i>4", review_reason: "late" }] })]) {
    assert.doesNotMatch(page, /Mug <b>|<i>4/);
    assert.ok(page.includes("Mug &lt;b&gt;&amp;&#39;&quot;"));
  }
});

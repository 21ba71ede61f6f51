/** An event is accepted when it is signed with the secret, over these very bytes, and of now. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { constructEvent, WebhookVerificationError } from "../dist/index.js";

const SECRET = "whsec_3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEXT = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const BODY = JSON.stringify({ event_id: "5f0c", seq: 1, type: "invoice.paid", data: { description: "Größe ✓" } });
const now = Date.now();
const stamp = Math.floor(now / 1_000);

const mark = (secret, t = stamp, body = BODY) => createHmac("sha256", secret).update(`${t}.${body}`).digest("hex");
const signed = (...marks) => ({ "Swap-Pay-Signature": [`t=${stamp}`, ...marks.map((each) => `v1=${each}`)].join(",") });

const refused = (reason, body, headers, secret = SECRET, options = {}) =>
  assert.rejects(constructEvent(body, headers, secret, { now, ...options }), (error) => {
    assert.ok(error instanceof WebhookVerificationError, String(error));
    assert.equal(error.reason, reason);
    return true;
  });

test("the event of a signed body, in every form in which servers have it", async () => {
  const buffer = Buffer.from(BODY);
  const array = new Uint8Array(buffer).buffer;
  const own = signed(mark(SECRET));
  const listed = { "swap-pay-signature": [own["Swap-Pay-Signature"]], other: undefined };
  for (const body of [BODY, buffer, array, new DataView(array)]) {
    for (const headers of [own, new Headers(own), listed]) {
      const event = await constructEvent(body, headers, SECRET, { now });
      assert.deepEqual(event, JSON.parse(BODY));
    }
  }
});

test("during a rotation either side may be ahead", async () => {
  const both = signed(mark(NEXT), mark(SECRET));
  await constructEvent(BODY, both, SECRET, { now });
  await constructEvent(BODY, both, NEXT, { now });
  await constructEvent(BODY, signed(mark(SECRET)), [NEXT, SECRET], { now });
  await refused("signature", BODY, signed(mark(SECRET)), [NEXT]);
});

test("another body, secret or time is refused", async () => {
  const headers = signed(mark(SECRET));
  await refused("signature", `${BODY} `, headers);
  await refused("signature", BODY, headers, NEXT);
  await refused("signature", BODY, headers, SECRET.toLowerCase());
  await refused("signature", BODY, { "swap-pay-signature": `t=${stamp + 1},v1=${mark(SECRET)}` });
  await refused("signature", BODY, signed("0".repeat(64)));
});

test("an old request is a replay, whoever signed it", async () => {
  const headers = signed(mark(SECRET));
  const at = (seconds) => ({ now: stamp * 1_000 + seconds * 1_000 });
  await constructEvent(BODY, headers, SECRET, at(300));
  await constructEvent(BODY, headers, SECRET, at(-300));
  await refused("timestamp", BODY, headers, SECRET, at(301));
  await refused("timestamp", BODY, headers, SECRET, at(-301));
  await refused("timestamp", BODY, headers, SECRET, { ...at(11), toleranceSeconds: 10 });
  await constructEvent(BODY, headers, SECRET, { ...at(900), toleranceSeconds: 900 });
  await assert.rejects(constructEvent(BODY, headers, SECRET, { toleranceSeconds: Number.NaN }), TypeError);
});

test("a header of another form is refused", async () => {
  const good = mark(SECRET);
  const forms = [
    "", "t=", "v1=", `v1=${good}`, `t=${stamp}`, `t=${stamp},v0=${good}`, `t=soon,v1=${good}`, `t=${stamp},v1=abc`,
    `t=${stamp},t=${stamp + 1},v1=${good}`, `t=-${stamp},v1=${good}`, `t=${stamp}.0,v1=${good}`,
  ];
  for (const form of forms) await refused("header", BODY, { "swap-pay-signature": form });
  await refused("header", BODY, {});
  await refused("header", BODY, new Headers());
});

test("a body that was parsed already is a mistake of the program, and so is no secret", async () => {
  const headers = signed(mark(SECRET));
  await assert.rejects(constructEvent(JSON.parse(BODY), headers, SECRET), /raw body/);
  for (const secret of ["", undefined, [], [""], [undefined]]) {
    await assert.rejects(constructEvent(BODY, headers, secret), TypeError);
  }
});

test("an event of a later version is an event; what is signed and none is refused", async () => {
  const later = JSON.stringify({ event_id: "7a", type: "invoice.teleported", data: { new: 1 }, whole: "new" });
  assert.equal((await constructEvent(later, signed(mark(SECRET, stamp, later)), SECRET, { now })).type, "invoice.teleported");
  for (const none of ["", "null", "[]", "not json", '{"event_id": "5f0c"}']) {
    await refused("body", none, signed(mark(SECRET, stamp, none)));
  }
});

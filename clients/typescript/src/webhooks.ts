/** The events that the gateway sends to your server: is this one ours, fresh and whole? */

import type { SwapPayEvent } from "./events.js";

/** Why a request is not accepted as an event. Answer it with 400, and do nothing else. */
export class WebhookVerificationError extends Error {
  /** `signature`: it is not signed with your secret. `timestamp`: it is too old, or of the future. */
  readonly reason: "header" | "signature" | "timestamp" | "body";

  constructor(reason: WebhookVerificationError["reason"], message: string) {
    super(message);
    this.name = "WebhookVerificationError";
    this.reason = reason;
  }
}

export interface VerificationOptions {
  /** How far the signature's time may be from the clock's; 300 unless given. An older one may be a replay. */
  toleranceSeconds?: number;
  /** The time to compare with, in milliseconds; the clock's unless given. */
  now?: number;
}

type HeadersLike = Headers | Record<string, string | readonly string[] | undefined>;

const SIGNATURE_HEADER = "swap-pay-signature";

/** More than a header of ours ever has: two, during a rotation. */
const MOST_MARKS = 16;

/**
 * The event of a request, once its signature is verified.
 *
 * `body` is the raw body, as bytes or text: parsed and printed again it would be another one. `secret` is the secret of
 * your endpoint, or several while you change from one to the next. Throws a WebhookVerificationError.
 *
 * The gateway sends an event until you accept it, so the same one can come twice: ignore an `event_id` that you have.
 */
export async function constructEvent(
  body: string | ArrayBuffer | ArrayBufferView,
  headers: HeadersLike,
  secret: string | readonly string[],
  options: VerificationOptions = {},
): Promise<SwapPayEvent> {
  const toleranceSeconds = options.toleranceSeconds ?? 300;
  if (!(toleranceSeconds >= 0)) throw new TypeError("toleranceSeconds: must be a number from 0 up");
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (!Array.isArray(secrets) || secrets.length === 0 || !secrets.every((each) => typeof each === "string" && each)) {
    throw new TypeError("secret: must be the endpoint's secret, whsec_…, or several");
  }
  const bytes = bytesOf(body);
  const { timestamp, marks } = parsed(headerOf(headers));
  if (!(await isSigned(bytes, timestamp, marks, secrets))) {
    throw new WebhookVerificationError("signature", "The signature is not one of your secret over this very body.");
  }
  const awaySeconds = Math.abs((options.now ?? Date.now()) / 1_000 - Number(timestamp));
  if (awaySeconds > toleranceSeconds) {
    throw new WebhookVerificationError("timestamp", `The signature is ${Math.round(awaySeconds)} s away from now.`);
  }
  return eventOf(bytes);
}

function bytesOf(body: string | ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  }
  throw new TypeError("body: must be the raw body, as bytes or text, before anything has parsed it");
}

function headerOf(headers: HeadersLike): string {
  if (typeof (headers as Headers).get === "function") return (headers as Headers).get(SIGNATURE_HEADER) ?? "";
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() === SIGNATURE_HEADER && value !== undefined) return String(value);
  }
  return "";
}

function parsed(header: string): { timestamp: string; marks: Uint8Array<ArrayBuffer>[] } {
  const parts = header.split(",").map((part) => part.trim().split("=", 2));
  const stamps = parts.filter(([name]) => name === "t").map(([, value]) => value ?? "");
  const marks = parts.filter(([name, value]) => name === "v1" && /^[0-9a-f]{64}$/.test(value ?? ""));
  const [timestamp] = stamps;
  if (stamps.length !== 1 || !/^[0-9]{1,12}$/.test(timestamp ?? "") || marks.length === 0) {
    throw new WebhookVerificationError("header", "The request has no Swap-Pay-Signature header of the form t=…,v1=….");
  }
  return { timestamp: timestamp as string, marks: marks.slice(0, MOST_MARKS).map(([, hex]) => fromHex(hex as string)) };
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: hex.length / 2 }, (_, place) => Number.parseInt(hex.slice(place * 2, place * 2 + 2), 16));
}

/** Whether one of the marks is one of the secrets' over `<timestamp>.<body>`. `verify` compares in constant time. */
async function isSigned(
  body: Uint8Array<ArrayBuffer>,
  timestamp: string,
  marks: readonly Uint8Array<ArrayBuffer>[],
  secrets: readonly string[],
): Promise<boolean> {
  const stamp = new TextEncoder().encode(`${timestamp}.`);
  const signed = new Uint8Array(stamp.length + body.length);
  signed.set(stamp);
  signed.set(body, stamp.length);
  for (const secret of secrets) {
    const bytes = new TextEncoder().encode(secret); // the whole secret as text, `whsec_` included
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const mark of marks) {
      if (await crypto.subtle.verify("HMAC", key, mark, signed)) return true;
    }
  }
  return false;
}

function eventOf(bytes: Uint8Array): SwapPayEvent {
  let event: Partial<SwapPayEvent> | null;
  try {
    event = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Partial<SwapPayEvent> | null;
  } catch {
    event = null;
  }
  if (typeof event?.event_id !== "string" || typeof event.type !== "string" || typeof event.data !== "object") {
    throw new WebhookVerificationError("body", "The body is no event, though it is signed.");
  }
  return event as SwapPayEvent;
}

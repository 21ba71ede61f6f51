/**
 * One call of the API: its request, the limit of its time, its repetitions, its answer.
 *
 * A request is sent again where that is safe: GET, PATCH and DELETE by their nature, POST under its idempotency key,
 * which stays the same. A POST without a key is sent once.
 */

import { errorOf, NoAnswerError, type SwapPayError, TimeoutError, UnreadableAnswerError } from "./errors.js";

/** The first pause before a request is sent again, where the API names none; doubled each time, up to the longest. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;

/** A longer `Retry-After` is not waited for: the caller gets the error at once, with `retryAfterSeconds`. */
const LONGEST_RETRY_AFTER_S = 60;

const USER_AGENT = "swap-pay-client-typescript/0.1.0";

/** What every call takes beside its own arguments. */
export interface CallOptions {
  /** Ends the call, its pauses included, with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** For one attempt, until the whole answer is there; 30,000 unless the client was given another. */
  timeoutMs?: number | undefined;
  /** An id of your own for the request, which the API writes into its log: letters, digits, `.`, `_`, `-`. */
  requestId?: string | undefined;
}

/** What a creation takes. */
export interface CreateOptions extends CallOptions {
  /**
   * The name of this one creation; a random one unless given. Give the number of your order: then a process that has
   * died and comes back creates nothing twice.
   */
  idempotencyKey?: string | undefined;
}

/** How a client is made. */
export interface ClientOptions {
  /** Where the gateway is, such as `https://pay.example.com`. */
  url: string;
  /** The secret key: `sspay_sec_test_…` or `sspay_sec_live_…`. It must never reach a browser. */
  key: string;
  /** For one attempt; 30,000 unless given. */
  timeoutMs?: number;
  /** How often a request is sent again; 4 unless given. */
  maxRetries?: number;
  /** Is told of each answer to a call that will end one day. The API tells it at least twelve months before. */
  onDeprecation?: (notice: Deprecation) => void;
  /** Another implementation of `fetch`, for instance one that uses a proxy. */
  fetch?: typeof fetch;
}

/** Something that a call uses will end. */
export interface Deprecation {
  /** Such as `GET /api/v1/merchant/invoices/{invoice_id}`. */
  operation: string;
  /** When it ends, as the header `Sunset` says it. */
  sunset: string | undefined;
  /** The header `Link`, which leads to what to use instead. */
  link: string | undefined;
}

type Query = Record<string, string | number | boolean | Date | undefined>;

/** An operation, as the generated types describe it. */
export interface Operation {
  url: string;
  path?: Record<string, string> | undefined;
  query?: object | undefined;
  body?: unknown;
}

/** The arguments of an operation, without its URL: those that it has, and those that it needs. */
export type Arguments<O extends Operation> = Omit<O, "url" | "headers">;

/** Sends requests with one key to one gateway. */
export class Http {
  readonly #url: string;
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #fetch: typeof fetch;
  readonly #onDeprecation: ((notice: Deprecation) => void) | undefined;

  constructor(options: ClientOptions) {
    const { protocol, username, origin, pathname } = new URL(options.url);
    if ((protocol !== "https:" && protocol !== "http:") || username) {
      throw new TypeError("url: must be an http(s) address without user info, such as https://pay.example.com");
    }
    if (!/^[\x21-\x7e]+$/.test(options.key ?? "")) {
      throw new TypeError("key: must be a secret key, sspay_sec_…");
    }
    this.#url = origin + pathname.replace(/\/+$/, "");
    this.#key = options.key;
    this.#timeoutMs = positive("timeoutMs", options.timeoutMs ?? 30_000);
    this.#maxRetries = positive("maxRetries", options.maxRetries ?? 4, 0);
    this.#onDeprecation = options.onDeprecation;
    // Not kept as it is: some runtimes refuse `fetch` as a method of another object.
    const own = options.fetch;
    this.#fetch = own ? (input, init) => own(input, init) : (input, init) => fetch(input, init);
  }

  /** A call that creates something: it has an idempotency key, and is sent again under it. */
  create<O extends Operation, R>(url: O["url"], given: Arguments<O>, options: CreateOptions = {}): Promise<R> {
    const key = options.idempotencyKey ?? crypto.randomUUID();
    return this.send<O, R>("POST", url, given, options, key);
  }

  /** Any other call. Resolves to the answer's JSON, undefined where it has none. */
  async send<O extends Operation, R>(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    url: O["url"],
    given: Arguments<O>,
    options: CallOptions = {},
    idempotencyKey?: string,
  ): Promise<R> {
    const operation: Omit<Operation, "url"> = given;
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.#key}`,
      Accept: "application/json",
      "User-Agent": USER_AGENT,
    };
    if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
    if (options.requestId !== undefined) headers["X-Request-Id"] = options.requestId;
    const init: RequestInit = { method, headers, redirect: "manual" };
    if (operation.body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(operation.body);
    }
    const address = this.#url + filled(url, operation.path ?? {}) + queryString((operation.query ?? {}) as Query);
    const isRepeatable = method !== "POST" || idempotencyKey !== undefined;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return (await this.#attempt(url, address, init, options)) as R;
      } catch (error) {
        const isGone = method === "DELETE" && attempt > 0 && (error as SwapPayError).status === 404;
        if (isGone) return undefined as R; // an attempt whose answer was lost has deleted it
        const pause = isRepeatable && attempt < this.#maxRetries ? pauseMs(error, attempt) : undefined;
        if (pause === undefined) throw error;
        await slept(pause, options.signal);
      }
    }
  }

  async #attempt(url: string, address: string, init: RequestInit, options: CallOptions): Promise<unknown> {
    const limit = new AbortController();
    const timeoutMs = positive("timeoutMs", options.timeoutMs ?? this.#timeoutMs);
    options.signal?.throwIfAborted();
    const stop = () => limit.abort();
    const timer = setTimeout(stop, timeoutMs);
    options.signal?.addEventListener("abort", stop);
    let answer: Response;
    let text: string;
    try {
      answer = await this.#fetch(address, { ...init, signal: limit.signal });
      text = await answer.text();
    } catch (error) {
      options.signal?.throwIfAborted();
      const none = { status: undefined, requestId: undefined, cause: error };
      throw limit.signal.aborted
        ? new TimeoutError({ ...none, code: "TIMEOUT", message: `No answer within ${timeoutMs} ms.` })
        : new NoAnswerError({ ...none, code: "NO_ANSWER", message: `No answer: ${(error as Error).message}` });
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", stop);
    }
    if (answer.headers.has("Deprecation")) {
      const [sunset, link] = ["Sunset", "Link"].map((name) => answer.headers.get(name) ?? undefined);
      this.#onDeprecation?.({ operation: `${init.method} ${url}`, sunset, link });
    }
    return read(answer, text);
  }
}

/** The answer's JSON. Throws the error that it holds. */
function read(answer: Response, text: string): unknown {
  let body: unknown;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch {
    body = null;
  }
  if (answer.ok && body !== null) return body;
  const error = (body as { error?: Record<string, unknown> } | null | undefined)?.error;
  const retryAfter = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  const about = {
    status: answer.status,
    requestId: textOr(error?.["request_id"], answer.headers.get("X-Request-Id") ?? undefined),
    retryAfterSeconds: Number.isFinite(retryAfter) && retryAfter >= 0 ? retryAfter : undefined,
  };
  if (typeof error?.["code"] !== "string") {
    const message = `The answer, with the status ${answer.status}, is none of the Swap Pay API.`;
    // A proxy says 429 or 503 in words of its own: the status is enough then.
    if (answer.status >= 400) throw errorOf({ ...about, code: "UNREADABLE_ANSWER", message });
    throw new UnreadableAnswerError({ ...about, code: "UNREADABLE_ANSWER", message });
  }
  throw errorOf({
    ...about,
    code: error["code"],
    message: textOr(error["message"], error["code"]) as string,
    invoiceId: textOr(error["invoice_id"], undefined),
  });
}

/** How long to wait before the request is sent again; undefined: not at all. */
function pauseMs(error: unknown, attempt: number): number | undefined {
  const { code, status, retryAfterSeconds } = error as SwapPayError;
  const isTransient =
    error instanceof NoAnswerError ||
    status === 408 ||
    status === 429 ||
    (status !== undefined && status >= 500) ||
    code === "IDEMPOTENCY_IN_PROGRESS";
  if (!isTransient || (retryAfterSeconds ?? 0) > LONGEST_RETRY_AFTER_S) return undefined;
  const longest = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
  // Half of the pause is random, so that clients that failed together don't come back together.
  return (retryAfterSeconds ?? 0) * 1_000 + longest * (0.5 + Math.random() / 2);
}

function slept(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function filled(url: string, path: Record<string, string>): string {
  return url.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = path[name];
    // An empty part, `.` or `..` would make the address of another operation.
    if (typeof value !== "string" || value === "" || /^\.{1,2}$/.test(value)) {
      throw new TypeError(`${name}: must be an id`);
    }
    return encodeURIComponent(value);
  });
}

function queryString(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, value instanceof Date ? value.toISOString() : String(value));
  }
  return parameters.size > 0 ? `?${parameters}` : "";
}

function positive(name: string, value: number, least = 1): number {
  if (!(value >= least)) throw new TypeError(`${name}: must be a number from ${least} up`);
  return value;
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === "string" ? value : otherwise;
}

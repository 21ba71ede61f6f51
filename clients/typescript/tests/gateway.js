/** A gateway of the tests: answers as it is told, and records what it was asked. */

import { SwapPay } from "../dist/index.js";

export const KEY = "sspay_sec_test_0123456789_secret";

/** An answer of the API. */
export function answer(status, body, headers = {}) {
  return () => new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
}

/** An error in the API's envelope. */
export function refusal(status, code, headers = {}, more = {}) {
  return answer(status, { error: { code, message: `about ${code}`, request_id: "req-1", ...more } }, headers);
}

/** No answer: the connection breaks. */
export function broken() {
  throw new TypeError("fetch failed");
}

/** A client, and the requests that reach its gateway. The last answer is given again and again. */
export function gateway(answers, options = {}) {
  const requests = [];
  const client = new SwapPay({
    url: "https://pay.example.test/",
    key: KEY,
    fetch: async (address, { method, headers, body, signal }) => {
      const { pathname, searchParams } = new URL(address);
      const query = Object.fromEntries(searchParams);
      requests.push({ method, path: pathname, query, headers, body: body && JSON.parse(body) });
      return answers[Math.min(requests.length, answers.length) - 1](signal);
    },
    ...options,
  });
  return { client, requests };
}

/** Makes pauses end at once, and records them; limits of time never end. */
export function quickly(test) {
  const pauses = [];
  const real = setTimeout;
  test.mock.method(globalThis, "setTimeout", (end, ms) => {
    if (ms >= 30_000 && ms % 1_000 === 0) return real(() => {}, 0); // the limit of an attempt
    pauses.push(ms);
    return real(end, 0);
  });
  return pauses;
}

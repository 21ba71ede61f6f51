/**
 * Amounts without floating point. The API gives each amount twice: `…_decimal` for people and `…_raw`, an integer in
 * the asset's minor unit. Both are strings, because a number of JavaScript is exact only up to 2^53.
 */

/** The figure of a raw amount, to count with. `rawAmount(invoice.net_raw) + 5n`. Throws a TypeError for another text. */
export function rawAmount(raw: string): bigint {
  if (typeof raw !== "string" || !/^-?[0-9]{1,78}$/.test(raw)) throw new TypeError("not a raw amount");
  return BigInt(raw);
}

/** `parseAmount("5.000073", 6)` is 5000073n. Throws a TypeError unless it is an amount with at most so many places. */
export function parseAmount(decimal: string, decimals: number): bigint {
  const parts = typeof decimal === "string" ? /^(-?)([0-9]{1,78})(?:\.([0-9]+))?$/.exec(decimal) : null;
  const [, sign = "", whole = "", places = ""] = parts ?? [];
  if (parts === null || places.length > decimals) {
    throw new TypeError(`not an amount with at most ${decimals} decimal places`);
  }
  return BigInt(sign + whole + places.padEnd(decimals, "0"));
}

/** `formatAmount(5000073n, 6)` is "5.000073": all places of the asset, exactly. */
export function formatAmount(raw: bigint, decimals: number): string {
  const digits = (raw < 0n ? -raw : raw).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return (raw < 0n ? "-" : "") + whole + (decimals > 0 ? `.${digits.slice(digits.length - decimals)}` : "");
}

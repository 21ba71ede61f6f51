/** The orders, in a file. A real shop has a database. */

import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** The states of invoices, from the one that says most about an order to the one that says least. */
const WEIGHT = [
  ["paid", "partially_refunded", "refunded"],
  ["confirming"],
  ["manual_review"],
  ["awaiting_choice", "awaiting_deposit"],
  ["closed", "expired", "cancelled"],
];

export class Orders {
  #path;
  #orders;

  constructor(path) {
    this.#path = path;
    try {
      this.#orders = new Map(JSON.parse(readFileSync(path, "utf8")).map((order) => [order.id, order]));
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      this.#orders = new Map();
    }
  }

  get(id) {
    return this.#orders.get(id);
  }

  /** A new order, which has no invoice yet. */
  add({ id, lines, cents }) {
    this.#orders.set(id, { id, lines, cents, invoices: [], isPaid: false });
    this.#save();
    return this.get(id);
  }

  /** What the gateway says now of an invoice: it is kept with its order, if that is one of ours. */
  learn(invoice) {
    const order = this.get(invoice.order_id);
    if (!order) return;
    const { id, status, payment_url, pay_in, deposits, needs_review, review } = invoice;
    const known = order.invoices.findIndex((each) => each.id === id);
    order.invoices[known < 0 ? order.invoices.length : known] = { id, status, payment_url, pay_in, deposits, needs_review, review };
    if (WEIGHT[0].includes(status) && !order.isPaid) {
      order.isPaid = true; // once, however often it is said
      console.log(`Order ${order.id} is paid: send it`);
    }
    this.#save();
  }

  #save() {
    writeFileSync(`${this.#path}.new`, JSON.stringify([...this.#orders.values()]));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** The invoice that says how an order stands. There can be several: one that has expired may be paid late. */
export function leading({ invoices }) {
  const weight = ({ status }) => {
    const place = WEIGHT.findIndex((states) => states.includes(status));
    return place < 0 ? 2 : place; // a state of a later version: somebody has to look
  };
  return invoices.toReversed().sort((one, other) => weight(one) - weight(other))[0];
}

/** The pages of the shop, in plain words. Whatever is put into them is escaped. */

import { leading } from "./orders.js";

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

class Markup {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

/** A piece of a page: values are escaped unless they are pieces themselves. */
function html(strings, ...values) {
  const written = (value) =>
    Array.isArray(value) ? value.map(written).join("") : value instanceof Markup ? value.text : String(value ?? "").replace(/[&<>"']/g, (each) => ESCAPES[each]);
  return new Markup(strings.reduce((text, part, place) => text + written(values[place - 1]) + part));
}

const euros = (cents) => `€ ${(cents / 100).toFixed(2)}`;

function page(title, content, refreshSeconds) {
  const refresh = refreshSeconds ? html`<meta http-equiv="refresh" content="${refreshSeconds}">` : "";
  return String(html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh}
<title>${title} – Corner Shop</title>
<link rel="stylesheet" href="/shop.css">
<header><a class="brand" href="/">Corner Shop</a> <a href="/cart">Cart</a></header>
<main>${content}</main>
<footer>An example shop on Express. Payments by Swap Pay.</footer>
</html>`);
}

export function shelfPage(goods, cart) {
  const cards = [...goods].map(
    ([id, { name, cents }]) => html`<li>
  <h2>${name}</h2>
  <p class="price">${euros(cents)}</p>
  <form method="post" action="/cart"><input type="hidden" name="goods" value="${id}"><button>Add<span class="hidden"> ${name}</span> to cart</button></form>
</li>`,
  );
  const count = [...cart.values()].reduce((sum, each) => sum + each, 0);
  const inCart = count ? html`<p><a href="/cart">${count} in your cart</a></p>` : "";
  return page("Shelf", html`<h1>Good things for a slow morning</h1>${inCart}<ul class="shelf">${cards}</ul>`);
}

export function cartPage(lines, order) {
  if (lines.length === 0) return page("Cart", html`<h1>Your cart</h1><p>It is empty. <a href="/">Look at the shelf</a>.</p>`);
  const rows = lines.map(
    ({ goods, name, count, cents }) => html`<tr><th scope="row">${name}</th>
  <td><form method="post" action="/cart"><input type="hidden" name="goods" value="${goods}">
    <input type="number" name="quantity" value="${count}" min="0" max="20" aria-label="Quantity of ${name}"><button class="quiet">Change<span class="hidden"> quantity of ${name}</span></button></form></td>
  <td class="figure">${euros(cents)}</td></tr>`,
  );
  const content = html`<h1>Your cart</h1>
<table><tbody>${rows}</tbody><tfoot>${totalRow(lines)}</tfoot></table>
<form method="post" action="/checkout"><input type="hidden" name="order" value="${order}"><button>Pay with crypto</button></form>`;
  return page("Cart", content);
}

export function orderPage(order) {
  const { tone, title, text, pay, refreshSeconds } = standing(order);
  const rows = order.lines.map(
    ({ name, count, cents }) => html`<tr><th scope="row">${count} × ${name}</th><td></td><td class="figure">${euros(cents)}</td></tr>`,
  );
  const button = pay ? html`<form method="post" action="/orders/${order.id}/pay"><button>${pay}</button></form>` : "";
  const content = html`<h1>Your order</h1>
<section class="standing ${tone}" role="status"><h2>${title}</h2>${text.map((each) => html`<p>${each}</p>`)}${button}</section>
<table><tbody>${rows}</tbody><tfoot>${totalRow(order.lines)}</tfoot></table>
<p class="small">Order ${order.id}. Keep this page’s address: it shows how your order stands.</p>`;
  return page(title, content, refreshSeconds);
}

export const missingPage = () => page("Not found", html`<h1>There is no such page</h1><p><a href="/">To the shelf</a></p>`);

export const troublePage = () =>
  page("Trouble", html`<h1>That did not work</h1><p>We can’t reach our payment service. Nothing was charged, and your cart is kept: please try again in a minute.</p>`);

function totalRow(lines) {
  return html`<tr><th scope="row">Total</th><td></td><td class="figure">${euros(lines.reduce((sum, { cents }) => sum + cents, 0))}</td></tr>`;
}

const SECOND = "Something more has come for this order than it costs. We look at it, and send back what is yours.";
const DO_NOT_PAY = "Please do not pay again: we look at it, and either send your order or your money back.";

/** How an order stands, in words for the customer. */
function standing(order) {
  const invoice = leading(order);
  const status = invoice?.status;
  const also = invoice?.needs_review ? [SECOND] : [];
  switch (status) {
    case "paid":
      return { tone: "good", title: "Paid. Thank you!", text: ["We are packing your order.", ...also] };
    case "partially_refunded":
      return { tone: "good", title: "Paid, and partly refunded", text: ["We have sent a part of your money back.", ...also] };
    case "refunded":
      return { tone: "calm", title: "Refunded", text: ["We have sent your money back.", ...also] };
    case "confirming":
      return { tone: "calm", title: "Your payment is here", text: [confirmations(invoice)], refreshSeconds: 5 };
    case "expired":
    case "cancelled":
      return {
        tone: "calm",
        title: "Not paid in time",
        text: ["We have seen no payment, and the time for it is over.", "If you have sent one all the same, do not send another: we will see it. Otherwise you can pay now."],
        pay: "Pay now",
        refreshSeconds: 30,
      };
    case "closed":
      return invoice.review?.outcome === "returned"
        ? { tone: "calm", title: "Sent back", text: ["We could not take your payment as it came, and have sent it back."] }
        : { tone: "bad", title: "Please write to us", text: ["We could not take your payment as it came."] };
    case "awaiting_choice":
    case "awaiting_deposit":
    case undefined:
      return {
        tone: "calm",
        title: "We are checking your payment",
        text: ["We have not seen it yet. If you have sent it, you need do nothing: it can take some minutes, and this page follows it.", "If you have not sent it yet, you can go on paying."],
        pay: "Go on paying",
        refreshSeconds: 5,
      };
    default: // manual_review, and what a later version may add
      return { tone: "warn", title: "We are looking at your payment", text: [inReview(invoice), DO_NOT_PAY], refreshSeconds: 30 };
  }
}

function confirmations({ pay_in, deposits }) {
  const seen = Math.max(0, ...deposits.map((each) => each.confirmations));
  return `The network has confirmed it ${Math.min(seen, pay_in.confirmations_required)} of ${pay_in.confirmations_required} times. Then your order is paid.`;
}

/** What is odd about what came. */
function inReview({ pay_in, deposits }) {
  const odd = deposits.findLast(({ review_reason: reason }) => reason !== null);
  const sent = odd && `${odd.amount_decimal} ${odd.asset}`;
  switch (odd?.review_reason) {
    case "underpaid":
      return `You have sent ${sent}, and your order costs ${pay_in.amount_decimal} ${pay_in.asset}: that is too little.`;
    case "overpaid":
      return `You have sent ${sent}, and your order costs ${pay_in.amount_decimal} ${pay_in.asset}: that is too much.`;
    case "late":
      return `Your ${sent} came after the time for it was over.`;
    case "wrong_asset":
      return `You have sent ${sent}; ${pay_in.amount_decimal} ${pay_in.asset} was asked for.`;
    default:
      return sent ? `Your ${sent} came otherwise than it was asked for.` : "What came is otherwise than it was asked for.";
  }
}

/** The pages of the shop, in plain words. Whatever is put into them is escaped. */

import { leading } from "./orders.js";
import { PICTURES } from "./pictures.js";

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

const euros = (cents) => `€\u202f${(cents / 100).toFixed(2)}`;

function page(title, content, { count, refreshSeconds } = {}) {
  const refresh = refreshSeconds ? html`<meta http-equiv="refresh" content="${refreshSeconds}">` : "";
  const cart = count === undefined ? "" : html`<a class="basket" href="/cart">Cart <b>${count}</b></a>`;
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title ? `${title} – ` : ""}Saltmarsh</title>
<link rel="stylesheet" href="/static/shop.css">
<link rel="icon" href="/static/icon.svg">
${refresh}</head>
<body>
<header class="top"><a class="brand" href="/">Saltmarsh<span>.</span></a>${cart}</header>
<main>${content}</main>
<footer><p>An example shop. Nothing is sent to anybody, and the money is test money. Paid with Swap Pay.</p></footer>
</body>
</html>`);
}

export function shelfPage(goods, count) {
  const cards = [...goods].map(
    ([id, { name, about, cents }]) => html`<li class="article">
<svg class="pic" viewBox="0 0 160 120" aria-hidden="true">${new Markup(PICTURES[id])}</svg>
<div class="article__text"><h2>${name}</h2><p class="soft">${about}</p></div>
<form method="post" action="/cart"><span class="price">${euros(cents)}</span><button class="button" name="add" value="${id}" aria-label="Add to cart: ${name}">Add to cart</button></form>
</li>`,
  );
  const content = html`<div class="intro"><h1>Good things for the kitchen table</h1>
<p class="soft">Six things, made slowly. Pay with the coin that you like best.</p></div>
<ul class="shelf">${cards}</ul>`;
  return page("", content, { count });
}

export function cartPage(lines, order) {
  const count = lines.reduce((sum, line) => sum + line.count, 0);
  if (count === 0) return sheet("Your cart", html`<p class="soft">There is nothing in it yet.</p><p><a class="button" href="/">Have a look around</a></p>`, 0);
  const rows = lines.map(
    (line) => html`<li class="line"><span class="line__name">${line.name}</span>
<form method="post" action="/cart"><input type="hidden" name="set" value="${line.goods}">
<input name="count" value="${line.count}" inputmode="numeric" pattern="[0-9]{1,2}" maxlength="2" required autocomplete="off" aria-label="How many of ${line.name}">
<button class="button" aria-label="Update: ${line.name}">Update</button></form>
<span class="price">${euros(line.cents)}</span></li>`,
  );
  const content = html`<ul class="lines">${rows}${total(lines)}</ul>
<form class="actions" method="post" action="/checkout"><a class="button button--link" href="/">Go on looking</a>
<button class="button button--main" name="order" value="${order}">Pay ${euros(sumOf(lines))}</button></form>`;
  return sheet("Your cart", content, count);
}

export function orderPage(order) {
  const { mood, title, words, pay, refreshSeconds } = standing(order);
  const rows = order.lines.map(
    ({ name, count, cents }) => html`<li class="line"><span class="line__name">${count} × ${name}</span><span class="price">${euros(cents)}</span></li>`,
  );
  const looking = mood === "waiting" ? html`<p class="looking"><i></i><i></i><i></i>This page looks again every few seconds.</p>` : "";
  const back = html`<a class="button button--link" href="/">Back to the shop</a>`;
  const content = html`<section class="sheet">
<div class="stage stage--${mood}" role="status"><h1>${title}</h1>${words.map((each) => html`<p>${each}</p>`)}${looking}</div>
<ul class="lines">${rows}${total(order.lines)}</ul>
<p class="soft">Order <span class="number">${order.id}</span>. Keep the address of this page: it always shows where your order is.</p>
${pay ? html`<form class="actions" method="post" action="/orders/${order.id}/pay">${back}<button class="button button--main">${pay}</button></form>` : html`<p><a class="button" href="/">Back to the shop</a></p>`}
</section>`;
  return page(title, content, { refreshSeconds });
}

export const missingPage = () => sheet("There is no such page", html`<p><a class="button" href="/">To the shop</a></p>`);

export const troublePage = () =>
  sheet("That did not work", html`<p>We can’t reach our payment service, and nothing was taken. Your cart is kept: please try again in a minute.</p><p><a class="button" href="/cart">Back to the cart</a></p>`);

const sheet = (title, content, count) => page(title, html`<section class="sheet"><h1>${title}</h1>${content}</section>`, { count });

const sumOf = (lines) => lines.reduce((sum, { cents }) => sum + cents, 0);

const total = (lines) => html`<li class="line line--total"><span class="line__name">Total</span><span class="price">${euros(sumOf(lines))}</span></li>`;

const SECOND = "Something more has come for this order than it costs. We look at it, and send back what is yours.";
const DO_NOT_PAY = "Please do not pay again: we look at it, and either send your order or your money back.";

/** How an order stands, in words for the customer. */
function standing(order) {
  const invoice = leading(order);
  const status = invoice?.status;
  const also = invoice?.needs_review ? [SECOND] : [];
  switch (status) {
    case "paid":
      return { mood: "good", title: "Paid. Thank you!", words: ["We are packing your order.", ...also] };
    case "partially_refunded":
      return { mood: "good", title: "Paid, and partly refunded", words: ["We have sent a part of your money back.", ...also] };
    case "refunded":
      return { mood: "calm", title: "Refunded", words: ["We have sent your money back.", ...also] };
    case "confirming":
      return { mood: "waiting", title: "Your payment is here", words: [confirmations(invoice)], refreshSeconds: 5 };
    case "expired":
    case "cancelled":
      return {
        mood: "care",
        title: "Not paid in time",
        words: ["We have seen no payment, and the time for it is over.", "If you have sent one all the same, do not send another: we will see it. Otherwise you can pay now."],
        pay: "Pay now",
        refreshSeconds: 30,
      };
    case "closed":
      return invoice.review?.outcome === "returned"
        ? { mood: "calm", title: "Sent back", words: ["We could not take your payment as it came, and have sent it back."] }
        : { mood: "care", title: "Please write to us", words: ["We could not take your payment as it came."] };
    case "awaiting_choice":
    case "awaiting_deposit":
    case undefined:
      return {
        mood: "waiting",
        title: "We are checking your payment",
        words: ["We have not seen it yet. If you have sent it, you need do nothing: it can take some minutes, and this page follows it.", "If you have not sent it yet, you can go on paying."],
        pay: "Go on paying",
        refreshSeconds: 5,
      };
    default: // manual_review, and what a later version may add
      return { mood: "care", title: "We are looking at your payment", words: [inReview(invoice), DO_NOT_PAY], refreshSeconds: 30 };
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

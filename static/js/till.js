// The till's device: keys, a sale that survives a lost connection, and a sound when it is paid. Each sale gets a key that
// is kept until an answer has come; what is sent again under it, also by a page that was loaded anew, is the same sale.
// Without this module the till is plain forms.

const SALE = "swap-pay-till-sale"; // of this tab: {till, key, amount, currency, at}
const UNIT = "swap-pay-till-unit";
const SILENT = "swap-pay-till-silent";
const KEPT_MS = 60 * 60 * 1000; // an older sale is over, and the customer gone
const RETRIES_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

const keypad = () => document.getElementById("keypad");
const field = (name) => keypad().elements.namedItem(name);

// --- The sale that waits for an answer ---------------------------------------------------------------------

function waiting() {
  const sale = JSON.parse(sessionStorage.getItem(SALE) ?? "null");
  return sale && Date.now() - sale.at < KEPT_MS ? sale : null;
}

const keep = (sale) => sessionStorage.setItem(SALE, JSON.stringify(sale));
const forget = () => sessionStorage.removeItem(SALE);

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

let failures = 0;
let timer = 0;
let sending = false;

// Before htmx reads the form. What is sent again is what was kept, whatever the field says by now.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target !== keypad()) return;
    if (sending) return halt(event);
    const sale = waiting() ?? { key: newKey(), amount: field("amount").value, currency: field("currency").value };
    keep({ ...sale, till: keypad().dataset.till, at: sale.at ?? Date.now() });
    fill(sale);
    localStorage.setItem(UNIT, sale.currency);
    sending = true;
    clearTimeout(timer);
  },
  true,
);

function halt(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

function fill({ key, amount, currency }) {
  field("sale").value = key;
  field("amount").value = amount;
  field("currency").value = currency;
}

// No answer, or none that says anything about the sale: it is sent again, later. No other message is needed.
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(
    name,
    (event) => {
      if (event.target !== keypad()) return;
      event.stopImmediatePropagation();
      sendLater();
    },
    true,
  );
}

document.addEventListener(
  "request:failed",
  (event) => {
    if (!keypad() || event.detail.elt !== keypad()) return;
    const { status } = event.detail.xhr;
    sending = false;
    if (status === 409) location.assign(keypad().dataset.till); // this page's form is used up, the sale is not
    else if (status === 0 || status === 429 || status >= 500) {
      event.stopImmediatePropagation();
      sendLater();
    } else if (status !== 401) forget();
  },
  true,
);

function sendLater() {
  sending = false;
  tell();
  clearTimeout(timer);
  timer = setTimeout(send, RETRIES_MS[Math.min(failures, RETRIES_MS.length - 1)]);
  failures += 1;
}

function send() {
  if (!keypad() || !waiting() || sending) return;
  delete keypad().dataset.sent; // it was sent, and is to be sent again (cabinet.js)
  keypad().requestSubmit();
}

window.addEventListener("online", send);

function tell() {
  const sale = waiting();
  const words = document.getElementById("sale-waits");
  words.hidden = !sale;
  if (!sale) return;
  const unit = [...field("currency").options].find((option) => option.value === sale.currency);
  words.querySelector("[data-waiting-amount]").textContent = `${sale.amount} ${unit?.textContent ?? ""}`.trim();
}

// --- The keys ------------------------------------------------------------------------------------------------

document.addEventListener("click", ({ target }) => {
  const key = target.closest?.("[data-key]")?.dataset.key;
  if (key && keypad() && !waiting()) press(key);
  if (target.closest?.("[data-give-up]")) giveUp();
  if (target.closest?.("[data-sound]")) toggleSound(target.closest("[data-sound]"));
});

function press(key) {
  const { value } = field("amount");
  if (key === "back") field("amount").value = value.slice(0, -1);
  else if (key === "." && value.includes(".")) return;
  else field("amount").value = value === "" && key === "." ? "0." : value + key;
}

function giveUp() {
  clearTimeout(timer);
  forget();
  failures = 0;
  location.assign(keypad().dataset.till);
}

// --- The sound -----------------------------------------------------------------------------------------------

let audio = null;
const waited = new Set(); // sales that were seen unpaid: only what becomes paid is heard

const isSilent = () => localStorage.getItem(SILENT) !== null;

// Browsers let a page sound only after a press.
for (const name of ["pointerdown", "keydown"]) {
  document.addEventListener(name, () => {
    if (!document.querySelector(".till") || isSilent()) return;
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume();
  });
}

function toggleSound(button) {
  if (isSilent()) localStorage.removeItem(SILENT);
  else localStorage.setItem(SILENT, "");
  button.setAttribute("aria-pressed", String(!isSilent()));
  if (!isSilent()) chime();
}

// Two short tones, the second one higher.
function chime() {
  if (isSilent() || audio?.state !== "running") return;
  for (const [hertz, after_s] of [[659.25, 0], [987.77, 0.16]]) {
    const tone = audio.createOscillator();
    const loudness = audio.createGain();
    const at = audio.currentTime + after_s;
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.0001, at);
    loudness.gain.exponentialRampToValueAtTime(0.5, at + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.7);
    tone.connect(loudness).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.75);
  }
  document.documentElement.dataset.chimes = String(Number(document.documentElement.dataset.chimes ?? 0) + 1);
}

// --- Each page that comes ------------------------------------------------------------------------------------

function begin() {
  const sale = document.getElementById("sale");
  if (sale) showSale(sale);
  if (keypad()) showKeypad();
}

function showSale(sale) {
  const { invoice, sale: key } = sale.dataset;
  if (key && key === waiting()?.key) forget();
  sending = false;
  failures = 0;
  if (!("paid" in sale.dataset)) waited.add(invoice);
  else if (waited.delete(invoice)) chime();
}

const begun = new WeakSet(); // keypads that are filled: parts of their page may be read again

function showKeypad() {
  if (begun.has(keypad())) return;
  begun.add(keypad());
  sending = false;
  field("amount").inputMode = matchMedia("(pointer: coarse)").matches ? "none" : "decimal";
  const unit = localStorage.getItem(UNIT);
  const isKnown = [...field("currency").options].some((option) => option.value === unit);
  if (isKnown && !("refused" in keypad().dataset)) field("currency").value = unit;
  document.querySelector("[data-sound]")?.setAttribute("aria-pressed", String(!isSilent()));
  if ("refused" in keypad().dataset) forget();
  const sale = waiting();
  if (!sale || sale.till !== keypad().dataset.till) return;
  fill(sale);
  tell();
  if (document.readyState === "complete") send();
  else window.addEventListener("load", send, { once: true }); // htmx has taken the form by then
}

document.addEventListener("htmx:load", begin);
document.addEventListener("page:arrived", begin);
begin();

// Paying from a wallet in the browser: a button for each wallet, each step in words, and the transaction's id for the
// server. `wallet-<protocol>.js` finds the wallets and speaks with them. Nothing about money is computed here.
//
// Wallets' own icons are not shown: they are data: URLs that any extension may give, and the page's policy allows
// pictures of our own origin alone. The first letter of the name takes their place.

const NAME_LENGTH = 40; // of a wallet's own name, which may be anything
const PATIENCE_MS = 10_000;
const AGAIN_MS = 5_000; // until the server is told again, if it didn't answer
const SENT_KEY = "swap-pay-sent"; // survives a reload while the server has not answered

const box = () => document.getElementById("wallets");
const protocol = await import(box().dataset.protocol);
const buttons = new Map();
let busy = false;
let pressed = null;
let word = "";

function found(id, name, provider) {
  if (buttons.has(id)) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button--primary wallets__button";
  const letter = document.createElement("span");
  letter.className = "wallets__letter";
  letter.setAttribute("aria-hidden", "true");
  const label = document.createElement("span");
  button.append(letter, label);
  button.addEventListener("click", () => press(button, provider));
  buttons.set(id, { button, letter, label, name });
  draw();
}

function draw() {
  const here = box();
  if (!here) return;
  const words = JSON.parse(here.dataset.words);
  const list = here.querySelector(".wallets__list");
  for (const { button, letter, label, name } of buttons.values()) {
    const shown = [...(name || words.unnamed)].slice(0, NAME_LENGTH).join("");
    letter.textContent = name ? [...shown][0].toUpperCase() : "";
    letter.hidden = !name;
    label.textContent = words.pay.replace("{wallet}", () => `\u2068${shown}\u2069`);
    button.setAttribute("aria-disabled", String(busy));
    if (button.parentElement !== list) list.append(button);
  }
  const says = here.querySelector(".wallets__says");
  says.textContent = words[word] ?? "";
  says.hidden = !word;
  here.hidden = buttons.size === 0;
  const lost = document.activeElement?.id === "headline"; // the part with the button was replaced
  if (busy && lost && pressed?.isConnected) pressed.focus({ preventScroll: true });
}

function say(next) {
  word = next;
  draw();
  const words = box() && JSON.parse(box().dataset.words)[word];
  if (words) document.dispatchEvent(new CustomEvent("said", { detail: words }));
}

async function press(button, provider) {
  if (busy) return;
  busy = true;
  pressed = button;
  const { asked, sentUrl } = box().dataset;
  const isCurrent = () => box()?.dataset.asked === asked;
  const url = (part) => new URL(part, new URL(sentUrl, location.href)); // beside the one that takes what was sent
  try {
    const txid = await protocol.send(provider, JSON.parse(asked), say, isCurrent, url);
    await hand(sentUrl, txid);
  } catch (trouble) {
    say(trouble.word ?? "failed");
  }
  busy = false;
  draw();
}

// Tells the server, however often it takes: until then no button sends again.
async function hand(url, txid) {
  busy = true;
  say("sent");
  keep(JSON.stringify({ url, txid }));
  while (!(await told(url, txid))) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  keep("");
  word = "";
  document.dispatchEvent(new Event("stale"));
}

// For the next load of this page. A browser may forbid that; then a reload forgets it.
function keep(text) {
  try {
    sessionStorage.setItem(SENT_KEY, text);
  } catch {
    // nothing depends on it
  }
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(SENT_KEY) || "null");
  } catch {
    return null;
  }
}

// Whether the server has taken it, or never will.
async function told(url, txid) {
  try {
    const body = new URLSearchParams({ txid });
    const answer = await fetch(url, { method: "POST", body, signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok || (answer.status < 500 && answer.status !== 429);
  } catch {
    return false;
  }
}

async function handWhatIsLeft() {
  const left = kept();
  if (!left || left.url !== box().dataset.sentUrl) return;
  await hand(left.url, left.txid);
  busy = false;
  draw();
}

document.addEventListener("shown", draw);
protocol.discover(found);
handWhatIsLeft();

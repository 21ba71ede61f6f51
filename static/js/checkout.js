// The live checkout page: the countdown, and following the payment by itself.
// Without this module the page is complete, only not live: it reloads every 15 seconds.

const POLL_MS = 5_000; // while the event stream is down
const REOPEN_MS = 30_000; // after the server has refused the stream for good
const PATIENCE_MS = 10_000; // for one answer
const FOLLOWING_MS = 2_000; // for the word of a stream that began that it tells what the page missed
const ANNOUNCE_EVERY_MS = 15_000; // confirmations may come each second; a screen reader should not
const WALLET_MS = 2_000; // a wallet that opens has taken the window by then
const SOON_S = 300;
const SPOKEN_S = [600, 300, 60];

// ASCII digits and Gregorian dates in every language, as on the server (app/web/languages.py).
const language = new Intl.Locale(document.documentElement.lang, { numberingSystem: "latn", calendar: "gregory" });
const live = document.getElementById("live");
const offline = document.getElementById("offline");
const announcer = document.getElementById("announcer");
const payment = () => document.getElementById("payment");

// --- Saying it -------------------------------------------------------------------------------------------

let announcedAt = -Infinity;
let announcing = 0;
let nextFrame = 0;

function announce(text) {
  clearTimeout(announcing);
  announcedAt = performance.now();
  announcer.textContent = "";
  cancelAnimationFrame(nextFrame); // of two in one change, only the later one is said
  nextFrame = requestAnimationFrame(() => (announcer.textContent = text)); // emptied first: the same words are said again
}

function announceInTime(text) {
  clearTimeout(announcing);
  const wait = Math.max(0, announcedAt + ANNOUNCE_EVERY_MS - performance.now());
  announcing = setTimeout(() => announce(text), wait);
}

// --- The countdown ---------------------------------------------------------------------------------------

let serverAhead_ms = 0;
let secondsBefore = 0;

function setClock() {
  serverAhead_ms = Date.parse(payment().dataset.now) - Date.now();
}

// Shows the times left and returns the first one in seconds, which is the one that ends first; Infinity where the page
// counts nothing down.
function tick() {
  const [clock, ...later] = document.querySelectorAll("[data-countdown]");
  if (!clock) return Infinity;
  const left_s = showLeft(clock);
  later.forEach(showLeft);
  if (SPOKEN_S.some((mark) => left_s <= mark && mark < secondsBefore)) {
    announce(clock.parentElement.textContent.trim());
  }
  secondsBefore = left_s;
  return left_s;
}

function showLeft(clock) {
  const left_ms = Date.parse(clock.dateTime) - Date.now() - serverAhead_ms;
  const left_s = Math.max(0, Math.floor(left_ms / 1000));
  clock.textContent = clockText(left_s);
  clock.parentElement.toggleAttribute("data-soon", left_s <= SOON_S);
  return left_s;
}

function clockText(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3_600) % 24;
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  if (days) {
    const inDays = new Intl.NumberFormat(language, { style: "unit", unit: "day", unitDisplay: "long" });
    return `${inDays.format(days)} ${two(hours)}:${rest}`;
  }
  return hours ? `${hours}:${rest}` : rest;
}

// --- Following the payment -------------------------------------------------------------------------------

let stream = null;
let polling = 0;
let reopening = 0;
let catchingUp = 0;
let asking = false;
let askAgain = false;
let brought = 0;

function follow() {
  if (!("live" in payment().dataset)) return;
  const url = new URL(live.dataset.eventsUrl, location);
  url.searchParams.set("since", Date.parse(payment().dataset.now)); // what changed since, the stream brings at once
  stream = new EventSource(url);
  stream.addEventListener("part", bring);
  stream.addEventListener("changed", refresh); // the server could not make the part
  stream.addEventListener("following", () => clearTimeout(catchingUp));
  stream.addEventListener("open", () => {
    stopPolling();
    catchingUp = setTimeout(refresh, FOLLOWING_MS); // during an upgrade the server may be of the version before
  });
  stream.addEventListener("error", () => {
    if (!stream) return;
    if (!polling) refresh(); // it says at once whether only the stream is down
    polling ||= setInterval(refresh, POLL_MS);
    if (stream.readyState === EventSource.CLOSED) {
      stream = null;
      reopening = setTimeout(follow, REOPEN_MS);
    }
  });
}

function stopFollowing() {
  stream?.close();
  stream = null;
  clearTimeout(reopening);
  clearTimeout(catchingUp);
  stopPolling();
}

function stopPolling() {
  clearInterval(polling);
  polling = 0;
}

// After a change the stream brings the live part itself.
function bring(event) {
  brought += 1;
  show(event.data);
  setOffline(false);
}

async function refresh() {
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  const broughtBefore = brought;
  try {
    const answer = await fetch(live.dataset.statusUrl, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const html = await answer.text();
    if (brought === broughtBefore) show(html); // else the stream has brought what is newer
    setOffline(false);
  } catch {
    setOffline(true);
    polling ||= setInterval(refresh, POLL_MS);
  } finally {
    asking = false;
  }
  if (askAgain) {
    askAgain = false;
    await refresh();
  }
}

// The device knows at once that it has no network; that it has one does not mean that we can be reached.
function setOffline(is) {
  if (is && offline.hidden) announce(offline.textContent.trim());
  offline.hidden = !is;
}

// --- Showing what changed --------------------------------------------------------------------------------

// As the server last sent them: our own marks on the page (the clock, "copied") don't count as changes.
const sent = new Map();

function parts(root) {
  return new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
}

function fingerprint(part) {
  const bare = part.cloneNode(true);
  for (const clock of bare.querySelectorAll("[data-countdown]")) clock.textContent = "";
  return bare.outerHTML;
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("payment");
  if (!fresh) throw new Error("not a payment");
  const before = { ...payment().dataset };
  const freshParts = parts(fresh);
  for (const [name, part] of parts(payment())) {
    const next = freshParts.get(name);
    const print = fingerprint(next);
    if (sent.get(name) === print) continue;
    sent.set(name, print);
    replaceKeepingFocus(part, next);
  }
  const now = payment().dataset;
  for (const name of Object.keys(now)) if (!(name in fresh.dataset)) delete now[name];
  Object.assign(now, fresh.dataset);
  document.title = now.title;
  setClock();
  tick();
  if (now.status !== before.status) announce(now.announcement);
  else if (now.announcement !== before.announcement) announceInTime(now.announcement);
  if (!("live" in now)) stopFollowing();
  for (const id of (now.gone ?? "").split(" ").filter(Boolean)) document.getElementById(id)?.remove();
  dress();
  bringWallets();
}

function replaceKeepingFocus(part, next) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  for (const fold of part.querySelectorAll("details[open][id]")) {
    next.querySelector(`#${fold.id}`)?.setAttribute("open", "");
  }
  part.replaceWith(next);
  if (!focused) return;
  const successor = (focused.id && document.getElementById(focused.id)) || document.getElementById("headline");
  successor.focus({ preventScroll: true });
}

// --- The way back to the merchant ---------------------------------------------------------------------------

let returning = 0;

function dress() {
  const way = document.querySelector("[data-return-after-s]");
  if (!way || returning) return;
  // Whoever comes back here by the Back button wants to read.
  if (history.state?.returned) way.hidden = true;
  else startReturning(way);
}

function startReturning(way) {
  let left_s = Number(way.dataset.returnAfterS);
  const inSeconds = new Intl.RelativeTimeFormat(language);
  const say = () => {
    way.firstElementChild.textContent = way.dataset.words.replace("{when}", inSeconds.format(left_s, "second"));
  };
  say();
  announce(`${payment().dataset.announcement}. ${way.firstElementChild.textContent}`);
  returning = setInterval(() => {
    if (document.hidden) return; // nobody has read it yet
    left_s -= 1;
    if (left_s > 0) return say();
    clearInterval(returning);
    history.replaceState({ returned: true }, "");
    location.assign(document.getElementById("return").href);
  }, 1000);
}

function stay() {
  clearInterval(returning);
  document.querySelector("[data-return-after-s]").hidden = true;
}

// --- Wallets of this browser, only where something can be paid --------------------------------------------

let wallets = null;

function bringWallets() {
  const script = document.getElementById("wallets")?.dataset.script;
  if (script && !wallets) wallets = import(script).catch(() => (wallets = null)); // the next change tries again
  document.dispatchEvent(new Event("shown")); // for times.js, and for wallets.js, whose buttons are not the server's
}

// --- The link to a wallet, where no app takes it ----------------------------------------------------------

let openingWallet = 0;

// No browser says whether an app has taken the link: but then the page loses the window.
function awaitWallet() {
  clearTimeout(openingWallet);
  openingWallet = setTimeout(() => {
    const words = document.getElementById("no-wallet");
    if (!words) return;
    words.hidden = false;
    announce(words.textContent);
  }, WALLET_MS);
}

for (const left of ["blur", "pagehide"]) window.addEventListener(left, () => clearTimeout(openingWallet));

// --- Start -----------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  // Who uses something else on the page, such as the receipt, is not taken away from it.
  if (!returning || !event.target.closest("a, button, summary") || event.target.closest("#return")) return;
  stay();
  if (event.target.closest("#stay")) document.getElementById("return").focus();
});
document.addEventListener("click", (event) => event.target.closest("#open-wallet") && awaitWallet());
document.addEventListener("said", (event) => announce(event.detail)); // by copying.js
document.addEventListener("stale", refresh); // by wallets.js
document.addEventListener("visibilitychange", () => {
  clearTimeout(openingWallet);
  if (!document.hidden && "live" in payment().dataset) refresh(); // back from the wallet
});
window.addEventListener("online", () => ("live" in payment().dataset ? refresh() : setOffline(false)));
window.addEventListener("offline", () => setOffline(true));

document.documentElement.dataset.script = "";
for (const [name, part] of parts(payment())) sent.set(name, fingerprint(part));
setClock();
dress();
bringWallets();
tick();
if (!navigator.onLine) setOffline(true);
setInterval(() => tick() === 0 && refresh(), 1000);
follow();

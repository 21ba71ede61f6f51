// Signed-in pages follow what they show. A part of a page is an element with an id and `data-live="TOPIC TOPIC"`. The
// server's stream names topics that changed; the page then reads itself once and replaces the parts of these topics.
// Without this module every page is complete, and as it was when it was loaded.

const GATHER_MS = 100; // changes often come together
const SPREAD_MS = 200; // so that many pages do not ask in the same moment
const CALM_MS = 10_000; // a page that has read itself so often in this time reads itself more rarely
const CALM_READS = 6;
const PACE_MS = 3_000;
const PATIENCE_MS = 10_000; // for one answer
const POLL_MS = 5_000; // where there is no stream
const LATER_MS = 15_000; // after an answer that was no page
const STREAMS = 4; // of one browser: over HTTP/1.1 it has six connections for all its tabs
const SPOKEN = 3; // changes that are said one by one
const SPEAK_EVERY_MS = 4_000;
const MARKED_MS = 2_500;

const OFFLINE = "Offline: this page may be old.";
const UNREACHABLE = "Swap Pay does not answer: this page may be old.";

// --- What the page follows -------------------------------------------------------------------------------

const main = () => document.getElementById("main");
const parts = () => [...document.querySelectorAll("[data-live][id]")];
const topicsOf = (part) => part.dataset.live.split(/\s+/).filter(Boolean);

const concerns = (part, topics) => !topics || topicsOf(part).some((topic) => topics.has(topic));

function followed() {
  const topics = [...new Set(parts().flatMap(topicsOf))].sort();
  const url = main()?.dataset.liveUrl;
  return url && topics.length ? { url, topics } : null;
}

// --- The stream ------------------------------------------------------------------------------------------

// The element that htmx's extension connects. Its URL says since when, so that nothing is missed in between.
let holder = null;
let following = "";
let release = null; // gives back one of the browser's streams
let turn = 0; // of attempts to get a stream, only the last one counts
let opening = false;
let polling = 0;
let reopening = 0;
let given_up = false;

async function follow() {
  const wanted = document.hidden || given_up ? null : followed();
  const key = wanted ? JSON.stringify(wanted) : "";
  if (key === following && (holder?.isConnected || polling || opening || !key)) return;
  stop();
  following = key;
  if (!wanted) return;
  opening = true;
  const mine = ++turn;
  const free = await takeStream();
  if (mine !== turn) return free?.();
  opening = false;
  release = free;
  if (free) connect(wanted);
  else polling = setInterval(pollOrConnect, POLL_MS);
}

function connect({ url, topics }) {
  const query = new URLSearchParams(topics.map((topic) => ["topic", topic]));
  query.set("since", main().dataset.liveAt);
  holder = document.createElement("div");
  holder.hidden = true;
  holder.setAttribute("hx-ext", "sse");
  holder.setAttribute("sse-connect", `${url}?${query}`);
  holder.setAttribute("sse-close", "ended");
  holder.append(document.createElement("i"));
  holder.firstChild.setAttribute("hx-trigger", "sse:changed");
  document.body.append(holder);
  htmx.process(holder);
}

function disconnect() {
  holder?.removeAttribute("sse-connect"); // else the extension might connect again
  if (holder) htmx.trigger(holder, "htmx:beforeCleanupElement"); // by this the extension closes the stream
  if (holder) htmx.remove(holder);
  holder = null;
}

function stop() {
  turn += 1;
  opening = false;
  disconnect();
  release?.();
  release = null;
  clearInterval(polling);
  polling = 0;
  clearTimeout(reopening);
  following = "";
}

async function pollOrConnect() {
  refresh();
  const mine = ++turn;
  const free = await takeStream();
  if (!free) return;
  if (mine !== turn) return free();
  clearInterval(polling);
  polling = 0;
  release = free;
  connect(JSON.parse(following));
}

// One of the browser's streams, as the function that gives it back; null where all are taken by other tabs.
async function takeStream() {
  if (!navigator.locks) return () => {};
  for (let number = 0; number < STREAMS; number += 1) {
    const taken = await new Promise((found) => {
      navigator.locks.request(`swap-pay-live-${number}`, { ifAvailable: true }, (lock) => {
        if (!lock) return found(null);
        return new Promise((done) => found(done));
      });
    });
    if (taken) return taken;
  }
  return null;
}

// The server has refused or ended the stream. What the page may still see, reading it again shows.
function refused() {
  stop();
  refresh();
  reopening = setTimeout(follow, LATER_MS);
}

// --- Reading the page again ------------------------------------------------------------------------------

const due = new Set();
let everythingDue = false;
let timer = 0;
let timerAt = Infinity;
let asking = false;
let failures = 0;

function refresh(topics = null, wait_ms = soon_ms()) {
  if (topics) topics.forEach((topic) => due.add(topic));
  else everythingDue = true;
  askIn(wait_ms);
}

function askIn(wait_ms) {
  const at = performance.now() + wait_ms;
  if (at >= timerAt) return;
  clearTimeout(timer);
  timer = setTimeout(ask, wait_ms);
  timerAt = at;
}

let readAt = [];

function soon_ms() {
  const now = performance.now();
  readAt = readAt.filter((at) => at > now - CALM_MS);
  const pause_ms = readAt.length < CALM_READS ? 0 : readAt.at(-1) + PACE_MS - now;
  return Math.max(GATHER_MS + Math.random() * SPREAD_MS, pause_ms);
}

async function ask() {
  timerAt = Infinity;
  if (asking) return askIn(GATHER_MS);
  const wanted = everythingDue ? null : new Set(due);
  everythingDue = false;
  due.clear();
  if (!followed()) return;
  asking = true;
  readAt.push(performance.now());
  const page = location.href;
  const frame = main();
  try {
    const answer = await fetch(ownAddress(), {
      cache: "no-store",
      headers: {
        "HX-Request": "true", // signed out is then an answer, not a way to another page
        "X-Live-Parts": parts().filter((part) => concerns(part, wanted)).map((part) => part.id).join(" "),
      },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (page === location.href && frame === main()) await take(answer, wanted);
    else refresh(wanted); // another page is here by now, and may have been read before the change
  } catch {
    again(wanted, navigator.onLine ? UNREACHABLE : OFFLINE);
  } finally {
    asking = false;
  }
}

async function take(answer, wanted) {
  if (answer.ok && !answer.redirected) {
    const frame = main();
    const html = await answer.text();
    if (frame !== main()) return refresh(wanted);
    failures = 0;
    say("");
    show(new DOMParser().parseFromString(html, "text/html"), wanted);
  } else if (answer.status === 401) {
    giveUp("You are signed out. What you typed is still here.", `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`, "Sign in in a new tab");
  } else if (answer.status === 403 || answer.status === 404 || answer.redirected) {
    giveUp("This page has changed.", location.href, "Load it again");
  } else if (answer.status === 405) {
    giveUp(""); // the answer to a form: it has no address of its own
  } else {
    again(wanted, UNREACHABLE);
  }
}

// A page that failed once is silent; the second time it says so.
function again(wanted, words) {
  failures += 1;
  if (failures > 1 || words === OFFLINE) say(words);
  refresh(wanted, LATER_MS * (0.5 + Math.random()));
}

function giveUp(words, href = "", label = "") {
  given_up = true;
  stop();
  say(words, href, label);
}

// The list keeps the rows that it shows: newer ones wait behind a link.
function ownAddress() {
  const url = new URL(location.href);
  url.hash = "";
  const head = document.querySelector("[data-live][data-head]")?.dataset.head;
  if (head && !url.searchParams.has("after") && !url.searchParams.has("before")) url.searchParams.set("head", head);
  return url;
}

// --- Showing what changed --------------------------------------------------------------------------------

const shown = new WeakMap(); // parts as the server sent them: what scripts did to them is no change

function show(fresh, wanted) {
  const changes = { marked: new Set(), said: new Set() };
  for (const part of parts()) {
    const next = fresh.getElementById(part.id);
    if (!part.isConnected || !next || !concerns(part, wanted)) continue;
    const html = next.outerHTML;
    if (shown.get(part) === html) continue;
    replace(part, next, changes);
    shown.set(document.getElementById(part.id), html);
  }
  main().dataset.liveAt = fresh.getElementById("main")?.dataset.liveAt ?? main().dataset.liveAt;
  if (fresh.title) document.title = fresh.title;
  mark(changes.marked);
  speak(changes.said);
  follow(); // the new parts may follow something else
}

function replace(part, next, changes) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  nameRows(part);
  nameRows(next);
  Idiomorph.morph(part, next, { morphStyle: "outerHTML", restoreFocus: true, callbacks: callbacks(changes) });
  const now = document.getElementById(part.id);
  htmx.process(now);
  htmx.trigger(now, "htmx:load", { elt: now }); // times are put into the reader's zone
  if (focused && !focused.isConnected) {
    const successor = (focused.id && document.getElementById(focused.id)) || now;
    if (successor === now && !now.hasAttribute("tabindex")) now.tabIndex = -1;
    successor.focus({ preventScroll: true });
  }
}

const callbacks = ({ marked, said }) => ({
  beforeNodeMorphed(old, next) {
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data.trim() !== next.data?.trim()) marked.add(old.parentElement);
      return true;
    }
    return !(old.nodeType === Node.ELEMENT_NODE && (isTouched(old) || old.isEqualNode(next)));
  },
  beforeNodeRemoved: (node) => !(node instanceof HTMLDialogElement && node.open),
  afterNodeAdded(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    marked.add(node);
    for (const each of [node, ...node.querySelectorAll("[data-say]")]) if (each.dataset?.say) said.add(each);
  },
  beforeAttributeUpdated(name, element) {
    if (name === "open" && element.matches("details, dialog")) return false; // open is what the reader left open
    if (name === "data-sent" || name === "data-busy" || name === "data-changed") return false;
    if (name === "aria-disabled" && "busy" in element.dataset) return false;
    if (name === "data-say") said.add(element);
    return true;
  },
});

// Whether somebody has typed or chosen something here, or is about to.
function isTouched(element) {
  if (element instanceof HTMLTextAreaElement) return element === document.activeElement || element.value !== element.defaultValue;
  if (element instanceof HTMLSelectElement) {
    const given = [...element.options].findIndex((option) => option.defaultSelected);
    return element === document.activeElement || element.selectedIndex !== Math.max(given, 0);
  }
  if (!(element instanceof HTMLInputElement) || element.type === "hidden") return false;
  if (element === document.activeElement) return true;
  return ["checkbox", "radio"].includes(element.type)
    ? element.checked !== element.defaultChecked
    : element.value !== element.defaultValue;
}

// A row is the same row where its first link leads to the same place. Where several lead there, none has a name.
function nameRows(within) {
  const named = new Map();
  for (const row of within.querySelectorAll("tbody > tr:not([id])")) {
    const href = row.querySelector("a[href]")?.getAttribute("href");
    if (href) named.set(href, named.has(href) ? null : row);
  }
  for (const [href, row] of named) if (row) row.id = `row ${href}`;
}

function mark(elements) {
  const entry = "tr, .timeline__entry, .detail__row, .stat, .banner";
  const places = new Set();
  for (const each of elements) {
    if (!each.isConnected || each.closest("time, [data-quiet]")) continue;
    if (each.querySelector(entry)) continue; // around what changed, or may not have
    places.add(each.closest(entry) ?? each);
  }
  for (const place of places) {
    place.dataset.changed = "";
    setTimeout(() => delete place.dataset.changed, MARKED_MS);
  }
}

// After a press of "3 new": which rows are new, and the list has the focus that the link had.
let rowsBefore = null;

function rememberRows({ detail }) {
  const asked = detail.requestConfig?.elt;
  if (!asked?.matches?.("[data-newer]") || !detail.target) return;
  nameRows(detail.target);
  rowsBefore = new Set([...detail.target.querySelectorAll("tbody > tr")].map((row) => row.id));
}

function showNewRows({ target }) {
  if (!rowsBefore) return;
  nameRows(target);
  const rows = [...target.querySelectorAll("tbody > tr[id]")];
  mark(rows.filter((row) => !rowsBefore.has(row.id)));
  rowsBefore = null;
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

// --- Saying it -------------------------------------------------------------------------------------------

let spokenAt = -Infinity;
let speaking = 0;
const toSay = new Set(); // elements: of one that changes twice, only the later words are said

function speak(elements) {
  if (!elements.size) return;
  elements.forEach((each) => toSay.add(each));
  clearTimeout(speaking);
  speaking = setTimeout(sayNow, Math.max(0, spokenAt + SPEAK_EVERY_MS - performance.now()));
}

function sayNow() {
  spokenAt = performance.now();
  const sentences = new Set([...toSay].filter((each) => each.isConnected && each.dataset.say).map((each) => each.dataset.say));
  const text = sentences.size > SPOKEN ? `${sentences.size} changes on this page` : [...sentences].join(". ");
  toSay.clear();
  document.dispatchEvent(new CustomEvent("said", { detail: text }));
}

// The notice at the foot of the page; empty words take it away.
function say(words, href = "", label = "") {
  const notice = document.getElementById("live-notice");
  if (!notice || notice.dataset.words === words) return;
  notice.dataset.words = words;
  notice.hidden = !words;
  notice.textContent = words;
  if (!href) return;
  const link = document.createElement("a");
  Object.assign(link, { href, textContent: label, rel: "noopener" });
  if (href !== location.href) link.target = "_blank";
  notice.append(" ", link);
}

// --- Start -----------------------------------------------------------------------------------------------

function begin() {
  given_up = false;
  failures = 0;
  follow();
}

document.addEventListener("sse:changed", (event) => refresh(event.detail.data.split(" ")));
document.addEventListener("htmx:sseOpen", () => failures && refresh());
document.addEventListener("htmx:sseError", (event) => {
  if (holder?.contains(event.target) && event.detail.source?.readyState === EventSource.CLOSED) refused();
});
document.addEventListener("htmx:sseClose", (event) => {
  if (event.detail.type === "message" && holder?.contains(event.target)) refused();
});
document.addEventListener("htmx:beforeSwap", rememberRows);
document.addEventListener("htmx:afterSettle", showNewRows);
document.addEventListener("htmx:afterSettle", begin); // another page, or other parts
document.addEventListener("htmx:historyRestore", begin);
document.addEventListener("page:arrived", begin); // by navigation.js
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : begin()));
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", (event) => event.persisted && begin());
window.addEventListener("offline", () => followed() && say(OFFLINE));
window.addEventListener("online", () => followed() && refresh());
begin();

// Going from page to page without loading everything anew. htmx sends what a boosted link or form asks for; this module
// puts the answer in place: its content, title, sheets and scripts, the history, the scroll position and the focus.
// What is not a page of ours, or not to be shown in place, the browser loads as it would without a script.

const AREAS = /^\/(cabinet|desk|account)(\/|$)/;
const FILES = /\.(csv|jsonl)$/;
const SHEETS_WAIT_MS = 3_000;
const SCROLL_SETTLES_MS = 120;

const listened = new WeakSet();
let under = null; // the request of the navigation under way: the newest counts, as with a browser's own
const shown = { address: new URL(location.href), at: history.state?.at ?? 0 }; // the page in the window, and its place
// in the history: `location` is ahead of it while one goes back

const frame = () => document.getElementById("frame");
const isSamePage = (one, other) => one.pathname === other.pathname && one.search === other.search;
const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));

// --- What is boosted ---------------------------------------------------------------------------------------

document.addEventListener("htmx:beforeProcessNode", ({ target }) => {
  const isLink = target.tagName === "A";
  if (!isLink && target.tagName !== "FORM") return;
  const address = new URL(target.getAttribute(isLink ? "href" : "action") ?? location.href, location.href);
  const ours = address.origin === location.origin && AREAS.test(address.pathname) && !FILES.test(address.pathname);
  if (!ours || target.hasAttribute("download")) target.setAttribute("hx-boost", "false");
});

// With Shift or Alt a click opens a window or saves: the browser's own business. htmx leaves the other keys alone.
document.addEventListener(
  "click",
  (event) => {
    if ((event.shiftKey || event.altKey) && event.target.closest("a[href]")) event.stopPropagation();
  },
  true,
);

// --- A request and its answer -------------------------------------------------------------------------------

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (!detail.boosted) return;
  listenTo(detail.elt);
  begin(detail.xhr, detail.requestConfig.verb);
});

function begin(xhr, verb) {
  if (under?.verb === "get") under.xhr.abort(); // what was sent to change something goes on
  under = { xhr, verb };
}

// On the element itself: what it asked for counts although a live part of the page has replaced it meanwhile.
function listenTo(element) {
  if (listened.has(element)) return;
  listened.add(element);
  element.addEventListener("htmx:beforeOnLoad", (event) => {
    event.preventDefault();
    const { xhr, requestConfig, pathInfo } = event.detail;
    arrive(xhr, requestConfig, new URL(pathInfo.finalRequestPath, location.href));
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    element.addEventListener(name, (event) => element.isConnected || tell(name, event.detail));
  }
}

async function arrive(xhr, { verb, elt, triggeringEvent }, asked) {
  if (xhr !== under?.xhr) return; // somebody went on meanwhile
  if (xhr.status === 401 && verb === "get") return location.assign(asked);
  const address = new URL(xhr.responseURL || asked);
  if (isSamePage(address, asked)) address.hash = asked.hash;
  const page = pageIn(xhr);
  const isPage = page.getElementById("frame") !== null;
  if (xhr.status >= 400 && !(isPage && (verb === "get" || xhr.status === 422))) {
    return tell("request:failed", { elt, xhr, page, triggeringEvent });
  }
  if (!isPage || !AREAS.test(address.pathname) || (verb === "get" && isOutdated(page))) return location.assign(address);
  await withSheets(page);
  if (xhr !== under?.xhr) return;
  const keepsPlace = elt.hasAttribute("data-keep-place");
  if (verb === "get") enter(address, keepsPlace);
  else if (xhr.status < 400) enter(address, address.pathname === location.pathname);
  show(page, { keepsPlace, hash: address.hash });
}

function pageIn(xhr) {
  const isText = xhr.status && xhr.getResponseHeader("content-type")?.startsWith("text/html");
  return new DOMParser().parseFromString(isText ? xhr.responseText : "", "text/html");
}

// The address of what is shown next: a new entry of the history, unless it takes the place of this one.
function enter(address, inPlace) {
  keepScroll();
  if (inPlace || isSamePage(address, location)) history.replaceState({ at: shown.at }, "", address);
  else history.pushState({ at: shown.at + 1 }, "", address);
}

// A list was filtered: its part of the page is there already.
document.addEventListener("page:filtered", ({ detail }) => {
  enter(new URL(detail.address, location.href), detail.inPlace);
  isShown();
});

function isShown() {
  shown.address = new URL(location.href);
  shown.at = history.state?.at ?? 0;
}

function show(page, { keepsPlace = false, hash = "", scroll = 0, link = "" }) {
  const isSamePath = shown.address.pathname === location.pathname;
  const focused = isSamePath ? document.activeElement?.id : "";
  const rows = keepsPlace ? document.querySelectorAll("#main tbody > tr").length : 0;
  const top = window.scrollY;
  const menu = document.getElementById("navigation")?.scrollTop ?? 0;
  under = null;
  isShown();
  document.title = page.title;
  for (const each of page.querySelectorAll("[autofocus]")) {
    each.removeAttribute("autofocus"); // the browser obeys it only once in a document
    each.setAttribute("data-focus", "");
  }
  htmx.swap(frame(), page.getElementById("frame").outerHTML, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
  dropSheets(page);
  document.getElementById("navigation")?.scrollTo(0, menu);
  tell("page:arrived");
  place(hash, keepsPlace ? top : scroll);
  settleFocus(focused, link, rows);
  tell("said", page.title);
}

function place(hash, scroll) {
  const target = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (target) target.scrollIntoView();
  else window.scrollTo({ top: scroll, behavior: "instant" });
}

// The focus goes to what the page wants, to the first row that was added, to what had it before on the same page, to
// the link that one came back from, else to the heading, from where one reads on.
function settleFocus(focused, link, rows) {
  const heading = document.querySelector("#main h1, .identity h1");
  heading?.setAttribute("tabindex", "-1");
  const wanted =
    [...document.querySelectorAll("#frame [data-focus]")].find((each) => each.checkVisibility()) ||
    (rows && document.querySelectorAll("#main tbody > tr")[rows]?.querySelector("a")) ||
    (focused && document.getElementById(focused)) ||
    (link && document.querySelector(`#main a[href="${link}"]`)) ||
    heading;
  wanted?.focus({ preventScroll: true });
  if (wanted?.matches("[data-focus]")) wanted.scrollIntoView({ block: "nearest" });
}

// --- Where one had scrolled to ---------------------------------------------------------------------------------

history.scrollRestoration = "manual"; // the browser would do it before the page is there
if (history.state?.scroll) window.scrollTo({ top: history.state.scroll, behavior: "instant" });

let scrolling;
window.addEventListener("scroll", () => {
  clearTimeout(scrolling);
  scrolling = setTimeout(keepScroll, SCROLL_SETTLES_MS);
});

function keepScroll() {
  clearTimeout(scrolling);
  if (isSamePage(new URL(location.href), shown.address)) {
    history.replaceState({ ...history.state, at: shown.at, scroll: window.scrollY }, "");
  }
}

// --- Sheets and scripts of the page that comes -----------------------------------------------------------------

const sheets = (of) => [...of.head.querySelectorAll('link[rel="stylesheet"]')];
const scripts = (of) => [...of.head.querySelectorAll("script[src]")];
const source = (element) => element.getAttribute("href") ?? element.getAttribute("src");

// A script that is here in another version: the gateway was updated, and its pages are loaded anew.
function isOutdated(page) {
  const here = new Map(scripts(document).map((script) => [source(script).split("?")[0], source(script)]));
  return scripts(page).some((script) => {
    const present = here.get(source(script).split("?")[0]);
    return present !== undefined && present !== source(script);
  });
}

async function withSheets(page) {
  const here = new Set(sheets(document).map(source));
  const missing = sheets(page).filter((sheet) => !here.has(source(sheet)));
  const added = missing.map((sheet) => document.importNode(sheet));
  const loaded = added.map((sheet) => new Promise((done) => (sheet.onload = sheet.onerror = done)));
  document.head.append(...added);
  if (added.length) await Promise.race([Promise.all(loaded), new Promise((done) => setTimeout(done, SHEETS_WAIT_MS))]);
  const running = new Set(scripts(document).map(source));
  for (const script of scripts(page).filter((each) => !running.has(source(each)))) {
    const fresh = document.createElement("script");
    fresh.type = "module";
    fresh.src = source(script);
    document.head.append(fresh);
  }
}

function dropSheets(page) {
  const wanted = new Set(sheets(page).map(source));
  for (const sheet of sheets(document)) if (!wanted.has(source(sheet))) sheet.remove();
}

// --- Back and forward -------------------------------------------------------------------------------------------

// Nothing of a page is kept, since it may hold secrets: going back asks for it again. htmx's own listener stays out.
window.addEventListener(
  "popstate",
  (event) => {
    event.stopImmediatePropagation();
    if (!isSamePage(new URL(location.href), shown.address)) return restore();
    if (history.state?.at === undefined) history.replaceState({ at: shown.at + 1 }, ""); // a #place on this page
    isShown();
  },
  true,
);

async function restore() {
  const { scroll = 0, at = 0 } = history.state ?? {};
  const address = new URL(location.href);
  const xhr = new XMLHttpRequest();
  begin(xhr, "get");
  document.getElementById("loading")?.classList.add("htmx-request");
  await asked(xhr, address);
  document.getElementById("loading")?.classList.remove("htmx-request");
  if (xhr !== under?.xhr) return;
  const page = pageIn(xhr);
  const isPage = page.getElementById("frame") !== null;
  if (xhr.status === 401 || (isPage ? isOutdated(page) : xhr.status && xhr.status < 400)) return location.reload();
  if (!isPage) return turnBack(at, xhr, page);
  await withSheets(page);
  if (xhr === under?.xhr) show(page, { scroll, hash: address.hash, link: shown.address.pathname });
}

function asked(xhr, address) {
  xhr.open("GET", address);
  xhr.timeout = htmx.config.timeout;
  xhr.setRequestHeader("HX-Request", "true");
  xhr.setRequestHeader("HX-Boosted", "true");
  return new Promise((done) => {
    xhr.onloadend = done;
    xhr.send();
  });
}

// The page did not come: the address becomes again that of the page in the window.
function turnBack(at, xhr, page) {
  const steps = shown.at - at;
  history.go(steps);
  tell("request:failed", { elt: document.body, xhr, page, retry: () => history.go(-steps) });
}

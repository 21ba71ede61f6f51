// The command palette: a dialog over the search page's own answer. Opens by its button, "/", Ctrl-K or Cmd-K.
// Arrow keys move, Enter opens, Esc closes. What was opened lately is kept for this tab, as addresses alone.

const RECENT = "palette-recent";
const MOST_RECENT = 6;
const THING = /\/(invoices|payouts|refunds|events|reviews|merchants|alerts|approvals|webhooks|keys)\/([A-Za-z0-9-]{1,40})$/;
const NO_ANSWER = "The search did not answer. Check the connection and try again.";
const SIGNED_OUT = "You were signed out. Sign in again in another tab, then try again.";

const part = (id) => document.getElementById(id);
const options = () => [...part("palette-list").querySelectorAll('[role="option"]')];

// --- Opening ---------------------------------------------------------------------------------------------

function open() {
  const dialog = part("palette");
  if (!dialog || dialog.open || document.querySelector("dialog[open]")) return;
  dialog.showModal();
  const input = part("palette-input");
  input.select();
  window.htmx.trigger(input, "palette");
}

function isTyping(element) {
  return element.isContentEditable || element.closest?.("input, textarea, select") != null;
}

document.addEventListener("keydown", (event) => {
  const isShortcut = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
  if (!(isShortcut || isSlash) || !part("palette")) return;
  event.preventDefault();
  open();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-palette-open]");
  if (!opener || event.metaKey || event.ctrlKey || event.shiftKey || !window.htmx) return;
  event.preventDefault();
  open();
}, true);

// --- Moving ----------------------------------------------------------------------------------------------

function select(option) {
  for (const each of options()) each.setAttribute("aria-selected", String(each === option));
  const input = part("palette-input");
  if (!option) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "palette-input" || event.isComposing) return;
  const all = options();
  const at = all.findIndex((each) => each.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: at + 1, ArrowUp: at < 0 ? all.length - 1 : at - 1 }[event.key];
  if (step !== undefined && all.length) {
    event.preventDefault();
    select(all[(step + all.length) % all.length]);
  }
  if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    all[at].click();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest?.("#palette-list a") && !event.metaKey && !event.ctrlKey) part("palette").close();
});

// --- Answers ---------------------------------------------------------------------------------------------

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "palette-list") return;
  part("palette-failure").hidden = true;
  const isAsked = (event.detail.requestConfig.parameters.q ?? "").trim() !== ""; // the box may hold a newer question
  if (!isAsked) showRecent();
  const found = options();
  select(isAsked ? found[0] : undefined);
  part("palette-list").scrollTop = 0;
  const words = part("palette-list").querySelector("[data-words]")?.textContent ?? "";
  part("palette-count").textContent = found.length ? `${found.length} ${found.length === 1 ? "result" : "results"}` : words;
});

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (event.target.id !== "palette-input") return;
    event.stopPropagation(); // said here, where it happened
    const words = part("palette-failure");
    words.textContent = event.detail.xhr?.status === 401 ? SIGNED_OUT : NO_ANSWER;
    words.hidden = false;
    part("palette-list").replaceChildren();
    select(undefined);
  });
}

// --- What was opened lately ------------------------------------------------------------------------------

function recent() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(RECENT) ?? "{}");
    return kept.who === part("palette").dataset.who ? kept.paths : [];
  } catch {
    return []; // no storage, or not ours
  }
}

function remember() {
  const dialog = part("palette");
  if (!dialog || !THING.test(location.pathname)) return;
  const paths = [location.pathname, ...recent().filter((path) => path !== location.pathname)].slice(0, MOST_RECENT);
  try {
    sessionStorage.setItem(RECENT, JSON.stringify({ who: dialog.dataset.who, paths }));
  } catch {
    // full, or not allowed: then nothing is remembered
  }
}

function showRecent() {
  const here = recent().filter((path) => path.startsWith(`${part("palette").dataset.base}/`) && path !== location.pathname);
  if (!here.length) return;
  const group = document.createElement("div");
  group.className = "hits";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Opened lately");
  const label = document.createElement("p");
  label.className = "hits__label";
  label.setAttribute("role", "presentation");
  label.textContent = "Opened lately";
  group.append(label, ...here.map(recentOption));
  part("palette-list").prepend(group);
}

function recentOption(path, number) {
  const [, kind, id] = THING.exec(path);
  const option = document.createElement("a");
  option.className = "hit";
  option.id = `palette-recent-${number}`;
  option.href = path;
  option.tabIndex = -1;
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  const icon = document.createElement("span");
  const words = document.createElement("span");
  words.className = "hit__words";
  const name = document.createElement("span");
  name.className = "hit__label";
  name.textContent = id;
  const detail = document.createElement("span");
  detail.className = "hit__detail";
  detail.textContent = kind.charAt(0).toUpperCase() + kind.slice(1);
  words.append(name, detail);
  option.append(icon, words);
  return option;
}

document.addEventListener("submit", (event) => {
  if (event.target.getAttribute?.("action") !== "/sign-out") return;
  try {
    sessionStorage.removeItem(RECENT);
  } catch {
    // nothing was kept
  }
}, true);

// --- Start, and each page that navigation puts in its place ----------------------------------------------

function begin() {
  remember();
  const key = document.querySelector(".palette-open__key");
  if (key && /Mac|iPhone|iPad/.test(navigator.platform)) key.textContent = "⌘ K";
}

begin();
document.addEventListener("htmx:pushedIntoHistory", begin);
document.addEventListener("htmx:historyRestore", begin);

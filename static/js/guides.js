// The documentation: samples in tabs, buttons that copy, the search by a key. All of it is there without this module.

const CHOSEN = "swap-pay-docs-language"; // in localStorage: the language that a reader reads samples in

document.documentElement.dataset.script = "";

// --- The same sample in several languages --------------------------------------------------------------

let number = 0;

function tabs(group) {
  const list = document.createElement("div");
  list.className = "samples__tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Language of the sample");
  for (const sample of group.querySelectorAll(".sample")) {
    const panel = document.createElement("div");
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${++number}`;
    tab.dataset.tab = panel.dataset.tab = sample.dataset.tab;
    tab.textContent = sample.dataset.label;
    tab.setAttribute("role", "tab");
    panel.id = `panel-${number}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    sample.querySelector("figcaption").hidden = true;
    sample.replaceWith(panel);
    panel.append(sample);
    tab.setAttribute("aria-controls", panel.id);
    list.append(tab);
  }
  group.prepend(list);
  group.dataset.tabs = "";
}

function show(group, name) {
  const panels = [...group.querySelectorAll('[role="tabpanel"]')];
  const shown = panels.find((panel) => panel.dataset.tab === name) ?? panels[0];
  for (const panel of panels) panel.hidden = panel !== shown;
  for (const tab of group.querySelectorAll('[role="tab"]')) {
    const selected = tab.dataset.tab === shown.dataset.tab;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
  }
}

function choose(tab) {
  const before = tab.getBoundingClientRect().top;
  for (const group of document.querySelectorAll("[data-tabs]")) show(group, tab.dataset.tab);
  window.scrollBy({ top: tab.getBoundingClientRect().top - before, behavior: "instant" }); // what is above may be shorter now
  remember(tab.dataset.tab);
}

function remember(name) {
  try {
    localStorage.setItem(CHOSEN, name);
  } catch {
    // a browser without storage: chosen for this page alone
  }
}

function remembered() {
  try {
    return localStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}

for (const group of document.querySelectorAll(".samples--tabs")) {
  tabs(group);
  show(group, remembered());
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (tab) choose(tab);
});

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (!tab) return;
  const all = [...tab.parentElement.children];
  const place = all.indexOf(tab);
  const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const chosen = all.at(next % all.length);
  choose(chosen);
  chosen.focus();
});

// --- Copying ---------------------------------------------------------------------------------------------

function icon(name, path) {
  const template = document.createElement("template");
  template.innerHTML = `<svg class="icon icon--${name}" viewBox="0 0 20 20" aria-hidden="true">${path}</svg>`;
  return template.content;
}

for (const code of document.querySelectorAll(".sample > pre > code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy sample__copy";
  button.dataset.copy = code.textContent;
  button.dataset.copied = "The code was copied";
  button.append(
    icon("copy", '<rect x="7" y="7" width="9.5" height="9.5" rx="2"/><path d="M13 4.2A1.8 1.8 0 0 0 11.3 3H5a2 2 0 0 0-2 2v6.3A1.8 1.8 0 0 0 4.2 13"/>'),
    icon("check", '<path d="m4.5 10.5 3.6 3.7L15.5 6"/>'),
  );
  const words = document.createElement("span");
  words.className = "visually-hidden";
  words.textContent = "Copy the code";
  button.append(words);
  code.closest(".sample").append(button);
}

const announcer = document.getElementById("announcer");

document.addEventListener("said", (event) => {
  announcer.textContent = "";
  requestAnimationFrame(() => (announcer.textContent = event.detail)); // emptied first: the same words are said again
});

// --- Searching -------------------------------------------------------------------------------------------

const field = document.getElementById("search");

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  field.focus();
  field.select();
});

// --- Where the reader is ------------------------------------------------------------------------------------

const outline = new Map(
  [...document.querySelectorAll(".guides__outline a")].map((link) => [decodeURIComponent(link.hash.slice(1)), link]),
);

function mark() {
  let current = null;
  for (const [anchor, link] of outline) {
    const heading = document.getElementById(anchor);
    if (heading && heading.getBoundingClientRect().top < 140) current = link;
  }
  for (const link of outline.values()) link.toggleAttribute("data-current", link === current);
}

if (outline.size) {
  let waits = false;
  document.addEventListener("scroll", () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      mark();
    });
  }, { passive: true });
  mark();
}

// The page that is open stays in sight in the contents.
document.querySelector('.guides__nav [aria-current="page"]')?.scrollIntoView({ block: "nearest" });

// What to pay with: a search where there is much to choose from, and what was chosen last on this device, first.
// Of a choice only asset and network are kept, on the device alone. Without this module the list is complete.

const KEPT = "swap-pay:way"; // `USDT/tron`
const SAID_AFTER_MS = 700; // once the typing pauses

const payment = document.getElementById("payment");
const items = () => [...document.querySelectorAll("#ways > li")];

// The page replaces its parts when something has changed; then this is done again.
function arrange() {
  putLastFirst();
  search();
}

// --- What was used last ----------------------------------------------------------------------------------

function putLastFirst() {
  const last = items().find((item) => item.dataset.way === kept() && !item.querySelector("button").disabled);
  if (!last || last.dataset.usedLast !== undefined) return;
  const mark = document.createElement("span");
  mark.className = "badge badge--progress";
  mark.textContent = last.parentElement.dataset.usedLast;
  last.querySelector(".way__asset").append(" ", mark);
  last.dataset.usedLast = "";
  const focused = last.contains(document.activeElement) ? document.activeElement : null;
  last.parentElement.prepend(last);
  focused?.focus({ preventScroll: true }); // what moves loses it
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // storage is off
  }
}

function keep(way) {
  try {
    localStorage.setItem(KEPT, way);
  } catch {
    // storage is off or full: the list stays in the merchant's order
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-choose]")) return;
  const { asset, chain } = event.target.elements;
  keep(`${asset.value}/${chain.value}`);
});

// --- The search ------------------------------------------------------------------------------------------

let wanted = "";
let saying = 0;

function search() {
  const field = document.getElementById("ways-search");
  if (!field) return;
  if (field.value !== wanted) field.value = wanted; // a new part of the page
  const terms = plain(wanted).split(/\s+/).filter(Boolean);
  const all = items();
  for (const item of all) {
    const names = plain(item.dataset.foundBy);
    item.hidden = !terms.every((term) => names.includes(term));
  }
  const shown = all.filter((item) => !item.hidden).length;
  document.getElementById("ways-none").hidden = shown > 0;
  return field.dataset.shown.replace("{n}", shown).replace("{total}", all.length);
}

function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "ways-search") return;
  wanted = event.target.value;
  const words = search();
  clearTimeout(saying);
  saying = setTimeout(() => document.dispatchEvent(new CustomEvent("said", { detail: words })), SAID_AFTER_MS);
});

// --- Start -----------------------------------------------------------------------------------------------

arrange();
new MutationObserver(arrange).observe(payment, { childList: true });

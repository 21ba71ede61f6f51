// Messages about what was done or failed, in one place that pages leave alone. What the server flashed in a page moves
// there too. Others show one by a "toast" event on the document, with { words, retry } as its detail: `retry` is what
// "Try again" does.

const LEAST_MS = 8_000;
const PER_CHARACTER_MS = 60; // a slow reader's pace
const STAYS = ["caution", "critical"]; // until somebody has seen it

const SAID = document.getElementById("toasts-status");
const ALERT = document.getElementById("toasts-alert");

function show(toast, isAlert, retry) {
  const actions = document.getElementById("toast-actions").content.cloneNode(true);
  const again = actions.querySelector("[data-retry]");
  if (retry) again.addEventListener("click", () => (close(toast), retry()));
  else again.remove();
  actions.querySelector("[data-dismiss]").addEventListener("click", () => close(toast));
  toast.append(actions);
  toast.removeAttribute("role"); // the region around it is live
  if (isAlert) toast.setAttribute("role", "alert");
  const earlier = [...ALERT.children].filter((each) => words(each) === words(toast));
  if (isAlert) ALERT.append(toast);
  else SAID.replaceChildren(toast); // what was done before it is known by now
  earlier.forEach((each) => each.remove());
  if (!isAlert && !STAYS.some((tone) => toast.classList.contains(`flash--${tone}`))) goInTime(toast);
}

const words = (toast) => toast.querySelector("p").textContent;

// A message stays while somebody points at it or has the focus in it, and begins anew afterwards.
function goInTime(toast) {
  const time = LEAST_MS + words(toast).length * PER_CHARACTER_MS;
  let timer = setTimeout(() => close(toast), time);
  const stay = () => clearTimeout(timer);
  const go = () => {
    clearTimeout(timer);
    timer = setTimeout(() => close(toast), time);
  };
  toast.addEventListener("pointerenter", stay);
  toast.addEventListener("focusin", stay);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusout", go);
}

function close(toast) {
  const hadFocus = toast.contains(document.activeElement);
  toast.remove();
  if (hadFocus) document.getElementById("main")?.focus({ preventScroll: true });
}

document.addEventListener("toast", ({ detail }) => {
  const toast = document.getElementById("toast").content.firstElementChild.cloneNode(true);
  toast.querySelector("p").textContent = detail.words;
  show(toast, true, detail.retry);
});

// A page that arrived is a success: what failed before it is over.
document.addEventListener("page:arrived", () => ALERT?.replaceChildren());

function takeFlash() {
  if (!SAID) return; // the pages of signing in keep it in their card
  for (const flash of document.querySelectorAll("#main > .flash")) {
    flash.remove();
    requestAnimationFrame(() => show(flash, false)); // a live region says what changes after it was there
  }
}

document.addEventListener("htmx:load", takeFlash);
takeFlash();

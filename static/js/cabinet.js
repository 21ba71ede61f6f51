// Signed-in pages: calmer with this module, complete without it.

const announcer = document.getElementById("announcer");

// --- Saying it -------------------------------------------------------------------------------------------

document.addEventListener("said", (event) => {
  if (!announcer) return;
  announcer.textContent = "";
  requestAnimationFrame(() => (announcer.textContent = event.detail)); // emptied first: the same words are said again
});

// --- A form is sent once ---------------------------------------------------------------------------------

document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent !== undefined) {
      event.preventDefault();
      return event.stopImmediatePropagation(); // htmx must not see it either
    }
    form.dataset.sent = "";
    const button = event.submitter;
    if (!button) return;
    button.setAttribute("aria-disabled", "true"); // not `disabled`, which would take its name and value from the form
    button.dataset.busy = "";
  },
  true,
);

function release(within) {
  for (const form of within.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of within.querySelectorAll("[data-busy]")) {
    button.removeAttribute("aria-disabled");
    delete button.dataset.busy;
  }
}

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:sendAbort", "htmx:responseError", "request:failed"]) {
  document.addEventListener(name, () => release(document)); // it failed: it may be sent again
}
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.boosted) release(detail.elt.closest("form")?.parentElement ?? document);
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) release(document); // back from the next page
});

// --- A choice that shows another part of the page at once --------------------------------------------------

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
});

// --- All or none -----------------------------------------------------------------------------------------

document.addEventListener("change", (event) => {
  const master = event.target.closest("[data-all]");
  if (!master) return;
  for (const box of master.form.elements) {
    if (box.type === "checkbox" && box.name === master.dataset.all) box.checked = master.checked;
  }
});

// --- Start -----------------------------------------------------------------------------------------------

document.documentElement.dataset.script = "";

// Signed-in pages: calmer with this module, complete without it.

const announcer = document.getElementById("announcer");

// --- Saying it -------------------------------------------------------------------------------------------

document.addEventListener("said", (event) => {
  if (!announcer) return;
  announcer.textContent = "";
  requestAnimationFrame(() => (announcer.textContent = event.detail)); // emptied first: the same words are said again
});

// --- A form is sent once ---------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent !== undefined) return event.preventDefault();
  form.dataset.sent = "";
  const button = event.submitter;
  if (!button) return;
  button.setAttribute("aria-disabled", "true"); // not `disabled`, which would take its name and value from the form
  button.dataset.busy = "";
});

window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // back from the next page: the form may be sent again
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[data-busy]")) {
    button.removeAttribute("aria-disabled");
    delete button.dataset.busy;
  }
});

// --- A dialog in place of the page that asks the same -----------------------------------------------------

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    dialog.showModal();
  }
  if (event.target.closest("[data-close]") || event.target.matches("dialog")) event.target.closest("dialog")?.close();
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

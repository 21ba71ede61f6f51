// Forms: a field is checked by the server when it is left. Nothing happens while somebody types, and nothing is lost
// without this module: the server checks the whole form once more when it is sent.

const WAIT_MS = 120; // a button that was pressed leaves the field too, and then the form is sent anyway

const NEVER_SENT = new Set(["password", "file", "submit"]);

const running = new Map(); // the check that runs for a field, by the field's name

document.addEventListener("change", (event) => {
  const field = event.target;
  const form = field.form;
  if (!form?.dataset.check || !field.name || NEVER_SENT.has(field.type)) return;
  setTimeout(() => check(form, field), WAIT_MS);
});

async function check(form, field) {
  const messages = document.getElementById(`messages-${field.name}`);
  if (!messages || form.dataset.sent !== undefined) return;
  running.get(field.name)?.abort();
  const abort = new AbortController();
  running.set(field.name, abort);
  try {
    const answer = await fetch(form.dataset.check, {
      method: "POST",
      headers: { "X-Check-Field": field.name, "X-CSRF-Token": form.dataset.token, "HX-Request": "true" },
      body: typed(form),
      redirect: "error",
      signal: abort.signal,
    });
    if (answer.ok) show(field, messages, await answer.text());
  } catch {
    // offline, or checked again meanwhile: the answer to the form itself says what is wrong
  }
}

function typed(form) {
  const fields = new URLSearchParams();
  for (const element of form.elements) {
    const isChosen = !["radio", "checkbox"].includes(element.type) || element.checked;
    if (element.name && isChosen && !NEVER_SENT.has(element.type)) fields.append(element.name, element.value);
  }
  return fields;
}

function show(field, messages, html) {
  messages.innerHTML = html; // the server's own, escaped there
  const isWrong = messages.querySelector(".field__error") !== null;
  messages.closest(".field")?.classList.toggle("field--wrong", isWrong);
  for (const each of field.form.querySelectorAll(`[name="${CSS.escape(field.name)}"]`)) {
    if (["radio", "checkbox"].includes(each.type)) continue;
    if (isWrong) each.setAttribute("aria-invalid", "true");
    else each.removeAttribute("aria-invalid");
  }
}

// Dialogs in place of pages. A link with data-ask leads to a page that asks before something that can't be undone: its
// question opens here, over the page, with the same words and the same form. data-dialog names a dialog that is there.

const AS_HTMX = { "HX-Request": "true" }; // so that a lost session is answered with 401

const isPlain = (event) => !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && event.button === 0;

document.addEventListener(
  "click",
  (event) => {
    const link = event.target.closest?.("a[data-ask]");
    if (!link || !isPlain(event)) return;
    event.preventDefault();
    event.stopPropagation(); // before htmx follows the link
    ask(link);
  },
  true,
);

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog && isPlain(event)) {
    event.preventDefault();
    dialog.showModal();
  }
  const closer = event.target.closest?.("[data-close]");
  if (closer) event.preventDefault();
  if (closer || event.target.matches?.("dialog")) event.target.closest("dialog")?.close();
});

async function ask(link) {
  if (link.dataset.asking !== undefined) return;
  link.dataset.asking = "";
  document.getElementById("loading")?.classList.add("htmx-request");
  const answer = await fetch(link.href, { headers: AS_HTMX }).catch(() => null);
  const page = new DOMParser().parseFromString((await answer?.text().catch(() => "")) ?? "", "text/html");
  document.getElementById("loading")?.classList.remove("htmx-request");
  delete link.dataset.asking;
  if (!answer || answer.status >= 400) {
    const failed = { elt: link, xhr: { status: answer?.status ?? 0 }, page, retry: () => ask(link) };
    return document.dispatchEvent(new CustomEvent("request:failed", { detail: failed }));
  }
  const asks = new URL(answer.url).pathname === new URL(link.href).pathname && page.querySelector("#main form");
  if (!asks) return location.assign(link.href);
  open(dialogOf(page));
}

function dialogOf(page) {
  const main = page.getElementById("main");
  const dialog = document.createElement("dialog");
  dialog.className = "dialog dialog--question";
  dialog.setAttribute("aria-labelledby", "question");
  dialog.setAttribute("hx-headers", page.getElementById("frame").getAttribute("hx-headers"));
  const heading = document.createElement("h2");
  heading.id = "question";
  heading.append(...main.querySelector("h1").childNodes);
  const lead = main.querySelectorAll(".page-head__words > p:not(.back)");
  const content = page.getElementById("page") ?? main;
  content.querySelectorAll(".page-head, .flash").forEach((each) => each.remove());
  dialog.append(heading, ...lead, ...content.childNodes);
  for (const cancel of dialog.querySelectorAll(".form__actions a")) cancel.setAttribute("data-close", "");
  return dialog;
}

// Nothing happens by a key pressed too early: the way out has the focus first, or the text that must be written.
function open(dialog) {
  document.getElementById("frame").append(dialog);
  htmx.process(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  (dialog.querySelector("textarea") ?? dialog.querySelector("[data-close]"))?.focus();
}

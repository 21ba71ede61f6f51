// The keyboard on lists: j and k, or the arrows once a row has the focus, go from row to row; Enter opens a row, since
// its link has the focus. On a case, the key that a control names in aria-keyshortcuts presses it, or goes to its field:
// "a" asks for the passkey, which its owner confirms, or goes to the code; "r" asks for the reason of a rejection; "n"
// opens the next case. "?" lists the keys. Never while somebody types, nor over a dialog, nor by a key that is held down.

const FIELDS = "input, select, textarea, [contenteditable], [role=textbox], [role=combobox]";
const STEPS = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.(FIELDS) || document.querySelector("dialog[open], [popover]:popover-open")) return;
  if (event.key === "?") {
    event.preventDefault();
    document.getElementById("keys")?.showModal();
  } else if (event.key in STEPS) {
    step(event);
  } else if (!event.repeat && !event.shiftKey && /^[a-z]$/.test(event.key)) {
    press(event);
  }
});

function step(event) {
  const links = [...document.querySelectorAll("#main tbody .table__lead a")];
  const row = document.activeElement?.closest("tr");
  const at = links.findIndex((link) => link.closest("tr") === row);
  if (!links.length || (at < 0 && event.key.startsWith("Arrow"))) return; // without a row the arrows scroll
  event.preventDefault();
  const next = links[at < 0 ? 0 : Math.min(Math.max(at + STEPS[event.key], 0), links.length - 1)];
  next.focus({ preventScroll: true });
  next.closest("tr").scrollIntoView({ block: "nearest" });
}

// Only what a further act confirms has a key: a passkey's device, a dialog, a form.
function press(event) {
  const named = [...document.querySelectorAll(`#main [aria-keyshortcuts="${event.key}"]`)];
  const control = named.find((each) => each.checkVisibility());
  if (!control) return;
  event.preventDefault();
  if (!control.matches(FIELDS)) control.click();
  else control.focus();
}

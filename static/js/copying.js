// Copying: a button with data-copy puts exactly that text in the clipboard, and says data-copied.
// Whoever has a live region listens for "said" on the document.

const COPIED_MS = 2_000;

async function copy(button) {
  if (!(await writeText(button.dataset.copy))) return;
  button.dataset.done = "";
  document.dispatchEvent(new CustomEvent("said", { detail: button.dataset.copied }));
  clearTimeout(button.reset);
  button.reset = setTimeout(() => delete button.dataset.done, COPIED_MS);
}

async function writeText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeTextTheOldWay(text); // no permission, or an old in-app browser
  }
}

function writeTextTheOldWay(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
});

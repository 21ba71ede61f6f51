// Passkeys: a button with data-passkey asks the browser for one, puts its answer into the form, and sends the form.
// The button's value is what to ask for, as JSON (WebAuthn, level 3, section 5.1); data-passkey is "get" or "create".

const BYTES_OF = ["challenge"];

function bytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function text(buffer) {
  const raw = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function withBytes(options) {
  for (const name of BYTES_OF) options[name] = bytes(options[name]);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.allowCredentials ?? [], options.excludeCredentials ?? []]) {
    for (const credential of list) credential.id = bytes(credential.id);
  }
  return options;
}

function answer(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

// What went wrong, in the words of the button: "NotAllowedError" is also what a person's "Cancel" says.
function say(button, error) {
  const line = button.form.querySelector("[data-passkey-says]");
  if (!line) return;
  const cancelled = error.name === "NotAllowedError" || error.name === "AbortError";
  line.textContent = cancelled ? line.dataset.cancelled : error.name === "InvalidStateError" ? line.dataset.known : line.dataset.failed;
  line.hidden = false;
}

async function ask(button) {
  const publicKey = withBytes(JSON.parse(button.dataset.options));
  button.setAttribute("aria-disabled", "true");
  try {
    const credential = await navigator.credentials[button.dataset.passkey]({ publicKey });
    button.form.elements.passkey.value = answer(credential);
    button.form.requestSubmit();
  } catch (error) {
    say(button, error);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-passkey]");
  if (button && button.getAttribute("aria-disabled") !== "true") ask(button);
});

// A browser without passkeys shows none of it. Forms that want to know whether it makes them are told.
const MAKES_PASSKEYS = window.PublicKeyCredential !== undefined;

function tell(within) {
  for (const field of within.querySelectorAll("[data-makes-passkeys]")) field.value = MAKES_PASSKEYS ? "yes" : "";
}

document.documentElement.classList.toggle("has-passkeys", MAKES_PASSKEYS);
document.addEventListener("htmx:load", (event) => tell(event.detail.elt));
tell(document);

// A request of htmx that failed: it is said where people look, the control goes back to what it was, and what was typed
// stays. "Try again" does the same once more; a form has a key by which it is carried out only once.

const NO_ANSWER = {
  get: "No connection. What you see is what it was before.",
  post: "No connection, so we can’t say whether this was done. Trying again does nothing twice.",
};
const TOO_LATE = {
  get: "No answer came in time. What you see is what it was before.",
  post: "No answer came in time, so we can’t say whether this was done. Trying again does nothing twice.",
};
const OF_STATUS = {
  403: "You may not do that.",
  404: "What was here is gone.",
  413: "That is too large to be sent.",
  429: "Too many requests came from you. Wait a minute, then try again.",
  503: "This is not available right now. Try again in a minute.",
};
const FAULT = "Something went wrong on our side. Try again in a minute.";

const verbOf = (detail) => (detail.requestConfig?.verb ?? detail.verb ?? "get") === "get" ? "get" : "post";

document.addEventListener("htmx:sendError", ({ detail }) => failed(detail, NO_ANSWER[verbOf(detail)]));
document.addEventListener("htmx:timeout", ({ detail }) => failed(detail, TOO_LATE[verbOf(detail)]));
document.addEventListener("htmx:responseError", ({ detail }) => failed(detail, wordsOf(detail)));
document.addEventListener("request:failed", ({ detail }) => failed(detail, wordsOf(detail)));

function wordsOf({ xhr, page }) {
  if (xhr.status === 0) return NO_ANSWER.get;
  const answer = page ?? new DOMParser().parseFromString(xhr.responseText ?? "", "text/html");
  const said = xhr.status < 500 && answer.querySelector("[data-problem]")?.textContent.trim();
  return said || OF_STATUS[xhr.status] || (xhr.status >= 500 ? FAULT : "That can’t be done.");
}

function failed(detail, words) {
  const retry = () => again(detail);
  if (detail.xhr?.status === 401) return askToSignIn(retry);
  const dialog = detail.elt.closest?.("dialog[open]");
  if (dialog) return sayIn(dialog, words);
  document.dispatchEvent(new CustomEvent("toast", { detail: { words, retry } }));
}

function again({ elt, retry, requestConfig, triggeringEvent }) {
  const event = triggeringEvent ?? requestConfig?.triggeringEvent;
  if (retry) retry();
  else if (elt.again) elt.again();
  else if (elt.tagName === "FORM") elt.requestSubmit(event?.submitter?.isConnected ? event.submitter : undefined);
  else if (elt.tagName === "A" && !elt.isConnected) location.assign(elt.href);
  else if (elt.tagName === "A") elt.click();
  else htmx.trigger(elt, event?.type ?? "click");
}

// What stands outside of an open dialog can't be reached.
function sayIn(dialog, words) {
  let problem = dialog.querySelector(".dialog__problem");
  if (!problem) {
    problem = document.createElement("p");
    problem.className = "dialog__problem";
    problem.setAttribute("role", "alert");
    dialog.append(problem);
  }
  problem.textContent = words;
}

// --- Signed out ----------------------------------------------------------------------------------------------

const signedOut = document.getElementById("signed-out");
let afterwards = null;

function askToSignIn(retry) {
  afterwards = retry;
  signedOut.querySelector("[role=alert]").hidden = true;
  if (!signedOut.open) signedOut.showModal();
}

signedOut?.querySelector("[data-retry]").addEventListener("click", async () => {
  const isBack = await takeTokens().catch(() => false);
  signedOut.querySelector("[role=alert]").hidden = isBack;
  if (!isBack) return;
  signedOut.close();
  afterwards();
});

// The forms of this page belong to the session that has ended. The same page, asked for now, has those of the new one.
async function takeTokens() {
  const answer = await fetch(location.href, { headers: { "HX-Request": "true" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const headers = page.getElementById("frame")?.getAttribute("hx-headers");
  if (!answer.ok || !headers) return false;
  const token = JSON.parse(headers)["X-CSRF-Token"];
  for (const each of document.querySelectorAll("[hx-headers]")) each.setAttribute("hx-headers", headers);
  for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = token;
  return true;
}

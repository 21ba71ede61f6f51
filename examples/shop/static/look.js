// The order page asks again by itself, and changes only where something has changed. Without a script it is loaded anew.
const EVERY_MS = 3_000;

const order = document.querySelector("[data-looks]");

async function look() {
  try {
    const answer = await fetch(location.href);
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#order");
    if (answer.ok && found && found.innerHTML !== order.innerHTML) order.replaceChildren(...found.childNodes);
    if (answer.ok && found && !("looks" in found.dataset)) return;
  } catch {
    // The shop or the network is away for a moment: the next look may find it.
  }
  setTimeout(look, EVERY_MS);
}

if (order) setTimeout(look, EVERY_MS);

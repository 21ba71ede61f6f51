// The checkout page in a frame of the merchant's page: tells it each state, and leaves the frame by new windows.

const live = document.getElementById("live");
const payment = document.getElementById("payment");
const listed = live.dataset.frameOrigins.split(" ");
// Where the browser says who frames us, only they are told; elsewhere a message for another origin is never delivered.
const above = window.location.ancestorOrigins?.[0];
const told = above === undefined ? listed : listed.filter((origin) => origin === above);

function tell(message) {
  if (window.parent === window) return;
  const whole = { ...message, invoice_id: live.dataset.invoiceId };
  for (const origin of told) window.parent.postMessage(whole, origin);
}

function tellStatus() {
  tell({ type: "swap-pay:status", status: payment.dataset.status });
}

// checkout.js sets the attribute with each answer, changed or not.
let before = payment.dataset.status;
new MutationObserver(() => {
  if (payment.dataset.status === before) return;
  before = payment.dataset.status;
  tellStatus();
}).observe(payment, { attributeFilter: ["data-status"] });

document.addEventListener("keydown", (event) => {
  const closesHere = event.defaultPrevented || document.querySelector(":popover-open"); // such as the languages
  if (event.key === "Escape" && !closesHere) tell({ type: "swap-pay:close" });
});

// Only this page may be framed: other sites and our other pages open in windows of their own.
document.addEventListener(
  "click",
  (event) => {
    const link = event.target.closest?.("a[href]");
    const leaves = link && /^https?:$/.test(link.protocol) && link.pathname !== window.location.pathname;
    if (leaves && !link.target) link.target = "_blank";
  },
  true,
);

const address = new URL(window.location);
if (window.parent === window && address.searchParams.has("embed")) {
  address.searchParams.delete("embed"); // opened without a frame: it is the page itself
  window.location.replace(address);
}
tellStatus();

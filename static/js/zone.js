// The browser's time zone: put into forms that store it, and offered to people who have none yet.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
const IS_UTC = ["", "UTC", "Etc/UTC", "GMT", "Etc/GMT"].includes(zone);

function tell(within) {
  for (const field of within.querySelectorAll("[data-browser-zone]")) field.value = zone;
  if (IS_UTC) return; // the pages are in it already
  for (const offer of within.querySelectorAll("[data-zone-offer]")) {
    offer.querySelector("[data-zone-name]").textContent = zone;
    offer.hidden = false;
  }
}

tell(document);
document.addEventListener("htmx:load", (event) => tell(event.detail.elt));

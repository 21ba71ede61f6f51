// Filters of a list: the list follows what is chosen and typed, and its address too. Where that fails, what is chosen
// becomes again what is shown.

const shownValues = new WeakMap();
let typed = false; // the last entry of the history is a search that goes on

const isFilter = (element) => element?.matches?.("form.filters[hx-get]");
const fields = (form) => [...form.elements].filter((field) => field.name);
const isText = (field) => field.type === "search" || field.type === "text";
const values = (form) => new Map(fields(form).map((field) => [field, field.value]));

document.addEventListener("htmx:afterProcessNode", ({ target }) => {
  if (isFilter(target)) shownValues.set(target, values(target));
});

// Leaving the search field is a change too, although its text was sent while it was typed.
document.addEventListener("htmx:confirm", (event) => {
  const { elt, triggeringEvent } = event.detail;
  if (!isFilter(elt)) return;
  const wanted = JSON.stringify([...values(elt).values()]);
  if (wanted === elt.wanted && triggeringEvent?.type !== "submit") event.preventDefault();
  elt.wanted = wanted;
});

document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!isFilter(detail.elt)) return;
  for (const [name, value] of [...detail.formData]) if (value === "") detail.formData.delete(name);
});

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const form = detail.requestConfig?.elt;
  if (!isFilter(form)) return;
  const goesOn = detail.requestConfig.triggeringEvent?.type === "input";
  shownValues.set(form, values(form));
  tell("page:filtered", { address: detail.pathInfo.finalRequestPath, inPlace: goesOn && typed });
  typed = goesOn;
  const said = document.querySelector("#results [data-count], #results .empty__title");
  if (said) tell("said", said.textContent.trim());
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!isFilter(detail.elt) || detail.successful || !shownValues.has(detail.elt)) return;
  const form = detail.elt;
  form.wanted = null;
  const wanted = values(form);
  for (const [field, value] of shownValues.get(form)) if (!isText(field)) field.value = value;
  form.again = () => {
    for (const [field, value] of wanted) if (!isText(field)) field.value = value;
    htmx.trigger(form, "submit");
  };
});

document.addEventListener("page:arrived", () => (typed = false));

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

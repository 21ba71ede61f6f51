// The button that opens the browser's print window. Without this module the browser's own menu does.

document.addEventListener("click", ({ target }) => {
  if (target.closest?.("#print-poster")) window.print();
});

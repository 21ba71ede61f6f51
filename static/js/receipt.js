// Printing is what the receipt is for; the browser's own menu does it too.
const announcer = document.getElementById("announcer");
document.documentElement.dataset.script = "";
document.getElementById("print").addEventListener("click", () => window.print());
document.addEventListener("said", (event) => {
  announcer.textContent = "";
  requestAnimationFrame(() => (announcer.textContent = event.detail)); // emptied first: the same words are said again
});

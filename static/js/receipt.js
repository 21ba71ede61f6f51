// Printing is what the receipt is for; the browser's own menu does it too.
document.documentElement.dataset.script = "";
document.getElementById("print").addEventListener("click", () => window.print());

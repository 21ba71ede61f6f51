// Swap Pay's payment page as a dialog on your own page: docs/embedding.md has the whole of it.
//
//   <script src="https://pay.example/embed.js" defer></script>
//   <a href="…payment_url…" data-swap-pay>Pay</a>

(() => {
  const ORIGIN = new URL(document.currentScript.src).origin;
  const PATIENCE_MS = 5_000; // for the page's first word once the frame has loaded
  const STYLES = `
    .swap-pay { box-sizing: border-box; inline-size: 30rem; block-size: 46rem; max-inline-size: calc(100vw - 1rem);
      max-block-size: calc(100dvh - 1rem); padding: 0; border: 0; border-radius: 1.25rem; overflow: hidden;
      background: Canvas; color: CanvasText; box-shadow: 0 1.5rem 4rem rgb(0 0 0 / 0.35); }
    .swap-pay::backdrop { background: rgb(8 20 22 / 0.55); }
    .swap-pay iframe { display: block; inline-size: 100%; block-size: 100%; border: 0; }
    .swap-pay button { position: absolute; inset-block-start: 0.75rem; inset-inline-end: 0.75rem; inline-size: 2.5rem;
      block-size: 2.5rem; padding: 0; border: 1px solid transparent; border-radius: 50%; background: rgb(0 0 0 / 0.3);
      color: #fff; font: 1.5rem/1 system-ui, sans-serif; cursor: pointer; }
    .swap-pay button:focus-visible { outline: 3px solid #fff; outline-offset: -5px; }
    .swap-pay p { position: absolute; inset: auto 1rem 1rem; margin: 0; padding: 0.75rem 1rem; border-radius: 0.75rem;
      background: Canvas; font: 1rem/1.5 system-ui, sans-serif; text-align: center; }
    .swap-pay p a { color: LinkText; }
    @media (max-width: 34rem) { .swap-pay { inline-size: 100vw; block-size: 100dvh; max-inline-size: none;
      max-block-size: none; margin: 0; border-radius: 0; } }`;

  let opened = null;
  let dressed = false;

  // By the object model: a policy without inline styles allows it.
  function dress() {
    if (dressed) return;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    dressed = true;
  }

  function made(name, properties) {
    return Object.assign(document.createElement(name), properties);
  }

  // Opens a payment link. Throws a TypeError for an address that is none of ours.
  function open(address, { title = "Payment", close = "Close", alone = "Open the payment page", onStatus, onClose } = {}) {
    const url = new URL(address, document.baseURI);
    if (url.origin !== ORIGIN || !url.pathname.startsWith("/pay/")) throw new TypeError(`no payment link of ${ORIGIN}`);
    const outside = made("a", { href: url.href, target: "_blank", rel: "noopener", textContent: alone });
    url.searchParams.set("embed", "");
    opened?.close();
    dress();

    const before = document.activeElement;
    const dialog = made("dialog", { className: "swap-pay" });
    dialog.setAttribute("aria-label", title);
    const button = made("button", { type: "button", textContent: "×" });
    button.setAttribute("aria-label", close);
    const frame = made("iframe", { title, allow: "clipboard-write", src: url.href });
    let waiting = 0;
    dialog.append(frame, button);
    document.body.append(dialog);

    function hear(event) {
      if (event.origin !== ORIGIN || event.source !== frame.contentWindow) return;
      const { type, invoice_id, status } = event.data ?? {};
      if (type === "swap-pay:close") dialog.close();
      if (type !== "swap-pay:status") return;
      clearTimeout(waiting);
      waiting = -1;
      document.dispatchEvent(new CustomEvent("swap-pay:status", { detail: { invoice_id, status } }));
      onStatus?.({ invoice_id, status });
    }

    window.addEventListener("message", hear);
    frame.addEventListener("load", () => {
      // No word from the page: this origin is not listed, say.
      if (waiting) return;
      waiting = setTimeout(() => {
        const words = made("p", {});
        words.append(outside);
        dialog.append(words);
      }, PATIENCE_MS);
    });
    button.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      clearTimeout(waiting);
      window.removeEventListener("message", hear);
      dialog.remove();
      if (opened === dialog) opened = null;
      before?.focus?.({ preventScroll: true });
      onClose?.();
    });
    dialog.showModal();
    opened = dialog;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-swap-pay]");
    const plain = !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.defaultPrevented) return;
    event.preventDefault();
    link.focus({ preventScroll: true }); // where the focus returns to; not every browser puts it there by a click
    const { swapPayTitle: title, swapPayClose: close, swapPayAlone: alone } = link.dataset;
    open(link.href, { title, close, alone });
  });

  window.SwapPay = Object.freeze({ open });
})();

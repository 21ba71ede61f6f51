// The preview shows a chosen logo before it is saved, and measures whether it can be seen. The file stays in the browser:
// it is drawn on a canvas, since the page's policy allows pictures of our own origin alone.

const SIDE = 88; // twice the 44 pixels that pages show, for sharp screens
const FAINT = 1.6; // contrast to the white square below which lines are hard to see; text needs 4.5
const VISIBLE = 0.2; // opacity from which a pixel counts

const field = document.getElementById("field-logo");
const preview = document.getElementById("preview");
let logo = null;

async function choose() {
  logo = field.files[0] ? await createImageBitmap(field.files[0]).catch(() => null) : null;
  show();
}

function show() {
  for (const canvas of preview.querySelectorAll("canvas[data-logo]")) {
    canvas.hidden = !logo;
    canvas.nextElementSibling.hidden = Boolean(logo); // the saved logo, or the first letter
    if (logo) draw(canvas);
  }
  if (logo) advise(faults());
}

// As `object-fit: contain` does.
function draw(canvas) {
  const scale = Math.min(SIDE / logo.width, SIDE / logo.height);
  const [width, height] = [logo.width * scale, logo.height * scale];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.clearRect(0, 0, SIDE, SIDE);
  pen.drawImage(logo, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  return pen.getImageData(0, 0, SIDE, SIDE).data;
}

function faults() {
  const found = [];
  const [shown, most] = [Number(preview.dataset.shownPx), Number(preview.dataset.maxRatio)];
  const [longer, shorter] = [Math.max(logo.width, logo.height), Math.min(logo.width, logo.height)];
  const size = `The logo is ${logo.width} × ${logo.height} pixels`;
  if (longer > most * shorter) {
    const left = Math.max(1, Math.round((shown * shorter) / longer));
    found.push(`${size}. Pages show it in a square of ${shown} pixels, so only a strip of ${left} pixels is left of it. ` +
      "Upload one that is about as high as wide, such as your sign without the name.");
  } else if (longer < shown) {
    found.push(`${size}, and pages show it ${shown} pixels wide, so it looks blurred. Upload a larger one.`);
  }
  const contrast = contrastWithWhite(draw(preview.querySelector("canvas[data-logo]")));
  if (contrast === 0) found.push("The logo has nothing to be seen: it is transparent everywhere.");
  else if (contrast < FAINT) {
    found.push(`The logo stands on a white square, on light and on dark pages, and is nearly white itself: its contrast is ` +
      `${contrast.toFixed(1)} to 1. Upload one with dark or coloured lines, or with a background of its own.`);
  }
  return found;
}

// The contrast of the clearest tenth of what can be seen (WCAG 2.2); 0 where nothing can.
function contrastWithWhite(pixels) {
  const contrasts = [];
  for (let at = 0; at < pixels.length; at += 4) {
    const opacity = pixels[at + 3] / 255;
    if (opacity < VISIBLE) continue;
    const [red, green, blue] = [0, 1, 2].map((part) => linear((pixels[at + part] * opacity) / 255 + 1 - opacity));
    contrasts.push(1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05));
  }
  return contrasts.sort((one, other) => one - other)[Math.floor(contrasts.length * 0.9)] ?? 0;
}

function linear(part) {
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

function advise(words) {
  const place = document.getElementById("logo-advice");
  place.replaceChildren(...words.map((text) => {
    const notice = document.getElementById("advice-template").content.cloneNode(true);
    notice.querySelector("span").textContent = text;
    return notice;
  }));
}

field.addEventListener("change", choose);
document.addEventListener("htmx:afterSwap", (event) => event.target === preview && show());
choose(); // a browser that goes back keeps the chosen file

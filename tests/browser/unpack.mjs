// Unpack npm's Chromium into node_modules/.chromium, with the libraries and a font that a bare machine lacks.
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const modules = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "node_modules");
const partial = join(modules, ".chromium.new");
const whole = join(modules, ".chromium");

rmSync(partial, { recursive: true, force: true });
mkdirSync(partial);
process.env.TMPDIR = partial; // where the package unpacks to
process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs22.x"; // elsewhere it would leave its libraries packed
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
writeFileSync(
  join(partial, "fonts", "fonts.conf"),
  '<fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include><dir prefix="relative">fonts</dir></fontconfig>\n',
);
rmSync(whole, { recursive: true, force: true });
renameSync(partial, whole); // all of it or none

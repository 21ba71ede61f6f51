/** For runtimes with a command line: `main.js URL` prints the findings. */

import { anywhere } from "./anywhere.js";

const [url] = globalThis.Deno ? Deno.args : process.argv.slice(2);
console.log(JSON.stringify(await anywhere(url)));

// node scan.mjs <host>:<port>/<path>: the HTTP Observatory's judgement of a page, as JSON.
import { scan } from "@mdn/mdn-http-observatory/src/scanner/index.js";

const { scan: judged, tests } = await scan(process.argv[2]);
const results = Object.entries(tests).map(([name, { result, scoreModifier }]) => [name, `${result} ${scoreModifier}`]);
console.log(JSON.stringify({ score: judged.score, ...Object.fromEntries(results) }));

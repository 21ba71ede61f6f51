// PHP as WebAssembly, with this machine's files. node php.mjs VERSION lint FILES… | VERSION run FILE [NAME=VALUE …]
import { loadNodeRuntime, useHostFilesystem } from "@php-wasm/node";
import { PHP } from "@php-wasm/universal";
import { fileURLToPath } from "node:url";

export async function php(version) {
  const started = new PHP(await loadNodeRuntime(version));
  useHostFilesystem(started);
  return started;
}

async function main([version, verb, ...rest]) {
  const started = await php(version);
  if (verb === "lint") {
    const linted = await started.cli(["php", "-l", ...rest]);
    process.stdout.write(await linted.stdoutText);
    return linted.exitCode;
  }
  const [file, ...pairs] = rest;
  const variables = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
  const ran = await started
    .run({ scriptPath: file, $_SERVER: variables })
    .catch((failed) => failed.response ?? Promise.reject(failed)); // an exit code other than 0 is thrown
  process.stdout.write(ran.text);
  process.stderr.write(ran.errors);
  return ran.exitCode;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await main(process.argv.slice(2)));

/**
 * The types of the API, generated from its OpenAPI document.
 *
 *     node scripts/generate.mjs DOCUMENT           writes src/generated
 *     node scripts/generate.mjs --check DOCUMENT   fails where src/generated is not of this document
 *
 * Only types come from the generator. Its client would be fifteen files of other people's habits; what we want of calls
 * (keys, repetitions, errors, pages) is in src/, a few hundred lines, and is held to these types by the compiler.
 */

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("../src/generated/", import.meta.url);
const TYPES = new URL("types.gen.ts", FOLDER);
const OPERATIONS = new URL("operations.json", FOLDER);

/** Headers that the client sets by itself. */
const OWN_HEADERS = ["Idempotency-Key", "X-Request-Id"];

/** What a document says to people. */
const WORDS = ["description", "summary", "title", "example", "examples", "info"];

/** Whose keys are names of the API, and no words of OpenAPI. */
const BY_NAME = ["properties", "schemas", "paths", "webhooks", "content", "responses"];

const check = process.argv.includes("--check");
const [path] = process.argv.slice(2).filter((argument) => argument !== "--check");
if (path === undefined) {
  console.error("Which document? node scripts/generate.mjs [--check] DOCUMENT");
  process.exit(2);
}

const document = reduced(JSON.parse(readFileSync(path, "utf8")));
const of = sha256(JSON.stringify(shape(document)));

if (check) {
  const written = JSON.parse(readFileSync(OPERATIONS, "utf8"));
  if (written.document !== of) fail("The OpenAPI document has moved");
  if (written.types !== sha256(readFileSync(TYPES))) fail("src/generated was changed by hand");
} else {
  const { createClient } = await import("@hey-api/openapi-ts");
  await createClient({
    input: document,
    output: { path: fileURLToPath(FOLDER), entryFile: false },
    plugins: [{ name: "@hey-api/typescript", includeInEntry: false }],
    logs: { level: "error", file: false },
  });
  const named = Object.entries(document.paths).flatMap(([url, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [operationId, `${method.toUpperCase()} ${url}`]),
  );
  const operations = Object.fromEntries(named.sort());
  const types = sha256(readFileSync(TYPES));
  writeFileSync(OPERATIONS, `${JSON.stringify({ document: of, types, operations }, null, 2)}\n`);
}

/** The document without what is not of the types: errors, which are classes here, and headers. */
function reduced(document) {
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) {
      operation.parameters = operation.parameters?.filter(({ name }) => !OWN_HEADERS.includes(name));
      const succeeded = Object.entries(operation.responses).filter(([status]) => status < "300");
      operation.responses = Object.fromEntries(succeeded.map(([status, { headers, ...rest }]) => [status, rest]));
    }
  }
  const { paths, components, webhooks, ...about } = document;
  delete components.responses;
  delete components.headers;
  return { openapi: about.openapi, info: about.info, paths, components, ...(webhooks && { webhooks }) };
}

/** The document in one order, without its words, which may change without a new client. */
function shape(part, byName = false) {
  if (Array.isArray(part)) return part.map((each) => shape(each));
  if (part === null || typeof part !== "object") return part;
  const kept = Object.entries(part).filter(([name]) => byName || !WORDS.includes(name));
  kept.sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(kept.map(([name, value]) => [name, shape(value, !byName && BY_NAME.includes(name))]));
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

function fail(problem) {
  console.error(`${problem}: run \`make clients\`, and commit what it changes.`);
  process.exit(1);
}

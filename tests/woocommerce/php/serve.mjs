// A shop over https: each request runs one PHP file. node serve.mjs VERSION FILE PLUGIN DATABASE CERTIFICATE KEY
// Prints its port, and stops when its standard input ends.
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { php } from "./php.mjs";

const [version, scriptPath, plugin, database, cert, key] = process.argv.slice(2);
const shop = await php(version);
let last = Promise.resolve();

async function answer(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = `https://${request.headers.host}`;
  response.setHeader("Connection", "close"); // a client never meets a connection that was just closed for idling
  // One after the other: there is one PHP.
  const ran = last.then(() =>
    shop.run({
      scriptPath,
      relativeUri: request.url,
      method: request.method,
      headers: request.headers,
      body: new Uint8Array(Buffer.concat(chunks)),
      $_SERVER: { PLUGIN: plugin, SHOP_DATABASE: database, SHOP_URL: url },
    }),
  );
  last = ran.catch(() => {});
  try {
    const { httpStatusCode, headers, bytes, errors } = await ran;
    if (errors) process.stderr.write(errors);
    for (const [name, values] of Object.entries(headers)) response.setHeader(name, values);
    response.writeHead(httpStatusCode);
    response.end(Buffer.from(bytes));
  } catch (error) {
    process.stderr.write(`${error.stack}\n`);
    response.writeHead(500);
    response.end();
  }
}

const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));

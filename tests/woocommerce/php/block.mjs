// The checkout block's script with doubles of what WooCommerce's documentation says a page has. Prints what it registers.
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";

const [script, data] = process.argv.slice(2);
const registered = [];
const window = {
  wc: {
    wcBlocksRegistry: { registerPaymentMethod: (method) => registered.push(method) },
    wcSettings: { getSetting: (name, otherwise) => (name === "swap_pay_data" ? JSON.parse(data) : otherwise) },
  },
  wp: {
    element: { createElement: (name, properties, ...children) => ({ name, children }) },
    htmlEntities: { decodeEntities: (text) => text.replaceAll("&amp;", "&") },
  },
};
const source = readFileSync(script, "utf8");
runInNewContext(source, { window });
const [method] = registered;
console.log(JSON.stringify({ ...method, may: method.canMakePayment(), count: registered.length }));
runInNewContext(source, { window: {} }); // on a page without the block it does nothing

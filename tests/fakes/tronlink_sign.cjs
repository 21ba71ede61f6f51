// What TronLink does once its user has confirmed: unmodified tronweb signs the transaction that the page has given.
// Usage: node tronlink_sign.cjs PRIVATE_KEY TRANSACTION_JSON
const { TronWeb } = require("tronweb");

const [privateKey, transaction] = process.argv.slice(2);
new TronWeb({ fullHost: "http://127.0.0.1:1", privateKey }).trx
  .sign(JSON.parse(transaction))
  .then((signed) => console.log(JSON.stringify(signed)))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });

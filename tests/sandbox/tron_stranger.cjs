// A stranger's client of a Tron node, unmodified tronweb: what it makes of the node is printed as JSON.
// Usage: node tron_stranger.cjs NODE_URL PRIVATE_KEY TOKEN RECIPIENT
const { TronWeb } = require("tronweb");

const [url, privateKey, token, recipient] = process.argv.slice(2);
const tronWeb = new TronWeb({ fullHost: url, privateKey });
const me = tronWeb.defaultAddress.base58;
const found = {};

const double = (action, asked = {}) =>
  fetch(`${url}/double/${action}`, { method: "POST", body: JSON.stringify(asked) }).then((answer) => answer.json());

async function call(contract, signature, parameters, options = {}) {
  const made = await tronWeb.transactionBuilder.triggerSmartContract(contract, signature, options, parameters, me);
  const sent = await tronWeb.trx.sendRawTransaction(await tronWeb.trx.sign(made.transaction));
  await double("mine");
  return { sent, info: await tronWeb.trx.getUnconfirmedTransactionInfo(sent.txid) };
}

async function main() {
  found.connected = await tronWeb.isConnected();
  found.height = (await tronWeb.trx.getCurrentBlock()).block_header.raw_data.number;
  found.parameters = (await tronWeb.trx.getChainParameters()).length;

  // TRX: made by the client itself, signed, sent; the same bytes again are known.
  const payment = await tronWeb.transactionBuilder.sendTrx(recipient, 7_000_000, me);
  const signed = await tronWeb.trx.sign(payment);
  const sent = await tronWeb.trx.sendRawTransaction(signed);
  found.trx = { result: sent.result, sameId: sent.txid === payment.txID };
  found.again = (await tronWeb.trx.sendRawTransaction(signed)).code;
  const third = await tronWeb.trx.sign(await tronWeb.transactionBuilder.sendTrx(recipient, 1_000, me));
  const bytes = tronWeb.utils.transaction.txJsonToPb(third);
  third.signature.forEach((signature) => bytes.addSignature(Buffer.from(signature, "hex")));
  found.hexSent = await tronWeb.trx.sendHexTransaction(Buffer.from(bytes.serializeBinary()).toString("hex"));
  await double("mine");
  found.trxInfo = await tronWeb.trx.getUnconfirmedTransactionInfo(sent.txid);
  found.unsolid = await tronWeb.trx.getTransactionInfo(sent.txid);

  // A token: through the contract's own interface, which the node gives, and by a call of one function.
  const contract = await tronWeb.contract().at(token);
  found.held = String(await contract.balanceOf(me).call());
  const txid = await contract.transfer(recipient, 5_000_000).send({ feeLimit: 50_000_000 });
  await double("mine");
  found.tokenInfo = await tronWeb.trx.getUnconfirmedTransactionInfo(txid);
  found.tokenTransaction = await tronWeb.trx.getTransaction(txid);
  found.got = String(await contract.balanceOf(recipient).call());
  found.getsMore = await call(token, "transfer(address,uint256)", [
    { type: "address", value: recipient },
    { type: "uint256", value: 1 },
  ]);

  // Failures that a block has: too little energy, a refusal of the contract.
  found.outOfEnergy = await call(
    token,
    "transfer(address,uint256)",
    [
      { type: "address", value: recipient },
      { type: "uint256", value: 2 },
    ],
    { feeLimit: 1_000_000 }
  );
  found.revert = await call(token, "pause()", []);

  // A failure before any block: it is expired.
  const old = await tronWeb.trx.sign(await tronWeb.transactionBuilder.sendTrx(recipient, 3, me));
  await double("mine", { blocks: 30 });
  found.expired = (await tronWeb.trx.sendRawTransaction(old)).code;

  found.solidInfo = (await tronWeb.trx.getTransactionInfo(sent.txid)).id === sent.txid;
  found.balance = await tronWeb.trx.getBalance(recipient);
  found.account = (await tronWeb.trx.getAccount(recipient)).address;
  found.resources = await tronWeb.trx.getAccountResources(me);
  found.block = (await tronWeb.trx.getBlockByNumber(found.tokenInfo.blockNumber)).transactions.length;
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

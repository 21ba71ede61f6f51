// tronweb as a judge of our bytes. Reads JSON on stdin, a list of transactions, and writes what tronweb says of each.
import { Buffer } from "node:buffer";
import { stdin, stdout } from "node:process";
import { TronWeb, utils } from "tronweb";

const tronWeb = new TronWeb({ fullHost: "http://127.0.0.1:9" }); // nothing is sent to it
const build = tronWeb.transactionBuilder;
const { deserializeTransaction } = utils.deserializeTx;
const { txCheck, txJsonToPb, txPbToRawDataHex, txPbToTxID } = utils.transaction;

function built({ type, owner, to, amount, contract, feeLimit, header }) {
  const options = { blockHeader: header };
  switch (type) {
    case "TransferContract":
      return build.sendTrx(to, amount, owner, options);
    case "TriggerSmartContract": {
      const parameters = [{ type: "address", value: to }, { type: "uint256", value: amount }];
      const call = { ...options, txLocal: true, feeLimit };
      return build.triggerSmartContract(contract, "transfer(address,uint256)", call, parameters, owner);
    }
    case "FreezeBalanceV2Contract":
      return build.freezeBalanceV2(amount, "ENERGY", owner, options);
    case "UnfreezeBalanceV2Contract":
      return build.unfreezeBalanceV2(amount, "ENERGY", owner, options);
    case "WithdrawExpireUnfreezeContract":
      return build.withdrawExpireUnfreeze(owner, options);
    case "DelegateResourceContract":
      return build.delegateResource(amount, to, "ENERGY", owner, false, 0, options);
    case "UnDelegateResourceContract":
      return build.undelegateResource(amount, to, "ENERGY", owner, options);
  }
}

const plain = (digits) => digits.toLowerCase().replace(/^0x/, "");

async function judged(transaction) {
  const made = await built(transaction);
  const own = made.transaction ?? made;
  const read = deserializeTransaction(transaction.type, transaction.rawDataHex);
  const again = txJsonToPb({ raw_data: read });
  const signed = { visible: false, txID: transaction.txid, raw_data_hex: transaction.rawDataHex, raw_data: read };
  const isWhole = txCheck(signed);
  return {
    built: { rawDataHex: plain(own.raw_data_hex), txid: plain(own.txID) },
    read,
    again: { rawDataHex: plain(txPbToRawDataHex(again)), txid: plain(txPbToTxID(again)) },
    isWhole,
    signer: isWhole ? tronWeb.trx.ecRecover({ ...signed, signature: [transaction.signature] }) : null,
  };
}

const chunks = [];
for await (const chunk of stdin) chunks.push(chunk);
const answers = [];
for (const transaction of JSON.parse(Buffer.concat(chunks))) {
  answers.push(await judged(transaction).catch((error) => ({ error: String(error.message ?? error) })));
}
stdout.write(JSON.stringify(answers));

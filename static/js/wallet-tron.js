// Wallets of Tron, which only sign here: found by TIP-6963, else where TronLink stands; spoken with by TIP-1193.
//
// The page may ask nobody but its own server, and a wallet's tronWeb asks from within the page. So the server makes the
// transaction, the wallet signs it, and the server checks it again and sends it.

const REFUSED = 4001; // TIP-1193
const PENDING = -32002;
const OLD_PENDING = 4000; // TronLink before TIP-1193
const OLD_DONE = 200;
const LEGACY_AFTER_MS = 500; // wallets announce themselves at once
const CHANGE_MS = 100; // some wallets answer before they have changed the network
const CHANGE_TRIES = 20;
const PATIENCE_MS = 15_000; // for our server, which asks a node
const TRIES = 4; // the same signed bytes may be sent again
const AGAIN_MS = 3_000;

// Calls found(id, name, provider) for each wallet; the name is empty where it isn't known.
export function discover(found) {
  let announced = false;
  window.addEventListener("TIP6963:announceProvider", ({ detail }) => {
    const { info, provider } = detail ?? {};
    if (typeof info?.uuid !== "string" || typeof info.name !== "string" || !info.name.trim()) return;
    if (typeof provider?.request !== "function") return;
    announced = true;
    found(info.uuid, info.name.trim(), provider);
  });
  window.dispatchEvent(new Event("TIP6963:requestProvider"));
  const legacy = () => {
    const provider = window.tron ?? window.tronLink;
    if (announced || typeof provider?.request !== "function") return;
    found("legacy", provider.isTronLink || provider === window.tronLink ? "TronLink" : "", provider);
  };
  window.addEventListener("tronLink#initialized", legacy);
  setTimeout(legacy, LEGACY_AFTER_MS);
}

// Makes the wallet sign what is asked for and the server send it; returns the transaction's id. Throws an error whose
// `word` names the sentence to show. `isCurrent` says whether the page still asks for the same, `url` gives the address
// of the server's parts.
export async function send(provider, asked, say, isCurrent, url) {
  say("connect");
  const account = await connect(provider);
  await changeNetwork(provider, asked.chainId, say);
  const { transaction } = await server(url("unsigned"), { account }, "failed");
  if (webOf(provider).defaultAddress?.base58 !== account) throw trouble("account");
  if (!isCurrent()) throw trouble("changed");
  say("confirm");
  const signed = await sign(provider, transaction);
  if (!isCurrent()) throw trouble("changed");
  const { txid } = await keepAsking(url("signed"), {
    raw_data: transaction.raw_data_hex,
    signature: signed.signature[0],
  });
  return txid;
}

// The account's address.
async function connect(provider) {
  try {
    if (provider !== window.tronLink) {
      const accounts = await provider.request({ method: "eth_requestAccounts" });
      const [account] = accounts ?? [];
      if (typeof account === "string") return account;
    } else {
      const { code } = (await provider.request({ method: "tron_requestAccounts" })) ?? {};
      if (code !== OLD_DONE) throw trouble(code === OLD_PENDING ? "pending" : "refused");
    }
  } catch (error) {
    throw error.word ? error : trouble(word(error, "failed"));
  }
  const account = webOf(provider).defaultAddress?.base58;
  if (typeof account !== "string") throw trouble("refused");
  return account;
}

async function changeNetwork(provider, chainId, say) {
  if (await isOn(provider, chainId)) return;
  say("switch");
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] }); // TIP-3326
  } catch (error) {
    throw trouble(word(error, "network"));
  }
  for (let tries = 0; tries < CHANGE_TRIES; tries += 1) {
    if (await isOn(provider, chainId)) return;
    await new Promise((resolve) => setTimeout(resolve, CHANGE_MS));
  }
  throw trouble("network");
}

// A wallet that can't say where it is may go on: what it signs names a block of our chain, and is nothing on another.
async function isOn(provider, chainId) {
  try {
    return BigInt(await provider.request({ method: "eth_chainId" })) === BigInt(chainId);
  } catch {
    return true;
  }
}

async function sign(provider, transaction) {
  try {
    const signed = await webOf(provider).trx.sign(transaction);
    if (!signed.signature?.length) throw trouble("failed");
    return signed;
  } catch (error) {
    if (error?.word) throw error;
    const words = typeof error === "string" ? error : (error?.message ?? "");
    throw trouble(/declin|reject|cancel/i.test(words) ? "refused" : word(error, "failed"));
  }
}

function webOf(provider) {
  return provider.tronWeb || window.tronWeb || {};
}

async function keepAsking(address, fields) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await server(address, fields, "unsure");
    } catch (error) {
      if (error.word !== "unsure" || tries === TRIES) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function server(address, fields, otherwise) {
  let answer = null;
  try {
    const body = new URLSearchParams(fields);
    const response = await fetch(address, { method: "POST", body, signal: AbortSignal.timeout(PATIENCE_MS) });
    if (response.ok) answer = await response.json();
    else if (response.status === 404) answer = { word: "changed" };
  } catch {
    // no answer
  }
  if (!answer) throw trouble(otherwise);
  if (answer.word) throw trouble(answer.word);
  return answer;
}

function word(error, otherwise) {
  if (error?.code === REFUSED) return "refused";
  return error?.code === PENDING ? "pending" : otherwise;
}

function trouble(name) {
  return Object.assign(new Error(name), { word: name });
}

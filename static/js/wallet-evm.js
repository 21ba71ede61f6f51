// Wallets of EVM chains: found by EIP-6963, else `window.ethereum`; spoken with by EIP-1193.

const REFUSED = 4001; // EIP-1193
const UNAUTHORISED = 4100;
const UNKNOWN_CHAIN = 4902; // EIP-3326
const PENDING = -32002; // EIP-1474: the wallet waits for the answer to an earlier question
const LEGACY_AFTER_MS = 500; // wallets announce themselves at once
const CHANGE_MS = 100; // some wallets answer before they have changed the network
const CHANGE_TRIES = 20;

// Calls found(id, name, provider) for each wallet; the name is empty where it isn't known.
export function discover(found) {
  let announced = false;
  window.addEventListener("eip6963:announceProvider", ({ detail }) => {
    const { info, provider } = detail ?? {};
    if (typeof info?.uuid !== "string" || typeof info.name !== "string" || !info.name.trim()) return;
    if (typeof provider?.request !== "function") return;
    announced = true;
    found(info.uuid, info.name.trim(), provider);
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  const legacy = () => {
    if (!announced && typeof window.ethereum?.request === "function") found("legacy", "", window.ethereum);
  };
  window.addEventListener("ethereum#initialized", legacy);
  setTimeout(legacy, LEGACY_AFTER_MS);
}

// Makes the wallet send what is asked for, and returns the transaction's id. Throws an error whose `word` names the
// sentence to show. `isCurrent` says whether the page still asks for the same.
export async function send(provider, asked, say, isCurrent) {
  say("connect");
  const [account] = await ask(provider, "eth_requestAccounts");
  if (typeof account !== "string") throw trouble("refused");
  await changeNetwork(provider, asked, say);
  if (!(await holdsEnough(provider, account, asked))) throw trouble("funds");
  const accounts = await ask(provider, "eth_accounts");
  if (accounts[0]?.toLowerCase() !== account.toLowerCase()) throw trouble("account");
  if (!(await isOn(provider, asked.chainId))) throw trouble("network");
  if (!isCurrent()) throw trouble("changed");
  say("confirm");
  const transaction = { from: account, chainId: asked.chainId, ...asked.transaction };
  try {
    return await provider.request({ method: "eth_sendTransaction", params: [transaction] });
  } catch (error) {
    throw trouble(wordAfterSending(error));
  }
}

async function changeNetwork(provider, asked, say) {
  if (await isOn(provider, asked.chainId)) return;
  say("switch");
  const change = () => provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: asked.chainId }] });
  try {
    await change();
  } catch (error) {
    if (!codes(error).includes(UNKNOWN_CHAIN)) throw trouble(word(error, "network"));
    if (!asked.chain) throw trouble("network");
    try {
      await provider.request({ method: "wallet_addEthereumChain", params: [asked.chain] });
      if (!(await isOn(provider, asked.chainId))) await change(); // EIP-3085 leaves that open
    } catch (problem) {
      throw trouble(word(problem, "network"));
    }
  }
  for (let tries = 0; tries < CHANGE_TRIES; tries += 1) {
    if (await isOn(provider, asked.chainId)) return;
    await new Promise((resolve) => setTimeout(resolve, CHANGE_MS));
  }
  throw trouble("network");
}

async function isOn(provider, chainId) {
  return BigInt(await ask(provider, "eth_chainId")) === BigInt(chainId);
}

// A wallet that can't say lets the customer find out in its own window.
async function holdsEnough(provider, account, { holdings, amount }) {
  try {
    const held = holdings
      ? await provider.request({ method: "eth_call", params: [call(holdings, account), "latest"] })
      : await provider.request({ method: "eth_getBalance", params: [account, "latest"] });
    return BigInt(held) >= BigInt(amount);
  } catch {
    return true;
  }
}

function call({ to, data }, account) {
  return { to, data: data + account.slice(2) };
}

async function ask(provider, method) {
  try {
    return await provider.request({ method });
  } catch (error) {
    throw trouble(word(error, "failed"));
  }
}

function word(error, otherwise) {
  const known = codes(error);
  if (known.includes(REFUSED)) return "refused";
  if (known.includes(PENDING)) return "pending";
  return known.includes(UNAUTHORISED) ? "account" : otherwise;
}

// After that question, nobody knows what other errors mean: it may have been sent.
function wordAfterSending(error) {
  return /insufficient funds/i.test(error?.message ?? "") ? "fee" : word(error, "unsure");
}

// Some wallets put the error's code inside another one.
function codes(error) {
  return [error?.code, error?.data?.originalError?.code, error?.data?.cause?.code];
}

function trouble(name) {
  return Object.assign(new Error(name), { word: name });
}

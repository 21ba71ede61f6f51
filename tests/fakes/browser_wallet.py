"""A fake of a wallet in the browser: no browser of the tests has a real one, and a real one needs a person's hand.

It speaks EIP-1193 with a page, is announced by EIP-6963 or stands at `window.ethereum`, and signs with a key of the
test node: its transactions are real ones. It confirms everything at once, unless a test says otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from eth_account import Account
from playwright.async_api import BrowserContext

from app.sandbox.chain_driver import AnvilDriver, ChainDriverError
from tests.factories.networks import ANVIL_CHAIN_ID

FIRST_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""Of anvil's first account, which has the tokens."""

SECOND_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Of its second one, which has coins alone."""

SCRIPT = """
(names, announced) => {
  const provider = (name) => ({
    async request({ method, params = [] }) {
      const answer = await window.askTestWallet(name, method, params);
      if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
      return answer.result;
    },
  });
  const wallets = names.map((name) => ({ info: { uuid: crypto.randomUUID(), name, icon: "data:,", rdns: "test.wallet" },
                                         provider: provider(name) }));
  if (!announced) window.ethereum = wallets[0].provider;
  else {
    const announce = () => wallets.forEach((detail) =>
      window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze(detail) })));
    window.addEventListener("eip6963:requestProvider", announce);
    announce();
  }
}
"""


class BrowserWallet:
    """One wallet with one account, on the chain `chain_id` of those that it `knows`."""

    def __init__(self, driver: AnvilDriver, *, key: str = FIRST_KEY, chain_id: int = ANVIL_CHAIN_ID) -> None:
        self.driver = driver
        self.account = Account.from_key(key)
        self.chain_id = chain_id
        self.knows = {chain_id}
        self.refuses: dict[str, int] = {}
        """Methods that are refused, with the error's code."""
        self.before: dict[str, Callable[[], Awaitable[object]]] = {}
        """What happens before a method is answered."""
        self.hesitates = asyncio.Event()
        """Unset, it waits before it signs, as for a person."""
        self.hesitates.set()
        self.asked: list[str] = []
        """Every method that the page has asked for."""
        self.added: list[dict[str, Any]] = []
        """The chains that the page has told it of."""

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        """The wallet's answer to a page: `result`, or `error` with code and message."""
        self.asked.append(method)
        if method in self.before:
            await self.before[method]()
        if method in self.refuses:
            return _error(self.refuses[method])
        match method:
            case "eth_requestAccounts" | "eth_accounts":
                return {"result": [self.account.address.lower()]}
            case "eth_chainId":
                return {"result": hex(self.chain_id)}
            case "wallet_switchEthereumChain":
                wanted = int(params[0]["chainId"], 16)
                if wanted not in self.knows:
                    return _error(4902)
                self.chain_id = wanted
                return {"result": None}
            case "wallet_addEthereumChain":
                self.added.append(params[0])
                self.knows.add(int(params[0]["chainId"], 16))
                return {"result": None}
            case "eth_call" | "eth_getBalance" if self.chain_id == ANVIL_CHAIN_ID:
                return {"result": await self.driver.call(method, *params)}
            case "eth_sendTransaction" if int(params[0]["chainId"], 16) == self.chain_id == ANVIL_CHAIN_ID:
                await self.hesitates.wait()
                return await self._send(params[0])
        return _error(4200)

    async def _send(self, asked: dict[str, str]) -> dict[str, Any]:
        assert asked["from"] == self.account.address.lower(), "another account's"
        fields = {
            "to": asked["to"],
            "value": int(asked.get("value", "0x0"), 16),
            "data": asked.get("data", "0x"),
            "chainId": self.chain_id,
            "nonce": int(await self.driver.call("eth_getTransactionCount", self.account.address, "pending"), 16),
            "gas": 200_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 1,
        }
        # The wallet pays the checksummed form: the page's address is that already.
        signed = self.account.sign_transaction(fields)
        try:
            return {"result": await self.driver.call("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())}
        except ChainDriverError as refused:
            return {"error": {"code": -32000, "message": str(refused)}}


async def install(context: BrowserContext, wallets: dict[str, BrowserWallet], *, announced: bool = True) -> None:
    """Put wallets, by their names, into every page that the context opens."""

    async def ask(_: Any, name: str, method: str, params: list[Any]) -> dict[str, Any]:
        return await wallets[name].answer(method, params)

    await context.expose_binding("askTestWallet", ask)
    given = f"{list(wallets)!r}, {str(announced).lower()}"
    await context.add_init_script(f"({SCRIPT})({given})")


def _error(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"refused with {code}"}}

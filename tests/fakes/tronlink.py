"""A fake of TronLink: no browser of the tests has a real one, and a real one needs a person's hand.

It stands where TronLink stands (`window.tron`, TIP-1193, or only `window.tronLink` as before it) and confirms
everything at once, unless a test says otherwise. What it signs, unmodified tronweb signs, as TronLink itself has it:
tronweb refuses a transaction whose bytes and whose JSON say different things.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext

from app.sandbox.home import ROOT
from app.sandbox.tron_driver import CUSTOMER_KEY, TronDriver

SIGN = Path(__file__).with_name("tronlink_sign.cjs")

SCRIPT = """
(address, old) => {
  const ask = async (method, params = []) => {
    const answer = await window.askTestWallet(method, params);
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
    return answer.result;
  };
  const tronWeb = { defaultAddress: { base58: address }, trx: { sign: (transaction) => ask("sign", [transaction]) } };
  const provider = { isTronLink: true, tronWeb, request: ({ method, params }) => ask(method, params) };
  if (old) window.tronLink = provider;
  else window.tron = provider;
}
"""


class TronLink:
    """The wallet of the sandbox's customer, on the chain that it calls `chain_id`."""

    def __init__(self, chain_id: str) -> None:
        self.chain_id = chain_id
        self.refuses: dict[str, int] = {}
        """Methods that are refused, with the error's code."""
        self.asked: list[str] = []
        """Every method that the page has asked for."""

    async def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        """The wallet's answer to a page: `result`, or `error` with code and message."""
        self.asked.append(method)
        if method in self.refuses:
            return {"error": {"code": self.refuses[method], "message": "Confirmation declined by user"}}
        match method:
            case "eth_requestAccounts":
                return {"result": [TronDriver.customer]}
            case "tron_requestAccounts":
                return {"result": {"code": 200, "message": "ok"}}
            case "eth_chainId":
                return {"result": self.chain_id}
            case "wallet_switchEthereumChain":
                self.chain_id = params[0]["chainId"]
                return {"result": None}
            case "sign":
                return {"result": await _signed(params[0])}
        return {"error": {"code": 4200, "message": "not supported"}}


async def install(context: BrowserContext, wallet: TronLink, *, old: bool = False) -> None:
    """Put the wallet into every page that the context opens."""

    async def ask(_: Any, method: str, params: list[Any]) -> dict[str, Any]:
        return await wallet.answer(method, params)

    await context.expose_binding("askTestWallet", ask)
    await context.add_init_script(f"({SCRIPT})({TronDriver.customer!r}, {str(old).lower()})")


async def _signed(transaction: dict[str, Any]) -> dict[str, Any]:
    arguments = ("node", str(SIGN), CUSTOMER_KEY.hex(), json.dumps(transaction))
    node = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=-1, stderr=-1)
    printed, complaint = await node.communicate()
    assert node.returncode == 0, complaint.decode()
    signed: dict[str, Any] = json.loads(printed)
    return signed

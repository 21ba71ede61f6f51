"""A client of the double of a Tron node: mines blocks, pays, makes forks, plays a token's issuer.

Only for the sandbox and the tests. It builds and signs transactions of its own, apart from the gateway's code.
"""

import asyncio
import hashlib
import itertools
import time
from typing import Any, Self

import httpx
import msgspec
from eth_keys.datatypes import PrivateKey

from app.networks.http_node import tls_context
from app.sandbox import contracts
from app.sandbox.tron_double import messages
from app.sandbox.tron_double.addresses import from_evm, from_text, of_key, to_evm, to_text
from app.sandbox.tron_double.state import SOLID_BEHIND, Transaction

Json = dict[str, Any]

CUSTOMER_KEY = hashlib.sha256(b"the customer of the sandbox on Tron").digest()
ISSUER_KEY = hashlib.sha256(b"the issuer of the sandbox's tokens on Tron").digest()
"""Published keys: worth nothing."""

FIRST_COINS_SUN = 10**13
"""What customer and issuer have at the start: ten million TRX."""

FEE_LIMIT_SUN = 100_000_000
EXPIRATION_MS = 60_000
CALL_TIMEOUT_S = 30.0
MINED_TIMEOUT_S = 30
_POLL_S = 0.1
USDT_PENALTY = 31_000
"""With it a transfer of `TetherLike` takes about what mainnet's USDT takes: 64,000 energy, to a new holder 134,000."""

_salt = itertools.count(time.time_ns() // 1_000_000)


class TronDriverError(Exception):
    """The node refused a call. `code` is a broadcast's answer, None for any other call."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class TronDriver:
    """A client of one double. Addresses are base58check, `T…`; amounts of TRX in sun."""

    customer = to_text(of_key(CUSTOMER_KEY))
    issuer = to_text(of_key(ISSUER_KEY))

    def __init__(self, api_url: str, client: httpx.AsyncClient) -> None:
        self.api_url = api_url
        self._client = client

    @classmethod
    async def connect(cls, api_url: str) -> Self:
        """A driver of the double at a URL; at the first time, customer and issuer are given coins. Raises
        httpx.HTTPError where none answers."""
        driver = cls(api_url, httpx.AsyncClient(verify=tls_context(), trust_env=False, timeout=CALL_TIMEOUT_S))
        try:
            if not await driver.api("wallet/getaccount", address=driver.customer):
                for address in (driver.customer, driver.issuer):
                    await driver.fund(address, FIRST_COINS_SUN)
                await driver.mine_next()
        except BaseException:
            await driver.aclose()
            raise
        return driver

    async def aclose(self) -> None:
        """Close the connection. The node goes on running."""
        await self._client.aclose()

    async def mine(self, count: int = 1, *, interval_ms: int | None = None, empty: bool = False) -> int:
        """Make blocks, the first with what is in the pool unless `empty`. Returns the newest one's height."""
        return int((await self.double("mine", blocks=count, interval_ms=interval_ms, empty=empty))["number"])

    async def mine_solid(self) -> int:
        """Make a block of the pool's transactions, and as many as make it solid. Returns that block's height."""
        return await self.mine(SOLID_BEHIND + 1) - SOLID_BEHIND

    async def mine_next(self) -> int:
        """Make a block one slot after the head, whatever the time is. Returns its height."""
        state = await self.state()
        await self.double("clock", next_ms=state["time_ms"] + state["slot_ms"])
        return await self.mine()

    async def catch_up(self) -> None:
        """Make empty blocks up to the present, and at least so many that what was before them is solid."""
        state, count = await self.state(), SOLID_BEHIND + 2
        await self.double("clock", next_ms=time.time_ns() // 1_000_000 - (count - 1) * state["slot_ms"])
        await self.mine(count, empty=True)

    async def fork(self, depth: int, *, keep: list[str] | None = None, empty: bool = False) -> int:
        """Replace the newest blocks by one more than that. Their transactions, or those of `keep`, are in the first
        new one, unless `empty`. Returns the newest one's height."""
        return int((await self.double("fork", depth=depth, keep=keep, empty=empty))["number"])

    async def pay(self, to: str, amount_raw: int, *, contract: str | None = None, key: bytes = CUSTOMER_KEY) -> str:
        """Send coins, or a token's minor units, without mining. Returns the transaction's id. Raises
        TronDriverError."""
        if contract is not None:
            return await self.call_contract(contract, "transfer(address,uint256)", evm(to), amount_raw, key=key)
        return await self.send("TransferContract", key=key, to_address=from_text(to), amount=amount_raw)

    async def call_contract(
        self,
        contract: str,
        signature: str,
        *arguments: object,
        key: bytes = ISSUER_KEY,
        value_sun: int = 0,
        fee_limit_sun: int = FEE_LIMIT_SUN,
    ) -> str:
        """Send a call of a contract, such as `setParams(uint256,uint256)`, without mining; addresses among the
        arguments are `evm(…)`. Returns the transaction's id."""
        return await self.send(
            "TriggerSmartContract",
            key=key,
            fee_limit_sun=fee_limit_sun,
            contract_address=from_text(contract),
            data=contracts.call_data(signature, *arguments).hex(),
            call_value=value_sun,
        )

    async def send(self, kind: str, *, key: bytes = CUSTOMER_KEY, fee_limit_sun: int = 0, **value: Any) -> str:
        """Sign and broadcast a transaction of any kind, with the fields of its contract; addresses are in hex. Returns
        its id. Raises TronDriverError."""
        tx = await self.signed(kind, key=key, fee_limit_sun=fee_limit_sun, **value)
        return await self.broadcast(tx)

    async def signed(
        self,
        kind: str,
        *,
        key: bytes = CUSTOMER_KEY,
        fee_limit_sun: int = 0,
        expires_in_ms: int = EXPIRATION_MS,
        permission_id: int = 0,
        **value: Any,
    ) -> Transaction:
        """A signed transaction, on the newest solid block, that expires so long after the head."""
        head = await self.api("wallet/getblock", detail=False)
        solid = await self.api("walletsolidity/getblock", detail=False)
        contract = {
            "type": kind,
            "parameter": {"value": {"owner_address": of_key(key), **value}, "type_url": messages.TYPE_URL + kind},
            "Permission_id": permission_id,
        }
        raw = messages.encode(
            "Raw",
            {
                "contract": [contract],
                "ref_block_bytes": solid["blockID"][12:16],
                "ref_block_hash": solid["blockID"][16:32],
                "expiration": head["block_header"]["raw_data"]["timestamp"] + expires_in_ms,
                "timestamp": next(_salt),
                "fee_limit": fee_limit_sun,
            },
        )
        return sign(raw, key)

    async def broadcast(self, tx: Transaction) -> str:
        """Broadcast a signed transaction. Returns its id. Raises TronDriverError with the answer's code."""
        answer = await self.api("wallet/broadcasthex", transaction=tx.encoded.hex())
        if answer.get("result") is not True:
            raise TronDriverError(f"{answer.get('code')}: {answer.get('message')}", answer.get("code"))
        return tx.txid

    async def deploy_stablecoin(
        self, supply_raw: int, *, name: contracts.Name = "TetherLike", penalty: int = 0, holder: str | None = None
    ) -> str:
        """Deploy a token with USDT's traps, or USDC's (`CircleLike`); the rights of its issuer are `issuer`'s. With a
        penalty a call takes more energy (USDT_PENALTY). The supply goes to `holder`, the customer where left out.
        Returns its address."""
        arguments = ("Tether USD", "USDT", supply_raw, evm(self.issuer))
        contract = await self.deploy(name, *arguments)
        await self.double("parameters", penalties={contract: penalty})
        await self.pay(holder or self.customer, supply_raw, contract=contract, key=ISSUER_KEY)
        await self.mine()
        return contract

    async def deploy(self, name: contracts.Name, *arguments: object) -> str:
        """Deploy one of `app.sandbox.contracts` with its constructor's arguments. Returns its address."""
        bytecode = contracts.deployment(name, *arguments).hex()
        made = await self.double("deploy", owner=self.issuer, bytecode=bytecode, name=name, abi=contracts.abi(name))
        return to_text(made["address"])

    async def fund(self, address: str, sun: int, **fields: Any) -> None:
        """Make an account hold so many sun from the next block on; `fields` are further ones of it
        (tron_double/accounts.py)."""
        await self.double("fund", address=address, sun=sun, fields=fields)

    async def balance_of(self, address: str, contract: str | None = None, *, solid: bool = False) -> int:
        """What an address holds now, or in the newest solid block: sun, or a token's minor units."""
        kind = "walletsolidity" if solid else "wallet"
        if contract is None:
            return int((await self.api(f"{kind}/getaccount", address=address)).get("balance", 0))
        data = contracts.call_data("balanceOf(address)", evm(address)).hex()
        answer = await self.api(f"{kind}/triggerconstantcontract", contract_address=contract, data=data)
        return int(answer["constant_result"][0], 16)

    async def mined(self, txid: str) -> Json:
        """Wait until a block has a transaction, on a node that makes blocks. Returns its receipt. Raises
        TronDriverError after 30 s, and where it failed."""
        deadline_s = time.monotonic() + MINED_TIMEOUT_S
        while not (info := await self.info(txid)):
            if time.monotonic() > deadline_s:
                raise TronDriverError(f"{txid} was not mined within {MINED_TIMEOUT_S} s")
            await asyncio.sleep(_POLL_S)
        if info.get("result") == "FAILED":
            raise TronDriverError(f"{txid} failed: {info['receipt']['result']}")
        return info

    async def info(self, txid: str) -> Json:
        """A transaction's receipt, empty where no block has it."""
        return dict(await self.api("wallet/gettransactioninfobyid", value=txid))

    async def state(self) -> Json:
        """The chain's `number`, `time_ms`, `solid` and `pool`."""
        return await self.double("state")

    async def faults(self, node: str = "", **faults: Any) -> None:
        """What is wrong with a node from now on (`Faults` of tron_double/node.py), in place of what was. The node of
        the URL has the empty name; another one is at `node_url(name)`."""
        await self.double("node", name=node, **faults)

    def node_url(self, name: str) -> str:
        """The URL of another node of the same chain."""
        return f"{self.api_url}/{name}"

    async def double(self, action: str, **asked: Any) -> Json:
        """A call of the control (tron_double/control.py). Raises TronDriverError."""
        answer = await self._client.post(f"{self.api_url}/double/{action}", content=msgspec.json.encode(asked))
        reply = dict(msgspec.json.decode(answer.content))
        if answer.status_code != httpx.codes.OK:
            raise TronDriverError(f"{action}: {reply.get('error')}")
        return reply

    async def api(self, path: str, **asked: Any) -> Any:
        """A call of the node, such as `wallet/getaccount`. Returns the answer's JSON."""
        answer = await self._client.post(f"{self.api_url}/{path}", content=msgspec.json.encode(asked))
        return msgspec.json.decode(answer.content)


def evm(address: str) -> str:
    """An address as a call's argument: `0x` and its last 20 bytes."""
    return to_evm(from_text(address))


def from_log(address: str) -> str:
    """The base58check text of an address of 20 bytes, as logs have it."""
    return to_text(from_evm(address[-40:]))


def sign(raw: bytes, key: bytes) -> Transaction:
    """A transaction of raw_data's bytes, signed."""
    signature = PrivateKey(key).sign_msg_hash(hashlib.sha256(raw).digest()).to_bytes()
    return Transaction(raw, (signature[:64] + bytes([signature[64] + 27]),))

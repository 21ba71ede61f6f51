"""Our side of a bitcoin network in tests: the signer's keys, its sender, and coins that a customer has paid."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import msgspec

from app.core.money import format_amount
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import EXTERNAL_BRANCH, Coin
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.spending import CoinState
from app.networks.sending import Broadcast, Draft, Payment, Sender, Signed
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.signer.keystore import SpendingKeys, new_mnemonic

SAT_PER_BTC = 10**8
RATE = 5_000
"""5 sat/vB."""


class BitcoinWallet:
    """A wallet with a phrase of its own, on the node of `config`."""

    def __init__(self, config: BitcoinConfig, driver: BitcoinDriver) -> None:
        self.key = SpendingKeys(new_mnemonic()).account(config.account_path)
        self.config = msgspec.structs.replace(config, xpub=self.key.xpub)
        self.account = Account(self.config.xpub, config.bitcoin_network, config.address_type)
        self.driver = driver
        self.sender = BitcoinSender(self.config, self.mined_in)
        self.change_index = 0
        self._received = 0
        _as_the_port_has_it: Sender = self.sender

    async def mined_in(self, txids: Collection[str]) -> Mapping[str, str]:
        """What the watcher's scan knows: the blocks of transactions, here of the last hundred blocks."""
        found: dict[str, str] = {}
        height = await self.driver.height()
        for each in range(height, max(height - 100, 0), -1):
            block = await self.driver.call("getblock", await self.driver.call("getblockhash", each), 1)
            found.update({txid: block["hash"] for txid in block["tx"] if txid in txids})
            if len(found) == len(set(txids)):
                break
        return found

    async def receive(self, *amounts_raw: int, mined: bool = True) -> tuple[Coin, ...]:
        """Coins that a customer pays to new addresses of ours, in one transaction."""
        indexes = range(self._received, self._received + len(amounts_raw))
        self._received += len(amounts_raw)
        addresses = [self.account.address(EXTERNAL_BRANCH, index) for index in indexes]
        paid = {a: format_amount(raw, 8) for a, raw in zip(addresses, amounts_raw, strict=True)}
        txid = await self.driver.call("sendmany", "", paid)
        outputs = (await self.driver.call("getrawtransaction", txid, 1))["vout"]
        places = {output["scriptPubKey"]["address"]: output["n"] for output in outputs}
        if mined:
            await self.driver.mine()
        height = await self.driver.height() if mined else None
        return tuple(
            Coin(
                txid=txid,
                vout=places[address],
                amount_raw=amount_raw,
                address=address,
                branch=EXTERNAL_BRANCH,
                index=index,
                height=height,
            )
            for index, address, amount_raw in zip(indexes, addresses, amounts_raw, strict=True)
        )

    def plan(
        self, payments: Sequence[Payment], coins: Sequence[Coin], *, rate: int = RATE, required: Sequence[Coin] = ()
    ) -> Draft:
        """A draft, with the next change address."""
        self.change_index += 1
        state = CoinState(coins=tuple(coins), change_index=self.change_index, rate=rate, required=tuple(required))
        return self.sender.plan(payments, state)

    def sign(self, draft: Draft) -> Signed:
        """The signed transaction, checked as the signer checks it."""
        signed = self.sender.sign(draft, self.key.private_key())
        parsed = self.sender.parse(signed.raw, draft)
        assert (parsed.payments, parsed.claims) == (draft.payments, draft.claims)
        return signed

    def change(self, draft: Draft) -> Coin:
        """What a draft returns to us, once it is signed."""
        change = self.sender.change_of(draft, self.sign(draft).txid)
        assert change is not None
        return change

    async def send(self, draft: Draft) -> Signed:
        """Sign, and have the node take it."""
        signed = self.sign(draft)
        assert await self.sender.broadcast(signed) is Broadcast.ACCEPTED
        return signed

    async def payments(self, *amounts_raw: int) -> list[Payment]:
        """Payments to new addresses of the customer."""
        return [Payment(await self.driver.address(), "BTC", amount_raw) for amount_raw in amounts_raw]


def raw_of(amount: Decimal) -> int:
    """An amount of the node's, which is in bitcoins, in satoshi."""
    return int(amount * SAT_PER_BTC)

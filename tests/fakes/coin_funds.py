"""The signer's part of the kind of chain in coin.py: the coins of the book that no living transaction claims, and one
key for all of them."""

import json
from collections.abc import Sequence
from datetime import datetime

from app.core import clock, database
from app.networks.bitcoin.coins import Coin
from app.networks.sending import Broadcast, Draft, Parsed, Payment, Receipt
from app.signer import coins_repository, repository
from app.signer.funds import NotNow, NotOurs, Preview, Standing
from app.signer.kinds import SignerKind
from app.signer.missing import Unknown
from app.signer.repository import Purpose, Stored
from app.withdrawals.digest import Intent
from tests.fakes.coin import CHAINS, FEE_RAW, KEY, SYMBOL, CoinConfig, address_of, draft_of


class CoinFunds:
    """`app.signer.funds.Funds`."""

    batch = 5
    batch_window_s = 0
    renewal = None

    def __init__(self, network: CoinConfig) -> None:
        self._network = network
        self._chain = CHAINS[network.genesis]
        self._held_raw = 0

    async def watch(self) -> None:
        """The watcher raises the alert."""

    async def begin_round(self, now: datetime) -> None:
        self._held_raw = sum(coin.amount_raw for coin in await self._free())

    async def room(self) -> int:
        return 25

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        return None if amount_raw <= self._held_raw else f"the hot wallet holds too little {asset}"

    async def preview(self, intent: Intent) -> Preview:
        return Preview(cost_in_words=f"{FEE_RAW} minor units", cost_raw=FEE_RAW)

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        payments = tuple(Payment(one.destination, one.asset, one.amount_raw) for one in intents)
        free = await self._free()
        change_index = await coins_repository.next_change_index(self._network.key)
        for count in range(1, len(free) + 1):
            draft = draft_of(payments, free[:count], change_index, rate=1)
            if json.loads(draft.form)["change_raw"] >= 0:
                return draft
        raise NotNow(f"the hot wallet holds too little {SYMBOL}", is_short=True)

    async def lock(self, draft: Draft) -> Draft:
        await database.fetch_value("SELECT pg_advisory_xact_lock(1)")
        if await repository.living_claims(self._network.key, draft.claims, None):
            raise NotNow("its coins are claimed by now", is_short=False)
        index = json.loads(draft.form)["change_index"]
        address = address_of(self._network.xpub, 1, index)
        await coins_repository.add_change_address(self._network.key, index, address)
        return draft

    async def record(self, stored: Stored) -> None:
        form = json.loads(stored.form)
        if form["change_raw"]:
            coin = Coin(
                txid=stored.txid,
                vout=len(stored.payments),
                amount_raw=form["change_raw"],
                address=address_of(self._network.xpub, 1, form["change_index"]),
                branch=1,
                index=form["change_index"],
                is_change=True,
            )
            await coins_repository.add_change(self._network.key, coin, clock.now())

    async def send(self, stored: Stored) -> Broadcast:
        return self._chain.submit(stored.signed_bytes)

    def reserve(self, draft: Draft) -> None:
        """Its claims are stored by now."""

    async def is_final(self, stored: Stored, receipt: Receipt) -> bool:
        return receipt.confirmations >= self._network.confirmations

    async def standings(self, lineages: Sequence[Sequence[Stored]]) -> list[Standing]:
        standings = []
        for lineage in lineages:
            spent_by = {self._chain.spent_by(claim) for claim in lineage[-1].claims} - {None}
            final = [txid for txid in spent_by if txid is not None and self._is_final(txid)]
            standings.append(Standing(is_used=bool(final), used_by=final[0] if final else None))
        return standings

    async def bump(self, last: Stored) -> Draft:
        """The same payments at twice the rate, with one more coin."""
        form = json.loads(last.form)
        mine = await coins_repository.by_claims(self._network.key, form["coins"])
        more = (await self._free())[0]
        return draft_of(last.payments, [*mine, more], form["change_index"], rate=2 * form["rate"])

    async def _free(self) -> list[Coin]:
        """Coins in blocks: what depends on a block that is not there yet waits for it."""
        coins = await coins_repository.spendable(self._network.key, self._chain.height)
        return [coin for coin in coins if coin.height is not None]

    def _is_final(self, txid: str) -> bool:
        found = self._chain.find(txid)
        return found is not None and self._chain.height - found[0].height + 1 >= self._network.confirmations


class CoinKeys:
    """`app.signer.funds.Keys`."""

    def __init__(self, network: CoinConfig) -> None:
        self._network = network

    async def key(self, draft: Draft) -> bytes:
        return KEY

    async def check_route(self, parsed: Parsed, purpose: Purpose) -> None:
        coins = await coins_repository.by_claims(self._network.key, parsed.claims)
        ours = {coin.claim for coin in coins if coin.address == address_of(self._network.xpub, coin.branch, coin.index)}
        if not ours.issuperset(parsed.claims) or purpose != "withdrawal":
            raise NotOurs("a coin is not ours, or is spent for nobody")


class NoMoves:
    """`app.signer.funds.OwnMoves`: coins are spent where they are."""

    async def run(self) -> None:
        """Nothing to move."""


async def _no_unknown(*_: object) -> list[Unknown]:
    return []


SIGNER_KIND = SignerKind(
    funds=lambda network, _, __: CoinFunds(network),
    keys=lambda network, _: CoinKeys(network),
    own_moves=lambda *_: NoMoves(),
    hot_wallet_address=None,
    unknown=_no_unknown,
)

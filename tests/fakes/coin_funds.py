"""The signer's part of the kind of chain in coin.py: coins that no living transaction claims, the oldest first, and one
key for all of them."""

import json
from collections.abc import Sequence
from datetime import datetime

from app.core import database
from app.networks.port import Draft, Parsed, Payment
from app.signer import repository
from app.signer.funds import NotNow, NotOurs, Standing
from app.signer.repository import Purpose, Stored
from app.withdrawals.digest import Intent
from tests.fakes.coin import CHAINS, KEY, SYMBOL, Coin, CoinConfig, address_of, draft_of

ADDRESSES = 100
"""How many addresses of an account are tried."""


class CoinFunds:
    """`app.signer.funds.Funds`."""

    def __init__(self, network: CoinConfig, batch: int = 5) -> None:
        self.batch = batch
        self._network = network
        self._chain = CHAINS[network.genesis]

    async def watch(self) -> None:
        """A spend that the signer did not store shows in the standing of what claims the same."""

    async def begin_round(self, now: datetime) -> None:
        """The chain is in memory: nothing is read ahead."""

    async def room(self) -> int:
        return 25

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        held_raw = sum(coin.amount_raw for coin in self._ours())
        return None if amount_raw <= held_raw else f"the hot wallet holds too little {asset}"

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        payments = tuple(Payment(one.destination, one.asset, one.amount_raw) for one in intents)
        free = await self._free()
        for count in range(1, len(free) + 1):
            draft = draft_of(payments, free[:count], rate=1)
            if _left_raw(draft) >= 0:
                return draft
        raise NotNow(f"the hot wallet holds too little {SYMBOL}", is_short=True)

    async def lock(self, draft: Draft) -> Draft:
        await database.fetch_value("SELECT pg_advisory_xact_lock(1)")
        if await repository.living_claims(self._network.key, draft.claims, None):
            raise NotNow("its coins are claimed by now", is_short=False)
        return draft

    def reserve(self, draft: Draft) -> None:
        """Its claims are stored by now."""

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
        mine = [coin for coin in self._chain.unspent() if coin.claim in form["coins"]]
        return draft_of(last.payments, [*mine, (await self._free())[0]], rate=2 * form["rate"])

    async def _free(self) -> list[Coin]:
        ours = self._ours()
        living = await repository.living_claims(self._network.key, [coin.claim for coin in ours], None)
        taken = {one.claim for one in living}
        return [coin for coin in ours if coin.claim not in taken]

    def _ours(self) -> list[Coin]:
        """Customers' coins first, then the operators': so change returns to where deposits were."""
        index_of = {address: index for index, address in enumerate(_addresses(self._network))}
        ours = [coin for coin in self._chain.unspent() if coin.address in index_of]
        return sorted(ours, key=lambda coin: index_of[coin.address] == 0)

    def _is_final(self, txid: str) -> bool:
        found = self._chain.find(txid)
        return found is not None and self._chain.height - found[0].height + 1 >= self._network.confirmations


class CoinKeys:
    """`app.signer.funds.Keys`."""

    def __init__(self, network: CoinConfig) -> None:
        self._network = network
        self._chain = CHAINS[network.genesis]

    async def key(self, draft: Draft) -> bytes:
        return KEY

    async def check_route(self, parsed: Parsed, purpose: Purpose) -> None:
        ours = set(_addresses(self._network))
        coins = {coin.claim for coin in self._chain.unspent() if coin.address in ours}
        if not coins.issuperset(parsed.claims):
            raise NotOurs("a coin is not ours")


class NoMoves:
    """`app.signer.funds.OwnMoves`: coins are spent where they are."""

    async def run(self) -> None:
        """Nothing to move."""


def _addresses(network: CoinConfig) -> list[str]:
    """The account's addresses, that of the hot wallet first."""
    assert network.hot_wallet_address is not None
    return [network.hot_wallet_address, *(address_of(network.xpub, 0, index) for index in range(ADDRESSES))]


def _left_raw(draft: Draft) -> int:
    return int(json.loads(draft.form)["change"][1])

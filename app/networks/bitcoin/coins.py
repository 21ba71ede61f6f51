"""Our coins, and which of them a transaction spends: plain rules over values.

No library chooses: that of the Bitcoin Dev Kit needs the state of a wallet of its own, embit has none, and the two
packages that do nothing else (bitcoin-coin-selection, coinselectpy) have had no release since 2021. The rules are few:

1. Coins that cost more to spend than they are worth are left, and so is what others have sent and no block has.
2. Confirmed coins, the largest first, until they suffice: few inputs, so a low fee now. The last one is exchanged for
   the smallest that suffices as well, so that large coins stay whole.
3. Only if all of these are too little, our own unconfirmed change, the largest first and as few as possible.
4. What is left returns as change. Where that would be dust, it goes to the fee.

Small coins stay for a consolidation when fees are low. Coins of equal amount are ordered by their outpoints, so the
same coins always give the same choice, in whatever order they come.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from app.networks.bitcoin.fees import (
    MAX_CHAIN,
    MAX_CHAIN_VB,
    MAX_VSIZE_VB,
    dust_limit_raw,
    fee_raw,
    input_fee_raw,
    most_inputs,
    vsize_vb,
)
from app.networks.bitcoin.parameters import AddressType

MAX_PAYMENTS = 200
"""In one transaction. With one input more each, it is 20 kvB: far below what nodes relay."""

EXTERNAL_BRANCH, INTERNAL_BRANCH = 0, 1
"""BIP-44: receiving addresses, and those of change."""

LeastFee = Callable[[int], int]
"""The least fee of a transaction by its size in vB, in satoshi."""


class NotEnough(Exception):
    """The coins that may be spent are too little by `short_raw` satoshi."""

    def __init__(self, short_raw: int) -> None:
        super().__init__(f"the coins are too little by {short_raw} satoshi")
        self.short_raw = short_raw


class TooLarge(Exception):
    """Too many payments, or too many small coins, for one transaction."""


class Coin(msgspec.Struct, frozen=True, kw_only=True):
    """An unspent output of ours, at address /branch/index below the account's key.

    `height` is that of its block, None while it is in none; `is_change`: a transaction of ours has made it. A block's
    reward is one of our coins from 100 confirmations on.

    `ancestors` is the number of unmined transactions that it comes from, its own included, `ancestors_vsize` their size
    in vB and `ancestors_fee_raw` what they pay, together. Of a coin in a block the three mean nothing.
    """

    txid: str
    vout: int
    amount_raw: int
    address: str
    branch: int
    index: int
    height: int | None = None
    is_change: bool = False
    ancestors: int = 0
    ancestors_vsize: int = 0
    ancestors_fee_raw: int = 0

    @property
    def claim(self) -> str:
        """What a transaction that spends it claims (`Draft.claims`)."""
        return claim(self.txid, self.vout)


def claim(txid: str, vout: int) -> str:
    """The claim of whatever spends output `vout` of a transaction."""
    return f"coin:{txid}:{vout}"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The coins to spend, ordered by outpoint; what returns as change, 0 where there is none; the fee; the size, in
    vB, of the signed transaction."""

    coins: tuple[Coin, ...]
    change_raw: int
    fee_raw: int
    vsize: int


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction pays: `scripts` with `amounts_raw`, and the script that its change would have. All coins are
    of one address type."""

    address_type: AddressType
    scripts: tuple[bytes, ...]
    amounts_raw: tuple[int, ...]
    change_script: bytes


def choose(
    coins: Collection[Coin],
    outputs: Outputs,
    rate: int,
    *,
    least_fee: LeastFee | None = None,
    required: Sequence[Coin] = (),
) -> Choice:
    """Choose coins for payments at a fee rate, in satoshi per 1,000 vB.

    `required` coins are spent in any case, also unconfirmed and uneconomic ones. `least_fee` may ask for more than the
    rate gives. Unmined ancestors that pay less than `rate` are paid for too, so that miners take them along
    (child pays for parent). Raises NotEnough, TooLarge, and ValueError for amounts that nodes would not relay.
    """
    _check_amounts(outputs)
    attempt = _Attempt(outputs, rate, least_fee or (lambda vsize: fee_raw(rate, vsize)))
    taken = {coin.claim for coin in required}
    economic = [
        coin
        for coin in sorted(coins, key=_largest_first)
        if coin.claim not in taken and attempt.worth_raw(coin) > input_fee_raw(outputs.address_type, rate)
    ]
    confirmed = [coin for coin in economic if coin.height is not None]
    change = _within_chain(required, [coin for coin in economic if coin.height is None and coin.is_change])
    for count in range(len(change) + 1):
        if (chosen := attempt.covering([*required, *change[:count]], confirmed)) is not None:
            return attempt.choice(chosen)
    everything = [*required, *change, *confirmed]
    short_raw = -attempt.spare_raw(len(everything), sum(map(attempt.worth_raw, everything)))
    if short_raw <= 0:
        raise TooLarge(f"it would need more than {attempt.room} coins: small ones must be consolidated first")
    raise NotEnough(short_raw)


class _Attempt:
    """The arithmetic of one choice."""

    def __init__(self, outputs: Outputs, rate: int, least_fee: LeastFee) -> None:
        self._outputs = outputs
        self._rate = rate
        self._least_fee = least_fee
        self._paid_raw = sum(outputs.amounts_raw)
        self._dust_raw = dust_limit_raw(outputs.change_script)
        self.room = most_inputs(outputs.address_type, (*outputs.scripts, outputs.change_script))
        """How many coins fit."""

    def worth_raw(self, coin: Coin) -> int:
        """A coin's amount without what its unmined ancestors lack at the rate. Common ancestors of two coins count
        twice: rather too much."""
        if coin.height is not None:
            return coin.amount_raw
        lacking_raw = fee_raw(self._rate, coin.ancestors_vsize) - coin.ancestors_fee_raw
        return coin.amount_raw - max(lacking_raw, 0)

    def spare_raw(self, count: int, worth_raw: int) -> int:
        """What so many coins, together worth `worth_raw`, leave after payments and fee: below zero, it is too little.

        What pays nobody must at least return something to us.
        """
        if self._outputs.scripts:
            return self._left_raw(count, worth_raw, with_change=False)
        return self._left_raw(count, worth_raw, with_change=True) - self._dust_raw

    def covering(self, base: Sequence[Coin], more: Sequence[Coin]) -> list[Coin] | None:
        """`base` and as few of `more`, in their order, as suffice. None where they don't."""
        chosen, worth_raw = list(base), sum(map(self.worth_raw, base))
        waiting = iter(more[: max(self.room - len(base), 0)])
        while not chosen or self.spare_raw(len(chosen), worth_raw) < 0:
            if (coin := next(waiting, None)) is None:
                return None
            chosen.append(coin)
            worth_raw += coin.amount_raw
        if len(chosen) > len(base):
            least_raw = chosen[-1].amount_raw - self.spare_raw(len(chosen), worth_raw)
            rest = more[len(chosen) - len(base) :]
            chosen[-1] = next((coin for coin in reversed(rest) if coin.amount_raw >= least_raw), chosen[-1])
        return chosen

    def choice(self, chosen: Sequence[Coin]) -> Choice:
        """The transaction of coins that suffice. Raises TooLarge."""
        worth_raw = sum(map(self.worth_raw, chosen))
        change_raw = self._left_raw(len(chosen), worth_raw, with_change=True)
        has_change = change_raw >= self._dust_raw
        change_raw, vsize = change_raw if has_change else 0, self._vsize(len(chosen), with_change=has_change)
        in_chain = sum(coin.ancestors_vsize for coin in chosen if coin.height is None)
        if vsize >= MAX_VSIZE_VB:
            raise TooLarge(f"{len(chosen)} coins and {len(self._outputs.scripts)} payments are {vsize} vB")
        if in_chain and in_chain + vsize > MAX_CHAIN_VB:
            raise TooLarge(f"with its unmined ancestors it would be {in_chain + vsize} vB: a block must come first")
        return Choice(
            coins=tuple(sorted(chosen, key=lambda coin: (coin.txid, coin.vout))),
            change_raw=change_raw,
            fee_raw=sum(coin.amount_raw for coin in chosen) - self._paid_raw - change_raw,
            vsize=vsize,
        )

    def _left_raw(self, count: int, worth_raw: int, *, with_change: bool) -> int:
        return worth_raw - self._paid_raw - self._least_fee(self._vsize(count, with_change=with_change))

    def _vsize(self, inputs: int, *, with_change: bool) -> int:
        change = (self._outputs.change_script,) if with_change else ()
        return vsize_vb(self._outputs.address_type, inputs, (*self._outputs.scripts, *change))


def exclude_each_other(one: str, other: str, unmined: Mapping[str, Collection[str]]) -> bool:
    """Whether two unmined transactions of ours can never both be mined. `unmined`: the claims of each, by txid.

    They can't if they spend a common coin, or if ancestors of theirs do: whatever spends the change of a transaction
    falls with it. A transaction excludes nothing that it comes from.
    """
    spent_by_one, spent_by_other = _spent(one, unmined), _spent(other, unmined)
    return any(spent_by_other.get(spent, by) != by for spent, by in spent_by_one.items())


def _spent(txid: str, unmined: Mapping[str, Collection[str]]) -> dict[str, str]:
    """All that must be spent for a transaction to be mined, each with the transaction that spends it."""
    spent: dict[str, str] = {}
    waiting = [txid]
    while waiting:
        by = waiting.pop()
        for each in unmined[by]:
            if each not in spent:
                spent[each] = by
                parent = each.split(":")[1]
                waiting += [parent] if parent in unmined else []
    return spent


def _check_amounts(outputs: Outputs) -> None:
    if len(outputs.scripts) > MAX_PAYMENTS:
        raise TooLarge(f"{len(outputs.scripts)} payments are more than {MAX_PAYMENTS}")
    for script, amount_raw in zip(outputs.scripts, outputs.amounts_raw, strict=True):
        if amount_raw < dust_limit_raw(script):
            raise ValueError(f"a payment of {amount_raw} satoshi is dust: no node relays it")


def _within_chain(required: Sequence[Coin], change: Sequence[Coin]) -> list[Coin]:
    """As many unconfirmed coins as nodes allow ancestors, the new transaction itself counted."""
    allowed: list[Coin] = []
    count = 1 + sum(coin.ancestors for coin in required if coin.height is None)
    for coin in change:
        if count + coin.ancestors <= MAX_CHAIN:
            count += coin.ancestors
            allowed.append(coin)
    return allowed


def _largest_first(coin: Coin) -> tuple[int, str, int]:
    return (-coin.amount_raw, coin.txid, coin.vout)

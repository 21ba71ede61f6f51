"""Bitcoin transactions before they are signed: payments, bumps, help for a parent, second attempts, consolidation.

Everything here is a function of its arguments. A transaction spends our coins, pays each recipient in the order that
was asked for, and returns the rest to one address of the change branch, as its last output. Any attempt at a payment
excludes every other one: a replacement spends all coins of what it replaces, and what is made anew, because its coin
fell with a replaced transaction, spends that one's replacement.
"""

from collections.abc import Mapping, Sequence

import msgspec

from app.networks.bitcoin import addresses, coins, fees
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import INTERNAL_BRANCH, Choice, Coin, LeastFee, NotEnough, Outputs, TooLarge
from app.networks.bitcoin.fees import InPool
from app.networks.port import FeeAboveCeiling, NotATransfer
from app.networks.sending import Draft, Payment

SEQUENCE = 0xFFFFFFFD
"""Of every input: it may be replaced (BIP-125), and no lock time is relative (BIP-68)."""

VERSION, LOCK_TIME = 2, 0


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A draft's `form`: the coins it spends, by outpoint, and what returns to change address `change_index`, 0 where
    nothing does. `vsize` is that of the signed transaction, in vB."""

    coins: tuple[Coin, ...]
    change_index: int
    change_raw: int
    vsize: int


class CoinState(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft depends on besides its payments.

    `coins` may be spent: ours, unspent, claimed by no other transaction, block rewards mature. `required` ones are
    spent in any case. `change_index`: the next unused address of the change branch. `rate` is in satoshi per 1,000 vB.
    """

    coins: tuple[Coin, ...]
    change_index: int
    rate: int
    required: tuple[Coin, ...] = ()


def plan(account: Account, payments: Sequence[Payment], state: CoinState, ceiling: int) -> Draft:
    """A draft that pays these, or helps the ancestors of the required coins where there is none to pay.

    `ceiling` is the highest rate. Raises NotEnough, TooLarge, FeeAboveCeiling, NotATransfer for an address that is none
    of this network, and ValueError for amounts that nodes would not relay.
    """
    outputs = _outputs(account, payments, state.change_index)
    choice = coins.choose(state.coins, outputs, state.rate, required=state.required)
    return _draft(payments, choice, state.change_index, ceiling)


def bump(
    account: Account, draft: Draft, state: CoinState, replaced: Sequence[InPool], increment: int, ceiling: int
) -> Draft | None:
    """The same payments at a fee at which nodes replace the draft's transaction and all of `replaced`, which is what
    the node's own pool has of it: with the children of strangers, or nothing where it was dropped there.

    It spends the same coins and, where their change doesn't suffice, confirmed ones of `state` too: nodes refuse an
    unconfirmed one that is new. The change address stays. `state.coins` may also have newer facts about the same coins,
    such as the block that one is in by now. None where the fee would be above the ceiling, or the coins don't suffice.
    """
    form = form_of(draft)
    newer = {coin.claim: coin for coin in state.coins}
    required = [newer.get(coin.claim, coin) for coin in form.coins]
    more = [coin for coin in state.coins if coin.height is not None]
    outputs = _outputs(account, draft.payments, form.change_index)
    own = InPool(fee_raw=draft.fee_cap_raw, vsize=form.vsize, evicted_fee_raw=draft.fee_cap_raw)
    least_fee = _above([[own], replaced], state.rate, increment)
    try:
        choice = coins.choose(more, outputs, state.rate, least_fee=least_fee, required=required)
        return _draft(draft.payments, choice, form.change_index, ceiling)
    except (NotEnough, TooLarge, FeeAboveCeiling):
        return None


def required_again(draft: Draft, change_of: Mapping[str, Coin | None]) -> tuple[Coin, ...] | None:
    """The coins that a second attempt must spend, after the first has lost its own to a bump of another transaction.

    `change_of`: the change of each replacement, by the id of the transaction that it replaced. Without a coin that is
    gone, the second attempt must spend that of the replacement: else both could be mined, should the replaced
    transaction be mined after all. None where a replacement has no change: then wait until it is final.
    """
    kept: list[Coin] = []
    for coin in form_of(draft).coins:
        instead = change_of.get(coin.txid, coin)
        if instead is None:
            return None
        kept.append(instead)
    return tuple(kept)


def consolidate(
    account: Account,
    asset_symbol: str,
    state: CoinState,
    ceiling: int,
    replaced: Sequence[InPool] = (),
    increment: int = 0,
) -> Draft:
    """A draft that sends all required coins, less the fee, to one address of the change branch: a payment to ourselves.

    With `replaced`, one at a fee at which nodes replace these; it must spend the same coins and keep the index. Raises
    NotEnough where hardly anything would be left, TooLarge, FeeAboveCeiling.
    """
    outputs, least_fee = _outputs(account, (), state.change_index), _above([replaced], state.rate, increment)
    choice = coins.choose((), outputs, state.rate, least_fee=least_fee, required=state.required)
    payment = Payment(account.address(INTERNAL_BRANCH, state.change_index), asset_symbol, choice.change_raw)
    return _draft((payment,), msgspec.structs.replace(choice, change_raw=0), state.change_index, ceiling)


def as_drafted(account: Account, outputs: Sequence[Payment], spent: Sequence[Coin], change_index: int | None) -> Draft:
    """The draft that a transaction of ours was signed from, without the books of that time: what its outputs pay, in
    their order, and the coins that it spends. `change_index` is that of its last output; None where that one is no
    change of ours."""
    payments = tuple(outputs if change_index is None else outputs[:-1])
    scripts = [addresses.parse(each.to_address, account.network)[1] for each in outputs]
    form = Form(
        coins=tuple(sorted(spent, key=lambda coin: (coin.txid, coin.vout))),
        change_index=change_index or 0,
        change_raw=0 if change_index is None else outputs[-1].amount_raw,
        vsize=fees.vsize_vb(account.address_type, len(spent), scripts),
    )
    return Draft(
        payments=payments,
        claims=tuple(sorted(coin.claim for coin in spent)),
        fee_cap_raw=sum(coin.amount_raw for coin in spent) - sum(each.amount_raw for each in outputs),
        form=msgspec.json.encode(form),
    )


def change_of(account: Account, draft: Draft, txid: str) -> Coin | None:
    """The coin that a signed draft returns to us, unmined, as its last output; None where it returns nothing."""
    form = form_of(draft)
    if not form.change_raw:
        return None
    unmined = [coin for coin in form.coins if coin.height is None]
    return Coin(
        txid=txid,
        vout=len(draft.payments),
        amount_raw=form.change_raw,
        address=account.address(INTERNAL_BRANCH, form.change_index),
        branch=INTERNAL_BRANCH,
        index=form.change_index,
        is_change=True,
        ancestors=1 + sum(coin.ancestors for coin in unmined),
        ancestors_vsize=form.vsize + sum(coin.ancestors_vsize for coin in unmined),
        ancestors_fee_raw=draft.fee_cap_raw + sum(coin.ancestors_fee_raw for coin in unmined),
    )


def form_of(draft: Draft) -> Form:
    """A draft's own form. Raises NotATransfer where it isn't one of ours."""
    try:
        return msgspec.json.decode(draft.form, type=Form)
    except msgspec.MsgspecError as error:
        raise NotATransfer(f"not the form of a bitcoin transaction: {error}") from None


def outputs_of(account: Account, draft: Draft) -> list[tuple[bytes, int]]:
    """Script and amount of each output, in their order. Raises NotATransfer."""
    form = form_of(draft)
    outputs = _outputs(account, draft.payments, form.change_index)
    paid = list(zip(outputs.scripts, outputs.amounts_raw, strict=True))
    return [*paid, (outputs.change_script, form.change_raw)] if form.change_raw else paid


def check_fee(fee_raw: int, vsize: int, ceiling: int) -> None:
    """Raise FeeAboveCeiling where a fee, in satoshi, is at a rate above the ceiling, in satoshi per 1,000 vB."""
    if fee_raw > fees.fee_raw(ceiling, vsize):
        raise FeeAboveCeiling(f"a fee of {fee_raw} satoshi for {vsize} vB is above the ceiling")


def _outputs(account: Account, payments: Sequence[Payment], change_index: int) -> Outputs:
    try:
        scripts = tuple(addresses.parse(payment.to_address, account.network)[1] for payment in payments)
        change_script = account.script(INTERNAL_BRANCH, change_index)
    except ValueError as error:
        raise NotATransfer(f"a destination {error}") from None
    return Outputs(
        address_type=account.address_type,
        scripts=scripts,
        amounts_raw=tuple(payment.amount_raw for payment in payments),
        change_script=change_script,
    )


def _above(groups: Sequence[Sequence[InPool]], rate: int, increment: int) -> LeastFee:
    """The least fee at a rate that is also enough to replace each of these groups."""
    replaced = [group for group in groups if group]

    def least_fee(vsize: int) -> int:
        to_replace = [fees.replacement_fee_raw(group, vsize, increment) for group in replaced]
        return max([fees.fee_raw(rate, vsize), *to_replace])

    return least_fee


def _draft(payments: Sequence[Payment], choice: Choice, change_index: int, ceiling: int) -> Draft:
    check_fee(choice.fee_raw, choice.vsize, ceiling)
    form = Form(coins=choice.coins, change_index=change_index, change_raw=choice.change_raw, vsize=choice.vsize)
    return Draft(
        payments=tuple(payments),
        claims=tuple(sorted(coin.claim for coin in choice.coins)),
        fee_cap_raw=choice.fee_raw,
        form=msgspec.json.encode(form),
    )

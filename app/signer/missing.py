"""Transactions of ours that the books lack, as after a restored backup: which there are, and what each of them did.

The chain knows those that are in blocks; the signer stops at them. The signer's journal, where it has one, also knows
those that are in no block. Nothing is attached here: an operator does that (adoption.py).
"""

from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from app.addresses import repository as addresses
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.config import NetworkConfig
from app.networks.port import NotATransfer
from app.networks.sending import AccountSender, Payment, Sender
from app.signer import (
    account_book_repository,
    account_nonces_repository,
    coin_adoption,
    coin_funds_repository,
    coins_repository,
    repository,
)
from app.withdrawals import repository as withdrawals_repository

State = Literal["final", "waits", "nowhere", "unknown"]

CANT_SAY = "the node can't say which transaction it is; ask one that keeps old states"

TXIDS_AT_ONCE = 5_000


class MissingPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What a missing transaction pays. `withdrawal` is the payout or refund of the books that asks for just this, None
    where none does; `is_ours`: it goes to an address of ours."""

    asset: str
    amount_raw: int
    destination: str
    withdrawal: str | None = None
    is_ours: bool = False


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction of ours that the books lack.

    `final`: it is in a block with enough confirmations. `waits`: in a block with fewer, or in a pool. `nowhere`: it was
    signed, and no node has it. `unknown`: the node can't say which one it is. `problem` says why it can't be read.
    `nonce` is known of those that an account that counts its transactions has in blocks.
    """

    network: str
    txid: str | None
    state: State
    words: str
    nonce: int | None = None
    payments: tuple[MissingPayment, ...] = ()
    in_journal: bool = False
    problem: str | None = None


class Unknown(msgspec.Struct, frozen=True):
    """A transaction that the chain has and the books lack; `txid` is None where no node can say which it is."""

    txid: str | None
    words: str
    nonce: int | None = None


async def of_counting_account(network: NetworkConfig, sender: AccountSender) -> list[Unknown]:
    """Those of a hot wallet that counts its transactions."""
    hot = cast(str, network.hot_wallet_address)
    counted = (await sender.next_nonces([hot]))[hot]
    head = await sender.head_height()
    known = await account_nonces_repository.next_nonce(network.key, hot)
    found = [
        Unknown(await sender.who_used(hot, nonce, head), f"nonce {nonce}", nonce) for nonce in range(known, counted)
    ]
    # Of the next ones some may be stored: the books' nonce only steps past the first that is not.
    lacking = await not_in_books(network.key, [one.txid for one in found if one.txid is not None])
    return [one for one in found if one.txid is None or one.txid in lacking]


async def of_timed_account(network: NetworkConfig, _: Sender) -> list[Unknown]:
    """Those of a hot wallet whose transactions are limited in time, by our own scan."""
    found = await account_book_repository.unknown(network.key, cast(str, network.hot_wallet_address))
    return [Unknown(txid, "sent by the hot wallet") for txid in found]


async def of_coins(network: NetworkConfig, sender: BitcoinSender) -> list[Unknown]:
    """Those that spend coins of ours, in blocks by our own scan, and in the node's pool."""
    in_blocks = await coins_repository.unknown_spends(network.key)
    scanned = await repository.scanned_height(network.key)
    claims = [coin.claim for coin in await coins_repository.spendable(network.key, scanned)]
    in_pool = sorted(set((await sender.pool_spenders(claims)).values()) - set(in_blocks))
    return [Unknown(txid, "spends coins of ours") for txid in (*in_blocks, *in_pool)]


async def explain(network: NetworkConfig, sender: Sender, unknown: Unknown, *, in_journal: bool) -> Missing:
    """What a transaction of ours did, and which withdrawals of the books it paid. Raises NetworkError."""
    txid, facts = unknown.txid, {**msgspec.structs.asdict(unknown), "network": network.key, "in_journal": in_journal}
    if txid is None:
        return Missing(state="unknown", problem=f"{unknown.words}: {CANT_SAY}", **facts)
    try:
        on_chain = await sender.look_up(txid)
        if on_chain is None:
            return Missing(state="nowhere", **facts)
        receipt = (await sender.receipts([txid])).get(txid)
        state: State = "final" if receipt is not None and receipt.confirmations >= network.confirmations else "waits"
        draft = await coin_adoption.draft_of(network, sender, on_chain) if network.has_coins else on_chain.draft
        payments = sender.parse(on_chain.signed.raw, draft).payments
    except NotATransfer as error:
        return Missing(state="unknown", problem=str(error), **facts)
    return Missing(state=state, payments=await _explained(network, payments), **facts)


async def not_in_books(network: str, txids: Sequence[str]) -> list[str]:
    """Those of these transactions that the books of a network lack."""
    known: set[str] = set()
    for start in range(0, len(txids), TXIDS_AT_ONCE):
        known |= set(await repository.stored_among(network, txids[start : start + TXIDS_AT_ONCE]))
    return [txid for txid in txids if txid not in known]


async def _explained(network: NetworkConfig, payments: Sequence[Payment]) -> tuple[MissingPayment, ...]:
    """Each payment with the withdrawal that asks for it; two equal ones have a withdrawal each."""
    pool = {each.address for each in await addresses.among(network.key, [each.to_address for each in payments])}
    taken: set[str] = set()
    explained = []
    for payment in payments:
        asked = await withdrawals_repository.unpaid(
            network.key, payment.asset_symbol, payment.amount_raw, payment.to_address
        )
        signed = await repository.signed_for([each.id for each in asked])
        free = [each.id for each in asked if each.id not in taken and each.id not in signed]
        taken |= set(free[:1])
        explained.append(
            MissingPayment(
                asset=payment.asset_symbol,
                amount_raw=payment.amount_raw,
                destination=payment.to_address,
                withdrawal=free[0] if free else None,
                is_ours=payment.to_address in pool
                or payment.to_address == network.hot_wallet_address
                or await coin_funds_repository.change_index(network.key, payment.to_address) is not None,
            )
        )
    return tuple(explained)

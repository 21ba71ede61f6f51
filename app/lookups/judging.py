"""Where a transaction is and what it pays, from what is known of it: pure rules.

Strangers learn nothing: a deposit that the one who asks may not see changes nothing but that its address counts as
somebody else's. So a transaction that pays another merchant's invoice gets the verdict of one that pays nobody.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from app.deposits import matching
from app.lookups.facts import Facts, HeldAddress, StoredDeposit
from app.lookups.token_names import resembles
from app.networks.port import Moved, TransactionState


class Verdict(StrEnum):
    """What became of a transaction. The API gives these codes."""

    UNAVAILABLE = "unavailable"
    """The network can't be asked now, and the books have nothing of it."""
    UNKNOWN = "unknown"
    """The network does not know it, or not yet."""
    WAITING = "waiting"
    """It is in no block yet."""
    CONFIRMING = "confirming"
    """It pays an invoice, and needs more confirmations."""
    FAILED = "failed"
    """It is in a block, and has moved nothing."""
    PAID = "paid"
    """It has paid an invoice in full."""
    PAID_PART = "paid_part"
    """It is one of several payments of an invoice that takes parts."""
    PAID_SHORT = "paid_short"
    PAID_OVER = "paid_over"
    PAID_LATE = "paid_late"
    PAID_AFTER_CANCELLATION = "paid_after_cancellation"
    PAID_AGAIN = "paid_again"
    """The invoice was paid before."""
    DUST = "dust"
    """It is too little to count."""
    OTHER_INVOICE = "other_invoice"
    """It pays another invoice of the merchant than the one that was named."""
    OTHER_ASSET = "other_asset"
    """It brings another asset of the network than the invoice asks for."""
    OTHER_TOKEN = "other_token"  # noqa: S105 - no password
    """It brings a token that nobody takes here."""
    LOOKALIKE_TOKEN = "lookalike_token"  # noqa: S105 - no password
    """It brings a token that calls itself as the asset does, from another contract."""
    OTHER_NETWORK = "other_network"
    """It is to the right address, on another network."""
    UNCLAIMED = "unclaimed"
    """It is to an address of ours, and for no invoice."""
    ELSEWHERE = "elsewhere"
    """It brings nothing to an address that the one who asks may know of."""
    REORGANISED = "reorganised"
    """The chain has dropped the block that had it."""
    REPLACED = "replaced"
    """Another transaction uses what it would use up."""
    DROPPED = "dropped"
    """It has waited, and the network has forgotten it."""


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction brings to an address of ours. `asset` is None for a token that is not configured."""

    index: int
    to_address: str
    amount_raw: int
    asset: str | None
    invoice_id: str | None
    verdict: Verdict


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its figures. What does not belong to the verdict is None.

    `network` is where the transaction is, else where it was asked for; `expected_network` is where it should be.
    Confirmations may be more than are required. `token` is what the contract `contract` calls itself, empty where it
    says nothing. `from_books`: no node answered, and this is what was stored before. `brought` is what it brings to
    addresses that the one who asks may know of.
    """

    verdict: Verdict
    network: str
    confirmations: int | None = None
    confirmations_required: int | None = None
    invoice_id: str | None = None
    asset: str | None = None
    amount_raw: int | None = None
    fee_rate_raw: int | None = None
    usual_fee_rate_raw: int | None = None
    replaced_by: str | None = None
    token: str | None = None
    contract: str | None = None
    expected_network: str | None = None
    from_books: bool = False
    brought: tuple[Brought, ...] = ()


def judge(facts: Facts) -> Finding:
    """The verdict on a transaction, as far as the one who asks may know."""
    seen = [deposit for deposit in facts.deposits if deposit.is_visible]
    if seen:
        return _of_deposits(facts, seen)
    state = facts.state
    if state is None:
        return Finding(verdict=Verdict.UNAVAILABLE, network=facts.found)
    if state.is_replaced or (state.state == "unknown" and facts.is_replaced):
        return Finding(verdict=Verdict.REPLACED, network=facts.found, replaced_by=facts.replaced_by)
    if state.state == "unknown":
        return Finding(verdict=Verdict.UNKNOWN, network=facts.found)
    if not state.succeeded:
        return Finding(verdict=Verdict.FAILED, network=facts.found, confirmations=state.confirmations)
    return _of_moves(facts, state)


_VERDICTS = {
    matching.Verdict.EXACT: Verdict.PAID,
    matching.Verdict.PART: Verdict.PAID_PART,
    matching.Verdict.DUST: Verdict.DUST,
    matching.Verdict.UNDERPAID: Verdict.PAID_SHORT,
    matching.Verdict.OVERPAID: Verdict.PAID_OVER,
    matching.Verdict.LATE: Verdict.PAID_LATE,
    matching.Verdict.CANCELLED: Verdict.PAID_AFTER_CANCELLATION,
    matching.Verdict.SECOND: Verdict.PAID_AGAIN,
    matching.Verdict.WRONG_ASSET: Verdict.OTHER_ASSET,
    matching.Verdict.IN_REVIEW: Verdict.UNCLAIMED,
    matching.Verdict.UNKNOWN: Verdict.UNCLAIMED,
}

_GONE = {"reorganised": Verdict.REORGANISED, "replaced": Verdict.REPLACED, "dropped": Verdict.DROPPED}

_GOOD = frozenset({Verdict.PAID, Verdict.CONFIRMING, Verdict.WAITING})


def _of_deposits(facts: Facts, deposits: Sequence[StoredDeposit]) -> Finding:
    """The verdict where the books have it: of the invoice that was named, else of the one that needs most attention."""
    named = facts.viewer.invoice_id
    ordered = sorted(
        deposits,
        key=lambda deposit: (deposit.invoice_id != named, _verdict_of(deposit, facts) in _GOOD, deposit.index),
    )
    first = ordered[0]
    verdict, state = _verdict_of(first, facts), facts.state
    is_in_block = verdict not in (Verdict.WAITING, *_GONE.values())
    if named is not None and first.invoice_id != named:
        verdict = Verdict.OTHER_INVOICE
    finding = Finding(
        verdict=verdict,
        network=first.network,
        confirmations=_confirmations(first, state) if is_in_block else None,
        confirmations_required=_required(facts, first.confirmations_required) if is_in_block else None,
        invoice_id=first.invoice_id,
        asset=first.asset,
        amount_raw=first.amount_raw,
        replaced_by=(first.replaced_by or facts.replaced_by) if verdict is Verdict.REPLACED else None,
        from_books=state is None,
        brought=tuple(
            Brought(
                index=deposit.index,
                to_address=deposit.to_address,
                amount_raw=deposit.amount_raw,
                asset=deposit.asset,
                invoice_id=deposit.invoice_id,
                verdict=_verdict_of(deposit, facts),
            )
            for deposit in ordered
        ),
    )
    return _with_fees(finding, state) if verdict is Verdict.WAITING else finding


def _verdict_of(deposit: StoredDeposit, facts: Facts) -> Verdict:
    """The verdict on one deposit. What the books say of its block counts, unless the node already knows a newer one."""
    state = facts.state
    is_mined = state is not None and state.state == "mined" and state.succeeded
    if deposit.status == "orphaned" and not is_mined:
        return _GONE.get(deposit.gone_because or "", Verdict.DROPPED)
    if deposit.status == "seen" and deposit.block_height is None and not is_mined:
        is_replaced = state is not None and (state.is_replaced or (state.state == "unknown" and facts.is_replaced))
        return Verdict.REPLACED if is_replaced else Verdict.WAITING
    verdict = _VERDICTS[deposit.verdict]
    is_settled = deposit.status in ("credited", "suspended")
    return Verdict.CONFIRMING if verdict is Verdict.PAID and not is_settled else verdict


def _confirmations(deposit: StoredDeposit, state: TransactionState | None) -> int:
    if state is not None and state.state == "mined":
        return state.confirmations
    if deposit.block_height is None or deposit.head_height is None:
        return 0
    return max(deposit.head_height - deposit.block_height + 1, 0)


def _of_moves(facts: Facts, state: TransactionState) -> Finding:
    """The verdict where the books have nothing that the one who asks may see: from what the transaction moves."""
    hidden = {deposit.to_address for deposit in facts.deposits if deposit.invoice_id is not None}
    here = {held.address: held for held in facts.addresses if held.network == facts.found}
    moves = [move for move in state.moved if move.to_address not in hidden]
    ours = [(move, here[move.to_address]) for move in moves if move.to_address in here]
    if ours:
        return _to_us(facts, state, ours)
    if (twin := _on_another_network(facts, moves)) is not None:
        return twin
    if state.state == "pooled" and not state.moved:
        # What it will do shows when a block has it.
        return _with_fees(Finding(verdict=Verdict.WAITING, network=facts.found), state)
    return Finding(verdict=Verdict.ELSEWHERE, network=facts.found)


def _to_us(facts: Facts, state: TransactionState, ours: Sequence[tuple[Moved, HeldAddress]]) -> Finding:
    """The verdict on what comes to addresses that the one who asks may know of, before the books have it."""
    named = facts.viewer.invoice_id
    brought = [
        Brought(
            index=move.index,
            to_address=move.to_address,
            amount_raw=move.amount_raw,
            asset=move.asset_symbol,
            invoice_id=held.invoice_id,
            verdict=_verdict_of_move(facts, state, move, held),
        )
        for move, held in ours
    ]
    order = sorted(
        range(len(ours)),
        # A configured asset counts before a token that anybody may have thrown in.
        key=lambda at: (brought[at].invoice_id != named, brought[at].asset is None, brought[at].index),
    )
    (move, held), first = ours[order[0]], brought[order[0]]
    verdict = first.verdict
    if named is not None and first.invoice_id != named:
        verdict = Verdict.OTHER_INVOICE
    is_in_block = state.state == "mined"
    finding = Finding(
        verdict=verdict,
        network=facts.found,
        confirmations=state.confirmations if is_in_block else None,
        confirmations_required=_required(facts, held.confirmations_required) if is_in_block else None,
        invoice_id=first.invoice_id,
        asset=first.asset,
        amount_raw=first.amount_raw if first.asset is not None else None,
        token=facts.token_names.get(move.contract or "", "") if first.asset is None else None,
        contract=move.contract if first.asset is None else None,
        brought=tuple(brought[at] for at in order),
    )
    return _with_fees(finding, state) if verdict is Verdict.WAITING else finding


def _verdict_of_move(facts: Facts, state: TransactionState, move: Moved, held: HeldAddress) -> Verdict:
    if move.asset_symbol is None:
        name = facts.token_names.get(move.contract or "", "")
        is_lookalike = any(resembles(name, symbol) for symbol in facts.symbols)
        return Verdict.LOOKALIKE_TOKEN if is_lookalike else Verdict.OTHER_TOKEN
    if any(deposit.to_address == move.to_address for deposit in facts.deposits) or held.invoice_id is None:
        return Verdict.UNCLAIMED  # the books have it, and found no invoice for it
    if state.state == "pooled":
        return Verdict.WAITING
    return Verdict.CONFIRMING if move.asset_symbol == held.asset else Verdict.OTHER_ASSET


def _on_another_network(facts: Facts, moves: Sequence[Moved]) -> Finding | None:
    """The verdict on what comes to an address that is one of ours on another network of the same kind."""
    elsewhere = sorted(
        (held for held in facts.addresses if held.network != facts.found),
        key=lambda held: (held.invoice_id != facts.viewer.invoice_id, held.network != facts.asked, held.network),
    )
    for held in elsewhere:
        for move in moves:
            if move.to_address == held.address:
                return Finding(
                    verdict=Verdict.OTHER_NETWORK,
                    network=facts.found,
                    invoice_id=held.invoice_id,
                    asset=move.asset_symbol,
                    amount_raw=move.amount_raw if move.asset_symbol is not None else None,
                    expected_network=held.network,
                )
    return None


def _with_fees(finding: Finding, state: TransactionState | None) -> Finding:
    if state is None:
        return finding
    return replace(finding, fee_rate_raw=state.fee_rate_raw, usual_fee_rate_raw=state.usual_fee_rate_raw)


def _required(facts: Facts, of_invoice: int | None) -> int:
    return facts.confirmations if of_invoice is None else of_invoice

"""The ledger postings of a withdrawal, as values: locked on request, released or settled at the end."""

from typing import Literal, cast

import msgspec

from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import FEES, Kind, Posting


class Money(msgspec.Struct, frozen=True):
    """The money of one withdrawal: `source` is the ledger that pays amount and fee, both in minor units."""

    id: str
    kind: Literal["payout", "refund"]
    source: str
    network: str
    asset: str
    amount_raw: int
    fee_raw: int

    @property
    def total_raw(self) -> int:
        """What the source loses in the end."""
        return self.amount_raw + self.fee_raw

    @property
    def payer(self) -> ChainId:
        """The ledger that pays."""
        return ChainId(owner=self.source, network=self.network, asset=self.asset)

    @property
    def fees(self) -> ChainId:
        """The ledger that receives the fee."""
        return ChainId(owner=FEES, network=self.network, asset=self.asset)

    @property
    def chains(self) -> list[ChainId]:
        """Every ledger that the withdrawal posts to: the heads to lock."""
        return [self.payer, self.fees] if self.fee_raw else [self.payer]


def lock(money: Money) -> list[Posting]:
    """On request: amount and fee move from available to locked."""
    return [_posting(money, money.payer, "locked", -money.total_raw, money.total_raw)]


def release(money: Money) -> list[Posting]:
    """On rejection, failure, cancellation: amount and fee are available again."""
    return [_posting(money, money.payer, "released", money.total_raw, -money.total_raw)]


def settle(money: Money) -> list[Posting]:
    """On confirmation: the amount was sent, the fee is the platform's."""
    postings = [_posting(money, money.payer, "settled", 0, -money.total_raw)]
    if money.fee_raw:
        postings.append(_posting(money, money.fees, "fee", money.fee_raw, 0))
    return postings


def _posting(money: Money, chain: ChainId, step: str, available_raw: int, locked_raw: int) -> Posting:
    kind = cast(Kind, f"{money.kind}_{step}")
    return Posting(chain, kind, available_raw, locked_raw, Reference(money.kind, money.id))

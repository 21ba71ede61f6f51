"""What the customer pays and what the merchant gets, in minor units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.money import tail_unit_raw

FeePayer = Literal["merchant", "customer"]

BPS = 10_000
"""Basis points in the whole."""

MAX_TAIL = 99
"""The largest tail (contract, section 3)."""


@dataclass(frozen=True, slots=True)
class Price:
    """`pay_in_raw` is the one exact amount to send; `net_raw` of it is the merchant's."""

    service_fee_raw: int
    pay_in_raw: int
    net_raw: int


def price(amount_raw: int, fee_bps: int, fee_payer: FeePayer, tail: int, decimals: int) -> Price:
    """The price of an invoice over `amount_raw`.

    The fee is `amount_raw * fee_bps / 10_000`, rounded up to the minor unit (contract, section 3). A customer
    who pays the fee sends it on top; else it is taken out of what the merchant gets. The tail, 0 to 99 steps of
    the sixth decimal, goes to the merchant.
    """
    service_fee_raw = -(-amount_raw * fee_bps // BPS)
    on_top_raw = service_fee_raw if fee_payer == "customer" else 0
    pay_in_raw = amount_raw + on_top_raw + tail * tail_unit_raw(decimals)
    return Price(service_fee_raw, pay_in_raw, pay_in_raw - service_fee_raw)


@dataclass(frozen=True, slots=True)
class Share:
    """How what came is divided: `net_raw` is the merchant's."""

    service_fee_raw: int
    net_raw: int


def share(came_raw: int, pay_in_raw: int, service_fee_raw: int) -> Share:
    """Divide what came for an invoice: its fee in the proportion of what came to `pay_in_raw`, rounded up.

    Exactly what was asked for gives exactly the fee that was priced.
    """
    fee_raw = min(came_raw, -(-service_fee_raw * came_raw // pay_in_raw))
    return Share(fee_raw, came_raw - fee_raw)


def shares(parts_raw: Sequence[int], pay_in_raw: int, service_fee_raw: int) -> list[Share]:
    """Divide what came in parts, each part by itself: together they cost what their sum would cost."""
    divided: list[Share] = []
    came_raw = charged_raw = 0
    for part_raw in parts_raw:
        came_raw += part_raw
        fee_raw = share(came_raw, pay_in_raw, service_fee_raw).service_fee_raw - charged_raw
        charged_raw += fee_raw
        divided.append(Share(fee_raw, part_raw - fee_raw))
    return divided


def share_of_other_asset(came_raw: int, fee_bps: int) -> Share:
    """Divide what came in another asset than the invoice's: the fee's rate of what came, rounded up."""
    fee_raw = -(-came_raw * fee_bps // BPS)
    return Share(fee_raw, came_raw - fee_raw)


def tail_of_lease(lease_count: int) -> int:
    """The tail for an address that has been leased `lease_count` times before: 1 to 99, each in turn.

    Two invoices of one address share an amount only if asked for the same sum 99 leases apart; whoever inserts
    checks for that within the window of contract section 3.
    """
    return 1 + lease_count % MAX_TAIL

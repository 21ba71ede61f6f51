"""What the customer pays and what the merchant gets, in minor units."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.core.money import tail_unit_raw

FeePayer = Literal["merchant", "customer"]

BPS = 10_000
"""Basis points in the whole."""

MAX_TAIL = 99
"""The largest tail (contract, section 3)."""


class Price(msgspec.Struct, frozen=True):
    """`pay_in_raw` is the exact amount to send; `net_raw` of it is the merchant's. In minor units."""

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


class Share(msgspec.Struct, frozen=True):
    """How a deposit is divided: `net_raw` is the merchant's. In minor units."""

    service_fee_raw: int
    net_raw: int


NOTHING = Share(0, 0)


def share(amount_raw: int, pay_in_raw: int, service_fee_raw: int) -> Share:
    """Divide a deposit for an invoice: the invoice's fee in the proportion of the deposit to `pay_in_raw`, rounded up.

    The exact amount gives exactly the invoice's fee.
    """
    fee_raw = min(amount_raw, -(-service_fee_raw * amount_raw // pay_in_raw))
    return Share(fee_raw, amount_raw - fee_raw)


def shares(parts_raw: Sequence[int], pay_in_raw: int, service_fee_raw: int) -> list[Share]:
    """Divide each part of a payment: together their fees are the fee of their sum."""
    divided: list[Share] = []
    total_raw = charged_raw = 0
    for part_raw in parts_raw:
        total_raw += part_raw
        fee_raw = share(total_raw, pay_in_raw, service_fee_raw).service_fee_raw - charged_raw
        charged_raw += fee_raw
        divided.append(Share(fee_raw, part_raw - fee_raw))
    return divided


def share_of_other_asset(deposit_raw: int, fee_bps: int) -> Share:
    """Divide a deposit in another asset than the invoice's: the fee is the rate in basis points, rounded up."""
    fee_raw = -(-deposit_raw * fee_bps // BPS)
    return Share(fee_raw, deposit_raw - fee_raw)


def tail_of_lease(lease_count: int) -> int:
    """The tail for an address that has been leased `lease_count` times before: 1 to 99, each in turn.

    Two invoices of one address have the same amount only if they ask for the same sum 99 leases apart; `INSERT` checks
    that within UNIQUE_AMOUNT_WINDOW.
    """
    return 1 + lease_count % MAX_TAIL

"""A merchant's terms that an invoice depends on."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["live", "test"]


@dataclass(frozen=True, slots=True)
class Terms:
    """A merchant in one mode. The fee is in 1/10,000; `fee_payer` holds unless an invoice names one.

    `accept_parts`: several deposits may pay an invoice together.
    """

    merchant_id: str
    mode: Mode
    service_fee_bps: int
    fee_payer: Literal["merchant", "customer"]
    accept_parts: bool = False

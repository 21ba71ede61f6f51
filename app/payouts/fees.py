"""What a payout costs the merchant, in minor units."""

from app.networks.config import Asset

BPS = 10_000
"""Basis points in one."""


def quote(amount_raw: int, asset: Asset) -> int:
    """The fee of a payout: flat and by amount, the latter rounded up to the minor unit. Fixed at creation."""
    return asset.payout_fee_flat_raw + -(-amount_raw * asset.payout_fee_bps // BPS)

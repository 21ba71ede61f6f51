"""Merchants and the people who belong to them."""

from datetime import datetime
from typing import Literal

from app.core import clock, database, ids
from app.merchants.terms import PriceTerms, Terms

PRICES = PriceTerms(("EUR", "USD"))
"""Prices in euros and dollars, without a spread."""


async def merchant(
    *,
    name: str = "Tea & Co",
    status: str = "approved",
    service_fee_bps: int = 80,
    fee_payer: Literal["merchant", "customer"] = "merchant",
) -> str:
    """Create a merchant. Returns its id."""
    merchant_id = ids.new_id(ids.MERCHANT)
    await database.execute(
        "INSERT INTO merchants (id, name, status, service_fee_bps, fee_payer, created_at, currencies)"
        " VALUES ($1, $2, $3, $4, $5, $6, '{EUR,USD}')",
        merchant_id,
        name,
        status,
        service_fee_bps,
        fee_payer,
        clock.now(),
    )
    return merchant_id


async def takes(merchant_id: str, *symbols: str, network: str = "ethereum:test") -> None:
    """Let a merchant accept assets, without limits of its own."""
    for symbol in symbols:
        await database.execute(
            "INSERT INTO merchant_assets (merchant, network, asset, enabled) VALUES ($1, $2, $3, true)",
            merchant_id,
            network,
            symbol,
        )


async def terms(*, service_fee_bps: int, fee_payer: Literal["merchant", "customer"] = "merchant") -> Terms:
    """An approved merchant in test mode that takes USDT and ETH."""
    merchant_id = await merchant(service_fee_bps=service_fee_bps, fee_payer=fee_payer)
    await takes(merchant_id, "USDT", "ETH")
    return Terms(merchant_id, "test", service_fee_bps, fee_payer, prices=PRICES)


async def join(merchant_id: str, account_id: str, role: str = "admin") -> None:
    """Make an existing account a member."""
    await database.execute(
        "INSERT INTO memberships (merchant, account, role, created_at) VALUES ($1, $2, $3, $4)",
        merchant_id,
        account_id,
        role,
        clock.now(),
    )


async def leave(merchant_id: str, account_id: str) -> None:
    """End a membership."""
    await database.execute("DELETE FROM memberships WHERE merchant = $1 AND account = $2", merchant_id, account_id)


async def make_member(*, merchant_id: str, role: str, email: str, now: datetime) -> str:
    """The id of a new account with this role at the merchant."""
    account_id = ids.new_id(ids.ACCOUNT)
    await database.execute(
        """
        INSERT INTO accounts (id, email, name, password_hash, is_operator, totp_last_counter, created_at)
        VALUES ($1, $2, 'A Person', 'none', false, 0, $3)
        """,
        account_id,
        email,
        now,
    )
    await database.execute(
        "INSERT INTO memberships (merchant, account, role, created_at) VALUES ($1, $2, $3, $4)",
        merchant_id,
        account_id,
        role,
        now,
    )
    return account_id

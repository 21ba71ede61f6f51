"""What a merchant's people may set themselves. Fees, caps and assets are the operators' (merchants/standing.py)."""

from datetime import datetime
from typing import Literal, cast

from app.core import database
from app.core.errors import invalid
from app.merchants import branding
from app.merchants.branding import Branding
from app.merchants.members import Member
from app.merchants.roles import Permission

FeePayer = Literal["merchant", "customer"]


async def fee_payer(merchant_id: str) -> FeePayer:
    """Who bears the service fee unless an invoice says otherwise."""
    return cast(FeePayer, await database.fetch_value("SELECT fee_payer FROM merchants WHERE id = $1", merchant_id))


async def set_fee_payer(by: Member, payer: str, now: datetime) -> None:
    """Who bears it from the next invoice on. Raises Forbidden, INVALID_INPUT."""
    by.require(Permission.SETTINGS_MANAGE)
    if payer not in ("merchant", "customer"):
        raise invalid("fee_payer", "choose who pays the fee")
    async with database.transaction():
        was = await database.fetch_value("SELECT fee_payer FROM merchants WHERE id = $1 FOR UPDATE", by.merchant_id)
        if was == payer:
            return
        await database.execute("UPDATE merchants SET fee_payer = $2 WHERE id = $1", by.merchant_id, payer)
        await by.record("merchant.fee_payer_changed", by.merchant_id, now, was=was, is_now=payer)


async def set_branding(
    by: Member, *, display_name: str | None, accent: str | None, logo: bytes | None, now: datetime
) -> Branding:
    """How the merchant's pages for customers look, all three at once. Raises Forbidden, INVALID_INPUT."""
    by.require(Permission.SETTINGS_MANAGE)
    async with database.transaction():
        made = await branding.set_branding(by.merchant_id, display_name=display_name, accent=accent, logo=logo, now=now)
        await by.record(
            "merchant.branding_changed",
            by.merchant_id,
            now,
            display_name=made.display_name,
            accent=made.accent,
            logo=made.logo_tag,
        )
    return made

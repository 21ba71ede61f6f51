"""Settings that members of a merchant may change. Operators set fees, caps and assets (administration.py)."""

from datetime import datetime

from app.core import database
from app.core.errors import invalid
from app.merchants import branding, repository
from app.merchants.branding import Branding
from app.merchants.members import Member
from app.merchants.repository import FeePayer, MerchantRow
from app.merchants.roles import Permission


async def fee_payer(merchant_id: str) -> FeePayer:
    """Who pays the service fee unless an invoice says otherwise."""
    return (await _merchant(merchant_id)).fee_payer


async def accepts_parts(merchant_id: str) -> bool:
    """Whether several deposits may pay an invoice together."""
    return (await _merchant(merchant_id)).accept_parts


async def set_invoice_terms(by: Member, *, payer: str, parts: str, now: datetime) -> None:
    """Set who pays the service fee, and whether several deposits may pay an invoice (`parts`: "yes" or "no").

    Both apply to new invoices.

    Raises Forbidden, INVALID_INPUT.
    """
    by.require(Permission.SETTINGS_MANAGE)
    if payer not in ("merchant", "customer"):
        raise invalid("fee_payer", "choose who pays the fee")
    if parts not in ("yes", "no"):
        raise invalid("accept_parts", "choose what a part counts for")
    accepted = parts == "yes"
    async with database.transaction():
        was = await repository.lock(by.merchant_id)
        assert was is not None, "a member's merchant exists"
        await repository.set_invoice_terms(by.merchant_id, payer, accepted)
        if was.fee_payer != payer:
            await by.record("merchant.fee_payer_changed", by.merchant_id, now, was=was.fee_payer, is_now=payer)
        if was.accept_parts != accepted:
            await by.record("merchant.accept_parts_changed", by.merchant_id, now, was=was.accept_parts, is_now=accepted)


async def set_branding(
    by: Member, *, display_name: str | None, accent: str | None, logo: bytes | None, now: datetime
) -> Branding:
    """Set how the merchant's pages for customers look, all three values at once. Raises Forbidden, INVALID_INPUT."""
    by.require(Permission.SETTINGS_MANAGE)
    async with database.transaction():
        saved = await branding.set_branding(
            by.merchant_id, display_name=display_name, accent=accent, logo=logo, now=now
        )
        await by.record(
            "merchant.branding_changed",
            by.merchant_id,
            now,
            display_name=saved.display_name,
            accent=saved.accent,
            logo=saved.logo_tag,
        )
    return saved


async def _merchant(merchant_id: str) -> MerchantRow:
    found = await repository.find(merchant_id)
    assert found is not None, "a member's merchant exists"
    return found

"""What operators alone decide about a merchant: whether it may act, what it pays, what it may take and send.

Each verb locks the merchant, changes it and writes the audit row in one transaction. An operator who belongs to the
merchant can stop it, and nothing else. The owners of a merchant
whose standing changes get a letter with the reason; the keys know at once, they read the status at each request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from app.accounts.operators import DeedRefused, Operator, stated_reason
from app.audit import service as audit
from app.core import database
from app.core.database import Row
from app.core.errors import ApiError, Code, invalid
from app.mail.letters import Kind, letter
from app.merchants import service
from app.merchants.members import refuse_own_merchant, write_to_owners
from app.merchants.service import MAX_FEE_BPS
from app.networks.config import MAX_RAW, Asset, NetworkConfig

FROM_TO: Mapping[str, tuple[frozenset[str], str]] = MappingProxyType(
    {
        "suspended": (frozenset({"approved"}), "suspended"),
        "banned": (frozenset({"approved", "suspended"}), "banned"),
        "reinstated": (frozenset({"suspended", "banned"}), "approved"),
    }
)
"""For each deed, as the audit log calls it: the standings that it starts from, and the one that it leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTerms:
    """What a merchant may do with one asset. `min_raw` and `max_raw` bound an invoice; None: the network's own.

    `daily_cap_raw` is the most that payouts and refunds may send within 24 hours; None: no cap.
    """

    enabled: bool
    min_raw: int | None
    max_raw: int | None
    daily_cap_raw: int | None


async def suspend(merchant_id: str, reason: str, by: Operator, now: datetime) -> None:
    """Stop a merchant's keys for now. Raises NOT_FOUND, INVALID_INPUT, DeedRefused."""
    await _move(merchant_id, "suspended", reason, by, now)


async def reinstate(merchant_id: str, reason: str, by: Operator, now: datetime) -> None:
    """Let a suspended or banned merchant go on. Raises NOT_FOUND, INVALID_INPUT, DeedRefused."""
    await _move(merchant_id, "reinstated", reason, by, now)


async def ban(merchant_id: str, reason: str, by: Operator, now: datetime) -> None:
    """Stop a merchant's keys for good. Raises NOT_FOUND, INVALID_INPUT, DeedRefused."""
    await _move(merchant_id, "banned", reason, by, now)


async def set_terms(merchant_id: str, fee_bps: int, tolerance_bps: int, by: Operator, now: datetime) -> None:
    """What invoices made from now on cost, and how far a payment may be off and still count as exact.

    Both in 1/10,000. Raises NOT_FOUND, INVALID_INPUT, DeedRefused.
    """
    if not 0 <= fee_bps <= MAX_FEE_BPS:
        raise invalid("service_fee_bps", f"must be from 0 to {MAX_FEE_BPS}")
    async with database.transaction():
        merchant = await _lock(merchant_id)
        await refuse_own_merchant(by, merchant_id, now)
        if merchant["service_fee_bps"] != fee_bps:
            await database.execute("UPDATE merchants SET service_fee_bps = $2 WHERE id = $1", merchant_id, fee_bps)
            await _audit(merchant_id, "fee_changed", by, now, was=merchant["service_fee_bps"], is_now=fee_bps)
        if merchant["tolerance_bps"] != tolerance_bps:
            await service.set_tolerance(merchant_id, tolerance_bps)
            await _audit(merchant_id, "tolerance_changed", by, now, was=merchant["tolerance_bps"], is_now=tolerance_bps)


async def set_asset_terms(
    merchant_id: str, network: NetworkConfig, asset: Asset, terms: AssetTerms, by: Operator, now: datetime
) -> None:
    """What a merchant may take and send of one asset. Raises NOT_FOUND, INVALID_INPUT, DeedRefused."""
    _refuse_senseless(terms)
    async with database.transaction():
        await _lock(merchant_id)
        await refuse_own_merchant(by, merchant_id, now)
        before = await database.fetch_one(
            """
            SELECT enabled, min_raw, max_raw, daily_cap_raw FROM merchant_assets
            WHERE merchant = $1 AND network = $2 AND asset = $3
            """,
            merchant_id,
            network.key,
            asset.symbol,
        )
        if before is not None and AssetTerms(**dict(before)) == terms:
            return
        await database.execute(
            """
            INSERT INTO merchant_assets (merchant, network, asset, enabled, min_raw, max_raw, daily_cap_raw)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (merchant, network, asset) DO UPDATE SET enabled = excluded.enabled,
                min_raw = excluded.min_raw, max_raw = excluded.max_raw, daily_cap_raw = excluded.daily_cap_raw
            """,
            merchant_id,
            network.key,
            asset.symbol,
            terms.enabled,
            terms.min_raw,
            terms.max_raw,
            terms.daily_cap_raw,
        )
        await _audit(
            merchant_id,
            "asset_changed",
            by,
            now,
            network=network.key,
            asset=asset.symbol,
            was=None if before is None else _told(AssetTerms(**dict(before))),
            is_now=_told(terms),
        )


async def _move(merchant_id: str, deed: str, reason: str, by: Operator, now: datetime) -> None:
    reason = stated_reason(reason)
    origins, target = FROM_TO[deed]
    async with database.transaction():
        merchant = await _lock(merchant_id)
        if target == "approved":
            await refuse_own_merchant(by, merchant_id, now)
        if merchant["status"] not in origins:
            raise DeedRefused(f"{merchant['name']} is {merchant['status']}: it can't be {deed}")
        await database.execute("UPDATE merchants SET status = $2 WHERE id = $1", merchant_id, target)
        await _audit(merchant_id, deed, by, now, was=merchant["status"], reason=reason)
        await _write_to_owners(merchant, deed, reason, now)


async def _lock(merchant_id: str) -> Row:
    row = await database.fetch_one(
        "SELECT id, name, status, service_fee_bps, tolerance_bps FROM merchants WHERE id = $1 FOR UPDATE", merchant_id
    )
    if row is None:
        raise ApiError(Code.NOT_FOUND, "there is no such merchant")
    return row


async def _write_to_owners(merchant: Row, deed: str, reason: str, now: datetime) -> None:
    said = letter(
        Kind.MERCHANT,
        SUBJECTS[deed],
        "{merchant} ({id}) was {deed} by an operator of the gateway.\n\n"
        "The reason given:\n{reason}\n\n{consequences}\n",
        ours={"id": merchant["id"], "deed": deed, "reason": reason, "consequences": CONSEQUENCES[deed]},
        merchant=merchant["name"],
    )
    await write_to_owners(merchant["id"], said, now)


SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "suspended": "Your merchant was suspended",
        "banned": "Your merchant was banned",
        "reinstated": "Your merchant was reinstated",
    }
)


CONSEQUENCES: Mapping[str, str] = MappingProxyType(
    {
        "suspended": "Your API keys are refused until the suspension ends. Your balances are untouched.",
        "banned": "Your API keys are refused from now on. Your balances are untouched.",
        "reinstated": "Your API keys work again.",
    }
)


def _refuse_senseless(terms: AssetTerms) -> None:
    for field in ("min_raw", "max_raw", "daily_cap_raw"):
        value = getattr(terms, field)
        if value is not None and not 0 <= value <= MAX_RAW:
            raise invalid(field, "must not be negative, and fit 78 digits")
    if terms.min_raw is not None and terms.max_raw is not None and terms.min_raw > terms.max_raw:
        raise invalid("max_raw", "must not be less than the least amount")


def _told(terms: AssetTerms) -> dict[str, object]:
    """For the audit log: amounts as strings of digits, as everywhere in JSON."""
    return {
        "enabled": terms.enabled,
        "min_raw": None if terms.min_raw is None else str(terms.min_raw),
        "max_raw": None if terms.max_raw is None else str(terms.max_raw),
        "daily_cap_raw": None if terms.daily_cap_raw is None else str(terms.daily_cap_raw),
    }


async def _audit(merchant_id: str, deed: str, by: Operator, now: datetime, **details: object) -> None:
    await audit.record(
        actor=by.actor,
        action=f"merchant.{deed}",
        subject=merchant_id,
        merchant_id=merchant_id,
        address=by.address,
        details=details,
        now=now,
    )

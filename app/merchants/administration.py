"""Administration of merchants by operators: standing, fee, tolerance, and the terms of each asset.

Each function locks the merchant, changes it and writes the audit row in one transaction. An operator who belongs to
the merchant may suspend or ban it, and do nothing else. When the standing changes, the owners get a letter with the
reason; API keys follow at once, since each request reads the status.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from app.accounts.operators import ActionRefused, Operator, stated_reason
from app.audit import service as audit
from app.core import database
from app.core.errors import invalid
from app.mail.letters import Kind, letter
from app.merchants import repository, service
from app.merchants.members import refuse_own_merchant, write_to_owners
from app.merchants.repository import AssetTerms, MerchantRow
from app.merchants.roles import Standing
from app.merchants.service import MAX_FEE_BPS
from app.networks.config import MAX_RAW, Asset, NetworkConfig

FROM_TO: Mapping[str, tuple[frozenset[Standing], Standing]] = MappingProxyType(
    {
        "suspended": (frozenset({"approved"}), "suspended"),
        "banned": (frozenset({"approved", "suspended"}), "banned"),
        "reinstated": (frozenset({"suspended", "banned"}), "approved"),
    }
)
"""For each action, as named in the audit log: the standings that allow it, and the standing that it sets."""


async def suspend(merchant_id: str, reason: str, by: Operator, now: datetime) -> None:
    """Suspend a merchant: its API keys are refused for now. Raises NOT_FOUND, INVALID_INPUT, ActionRefused."""
    await _move(merchant_id, "suspended", reason, by, now)


async def reinstate(merchant_id: str, reason: str, by: Operator, now: datetime) -> None:
    """Reinstate a suspended or banned merchant. Raises NOT_FOUND, INVALID_INPUT, ActionRefused."""
    await _move(merchant_id, "reinstated", reason, by, now)


async def ban(merchant_id: str, reason: str, by: Operator, now: datetime) -> None:
    """Ban a merchant: its API keys are refused. Raises NOT_FOUND, INVALID_INPUT, ActionRefused."""
    await _move(merchant_id, "banned", reason, by, now)


async def set_terms(merchant_id: str, fee_bps: int, tolerance_bps: int, by: Operator, now: datetime) -> None:
    """Set the fee of new invoices, and how far a payment may be off and still count as exact.

    Both in 1/10,000. Raises NOT_FOUND, INVALID_INPUT, ActionRefused.
    """
    if not 0 <= fee_bps <= MAX_FEE_BPS:
        raise invalid("service_fee_bps", f"must be from 0 to {MAX_FEE_BPS}")
    async with database.transaction():
        merchant = await service.lock(merchant_id)
        await refuse_own_merchant(by, merchant_id, now)
        if merchant.service_fee_bps != fee_bps:
            await repository.set_fee(merchant_id, fee_bps)
            await _audit(merchant_id, "fee_changed", by, now, was=merchant.service_fee_bps, is_now=fee_bps)
        if merchant.tolerance_bps != tolerance_bps:
            await service.set_tolerance(merchant_id, tolerance_bps)
            await _audit(merchant_id, "tolerance_changed", by, now, was=merchant.tolerance_bps, is_now=tolerance_bps)


async def set_asset_terms(
    merchant_id: str, network: NetworkConfig, asset: Asset, terms: AssetTerms, by: Operator, now: datetime
) -> None:
    """Set what a merchant may accept and send of one asset. Raises NOT_FOUND, INVALID_INPUT, ActionRefused."""
    check_terms(terms)
    async with database.transaction():
        await service.lock(merchant_id)
        await refuse_own_merchant(by, merchant_id, now)
        before = await repository.asset_terms(merchant_id, network.key, asset.symbol)
        if before == terms:
            return
        await repository.set_asset_terms(merchant_id, network.key, asset.symbol, terms)
        await _audit(
            merchant_id,
            "asset_changed",
            by,
            now,
            network=network.key,
            asset=asset.symbol,
            was=None if before is None else _described(before),
            is_now=_described(terms),
        )


async def _move(merchant_id: str, action: str, reason: str, by: Operator, now: datetime) -> None:
    reason = stated_reason(reason)
    origins, target = FROM_TO[action]
    async with database.transaction():
        merchant = await service.lock(merchant_id)
        if target == "approved":
            await refuse_own_merchant(by, merchant_id, now)
        if merchant.status not in origins:
            raise ActionRefused(f"{merchant.name} is {merchant.status}: it can't be {action}")
        await repository.set_status(merchant_id, target)
        await _audit(merchant_id, action, by, now, was=merchant.status, reason=reason)
        await _write_to_owners(merchant, action, reason, now)


async def _write_to_owners(merchant: MerchantRow, action: str, reason: str, now: datetime) -> None:
    notice = letter(
        Kind.MERCHANT,
        SUBJECTS[action],
        "{merchant} ({id}) was {action} by an operator of the gateway on {now}.\n\n"
        "The reason given:\n{reason}\n\n{consequences}\n",
        ours={"id": merchant.id, "action": action, "reason": reason, "consequences": CONSEQUENCES[action]},
        merchant=merchant.name,
    )
    await write_to_owners(merchant.id, notice, now)


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


def check_terms(terms: AssetTerms) -> None:
    """Raise INVALID_INPUT for terms of an asset that no merchant can have."""
    for field in ("min_raw", "max_raw", "daily_cap_raw"):
        value = getattr(terms, field)
        if value is not None and not 0 <= value <= MAX_RAW:
            raise invalid(field, "must not be negative, and fit 78 digits")
    if terms.min_raw is not None and terms.max_raw is not None and terms.min_raw > terms.max_raw:
        raise invalid("max_raw", "must not be less than the least amount")


def _described(terms: AssetTerms) -> dict[str, object]:
    """For the audit log: amounts as strings of digits, as everywhere in JSON."""
    return {
        "enabled": terms.enabled,
        "min_raw": None if terms.min_raw is None else str(terms.min_raw),
        "max_raw": None if terms.max_raw is None else str(terms.max_raw),
        "daily_cap_raw": None if terms.daily_cap_raw is None else str(terms.daily_cap_raw),
    }


async def _audit(merchant_id: str, action: str, by: Operator, now: datetime, **details: object) -> None:
    await audit.record(
        actor=by.actor,
        action=f"merchant.{action}",
        subject=merchant_id,
        merchant_id=merchant_id,
        address=by.address,
        details=details,
        now=now,
    )

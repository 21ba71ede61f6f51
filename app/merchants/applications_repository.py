"""Every statement on `merchant_applications`."""

from datetime import datetime
from typing import Literal

import msgspec
from piccolo.querystring import QueryString

from app.accounts.tables import Account
from app.core.statement import Command, Param, Statement, insert
from app.merchants.tables import Membership, MerchantApplication

Status = Literal["pending", "approved", "rejected"]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a business says about itself. Its customers read `name`; `business` is what it sells and to whom."""

    name: str
    legal_name: str
    country: str
    website: str
    business: str
    monthly_volume: str


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """One application and its decision. `applicant` is a person's name and address."""

    id: int
    merchant_id: str
    merchant_name: str
    legal_name: str
    country: str
    website: str
    business: str
    monthly_volume: str
    status: Status
    applicant: str
    submitted_at: datetime
    decided_at: datetime | None
    reason: str | None


_OF_APPLICATION = (
    MerchantApplication.id,
    MerchantApplication.merchant.as_alias("merchant_id"),
    MerchantApplication.merchant.name.as_alias("merchant_name"),
    MerchantApplication.legal_name,
    MerchantApplication.country,
    MerchantApplication.website,
    MerchantApplication.business,
    MerchantApplication.monthly_volume,
    MerchantApplication.status,
    QueryString(
        "{} || ' <' || {} || '>'",
        MerchantApplication.submitted_by.name,
        MerchantApplication.submitted_by.email,
        alias="applicant",
    ),
    MerchantApplication.submitted_at,
    MerchantApplication.decided_at,
    MerchantApplication.reason,
)


async def pending(limit: int) -> list[Application]:
    """Applications that wait for a decision, oldest first."""
    return await _PENDING.all(limit=limit)


_PENDING = Statement(
    MerchantApplication.select(*_OF_APPLICATION)
    .where(MerchantApplication.status == "pending")
    .order_by(MerchantApplication.id),
    Application,
    limited=True,
)


async def find(application_id: int) -> Application | None:
    """One application."""
    return await _FIND.first(id=application_id)


_FIND = Statement(
    MerchantApplication.select(*_OF_APPLICATION).where(MerchantApplication.id == Param("id")), Application
)


async def of_merchant(merchant_id: str) -> list[Application]:
    """A merchant's applications, newest first."""
    return await _OF_MERCHANT.all(merchant=merchant_id)


_OF_MERCHANT = Statement(
    MerchantApplication.select(*_OF_APPLICATION)
    .where(MerchantApplication.merchant == Param("merchant"))
    .order_by(MerchantApplication.id, ascending=False),
    Application,
)


async def merchant_of(application_id: int) -> str | None:
    """The id of the merchant that an application belongs to."""
    return await _MERCHANT_OF.first(id=application_id)


_MERCHANT_OF = Statement(
    MerchantApplication.select(MerchantApplication.merchant).where(MerchantApplication.id == Param("id")), str
)


async def lock_applicant(account_id: str) -> None:
    """Lock an account, so that its applications are counted one after the other."""
    await _LOCK_APPLICANT.first(id=account_id)


_LOCK_APPLICANT = Statement(Account.select(Account.id).where(Account.id == Param("id")).lock_rows("NO KEY UPDATE"), str)


async def count_pending(account_id: str) -> int:
    """How many applications of an account wait for a decision."""
    return await _COUNT_PENDING.one(account=account_id)


_COUNT_PENDING = Statement(
    MerchantApplication.count().where(
        MerchantApplication.submitted_by == Param("account"), MerchantApplication.status == "pending"
    ),
    int,
)


async def count_undecided(account_id: str) -> int:
    """How many merchants that wait for approval an account owns."""
    return await _COUNT_UNDECIDED.one(account=account_id)


_COUNT_UNDECIDED = Statement(
    Membership.count().where(
        Membership.account == Param("account"),
        Membership.role == "owner",
        Membership.merchant.status == "pending",
    ),
    int,
)


async def add(merchant_id: str, facts: Facts, account_id: str, now: datetime) -> None:
    """Write a pending application."""
    await _ADD.run(
        merchant=merchant_id,
        legal_name=facts.legal_name,
        country=facts.country,
        website=facts.website,
        business=facts.business,
        monthly_volume=facts.monthly_volume,
        status="pending",
        submitted_by=account_id,
        submitted_at=now,
    )


_ADD = Command(
    insert(
        MerchantApplication,
        MerchantApplication.merchant,
        MerchantApplication.legal_name,
        MerchantApplication.country,
        MerchantApplication.website,
        MerchantApplication.business,
        MerchantApplication.monthly_volume,
        MerchantApplication.status,
        MerchantApplication.submitted_by,
        MerchantApplication.submitted_at,
    )
)


async def decide(
    application_id: int, decision: Literal["approved", "rejected"], *, by: str, reason: str | None, now: datetime
) -> bool:
    """Record an operator's decision; False where the application isn't pending."""
    return bool(await _DECIDE.run(id=application_id, status=decision, by=by, reason=reason, now=now))


_DECIDE = Command(
    MerchantApplication.update(
        {
            MerchantApplication.status: Param("status"),
            MerchantApplication.decided_by: Param("by"),
            MerchantApplication.decided_at: Param("now"),
            MerchantApplication.reason: Param("reason"),
        }
    ).where(MerchantApplication.id == Param("id"), MerchantApplication.status == "pending")
)

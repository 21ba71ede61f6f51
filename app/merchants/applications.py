"""How a business is let in: it tells what it is, an operator approves or rejects, and a rejected one may try again.

The merchant and its owner are there from the first application on, standing `pending`; approval is what opens the
rest. What was sent in is never changed, so that an operator decides on what they have read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from babel import Locale

from app.audit import service as audit
from app.core import database, names
from app.core.database import Row
from app.core.errors import ApiError, Code, invalid
from app.mail.letters import Kind, letter
from app.merchants import service
from app.merchants.members import Decider, Member, refuse_own_merchant, write_to_owners
from app.merchants.roles import Permission
from app.networks.registry import Networks

FIRST_SERVICE_FEE_BPS = 80
"""What a new merchant pays until an operator says otherwise (contract, section 3, the example)."""

MAX_PENDING = 3
"""Applications that one account may have waiting: operators read each of them."""

MAX_REASON_LENGTH = 500

MONTHLY_VOLUMES: Mapping[str, str] = MappingProxyType(
    {
        "under_10k": "Less than 10,000 USD",
        "10k_100k": "10,000 to 100,000 USD",
        "100k_1m": "100,000 to 1 million USD",
        "over_1m": "More than 1 million USD",
    }
)
"""What a business expects to take in a month."""

COUNTRIES: Mapping[str, str] = MappingProxyType(
    {
        code: name
        for code, name in sorted(Locale("en").territories.items(), key=lambda item: item[1])
        if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "QO", "UN", "XA", "XB", "ZZ")
    }
)
"""Countries and territories by their code in ISO 3166, in English; what CLDR has besides is left out."""

Status = Literal["pending", "approved", "rejected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a business tells. `name` is what its customers will read, `business` what it sells and to whom."""

    name: str
    legal_name: str
    country: str
    website: str
    business: str
    monthly_volume: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application as it was sent in, and what was said to it. `applicant` is a person's name and address."""

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


async def apply(facts: Facts, *, account_id: str, address: str | None, now: datetime) -> str:
    """A new merchant that waits for approval, owned by the account; its id. Raises INVALID_INPUT naming the field."""
    facts = _checked(facts)
    async with database.transaction():
        await database.execute("SELECT 1 FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id)
        waiting = await database.fetch_value(
            "SELECT count(*) FROM merchant_applications WHERE submitted_by = $1 AND status = 'pending'", account_id
        )
        if waiting >= MAX_PENDING:
            raise invalid("name", f"{MAX_PENDING} applications of yours are waiting already")
        merchant_id = await service.create(
            name=facts.name,
            service_fee_bps=FIRST_SERVICE_FEE_BPS,
            fee_payer="merchant",
            standing="pending",
            now=now,
        )
        await service.add_member(merchant_id, account_id, "owner", now)
        await _submit(merchant_id, facts, account_id, address, now)
    return merchant_id


async def apply_again(by: Member, facts: Facts, now: datetime) -> None:
    """Another application of a merchant that was rejected. Raises Forbidden, INVALID_INPUT."""
    by.require(Permission.APPLICATION_WRITE)
    facts = _checked(facts)
    async with database.transaction():
        row = await _lock(by.merchant_id)
        if row["status"] != "rejected":
            raise invalid("name", "the application is being looked at already")
        await database.execute(
            "UPDATE merchants SET status = 'pending', name = $2 WHERE id = $1", by.merchant_id, facts.name
        )
        await _submit(by.merchant_id, facts, by.account_id, by.address, now)


async def approve(application_id: int, networks: Networks, by: Decider, now: datetime) -> None:
    """Let the merchant in, with every asset enabled.

    Raises NOT_FOUND, INVALID_INPUT for one that is decided, DeedRefused for the operator's own.
    """
    async with database.transaction():
        merchant = await _decide(application_id, "approved", None, by, now)
        await service.enable_all_assets(merchant["id"], networks)
        approved = letter(
            Kind.MERCHANT,
            "Your merchant is approved",
            "{merchant} ({id}) is approved.\n\nYou can create API keys, take payments and ask for payouts now. Sign in"
            " and switch to test mode to try everything without real money.\n",
            ours={"id": merchant["id"]},
            merchant=merchant["name"],
        )
        await write_to_owners(merchant["id"], approved, now)


async def reject(application_id: int, reason: str, by: Decider, now: datetime) -> None:
    """Turn the application down; the merchant reads the reason and may apply again.

    Raises NOT_FOUND, INVALID_INPUT for one that is decided, or without a reason.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= MAX_REASON_LENGTH:
        raise invalid("reason", f"must have 1 to {MAX_REASON_LENGTH} characters")
    async with database.transaction():
        merchant = await _decide(application_id, "rejected", reason, by, now)
        rejected = letter(
            Kind.MERCHANT,
            "Your application was not approved",
            "Your application {id} was not approved. The reason given:\n{reason}\n\nYou can sign in, put right what is"
            " said there, and apply again.\n",
            ours={"id": merchant["id"], "reason": reason},
        )
        await write_to_owners(merchant["id"], rejected, now)


async def waiting(limit: int = 100) -> list[Application]:
    """Applications that wait for a decision, oldest first."""
    rows = await database.fetch_all(f"{_SELECT} WHERE a.status = 'pending' ORDER BY a.id LIMIT $1", limit)
    return [Application(**dict(row)) for row in rows]


async def get(application_id: int) -> Application | None:
    """One application, for operators."""
    row = await database.fetch_one(f"{_SELECT} WHERE a.id = $1", application_id)
    return None if row is None else Application(**dict(row))


async def of_merchant(merchant_id: str) -> list[Application]:
    """A merchant's applications, newest first. Each but the newest was rejected."""
    rows = await database.fetch_all(f"{_SELECT} WHERE a.merchant = $1 ORDER BY a.id DESC", merchant_id)
    return [Application(**dict(row)) for row in rows]


_SELECT = """
    SELECT a.id, a.merchant AS merchant_id, m.name AS merchant_name, a.legal_name, a.country, a.website, a.business,
        a.monthly_volume, a.status, p.name || ' <' || p.email || '>' AS applicant, a.submitted_at, a.decided_at,
        a.reason
    FROM merchant_applications a JOIN merchants m ON m.id = a.merchant JOIN accounts p ON p.id = a.submitted_by
    """


def _checked(facts: Facts) -> Facts:
    """The facts without surrounding space. Raises INVALID_INPUT naming the first field that is wrong."""
    checked = Facts(
        name=_words("name", facts.name, 100),
        legal_name=_words("legal_name", facts.legal_name, 200),
        country=facts.country.strip().upper(),
        website=_words("website", facts.website, 200),
        business=_text("business", facts.business, 20, 1000),
        monthly_volume=facts.monthly_volume,
    )
    names.refuse_address("name", checked.name)
    names.refuse_address("legal_name", checked.legal_name)
    if checked.country not in COUNTRIES:
        raise invalid("country", "choose the country where the business is registered")
    try:
        parts = urlsplit(checked.website)
    except ValueError:
        raise invalid("website", "must be an address such as https://example.com") from None
    if parts.scheme not in ("http", "https") or "." not in (parts.hostname or "") or "@" in parts.netloc:
        raise invalid("website", "must be an address such as https://example.com")
    if checked.monthly_volume not in MONTHLY_VOLUMES:
        raise invalid("monthly_volume", "choose what you expect")
    return checked


def _words(field: str, value: str, most: int) -> str:
    value = value.strip()
    if not 1 <= len(value) <= most or not value.isprintable():
        raise invalid(field, f"must have 1 to {most} characters, on one line")
    return value


def _text(field: str, value: str, least: int, most: int) -> str:
    value = value.replace("\r\n", "\n").strip()
    if not least <= len(value) <= most or not value.replace("\n", "").replace("\t", "").isprintable():
        raise invalid(field, f"must have {least} to {most} characters")
    return value


async def _submit(merchant_id: str, facts: Facts, account_id: str, address: str | None, now: datetime) -> None:
    await database.execute(
        """
        INSERT INTO merchant_applications
            (merchant, legal_name, country, website, business, monthly_volume, status, submitted_by, submitted_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8)
        """,
        merchant_id,
        facts.legal_name,
        facts.country,
        facts.website,
        facts.business,
        facts.monthly_volume,
        account_id,
        now,
    )
    await audit.record(
        actor=f"account:{account_id}",
        action="merchant.applied",
        subject=merchant_id,
        merchant_id=merchant_id,
        address=address,
        details={"name": facts.name, "legal_name": facts.legal_name, "country": facts.country},
        now=now,
    )


async def _lock(merchant_id: str) -> Row:
    row = await database.fetch_one("SELECT id, name, status FROM merchants WHERE id = $1 FOR UPDATE", merchant_id)
    if row is None:
        raise ApiError(Code.NOT_FOUND, "there is no such merchant")
    return row


async def _decide(
    application_id: int, decision: Literal["approved", "rejected"], reason: str | None, by: Decider, now: datetime
) -> Row:
    """Decide a pending application and move its merchant; the merchant. Two operators can't both decide."""
    merchant_id = await database.fetch_value("SELECT merchant FROM merchant_applications WHERE id = $1", application_id)
    if merchant_id is None:
        raise ApiError(Code.NOT_FOUND, "there is no such application")
    merchant = await _lock(merchant_id)
    if decision == "approved":
        await refuse_own_merchant(by, merchant_id, now)
    decided = await database.execute(
        """
        UPDATE merchant_applications SET status = $2, decided_by = $3, decided_at = $4, reason = $5
        WHERE id = $1 AND status = 'pending'
        """,
        application_id,
        decision,
        by.actor,
        now,
        reason,
    )
    if not decided or merchant["status"] != "pending":
        raise invalid("application", "was decided already")
    await database.execute("UPDATE merchants SET status = $2 WHERE id = $1", merchant_id, decision)
    await audit.record(
        actor=by.actor,
        action=f"merchant.{decision}",
        subject=merchant_id,
        merchant_id=merchant_id,
        address=by.address,
        details={"application": application_id} | ({} if reason is None else {"reason": reason}),
        now=now,
    )
    return merchant

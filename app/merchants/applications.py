"""Applications of businesses: an operator approves or rejects each, and a rejected business may apply again.

The first application creates the merchant, `pending`, and its owner. Whoever wants to try test mode first gives only a
name, and applies later. An application is never changed, so that an operator decides on what they have read.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from unicodedata import combining, normalize
from urllib.parse import urlsplit

from babel import Locale

from app.audit import service as audit
from app.core import database, names
from app.core.errors import ApiError, Code, Problems, invalid
from app.mail.letters import Kind, letter
from app.merchants import applications_repository, repository, service
from app.merchants.applications_repository import Application, Facts
from app.merchants.members import Decider, Member, refuse_own_merchant, write_to_owners
from app.merchants.repository import MerchantRow
from app.merchants.roles import Permission
from app.networks.registry import Networks

FIRST_SERVICE_FEE_BPS = 80
"""The fee of a new merchant until an operator changes it (contract, section 3, the example)."""

MAX_PENDING = 3
"""Applications that one account may have waiting: operators read each of them."""

MAX_UNDECIDED = 5
"""Merchants that wait for approval, with an application or without, that one account may own."""

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


def _for_readers(name: str) -> str:
    """A key that sorts letters with accents among those without, as readers look for them: Å with A."""
    return "".join(one for one in normalize("NFKD", name) if not combining(one)).casefold()


COUNTRIES: Mapping[str, str] = MappingProxyType(
    {
        code: name
        for code, name in sorted(Locale("en").territories.items(), key=lambda item: _for_readers(item[1]))
        if len(code) == 2 and code.isalpha() and code not in ("EU", "EZ", "QO", "UN", "XA", "XB", "ZZ")
    }
)
"""Countries and territories by their code in ISO 3166, in English; other entries of CLDR are left out."""


async def apply(facts: Facts, networks: Networks, *, account_id: str, address: str | None, now: datetime) -> str:
    """Create a merchant that waits for approval, owned by the account; its test mode is open. Returns its id. Raises
    INVALID_INPUT."""
    facts = checked(facts)
    async with database.transaction():
        await applications_repository.lock_applicant(account_id)
        waiting = await applications_repository.count_pending(account_id)
        if waiting >= MAX_PENDING:
            raise invalid("name", f"{MAX_PENDING} applications of yours are waiting already")
        merchant_id = await _create(facts.name, networks, account_id, now)
        await _submit(merchant_id, facts, account_id, address, now)
    return merchant_id


async def try_out(name: str, networks: Networks, *, account_id: str, address: str | None, now: datetime) -> str:
    """Create a merchant without an application: test mode is open, live mode needs an application. Returns its id.
    Raises INVALID_INPUT."""
    name = _words("name", name, 100)
    names.refuse_address("name", name)
    async with database.transaction():
        await applications_repository.lock_applicant(account_id)
        merchant_id = await _create(name, networks, account_id, now)
        await audit.record(
            actor=f"account:{account_id}",
            action="merchant.tried",
            subject=merchant_id,
            merchant_id=merchant_id,
            address=address,
            details={"name": name},
            now=now,
        )
    return merchant_id


async def _create(name: str, networks: Networks, account_id: str, now: datetime) -> str:
    """A pending merchant with its owner and the assets of test mode, in the caller's transaction."""
    if await applications_repository.count_undecided(account_id) >= MAX_UNDECIDED:
        raise invalid("name", f"{MAX_UNDECIDED} merchants of yours wait for approval already")
    merchant_id = await service.create(
        name=name, service_fee_bps=FIRST_SERVICE_FEE_BPS, fee_payer="merchant", standing="pending", now=now
    )
    await service.add_member(merchant_id, account_id, "owner", now)
    await service.enable_test_assets(merchant_id, networks)
    return merchant_id


async def apply_again(by: Member, facts: Facts, now: datetime) -> None:
    """Submit an application for a merchant that has none yet, or whose last one was rejected. Raises Forbidden,
    INVALID_INPUT."""
    by.require(Permission.APPLICATION_WRITE)
    facts = checked(facts)
    async with database.transaction():
        row = await service.lock(by.merchant_id)
        is_first = row.status == "pending" and not await applications_repository.of_merchant(by.merchant_id)
        if row.status != "rejected" and not is_first:
            raise invalid("name", "the application is already being reviewed")
        await repository.reapply(by.merchant_id, facts.name)
        await _submit(by.merchant_id, facts, by.account_id, by.address, now)


async def approve(application_id: int, networks: Networks, by: Decider, now: datetime, *, public_url: str) -> None:
    """Approve the merchant and enable every asset. The email to its owners links to its pages below `public_url`.

    Raises NOT_FOUND, INVALID_INPUT for one that is decided, ActionRefused for the operator's own.
    """
    async with database.transaction():
        merchant = await _decide(application_id, "approved", None, by, now)
        await service.enable_all_assets(merchant.id, networks)
        approved = letter(
            Kind.MERCHANT,
            "Your merchant is approved",
            "{merchant} ({id}) is approved.\n\nYou can create API keys, take payments and ask for payouts now:\n{link}"
            "\n\nIn test mode you can try everything without real money.\n",
            ours={"id": merchant.id, "link": f"{public_url}/cabinet/{merchant.id}/live"},
            merchant=merchant.name,
        )
        await write_to_owners(merchant.id, approved, now)


async def reject(application_id: int, reason: str, by: Decider, now: datetime, *, public_url: str) -> None:
    """Reject the application; the merchant reads the reason and may apply again. The email links to the form for that.

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
            "Your application {id} was not approved. The reason given:\n{reason}\n\nYou can correct what the reason"
            " names, and apply again:\n{link}\n",
            ours={
                "id": merchant.id,
                "reason": reason,
                "link": f"{public_url}/cabinet/{merchant.id}/live/application",
            },
        )
        await write_to_owners(merchant.id, rejected, now)


async def waiting(limit: int = 100) -> list[Application]:
    """Applications that wait for a decision, oldest first."""
    return await applications_repository.pending(limit)


async def get(application_id: int) -> Application | None:
    """One application, for operators."""
    return await applications_repository.find(application_id)


async def of_merchant(merchant_id: str) -> list[Application]:
    """A merchant's applications, newest first. Each but the newest was rejected."""
    return await applications_repository.of_merchant(merchant_id)


def checked(facts: Facts) -> Facts:
    """The facts without surrounding space. Raises INVALID_INPUT, with all that is wrong."""
    country, problems = facts.country.strip().upper(), Problems()
    with problems.gathered():
        name = _name("name", facts.name, 100)
    with problems.gathered():
        legal_name = _name("legal_name", facts.legal_name, 200)
    with problems.gathered():
        if country not in COUNTRIES:
            raise invalid("country", "choose the country where the business is registered")
    with problems.gathered():
        website = _website(facts.website)
    with problems.gathered():
        business = _text("business", facts.business, 20, 1000)
    with problems.gathered():
        if facts.monthly_volume not in MONTHLY_VOLUMES:
            raise invalid("monthly_volume", "choose what you expect")
    problems.refuse()
    return Facts(
        name=name,
        legal_name=legal_name,
        country=country,
        website=website,
        business=business,
        monthly_volume=facts.monthly_volume,
    )


def _name(field: str, value: str, most: int) -> str:
    name = _words(field, value, most)
    names.refuse_address(field, name)
    return name


def _website(value: str) -> str:
    website = _words("website", value, 200)
    try:
        parts = urlsplit(website)
    except ValueError:
        raise invalid("website", "must be an address such as https://example.com") from None
    if parts.scheme not in ("http", "https") or "." not in (parts.hostname or "") or "@" in parts.netloc:
        raise invalid("website", "must be an address such as https://example.com")
    return website


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
    await applications_repository.add(merchant_id, facts, account_id, now)
    await audit.record(
        actor=f"account:{account_id}",
        action="merchant.applied",
        subject=merchant_id,
        merchant_id=merchant_id,
        address=address,
        details={"name": facts.name, "legal_name": facts.legal_name, "country": facts.country},
        now=now,
    )


async def _decide(
    application_id: int, decision: Literal["approved", "rejected"], reason: str | None, by: Decider, now: datetime
) -> MerchantRow:
    """Decide a pending application and move its merchant; the merchant. Two operators can't both decide."""
    merchant_id = await applications_repository.merchant_of(application_id)
    if merchant_id is None:
        raise ApiError(Code.NOT_FOUND, "there is no such application")
    merchant = await service.lock(merchant_id)
    if decision == "approved":
        await refuse_own_merchant(by, merchant_id, now)
    decided = await applications_repository.decide(application_id, decision, by=by.actor, reason=reason, now=now)
    if not decided or merchant.status != "pending":
        raise invalid("application", "was decided already")
    await repository.set_status(merchant_id, decision)
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

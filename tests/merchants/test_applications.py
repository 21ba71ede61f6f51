"""An application is approved, rejected, and approved after a second try."""

import asyncio
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from app.core import clock, database, ids
from app.core.errors import ApiError, Forbidden
from app.merchants import applications
from app.merchants.applications_repository import Facts
from app.merchants.repository import enabled_assets
from app.wiring import Services
from tests.factories.letters import letters
from tests.factories.merchants import make_member, merchant
from tests.merchants.people import current_member, new_member

FACTS = Facts(
    name="Harbour & Pine",
    legal_name="Harbour & Pine GmbH",
    country="DE",
    website="https://harbour-pine.example",
    business="Linen shirts and oak trays, to people at home.",
    monthly_volume="10k_100k",
)


URL = "https://pay.example.test"


@dataclass(frozen=True)
class Staff:
    actor: str = "account:ACC-STAFF00000"
    address: str | None = "192.0.2.99"


async def person(email: str = "mara@example.test") -> str:
    """An account that belongs to no merchant."""
    elsewhere = await merchant(name="Elsewhere")
    account_id = await make_member(merchant_id=elsewhere, role="viewer", email=email, now=clock.now())
    await database.execute("DELETE FROM memberships WHERE account = $1", account_id)
    return account_id


async def applied(services: Services, account_id: str, facts: Facts = FACTS) -> str:
    return await applications.apply(
        facts, services.networks, account_id=account_id, address="192.0.2.7", now=clock.now()
    )


async def recorded_actions(merchant_id: str) -> list[str]:
    rows = await database.fetch_all("SELECT action FROM audit_entries WHERE merchant_id = $1 ORDER BY id", merchant_id)
    return [row["action"] for row in rows]


async def test_applicant_owns_a_merchant_that_waits(services: Services) -> None:
    account_id = await person()
    merchant_id = await applied(services, account_id)
    owner = await current_member(account_id, merchant_id)
    assert (owner.role, owner.standing) == ("owner", "pending")
    (waiting,) = await applications.waiting()
    assert (waiting.merchant_name, waiting.legal_name) == ("Harbour & Pine", "Harbour & Pine GmbH")
    assert {one.asset for one in await enabled_assets(merchant_id, "test")} == {"USDT", "ETH"}
    assert await enabled_assets(merchant_id, "live") == []


async def test_test_mode_is_open_without_an_application_and_live_mode_is_not(services: Services) -> None:
    account_id = await person()
    merchant_id = await applications.try_out(
        " Harbour ", services.networks, account_id=account_id, address=None, now=clock.now()
    )
    owner = await current_member(account_id, merchant_id)
    assert (owner.merchant_name, owner.standing) == ("Harbour", "pending")
    assert {one.asset for one in await enabled_assets(merchant_id, "test")} == {"USDT", "ETH"}
    assert await applications.waiting() == []  # operators have nothing to read
    await applications.apply_again(owner, FACTS, clock.now())
    (waiting,) = await applications.waiting()
    assert waiting.merchant_name == "Harbour & Pine"
    with pytest.raises(ApiError, match="already being reviewed"):
        await applications.apply_again(owner, FACTS, clock.now())
    assert await recorded_actions(merchant_id) == ["merchant.tried", "merchant.applied"]


async def test_an_account_starts_a_few_merchants_and_no_more(services: Services) -> None:
    account_id = await person()

    async def start() -> str:
        return await applications.try_out(
            "Harbour", services.networks, account_id=account_id, address=None, now=clock.now()
        )

    for _ in range(applications.MAX_UNDECIDED):
        await start()
    with pytest.raises(ApiError, match="wait for approval already"):
        await start()


async def test_approval_allows_everything_and_notifies_the_owner(services: Services) -> None:
    account_id = await person()
    merchant_id = await applied(services, account_id)
    (waiting,) = await applications.waiting()
    await applications.approve(waiting.id, services.networks, Staff(), clock.now(), public_url=URL)
    assert (await current_member(account_id, merchant_id)).standing == "approved"
    assert {one.asset for one in await enabled_assets(merchant_id, "test")} == {"USDT", "ETH"}
    (letter,) = await letters()
    assert letter.recipient == "mara@example.test"
    assert f"{URL}/cabinet/{merchant_id}/live" in letter.body
    assert await recorded_actions(merchant_id) == ["merchant.applied", "merchant.approved"]


async def test_a_rejected_applicant_sees_the_reason_and_may_apply_again(services: Services) -> None:
    account_id = await person()
    merchant_id = await applied(services, account_id)
    (waiting,) = await applications.waiting()
    await applications.reject(waiting.id, "The website shows no imprint.", Staff(), clock.now(), public_url=URL)
    owner = await current_member(account_id, merchant_id)
    assert owner.standing == "rejected"
    assert "no imprint" in (await letters())[0].body
    await applications.apply_again(owner, replace(FACTS, name="Harbour"), clock.now())
    newest, first = await applications.of_merchant(merchant_id)
    assert (newest.status, first.status, first.reason) == ("pending", "rejected", "The website shows no imprint.")
    assert newest.merchant_name == "Harbour"


async def test_two_operators_decide_once(services: Services) -> None:
    await applied(services, await person())
    (waiting,) = await applications.waiting()

    async def approve() -> bool:
        try:
            await applications.approve(waiting.id, services.networks, Staff(), clock.now(), public_url=URL)
        except ApiError:
            return False
        return True

    assert sorted(await asyncio.gather(*[approve() for _ in range(5)])) == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "Two\nlines"),
        ("country", "XX"),
        ("website", "javascript:alert(1)"),
        ("website", "https://user@host.example"),
        ("business", "too short"),
        ("monthly_volume", "a lot"),
    ],
)
async def test_an_invalid_field_is_named(services: Services, field: str, value: str) -> None:
    with pytest.raises(ApiError, match=f"^INVALID_INPUT: {field}:"):
        await applied(services, ids.new_id(ids.ACCOUNT), replace(FACTS, **{field: value}))


async def test_applications_are_limited(services: Services) -> None:
    account_id = await person()
    for _ in range(applications.MAX_PENDING):
        await applied(services, account_id)
    with pytest.raises(ApiError, match="waiting already"):
        await applied(services, account_id)


async def test_only_owners_and_admins_apply_again(db: str) -> None:
    viewer = await new_member(await merchant(status="rejected"), "viewer")
    with pytest.raises(Forbidden):
        await applications.apply_again(viewer, FACTS, clock.now())

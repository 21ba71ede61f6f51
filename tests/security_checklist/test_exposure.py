"""Which of a merchant's secrets a person knows, and their rotation."""

from datetime import timedelta

import pytest

from app.api_keys import administration
from app.core import clock, database
from app.core.errors import ApiError, Forbidden
from app.core.outbound import OutboundClient, build_ssl_context
from app.core.settings import Settings
from app.merchants import team
from app.merchants.members import Member
from app.security_checklist import exposure
from app.webhooks.administration import EndpointAdministration
from app.webhooks.service import Actor
from app.webhooks.service import create_endpoint as create_by_api
from app.wiring import Services
from tests.factories.merchants import takes
from tests.factories.withdrawals import fund, payout
from tests.merchants.people import new_member, owner_of

URL = "https://93.184.216.34/hook"


def endpoints(by: Member, settings: Settings, outbound: OutboundClient) -> dict[str, EndpointAdministration]:
    return {mode: EndpointAdministration(by, mode, settings.data_keys, outbound) for mode in ("live", "test")}


@pytest.fixture
def outbound() -> OutboundClient:
    return OutboundClient(ssl_context=build_ssl_context(None), allow_networks=())


async def issue(by: Member, settings: Settings, name: str, *scopes: str) -> str:
    key, _ = await administration.issue(
        by,
        settings.api_key_peppers,
        mode="test",
        name=name,
        scopes=scopes or ("invoices.read",),
        allowlist=[],
        rate_limit_per_minute=60,
        expires_at=None,
        now=clock.now(),
    )
    return key.id


async def exposed(by: Member, account_id: str) -> list[tuple[str, str]]:
    found = await exposure.seen_by(by, account_id, clock.now())
    return sorted((one.secret.name, one.how) for one in found)


async def test_a_person_knows_the_secrets_they_created_revealed_or_received(
    db: str, valkey: str, settings: Settings, outbound: OutboundClient
) -> None:
    owner = await owner_of()
    developer = await new_member(owner.merchant_id, "developer")
    key_id = await issue(developer, settings, "shop", "webhooks.write")
    await issue(owner, settings, "owner's own")
    mine = await endpoints(owner, settings, outbound)["test"].create(url=URL, description="", event_types=[])
    assert await exposed(owner, developer.account_id) == [("shop", "made")]
    await endpoints(developer, settings, outbound)["test"].reveal_secret(mine.endpoint.id)
    await create_by_api(
        merchant_id=owner.merchant_id,
        mode="test",
        url=f"{URL}/2",
        description="",
        event_types=[],
        actor=Actor(f"api_key:{key_id}", "192.0.2.50"),
        outbound=outbound,
        keys=settings.data_keys,
    )
    expected = [(URL, "revealed"), (f"{URL}/2", "with_a_key"), ("shop", "made")]
    assert await exposed(owner, developer.account_id) == expected


async def test_a_persons_pending_requests_are_listed(services: Services) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    await takes(owner.merchant_id, "USDT")
    await fund(owner.merchant_id, 100_000_000)
    key_id = await issue(admin, services.settings, "till", "payouts.write")
    own = await payout(services, owner.merchant_id, requested_by=admin.actor)
    by_key = await payout(services, owner.merchant_id, requested_by=f"api_key:{key_id}")
    cancelled = await payout(services, owner.merchant_id, requested_by=admin.actor)
    await services.payouts.cancel_by(owner, "test", cancelled.id, clock.now())
    await payout(services, owner.merchant_id, requested_by=owner.actor)
    await team.remove(owner, admin.account_id, clock.now())
    found = await exposure.requests_of(owner, admin.account_id)
    assert {one.id for one in found} == {own.id, by_key.id}


async def test_rotation_ends_all_secrets_that_a_removed_member_knows(
    db: str, valkey: str, settings: Settings, outbound: OutboundClient
) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    await issue(admin, settings, "till", "payouts.write")
    await endpoints(admin, settings, outbound)["live"].create(url=URL, description="", event_types=[])
    await team.remove(owner, admin.account_id, clock.now())
    found = await exposure.seen_by(owner, admin.account_id, clock.now())
    rotated = await exposure.rotate(
        owner,
        [(one.secret.kind, one.secret.id) for one in found],
        grace_hours=0,
        peppers=settings.api_key_peppers,
        endpoints=endpoints(owner, settings, outbound),  # type: ignore[arg-type]
        now=clock.now(),
    )
    assert {one.kind for one in rotated} == {"api_key", "webhook"}
    assert {one.value[:6] for one in rotated} == {"sspay_", "whsec_"}
    assert await exposed(owner, admin.account_id) == []
    assert len(await exposed(owner, owner.account_id)) == 2


async def test_an_old_secret_counts_while_its_grace_lasts(db: str, settings: Settings, steady_clock: None) -> None:
    owner = await owner_of()
    developer = await new_member(owner.merchant_id, "developer")
    key_id = await issue(developer, settings, "shop")
    peppers, now = settings.api_key_peppers, clock.now()
    await administration.rotate(owner, peppers, mode="test", key_id=key_id, grace_hours=24, now=now)
    assert await exposed(owner, developer.account_id) == [("shop", "made")]
    clock.shift(timedelta(hours=24, seconds=1))
    assert await exposed(owner, developer.account_id) == []


async def test_all_or_none_and_none_of_a_foreign_merchants(
    db: str, valkey: str, settings: Settings, outbound: OutboundClient
) -> None:
    owner, foreign = await owner_of(), await owner_of("Foreign")
    own_id, foreign_id = await issue(owner, settings, "own"), await issue(foreign, settings, "theirs")
    before = await database.fetch_all("SELECT id, secret_hash FROM api_keys ORDER BY id")
    with pytest.raises(ApiError, match="no such secret"):
        await exposure.rotate(
            owner,
            [("api_key", own_id), ("api_key", foreign_id)],
            grace_hours=0,
            peppers=settings.api_key_peppers,
            endpoints=endpoints(owner, settings, outbound),  # type: ignore[arg-type]
            now=clock.now(),
        )
    assert await database.fetch_all("SELECT id, secret_hash FROM api_keys ORDER BY id") == before


async def test_a_developer_makes_and_rotates_no_key_that_moves_money(db: str, settings: Settings) -> None:
    owner = await owner_of()
    developer = await new_member(owner.merchant_id, "developer")
    with pytest.raises(Forbidden):
        await issue(developer, settings, "till", "payouts.write")
    key_id = await issue(owner, settings, "till", "refunds.write")
    with pytest.raises(Forbidden):
        await administration.rotate(
            developer, settings.api_key_peppers, mode="test", key_id=key_id, grace_hours=0, now=clock.now()
        )
    await administration.revoke(developer, mode="test", key_id=key_id, now=clock.now())
